import { drawAffect, drawKey } from "./affect.js";
import { drawCursor, drawGaps, drawMarkers, drawRibbon, drawSpeech } from "./marks.js";
import { Plot } from "./plot.js";
import { Points } from "./points.js";
import { t } from "./text.js";

/** A channel's part of the timeline: its name, its ribbon of segments, speech, and its trend. */
class Lane {
  constructor(timeline, channel) {
    this.timeline = timeline;
    this.channel = channel;
    this.points = new Points(channel.labels);
  }

  // What draws on a plot draws on a lane of it.
  get pen() { return this.timeline.pen; }
  get colours() { return this.timeline.colours; }
  get layout() { return this.timeline.layout; }
  get range() { return this.timeline.range; }
  get until() { return this.timeline.until; }
  get scale() { return this.timeline.scale; }
  get series() { return this.points.series; }

  x(ms) {
    return this.timeline.x(ms);
  }

  font(size, weight) {
    this.timeline.font(size, weight);
  }

  /** Take the room from `top` on. */
  fit(top, height) {
    const { size } = this.layout;
    const heights = { name: 1.7 * size, ribbon: 2.2 * size, speech: 0.8 * size };
    const affect = height - 5.2 * size;
    this.bands = {};
    for (const [name, high] of Object.entries({ ...heights, affect })) {
      this.bands[name] = { top, height: high - 3 };
      top += high;
    }
    // Where gaps end.
    this.bands.axis = { top: this.bands.affect.top + this.bands.affect.height + 3, height: 0 };
  }

  draw(who, now) {
    const { pen, layout, bands, colours, channel } = this;
    this.points.place(this.timeline, channel);
    this.#scale();
    this.font(layout.size, 650);
    pen.fillStyle = colours.ink;
    pen.textAlign = "left";
    pen.fillText(who, layout.gutter, bands.name.top + bands.name.height / 2 + 2);
    this.font(layout.size);
    this.timeline.clip();
    drawAffect(this);
    drawSpeech(this, channel.shown, now);
    drawRibbon(this, channel.shown, now);
    drawGaps(this, channel.shown);
    pen.restore();
  }

  /** The scale of valence and arousal. */
  #scale() {
    const { pen, layout, colours } = this;
    const { top, height } = this.bands.affect;
    pen.strokeStyle = colours.line;
    pen.lineWidth = 1;
    pen.beginPath();
    for (const at of [0, 0.5, 1]) {
      const y = Math.round(top + at * height) + 0.5;
      pen.moveTo(layout.gutter, y);
      pen.lineTo(layout.right, y);
    }
    pen.stroke();
    pen.fillStyle = colours.muted;
    pen.textAlign = "right";
    const x = layout.gutter - 6;
    pen.fillText("+1", x, top + 0.45 * layout.size);
    pen.fillText("0", x, top + height / 2);
    pen.fillText("−1", x, top + height - 0.35 * layout.size);
  }
}

/** All channels over one axis of time, one lane each, on one canvas. */
export class Timeline extends Plot {
  /** @param {HTMLCanvasElement} canvas @param {import("./channel.js").Channel[]} channels */
  constructor(canvas, channels) {
    super(canvas);
    this.lanes = channels.map((channel) => new Lane(this, channel));
    this.resize();
  }

  resize() {
    super.resize();
    const { size } = this.layout;
    const head = 1.7 * size;
    const foot = 3.1 * size;
    const high = (this.height - head - foot) / Math.max(1, this.lanes.length);
    this.bands = {
      markers: { top: 0, height: head - 3 },
      axis: { top: this.height - foot, height: foot },
    };
    this.lanes.forEach((lane, i) => lane.fit(head + i * high, high));
  }

  /** @param {import("./store.js").Store} store @param {import("./view.js").View} view */
  draw(store, view, now, colours, who) {
    const { pen, bands, layout, lanes } = this;
    this.begin(view, now, colours);
    const { axis } = bands;
    this.grid(bands.markers.height, axis.top + 4, axis.top + 1.1 * layout.size);
    pen.textAlign = "center";
    pen.fillText(t("axis"), (layout.gutter + layout.right) / 2, axis.top + 2.4 * layout.size);
    for (const lane of lanes) lane.draw(who(lane.channel.number), Math.min(now, this.until));
    if (lanes.length) drawKey(lanes[0]);
    this.clip();
    drawMarkers(this, flags(store));
    drawCursor(this, view.cursorMs, bands.markers.height, axis.top);
    pen.restore();
  }
}

/** Notes of people, and alerts as they were raised, in the order of time. */
function flags({ markers, alerts }) {
  const raised = alerts.filter(({ state }) => state === "raised");
  const all = [...markers, ...raised.map(({ at, reason }) => ({ at, note: reason, alert: true }))];
  return all.sort((a, b) => a.at - b.at);
}
