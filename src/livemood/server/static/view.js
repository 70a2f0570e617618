/** How long a stretch may be shown, in ms. */
export const SPANS = [15_000, 60_000, 120_000, 600_000, Infinity];
const USUAL_MS = 120_000;
/** No view is shorter, however young the session. */
const SHORTEST_MS = 15_000;
/** A longer view moves in steps, of at most one in so many parts of it. */
const SMOOTH_MS = 120_000;
const PARTS = 64;

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
    /** Whether the session is over. */
    this.ended = false;
  }

  get live() {
    return this.endMs === null;
  }

  /**
   * Begin and end of what is shown when the session has come to `now`; it grows with a young one.
   * A long view that follows stands still for a while and then moves on by a step, so that what
   * was drawn stays where it is, and only what came is drawn.
   */
  range(now) {
    const end = this.endMs ?? this.#ahead(now);
    const shown = Math.min(this.spanMs, Math.max(end, SHORTEST_MS));
    const last = Math.max(end, shown);
    return [last - shown, last];
  }

  /** Of a session that ended all is shown, as its summary speaks of all, unless the reader chose. */
  settle(ended) {
    this.ended = ended;
    if (!this.chosen && this.live) this.spanMs = ended ? Infinity : USUAL_MS;
  }

  pause(now) {
    this.endMs = now;
  }

  /** Pause, or follow again. */
  toggle(now) {
    if (this.live) this.pause(now);
    else this.follow();
  }

  follow() {
    this.endMs = null;
    this.cursorMs = null;
  }

  /** Show as much as `spanMs`, about the cursor if there is one. */
  zoom(spanMs, now) {
    if (this.cursorMs !== null && this.endMs !== null && spanMs !== Infinity) {
      this.endMs = this.#within(this.cursorMs + spanMs / 2, spanMs, now);
    }
    this.spanMs = spanMs;
    this.chosen = true;
  }

  /** Show more, or less with a negative `by`. */
  step(by, now) {
    const at = SPANS.findIndex((ms) => ms >= this.spanMs) + by;
    this.zoom(SPANS[Math.max(0, Math.min(SPANS.length - 1, at))], now);
  }

  /** Let the view end at `ms`; where it reaches what comes, it follows that. */
  slide(ms, now) {
    if (now <= this.spanMs) return;
    const end = Math.max(this.spanMs, ms);
    this.endMs = end >= now ? null : end;
  }

  /** Move the cursor to `ms`, and what is shown with it if it leaves that. */
  point(ms, now) {
    this.cursorMs = Math.max(0, Math.min(now, ms));
    const [start, end] = this.range(now);
    if (this.cursorMs >= start && this.cursorMs <= end) return;
    const last = this.cursorMs < start ? this.cursorMs + this.spanMs : this.cursorMs;
    this.endMs = this.#within(last, this.spanMs, now);
  }

  /** Where a view that follows ends: at `now`, or at the end of a long view's step. */
  #ahead(now) {
    const shown = Math.min(this.spanMs, now);
    if (shown <= SMOOTH_MS || this.ended) return now;
    const step = 1000 * 2 ** Math.floor(Math.log2(shown / PARTS / 1000));
    return Math.ceil(now / step) * step;
  }

  /** An end that leaves no room empty before the beginning, nor after `now`. */
  #within(ms, spanMs, now) {
    return Math.min(now, Math.max(spanMs, ms));
  }
}
