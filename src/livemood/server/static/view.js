const WIDTHS = [30_000, 60_000, 120_000, 300_000, 600_000];

/** Which part of the session is shown: how long a stretch, up to where, and the cursor in it. */
export class View {
  constructor() {
    /** Length of what is shown in ms; Infinity for the whole session. */
    this.spanMs = 120_000;
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
    if (this.spanMs === Infinity) return [0, Math.max(end, WIDTHS[0])];
    // A young session fills the view from the left, and the view widens as it grows.
    const span = Math.min(this.spanMs, WIDTHS.find((ms) => ms >= now) ?? this.spanMs);
    const last = Math.max(end, span);
    return [last - span, last];
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
