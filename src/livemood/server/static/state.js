/** How somebody sounds now, and since when. Pure: what is known of a channel, and the time. */

/** The same label before and after a pause no longer than this goes on. */
const PAUSE_MS = 5000;
/** A trend compares the mean of so long with that of as long as `BEFORE_MS` before it. */
const RECENT_MS = 4000;
const BEFORE_MS = 10_000;
const FEWEST = 4;
/** How much a mean probability must change to count. */
const CHANGE = 0.08;

/**
 * @typedef {object} State
 * @property {"nothing"|"unread"|"hearing"|"speaking"|"silent"|"unknown"|"ended"} kind `unread`:
 *   left out, as the owner asked; `hearing`: somebody speaks and nothing is read of it yet; `unknown`: the connection broke; `ended`: of the whole
 *   session.
 * @property {?object} said What is shown as current: label, share, probabilities, valence and
 *   arousal. Null where nothing is: in silence, without a connection.
 * @property {?{label: string, ms: number}} last The newest reading, where it is not current.
 * @property {?number} forMs Since when the label has been said, or nobody has spoken.
 * @property {boolean} paused Whether that includes pauses.
 * @property {""|"rising"|"falling"|"steady"} trend Of the label's probability.
 */

/** @returns {State} */
export function stateOf(channel, now, { ended = null, connected = true } = {}) {
  const { emotion, speaking, fresh, speech } = channel;
  const last = emotion && { label: emotion.label, ms: emotion.end_ms };
  const state = { kind: "nothing", said: null, last, forMs: null, paused: false, trend: "" };
  if (channel.unread) return { ...state, kind: "unread" };
  if (ended) return { ...state, ...whole(ended.summary[channel.number]?.session) };
  if (!connected) return { ...state, kind: emotion ? "unknown" : "nothing" };
  if (!speaking) {
    if (!speech.length) return state;
    return { ...state, kind: "silent", forMs: Math.max(0, now - speech.at(-1).end) };
  }
  if (!emotion || fresh) return { ...state, kind: "hearing" };
  const said = { ...emotion, share: emotion.confidence };
  const begin = sinceOf(channel);
  const [forMs, paused] = [Math.max(0, now - begin), begin < speech.at(-1)?.start];
  return { ...state, kind: "speaking", said, last: null, forMs, paused, trend: trendOf(channel) };
}

/** Of a session that ended: its summary. Shares stand for probabilities: one number for one thing. */
function whole(summary) {
  if (!summary?.dominant) return { last: null };
  const { dominant: label, shares, valence, arousal } = summary;
  const said = { label, share: shares[label], probabilities: shares, valence, arousal };
  return { kind: "ended", said, last: null };
}

/** Where the label that is said now began, short pauses included; in ms. */
export function sinceOf({ segments, emotion, since }) {
  let begin = since;
  for (let i = segments.length - 1; i >= 0; i--) {
    const { label, start, end } = segments[i];
    if (label !== emotion.label || begin - end > PAUSE_MS) break;
    begin = start;
  }
  return begin;
}

/** Whether the label that is said now becomes likelier; "" where too little is known. */
export function trendOf({ raw, labels, emotion }) {
  const at = labels.indexOf(emotion.label);
  if (at < 0) return "";
  const sums = [0, 0];
  const counts = [0, 0];
  for (let i = raw.length - 1; i >= 0; i--) {
    const age = emotion.end_ms - raw[i].ms;
    if (age > RECENT_MS + BEFORE_MS) break;
    const part = age <= RECENT_MS ? 0 : 1;
    sums[part] += raw[i].values[at];
    counts[part] += 1;
  }
  if (Math.min(...counts) < FEWEST) return "";
  const change = sums[0] / counts[0] - sums[1] / counts[1];
  if (Math.abs(change) < CHANGE) return "steady";
  return change > 0 ? "rising" : "falling";
}
