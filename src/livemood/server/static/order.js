/** In which order sessions are listed. Pure. */

/** The valence of the one who sounds worst in a live session; silence and others come after all. */
function worst({ state, moods = [] }) {
  if (state !== "live") return Infinity;
  return Math.min(10, ...moods.filter(Boolean).map(({ valence }) => valence));
}

/**
 * @param {object[]} sessions Newest first, as the server gives them.
 * @param {"worst"|"newest"} order
 * @param {string[]} [held] Ids in an order that is to stay: somebody points at one of them.
 */
export function ordered(sessions, order, held = []) {
  const found = order === "worst" ? sessions.toSorted((a, b) => worst(a) - worst(b) || 0) : sessions;
  if (!held.length) return found;
  const place = new Map(held.map((id, n) => [id, n]));
  return found.toSorted((a, b) => (place.get(a.id) ?? Infinity) - (place.get(b.id) ?? Infinity) || 0);
}
