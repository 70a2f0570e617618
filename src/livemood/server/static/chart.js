import { drawAffect } from "./affect.js";
import { Areas } from "./areas.js";
import { drawCursor, drawGaps, drawMarkers, drawRibbon, drawSpeech } from "./marks.js";
import { Series } from "./series.js";
import { clock, t } from "./text.js";

const STEPS_MS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200].map((s) => 1000 * s);

/** More points than one in so many pixels are averaged. */
const FINEST_PX = 4;

/** Colours of the page's theme, read from its style sheet. */
export function themeColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "muted", "surface", "line", "valence", "arousal", "lost", "accent"];
  return Object.fromEntries(names.map((n) => [n, style.getPropertyValue(`--${n}`).trim()]));
}

/**
 * The timeline of one channel on a canvas: markers, the ribbon of segments, speech, stacked
 * probabilities, valence and arousal, and the axis of time, from top to bottom.
 */
export class Chart {
  /** @param {HTMLCanvasElement} canvas @param {readonly string[]} labels */
  constructor(canvas, labels) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.labels = labels;
    this.series = new Series(labels.length + 2);
    this.xs = this.above = new Float32Array(0);
    this.runs = [];
    /** Begin and end of what is shown, in ms; pointers may come before the first drawing. */
    this.range = [0, 1];
    this.resize();
  }

  /** Fit the canvas to its place on the page. */
  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    this.scale = Math.min(2, Math.ceil(devicePixelRatio || 1));
    this.width = Math.max(80, clientWidth);
    this.height = Math.max(160, clientHeight);
    this.areas = new Areas(this.labels, this.scale);
    this.canvas.width = this.width * this.scale;
    this.canvas.height = this.height * this.scale;
    const size = Math.max(12, Math.min(17, this.width / 80));
    const gutter = this.width < 480 ? 30 : 4 * size;
    const plot = this.height - 6.2 * size;
    const heights = [1.6 * size, 2 * size, 0.8 * size, 0.62 * plot, 0.38 * plot, 1.6 * size];
    const tops = heights.map((_, i) => heights.slice(0, i).reduce((a, b) => a + b, 0));
    const names = ["markers", "ribbon", "speech", "probabilities", "affect", "axis"];
    this.bands = Object.fromEntries(
      names.map((name, i) => [name, { top: tops[i], height: heights[i] - (i < 5 ? 3 : 0) }]),
    );
    this.layout = { size, gutter, right: this.width - 2 };
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

  /**
   * @param {import("./channel.js").Channel} channel
   * @param {import("./store.js").Store} store
   * @param {import("./view.js").View} view
   */
  draw(channel, store, view, now, colours) {
    const { pen, layout } = this;
    this.range = view.range(now);
    this.colours = colours;
    pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    this.font(layout.size);
    pen.textBaseline = "middle";
    const [start, end] = this.range;
    const finest = (FINEST_PX * (end - start)) / (layout.right - layout.gutter);
    this.series.fill(channel, start, end, finest);
    this.#prepare();
    this.#probabilities();
    pen.globalCompositeOperation = "destination-over";
    this.#axes();
    pen.globalCompositeOperation = "source-over";
    pen.save();
    pen.beginPath();
    pen.rect(layout.gutter, 0, layout.right - layout.gutter, this.height);
    pen.clip();
    this.#edges();
    drawAffect(this);
    drawSpeech(this, channel, now);
    drawRibbon(this, channel, now);
    drawGaps(this, channel);
    drawMarkers(this, store.markers);
    drawCursor(this, view.cursorMs);
    pen.restore();
  }

  font(size, weight = 400) {
    this.pen.font = `${weight} ${size}px system-ui, sans-serif`;
  }

  #axes() {
    const { pen, colours, bands, layout } = this;
    const { axis, probabilities, affect, speech } = bands;
    const [start, end] = this.range;
    const room = (layout.right - layout.gutter) / (5.5 * layout.size);
    const step = STEPS_MS.find((ms) => (end - start) / ms <= room) ?? 14_400_000;
    pen.lineWidth = 1;
    pen.strokeStyle = colours.line;
    pen.fillStyle = colours.muted;
    pen.textAlign = "center";
    pen.beginPath();
    for (let ms = Math.ceil(start / step) * step; ms <= end; ms += step) {
      const x = Math.round(this.x(ms)) + 0.5;
      pen.moveTo(x, speech.top);
      pen.lineTo(x, axis.top + 4);
      const half = 1.2 * layout.size;
      if (x + half < this.width) pen.fillText(clock(ms), Math.max(x, half), axis.top + axis.height / 2 + 3);
    }
    for (const [band, at] of [[probabilities, 0], [probabilities, 1], [affect, 0.5]]) {
      const y = Math.round(band.top + at * band.height) + 0.5;
      pen.moveTo(layout.gutter, y);
      pen.lineTo(layout.right, y);
    }
    pen.stroke();
    this.#names();
  }

  #names() {
    const { pen, bands, layout } = this;
    const x = layout.gutter - 6;
    const narrow = layout.gutter < 40;
    const { probabilities: p, affect, ribbon, speech } = bands;
    pen.textAlign = "right";
    if (!narrow) {
      pen.fillText(t("label"), x, ribbon.top + ribbon.height / 2);
      pen.fillText(t("speech"), x, speech.top + speech.height / 2 + 1);
    }
    pen.fillText("1", x, p.top + 0.5 * layout.size + (narrow ? 0 : 6));
    pen.fillText("0", x, p.top + p.height - 0.4 * layout.size);
    pen.fillText("+1", x, affect.top + 0.7 * layout.size);
    pen.fillText("0", x, affect.top + affect.height / 2);
    pen.fillText("−1", x, affect.top + affect.height - 0.4 * layout.size);
  }

  /** Areas from the first label at the top to the last at the bottom. */
  #probabilities() {
    const { pen, series, xs, scale, areas, layout } = this;
    const { width, values } = series;
    const top = Math.round(this.bands.probabilities.top * scale);
    const left = Math.round(layout.gutter * scale);
    const room = Math.round(layout.right * scale) - left;
    areas.clear(room, Math.round(this.bands.probabilities.height * scale));
    for (const [from, to] of this.runs) {
      for (let i = from + 1; i < to; i++) {
        areas.paint(xs[i - 1] * scale - left, xs[i] * scale - left, values, (i - 1) * width, i * width);
      }
    }
    pen.putImageData(areas.image, left, top);
  }

  /** Lines between the areas. */
  #edges() {
    const { pen, series, xs, labels, above } = this;
    const { top, height } = this.bands.probabilities;
    const { length, width, values } = series;
    above.fill(top, 0, length);
    pen.lineWidth = 1;
    pen.strokeStyle = this.colours.ink;
    pen.globalAlpha = 0.6;
    pen.beginPath();
    for (const [from, to] of this.runs) pen.rect(xs[from], top, xs[to - 1] - xs[from], height);
    for (let at = 0; at < labels.length - 1; at++) {
      for (let i = 0; i < length; i++) above[i] += height * values[i * width + at];
      for (const [from, to] of this.runs) {
        pen.moveTo(xs[from], above[from]);
        for (let i = from + 1; i < to; i++) pen.lineTo(xs[i], above[i]);
      }
    }
    pen.stroke();
    pen.globalAlpha = 1;
  }

  /** Places of the points, room for what is computed of them, and where runs begin and end. */
  #prepare() {
    const { begins, length, ms } = this.series;
    if (this.xs.length < length) {
      this.xs = new Float32Array(2 * length);
      this.above = new Float32Array(2 * length);
    }
    for (let i = 0; i < length; i++) this.xs[i] = this.x(ms[i]);
    this.runs = [];
    let from = 0;
    for (let i = 1; i <= length; i++) {
      if (i < length && !begins[i]) continue;
      this.runs.push([from, i]);
      from = i;
    }
  }
}
