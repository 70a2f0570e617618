/** What keys do to a view. Each gives the move that a key means, or undefined. */

function plain({ ctrlKey, altKey, metaKey }) {
  return !(ctrlKey || altKey || metaKey);
}

/** Keys that mean the same wherever the focus is. @param {import("./view.js").View} view */
export function anywhere(event, view, now, ended) {
  if (!plain(event)) return undefined;
  const moves = {
    // Of a session that is over there is nothing to pause.
    " ": () => ended || event.repeat || view.toggle(now),
    "+": () => view.step(-1, now),
    "=": () => view.step(-1, now),
    "-": () => view.step(1, now),
  };
  return moves[event.key];
}

/** Keys on the timeline itself: those, and what moves the cursor. */
export function onTimeline(event, view, now, ended) {
  if (!plain(event)) return undefined;
  const at = view.cursorMs ?? view.endMs ?? now;
  const step = Math.max(250, Math.min(view.spanMs, now) / (event.shiftKey ? 12 : 120));
  const moves = {
    ArrowLeft: () => view.point(at - step, now),
    ArrowRight: () => view.point(at + step, now),
    PageUp: () => view.point(at - 60 * step, now),
    PageDown: () => view.point(at + 60 * step, now),
    Home: () => view.point(0, now),
    End: () => toEnd(view, now, ended),
    Escape: () => (view.cursorMs = null),
  };
  return moves[event.key] ?? anywhere(event, view, now, ended);
}

function toEnd(view, now, ended) {
  view.follow();
  if (ended) view.point(now, now);
}
