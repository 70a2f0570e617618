/** The one cursor of the page: pointing at a canvas, and the box that says what is there. */
import { described, snapped } from "./cursor.js";
import { el, set } from "./dom.js";
import { alertWords, clock, t } from "./text.js";

/** A pointer this near to a reading means it. */
const REACH_PX = 24;

export class Pointing {
  /**
   * @param {HTMLCanvasElement} canvas Of the timeline; the slider's value is set on it.
   * @param {HTMLElement} tip
   * @param {import("./view.js").View} view
   */
  constructor(canvas, tip, view) {
    this.canvas = canvas;
    this.tip = tip;
    this.view = view;
    /** Whether the box is shown: somebody points, or the canvas has the focus. */
    this.pointed = false;
    /** The cursor that the slider's value was set for last. */
    this.told = undefined;
    /** What was said last, so that it is not laid out anew. */
    this.shown = "";
  }

  /** Let pointers on the canvas of a plot move the cursor. @param {() => object} plot */
  listen(canvas, plot, channels, touched) {
    const { view } = this;
    canvas.addEventListener("pointermove", ({ offsetX }) => {
      const { range, until, width } = plot();
      const ms = plot().timeAt(offsetX);
      const reach = (REACH_PX * (range[1] - range[0])) / width;
      const there = ms >= 0 && ms <= until + reach;
      view.cursorMs = there ? snapped(channels(), Math.min(ms, until), reach, until) : null;
      this.pointed = true;
      touched();
    });
    for (const leaving of ["pointerleave", "blur"]) {
      canvas.addEventListener(leaving, () => {
        if (leaving === "pointerleave" && document.activeElement === canvas) return;
        view.cursorMs = null;
        this.pointed = false;
        touched();
      });
    }
    canvas.addEventListener("focus", () => (this.pointed = true));
  }

  /**
   * What there is at the cursor: in a box for those who see, as the slider's value for all. The
   * value stays where it was until somebody moves the cursor.
   */
  draw(plot, store, now, who) {
    const { canvas, tip, view } = this;
    const ms = view.cursorMs;
    tip.hidden = ms === null || !this.pointed;
    if (ms !== this.told) {
      this.told = ms;
      set(canvas, "aria-valuemax", String(Math.round(now / 1000)));
      set(canvas, "aria-valuenow", String(Math.round((ms ?? now) / 1000)));
    }
    if (ms === null) {
      set(canvas, "aria-valuetext", this.#standing(store.ended));
      return;
    }
    const people = store.channels.map((channel) =>
      t("person_at", { who: who(channel.number), what: described(channel, ms) }),
    );
    const lines = [clock(ms, true), ...near(plot, store, ms), ...people];
    set(canvas, "aria-valuetext", lines.join(", "));
    if (tip.hidden) return;
    const text = lines.join("\n");
    if (text !== this.shown) tip.replaceChildren(...lines.map((line) => el("div", {}, line)));
    this.shown = text;
    const x = plot.x(ms);
    tip.classList.toggle("left", x > plot.width / 2);
    tip.style.left = `${x}px`;
  }

  /** Where the timeline stands, in words that stay: screen readers say each that is new. */
  #standing(ended) {
    const { live, endMs } = this.view;
    if (ended) return t("states.ended");
    return live ? t("states.live") : t("paused_at", { time: clock(endMs) });
  }
}

/** Notes and alerts that one points at, three at the most. */
function near(plot, { markers, alerts }, ms) {
  const [start, end] = plot.range;
  const reach = (6 * (end - start)) / plot.width;
  const flags = [
    ...markers.map(({ at, note }) => ({ at, text: `⚑ ${note}` })),
    ...alerts.map(({ at, reason, found }) => ({ at, text: `⚠ ${alertWords(reason, found)}` })),
  ];
  return flags.filter(({ at }) => Math.abs(at - ms) <= reach).slice(0, 3).map(({ text }) => text);
}
