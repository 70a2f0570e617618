/** Who speaks how much. Pure: stretches of speech and the time. */

/**
 * @param {{speech: {start: number, end: ?number}[]}[]} channels
 * @returns {{spoken: number[], bothMs: number}} Speech of each channel, and the time in which more
 *   than one speaks, in ms.
 */
export function talkOf(channels, now) {
  const edges = [];
  const spoken = channels.map(({ speech }) => {
    let sum = 0;
    for (const { start, end } of speech) {
      const until = Math.max(start, end ?? now);
      sum += until - start;
      edges.push([start, 1], [until, -1]);
    }
    return sum;
  });
  edges.sort(([a], [b]) => a - b);
  let bothMs = 0;
  let speaking = 0;
  let from = 0;
  for (const [ms, change] of edges) {
    if (speaking > 1) bothMs += ms - from;
    speaking += change;
    from = ms;
  }
  return { spoken, bothMs };
}
