import { clock } from "./text.js";

const STEPS_MS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200].map((s) => 1000 * s);

/** Colours of a theme, read from the style of `element`: the page's own, or another's. */
export function themeColours(element = document.documentElement) {
  const style = getComputedStyle(element);
  const names = ["ink", "muted", "surface", "line", "valence", "arousal", "lost", "accent", "warn"];
  return Object.fromEntries(names.map((n) => [n, style.getPropertyValue(`--${n}`).trim()]));
}

/** A canvas with an axis of time from left to right. */
export class Plot {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    /** Begin and end of what is shown, in ms; pointers may come before the first drawing. */
    this.range = [0, 1];
    /** Where a paused view stands: nothing is drawn after it. */
    this.until = 0;
    /** What ends before, in ms, is not to be drawn: it stays as it was. */
    this.from = 0;
  }

  /** Fit the canvas to its place on the page. */
  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    this.scale = Math.min(2, Math.ceil(devicePixelRatio || 1));
    this.width = Math.max(80, clientWidth);
    this.height = Math.max(60, clientHeight);
    this.canvas.width = this.width * this.scale;
    this.canvas.height = this.height * this.scale;
    const size = Math.max(12, Math.min(17, this.width / 80));
    this.layout = { size, gutter: this.width < 480 ? 26 : 3.4 * size, right: this.width - 2 };
  }

  /** The time at `x` pixels from the left of the canvas. */
  timeAt(x) {
    const { gutter, right } = this.layout;
    const [start, end] = this.range;
    return start + ((x - gutter) / (right - gutter)) * (end - start);
  }

  x(ms) {
    const { gutter, right } = this.layout;
    const [start, end] = this.range;
    return gutter + ((ms - start) / (end - start)) * (right - gutter);
  }

  /** A clean canvas for `view` at `now`; or a clean part of it, and nothing is drawn outside that. */
  begin(view, now, colours, part = { left: 0, top: 0, height: this.height }) {
    const { pen } = this;
    const { left, top, height } = part;
    this.range = view.range(now);
    this.from = left ? this.timeAt(left - 1) : this.range[0];
    this.until = Math.min(this.range[1], view.endMs ?? now);
    this.colours = colours;
    pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    if (left || height < this.height) {
      pen.beginPath();
      pen.rect(left, top, this.width - left, height);
      pen.clip();
    }
    pen.clearRect(left, top, this.width - left, height);
    this.font(this.layout.size);
    pen.textBaseline = "middle";
  }

  font(size, weight = 400) {
    this.pen.font = `${weight} ${size}px system-ui, sans-serif`;
  }

  /** Draw nothing outside the axis, and nothing that came after a pause, until `restore`. */
  clip() {
    const { pen, layout } = this;
    pen.save();
    pen.beginPath();
    const right = Math.min(layout.right, this.x(this.until));
    pen.rect(layout.gutter, 0, Math.max(0, right - layout.gutter), this.height);
    pen.clip();
  }

  /** Lines at whole seconds or minutes from `top` to `bottom`, and the times beneath, at `y`. */
  grid(top, bottom, y) {
    const { pen, colours, layout } = this;
    const [start, end] = this.range;
    const room = (layout.right - layout.gutter) / (5.5 * layout.size);
    const step = STEPS_MS.find((ms) => (end - start) / ms <= room) ?? 14_400_000;
    const half = 1.2 * layout.size;
    pen.lineWidth = 1;
    pen.strokeStyle = colours.line;
    pen.fillStyle = colours.muted;
    pen.textAlign = "center";
    pen.beginPath();
    for (let ms = Math.ceil(start / step) * step; ms <= end; ms += step) {
      const x = Math.round(this.x(ms)) + 0.5;
      pen.moveTo(x, top);
      pen.lineTo(x, bottom);
      if (x + half < this.width) pen.fillText(clock(ms), Math.max(x, half), y);
    }
    pen.stroke();
  }
}
