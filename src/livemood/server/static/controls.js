import { $, say } from "./dom.js";
import { clock, t } from "./text.js";

const SPANS = [120_000, 600_000, Infinity];

/** Buttons, keys and dragging that move the view through time. */
export class Controls {
  /** @param {import("./view.js").View} view @param {() => number} now */
  constructor(view, now, touched) {
    this.view = view;
    this.now = now;
    this.touched = touched;
    /** Whether the session is over: then there is nothing to pause. */
    this.ended = false;
    this.pause = $("#pause");
    this.jump = $("#jump");
    this.paused = $("#paused");
    this.ranges = [...document.querySelectorAll("input[name=range]")];
    this.pause.onclick = () => this.#do(() => this.#toggle());
    this.jump.onclick = () => this.#do(() => view.follow());
    for (const [i, range] of this.ranges.entries()) {
      range.onchange = () => this.#do(() => view.zoom(SPANS[i], now()));
    }
  }

  /** Let keys and dragging on a panel's chart move the view. */
  attach(panel) {
    const { canvas } = panel;
    canvas.addEventListener("keydown", (event) => {
      const move = this.#key(event);
      if (!move) return;
      event.preventDefault();
      panel.pointed = true;
      this.#do(move);
    });
    canvas.addEventListener("pointerdown", (down) => {
      const { endMs } = this.view;
      const [start, end] = panel.chart.range;
      const perPixel = (end - start) / panel.chart.width;
      const drag = ({ clientX }) => {
        const shift = (down.clientX - clientX) * perPixel;
        if (Math.abs(clientX - down.clientX) < 4 || this.view.spanMs === Infinity) return;
        const moved = Math.max(this.view.spanMs, (endMs ?? end) + shift);
        this.#do(() => (this.view.endMs = moved >= this.now() ? null : moved));
      };
      canvas.setPointerCapture(down.pointerId);
      canvas.addEventListener("pointermove", drag);
      const over = () => canvas.removeEventListener("pointermove", drag);
      canvas.addEventListener("lostpointercapture", over, { once: true });
    });
  }

  /** Show how things are. */
  draw(ended) {
    const { view } = this;
    this.ended = ended;
    view.settle(ended);
    this.pause.hidden = ended;
    this.jump.hidden = ended && view.live;
    say(this.jump, t(ended ? "jump_to_end" : "jump_to_live"));
    const words = t(view.live ? "pause" : "resume");
    say(this.pause, words);
    this.jump.disabled = view.live;
    this.paused.hidden = view.live || ended;
    say(this.paused, view.live ? "" : t("paused_at", { time: clock(view.endMs) }));
    this.ranges[SPANS.indexOf(view.spanMs)].checked = true;
  }

  #do(move) {
    move();
    this.touched();
  }

  #toggle() {
    if (this.view.live) this.view.pause(this.now());
    else this.view.follow();
  }

  #key({ key, shiftKey, ctrlKey, altKey, metaKey }) {
    if (ctrlKey || altKey || metaKey) return null;
    const { view } = this;
    const now = this.now();
    const at = view.cursorMs ?? view.endMs ?? now;
    const step = Math.min(view.spanMs, now) / (shiftKey ? 12 : 120);
    const moves = {
      ArrowLeft: () => view.point(at - step, now),
      ArrowRight: () => view.point(at + step, now),
      PageUp: () => view.point(at - 60 * step, now),
      PageDown: () => view.point(at + 60 * step, now),
      Home: () => view.point(0, now),
      End: () => this.#toEnd(),
      Escape: () => (view.cursorMs = null),
      " ": () => this.ended || this.#toggle(),
      "+": () => this.#zoom(-1),
      "=": () => this.#zoom(-1),
      "-": () => this.#zoom(1),
    };
    return moves[key];
  }

  #toEnd() {
    this.view.follow();
    if (this.ended) this.view.point(this.now(), this.now());
  }

  #zoom(by) {
    const at = SPANS.indexOf(this.view.spanMs) + by;
    this.view.zoom(SPANS[Math.max(0, Math.min(SPANS.length - 1, at))], this.now());
  }
}
