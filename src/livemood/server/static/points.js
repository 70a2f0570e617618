import { Series } from "./series.js";

/** More points than one in so many pixels are averaged. */
const FINEST_PX = 4;

/** The readings of a channel on a plot: their values, places, and where runs begin and end. */
export class Points {
  /** @param {readonly string[]} labels */
  constructor(labels) {
    this.series = new Series(labels.length + 2);
    this.xs = new Float32Array(0);
    /** `[from, to]` of each run of points that are joined. */
    this.runs = [];
  }

  /** @param {import("./plot.js").Plot} plot @param {import("./channel.js").Channel} channel */
  place(plot, channel) {
    const { layout, range, until } = plot;
    const finest = (FINEST_PX * (range[1] - range[0])) / (layout.right - layout.gutter);
    this.series.fill(channel, range[0], until, finest);
    const { begins, length, ms } = this.series;
    if (this.xs.length < length) this.xs = new Float32Array(2 * length);
    for (let i = 0; i < length; i++) this.xs[i] = plot.x(ms[i]);
    this.runs = [];
    let from = 0;
    for (let i = 1; i <= length; i++) {
      if (i < length && !begins[i]) continue;
      this.runs.push([from, i]);
      from = i;
    }
  }
}
