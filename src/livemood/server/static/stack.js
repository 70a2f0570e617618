import { Areas } from "./areas.js";
import { drawCursor, drawGaps } from "./marks.js";
import { Plot } from "./plot.js";
import { Points } from "./points.js";
import { t } from "./text.js";

/** The probabilities of one channel's labels, stacked over time. */
export class Stack extends Plot {
  /** @param {HTMLCanvasElement} canvas @param {import("./channel.js").Channel} channel */
  constructor(canvas, channel) {
    super(canvas);
    this.channel = channel;
    this.points = new Points(channel.labels);
    this.above = new Float32Array(0);
    this.resize();
  }

  resize() {
    super.resize();
    this.areas = new Areas(this.channel.labels, this.scale);
    const { size } = this.layout;
    const height = this.height - 1.7 * size;
    const axis = { top: height, height: 1.7 * size };
    this.bands = { ribbon: { top: 0, height: 0 }, probabilities: { top: 1, height: height - 3 }, axis };
  }

  draw(view, now, colours) {
    const { pen, points, bands } = this;
    const { top, height } = bands.probabilities;
    this.begin(view, now, colours);
    points.place(this, this.channel);
    this.#fill();
    pen.globalCompositeOperation = "destination-over";
    this.grid(top, bands.axis.top + 4, bands.axis.top + bands.axis.height / 2 + 2);
    this.#names(top, height);
    pen.globalCompositeOperation = "source-over";
    this.clip();
    this.#edges(top, height);
    drawGaps(this, this.channel.shown);
    drawCursor(this, view.cursorMs, top, bands.axis.top);
    pen.restore();
  }

  #names(top, height) {
    const { pen, layout } = this;
    const x = layout.gutter - 6;
    pen.textAlign = "right";
    pen.fillText("1", x, top + 0.5 * layout.size);
    pen.fillText("0", x, top + height - 0.4 * layout.size);
    if (layout.gutter < 40) return;
    pen.save();
    pen.translate(0.7 * layout.size, top + height / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(t("probability"), 0, 0);
    pen.restore();
  }

  /** Areas from the first label at the top to the last at the bottom. */
  #fill() {
    const { pen, points, scale, areas, layout } = this;
    const { xs, series, runs } = points;
    const { width, values } = series;
    const left = Math.round(layout.gutter * scale);
    const shown = Math.min(layout.right, this.x(this.until)) * scale - left;
    areas.clear(
      Math.max(1, Math.round(shown)),
      Math.round(this.bands.probabilities.height * scale),
    );
    for (const [from, to] of runs) {
      for (let i = from + 1; i < to; i++) {
        areas.paint(xs[i - 1] * scale - left, xs[i] * scale - left, values, (i - 1) * width, i * width);
      }
    }
    pen.putImageData(areas.image, left, Math.round(this.bands.probabilities.top * scale));
  }

  /** Lines between the areas. */
  #edges(top, height) {
    const { pen, points, channel } = this;
    const { xs, series, runs } = points;
    const { length, width, values } = series;
    if (this.above.length < length) this.above = new Float32Array(2 * length);
    const { above } = this;
    above.fill(top, 0, length);
    pen.lineWidth = 1;
    pen.strokeStyle = this.colours.ink;
    pen.globalAlpha = 0.6;
    pen.beginPath();
    for (const [from, to] of runs) pen.rect(xs[from], top, xs[to - 1] - xs[from], height);
    for (let at = 0; at < channel.labels.length - 1; at++) {
      for (let i = 0; i < length; i++) above[i] += height * values[i * width + at];
      for (const [from, to] of runs) {
        pen.moveTo(xs[from], above[from]);
        for (let i = from + 1; i < to; i++) pen.lineTo(xs[i], above[i]);
      }
    }
    pen.stroke();
    pen.globalAlpha = 1;
  }
}
