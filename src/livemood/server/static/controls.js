import { $, say } from "./dom.js";
import { keep, kept } from "./kept.js";
import { anywhere, onTimeline } from "./keys.js";
import { clock, t } from "./text.js";
import { SPANS } from "./view.js";

const EVERYWHERE = "livemood.keys";

/** Buttons, keys and dragging that move the view through time. */
export class Controls {
  /** @param {import("./view.js").View} view @param {() => number} now */
  constructor(view, now, touched) {
    this.view = view;
    this.now = now;
    this.touched = touched;
    /** Told of each time on the timeline that somebody chooses with a key or a press, in ms. */
    this.onPoint = () => {};
    /** Whether the session is over: then there is nothing to pause. */
    this.ended = false;
    this.pause = $("#pause");
    this.jump = $("#jump");
    this.paused = $("#paused");
    this.everywhere = $("#keys");
    this.ranges = [...document.querySelectorAll("input[name=range]")];
    this.pause.onclick = () => this.#do(() => view.toggle(now()));
    this.jump.onclick = () => this.#do(() => view.follow());
    for (const [i, range] of this.ranges.entries()) {
      range.onchange = () => this.#do(() => view.zoom(SPANS[i], now()));
    }
    this.everywhere.checked = kept(EVERYWHERE) !== "off";
    this.everywhere.onchange = () => keep(EVERYWHERE, this.everywhere.checked ? "" : "off");
    document.addEventListener("keydown", (event) => this.#anywhere(event));
  }

  /** Let keys and dragging on the timeline's canvas move the view. */
  attach(canvas, pointing, plot) {
    canvas.addEventListener("keydown", (event) => {
      const move = onTimeline(event, this.view, this.now(), this.ended);
      if (!move) return;
      event.preventDefault();
      pointing.pointed = true;
      this.#do(move);
      this.onPoint(this.view.cursorMs);
    });
    canvas.addEventListener("pointerdown", (down) => {
      const end = this.view.endMs ?? this.now();
      const [from, to] = plot().range;
      const perPixel = (to - from) / plot().width;
      this.onPoint(Math.max(0, plot().timeAt(down.offsetX)));
      const drag = ({ clientX }) => {
        if (Math.abs(clientX - down.clientX) < 4 || this.view.spanMs === Infinity) return;
        const shift = (down.clientX - clientX) * perPixel;
        this.#do(() => this.view.slide(end + shift, this.now()));
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
    say(this.pause, t(view.live ? "pause" : "resume"));
    this.jump.disabled = view.live;
    this.paused.hidden = view.live || ended;
    say(this.paused, view.live ? "" : t("paused_at", { time: clock(view.endMs) }));
    this.ranges[SPANS.indexOf(view.spanMs)].checked = true;
  }

  #do(move) {
    move();
    this.touched();
  }

  /** Keys that mean the same wherever the focus is, unless somebody types or a question is open. */
  #anywhere(event) {
    const { target } = event;
    if (event.defaultPrevented || !this.everywhere.checked || !this.ranges[0].offsetParent) return;
    const takes = 'select, textarea, [contenteditable], dialog, input:not([type="radio"])';
    // Space presses what it is on.
    const pressed = event.key === " " && target.closest?.("button, summary");
    if (target.closest?.(takes) || pressed) return;
    const move = anywhere(event, this.view, this.now(), this.ended);
    if (!move) return;
    event.preventDefault();
    this.#do(move);
  }
}
