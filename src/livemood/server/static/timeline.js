import { drawAffect, drawKey } from "./affect.js";
import { drawCursor, drawGaps, drawMarkers, drawRibbon, drawSpeech } from "./marks.js";
import { Plot } from "./plot.js";
import { Points } from "./points.js";
import { alertWords, currentLanguage, t } from "./text.js";

/** Lines have some width, and a mark may be wider than what it stands for. */
const ROOM_PX = 6;

/** A channel's part of the timeline: its name, its ribbon of segments, speech, and its trend. */
class Lane {
  constructor(timeline, channel) {
    this.timeline = timeline;
    this.channel = channel;
    this.points = new Points(channel.labels);
    /** What was drawn last: begin and end of the view, up to where, in ms, and of how many news. */
    this.drawn = { start: NaN, end: NaN, until: NaN, news: 0 };
    /** What all of that rests on, and the time from which on it may yet look another, in ms. */
    this.ground = [];
    this.openMs = -Infinity;
  }

  // What draws on a plot draws on a lane of it.
  get pen() { return this.timeline.pen; }
  get colours() { return this.timeline.colours; }
  get layout() { return this.timeline.layout; }
  get range() { return this.timeline.range; }
  get until() { return this.timeline.until; }
  get from() { return this.timeline.from; }
  get scale() { return this.timeline.scale; }
  get series() { return this.points.series; }

  x(ms) {
    return this.timeline.x(ms);
  }

  font(size, weight) {
    this.timeline.font(size, weight);
  }

  /** Whether it would look another than it does: something came, or a pixel's worth of time went by. */
  stale(next, perPixel) {
    const { drawn } = this;
    const still = ["start", "end", "until"].every((at) => Math.abs(next[at] - drawn[at]) < perPixel);
    return !still || next.news !== drawn.news;
  }

  /** From which pixel on it is to be drawn over `range`: 0 for all of it. */
  left([start, end]) {
    const { channel, openMs, timeline } = this;
    const { history, gaps, segments, speech } = channel;
    const means = !channel.readings(start, end);
    const ground = [start, end, means, history.bucketMs, gaps.at(-1), segments[0], speech[0]];
    const stands = ground.length === this.ground.length && ground.every((one, i) => one === this.ground[i]);
    this.ground = ground;
    return stands && openMs > start ? Math.max(0, Math.floor(timeline.x(openMs)) - ROOM_PX) : 0;
  }

  /**
   * Once it is drawn: what is not over yet may look another soon, and so may the last points of the
   * lines. All that is still to come of a channel lies after those.
   */
  leave() {
    const { channel, series } = this;
    const { speaking, since, speech } = channel;
    const ongoing = speaking ? Math.min(since, speech.at(-1)?.start ?? 0) : Infinity;
    const points = series.length < 3 ? -Infinity : series.ms[series.length - 3];
    this.openMs = Math.min(ongoing, points);
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
    /** Lanes that are to be drawn, the one that waited longest first. */
    this.waiting = new Set();
    this.resize();
  }

  resize() {
    super.resize();
    /** What was drawn last and is no lane's own; resizing has wiped all away. */
    this.looks = [];
    const { size } = this.layout;
    const head = 1.7 * size;
    const foot = 3.1 * size;
    const high = (this.height - head - foot) / Math.max(1, this.lanes.length);
    this.bands = {
      markers: { top: 0, height: head - 3 },
      axis: { top: this.height - foot, height: foot },
    };
    // The first lane's part has the flags as well, the last one's the axis.
    const last = this.lanes.length - 1;
    const edge = (i) => Math.round(head + i * high);
    this.lanes.forEach((lane, i) => {
      lane.fit(head + i * high, high);
      const top = i ? edge(i) : 0;
      lane.part = { left: 0, top, height: (i < last ? edge(i + 1) : this.height) - top };
    });
  }

  /**
   * Draw what would look another; whether more is to be drawn at the next frame. What changes all lanes
   * at once, a cursor say, is drawn at once. Else a frame draws one lane, so that many cost no more.
   * @param {import("./store.js").Store} store @param {import("./view.js").View} view
   */
  draw(store, view, now, colours, who) {
    const { lanes, layout, waiting } = this;
    const [start, end] = view.range(now);
    const perPixel = (end - start) / (layout.right - layout.gutter);
    // A paused view shows what was known then.
    const next = ({ channel }) => ({ start, end, until: view.endMs ?? now, news: view.live ? channel.news : 0 });
    const names = lanes.map(({ channel }) => who(channel.number));
    // A flag reaches to the left of its pole, too: it comes with all that is beneath it.
    const come = ({ at }) => at <= (view.endMs ?? now);
    const flagged = [store.markers.findLast(come), store.alerts.findLast(come)];
    const shown = [view.spanMs, view.endMs, view.cursorMs, currentLanguage()];
    const looks = [...shown, ...names, ...flagged, ...Object.values(colours)];
    const all = looks.length !== this.looks.length || looks.some((one, i) => one !== this.looks[i]);
    this.looks = looks;
    for (const lane of lanes) if (all || lane.stale(next(lane), perPixel)) waiting.add(lane);
    const due = all ? lanes : [...waiting].slice(0, 1);
    for (const lane of due) {
      lane.drawn = next(lane);
      waiting.delete(lane);
    }
    if (!due.length) return waiting.size > 0;
    this.range = [start, end];
    const lefts = due.map((lane) => lane.left(this.range));
    const part = all ? undefined : { ...due[0].part, left: lefts[0] };
    this.#draw(due, part, store, view, now, colours, who);
    for (const lane of due) lane.leave();
    return waiting.size > 0;
  }

  /** Draw lanes, with what lies over and beneath them, within a part of the canvas. */
  #draw(due, part, store, view, now, colours, who) {
    const { pen, bands, layout, lanes } = this;
    pen.save();
    this.begin(view, now, colours, part);
    const { axis } = bands;
    this.grid(bands.markers.height, axis.top + 4, axis.top + 1.1 * layout.size);
    pen.textAlign = "center";
    pen.fillText(t("axis"), (layout.gutter + layout.right) / 2, axis.top + 2.4 * layout.size);
    for (const lane of due) lane.draw(who(lane.channel.number), Math.min(now, this.until));
    if (due[0] === lanes[0]) drawKey(lanes[0]);
    this.clip();
    drawMarkers(this, flags(store));
    drawCursor(this, view.cursorMs, bands.markers.height, axis.top);
    pen.restore();
    pen.restore();
  }
}

/** Notes of people, and alerts as they were raised, in the order of time. */
function flags({ markers, alerts }) {
  const flag = ({ at, reason, found }) => ({ at, note: alertWords(reason, found), alert: true });
  const all = [...markers, ...alerts.filter(({ state }) => state === "raised").map(flag)];
  return all.sort((a, b) => a.at - b.at);
}
