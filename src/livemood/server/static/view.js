const USUAL_MS = 120_000;
/** A whole session is shown as at least so long. */
const SHORTEST_MS = 10_000;

/** Which part of the session is shown: how long a stretch, up to where, and the cursor in it. */
export class View {
  constructor() {
    /** Length of what is shown in ms; Infinity for the whole session. */
    this.spanMs = USUAL_MS;
    /** Whether the reader chose how much is shown. */
    this.chosen = false;
    /** Where it ends; null follows what comes. */
    this.endMs = null;
    /** Time whose values are shown; null for none. */
    this.cursorMs = null;
  }

  get live() {
    return this.endMs === null;
  }

  /** Begin and end of what is shown when the session has come to `now`. */
  range(now) {
    const end = this.endMs ?? now;
    if (this.spanMs === Infinity) return [0, Math.max(end, SHORTEST_MS)];
    // A young session fills the view from the left.
    const last = Math.max(end, this.spanMs);
    return [last - this.spanMs, last];
  }

  /** Of a session that ended all is shown, as its summary speaks of all, unless the reader chose. */
  settle(ended) {
    if (!this.chosen && this.live) this.spanMs = ended ? Infinity : USUAL_MS;
  }

  pause(now) {
    this.endMs = now;
  }

  follow() {
    this.endMs = null;
    this.cursorMs = null;
  }

  /** Show as much as `spanMs`, about the cursor if there is one. */
  zoom(spanMs, now) {
    if (this.cursorMs !== null && this.endMs !== null && spanMs !== Infinity) {
      this.endMs = Math.min(now, this.cursorMs + spanMs / 2);
    }
    this.spanMs = spanMs;
    this.chosen = true;
  }

  /** Move the cursor to `ms`, and what is shown with it if it leaves that. */
  point(ms, now) {
    this.cursorMs = Math.max(0, Math.min(now, ms));
    const [start, end] = this.range(now);
    if (this.cursorMs >= start && this.cursorMs <= end) return;
    if (this.cursorMs < start) this.endMs = this.cursorMs + this.spanMs;
    else this.endMs = this.cursorMs;
    this.endMs = Math.min(now, this.endMs);
  }
}
