import { Channel, keep } from "./channel.js";

/** Longer than this nothing was ever told of a session that goes on. */
const LONGEST_SILENCE_MS = 12 * 3_600_000;

/** What the page knows of a session. Pure: pushed events and the time at which they came. */
export class Store {
  constructor() {
    this.reset();
  }

  reset() {
    this.session = "";
    this.started = null;
    /** Labels of a reading, where the beginning, which says them, is no longer kept. */
    this.learnt = [];
    this.ended = null;
    /** @type {Channel[]} */
    this.channels = [];
    this.markers = [];
    /** Notices and errors, the newest three. */
    this.notices = [];
    this.behind = new Set();
    /** The newest latency of each channel, in ms. @type {Map<number, number>} */
    this.latencies = new Map();
    /** Alerts as they came, `{at, since, rule, state, channel, reason, found}`, and those that hold now. */
    this.alerts = [];
    this.raised = new Map();
    /** Events taken, and the number of the newest. */
    this.taken = 0;
    this.seq = 0;
    this.endMs = 0;
    this.offsets = [];
  }

  get labels() {
    return this.started?.model.labels ?? this.learnt;
  }

  /**
   * Take the next event, which came at `now` (ms of the page's clock), when it was `wall` at the
   * server (ms since 1970; NaN where that is not known).
   */
  take(event, now, wall = NaN) {
    if (event.seq === null) {
      this.#notice(event);
      return;
    }
    if (event.session !== this.session) {
      this.reset();
      this.session = event.session;
    }
    this.taken += 1;
    this.seq = event.seq;
    this.#clock(event, now - this.#age(event, wall));
    if (event.type === "session.started") this.#start(event);
    else if (event.type === "session.ended") this.ended = event;
    else if (event.type === "marker") keep(this.markers, { at: event.start_ms, note: event.note });
    else if (event.type === "error") this.#notice(event);
    else if (event.type === "alert") this.#alert(event);
    else if (typeof event.channel === "number") this.#ofChannel(event);
  }

  /**
   * Where the sound is by now, in ms. In silence no event says so: the page's clock goes on from
   * those that came with the least delay.
   */
  nowMs(now, live) {
    if (!live || this.ended || !this.offsets.length) return this.endMs;
    return Math.max(this.endMs, now - Math.min(...this.offsets));
  }

  #start(event) {
    this.started = event;
    this.channels = Array.from({ length: event.channels }, (_, n) => new Channel(n, this.labels));
    for (const n of event.not_read ?? []) this.channels[n].unread = true;
  }

  #ofChannel(event) {
    if (event.type === "emotion" && !this.labels.length) {
      this.learnt = Object.keys(event.probabilities);
      this.channels = this.channels.map((channel) => channel.withLabels(this.labels));
    }
    while (this.channels.length <= event.channel) {
      this.channels.push(new Channel(this.channels.length, this.labels));
    }
    if (event.type === "emotion") this.#late(event, event.latency_ms.total);
    else if (event.type === "load") this.#late(event, event.latency_ms);
    this.channels[event.channel].take(event);
  }

  /** While a channel is behind, its latency is that which made it so: one reading may be quick. */
  #late({ channel, behind }, ms) {
    const before = this.behind.has(channel) ? (this.latencies.get(channel) ?? 0) : 0;
    if (behind) this.behind.add(channel);
    else this.behind.delete(channel);
    this.latencies.set(channel, behind ? Math.max(before, ms) : ms);
  }

  /** The largest of the channels' newest latencies, in ms; null before the first reading. */
  get latencyMs() {
    return this.latencies.size ? Math.max(...this.latencies.values()) : null;
  }

  #alert({ rule, state, channel, reason, found, start_ms: since, end_ms: at }) {
    const alert = { at, since, rule, state, channel, reason, found };
    keep(this.alerts, alert);
    const key = `${rule} ${channel}`;
    if (state === "raised") this.raised.set(key, alert);
    else this.raised.delete(key);
  }

  /**
   * How long ago an event was made, in ms: they all come at once where a page is opened late. Not
   * where sound is played faster than it was spoken, nor where somebody plays again what was told
   * on another day: then their times do not say where it is.
   */
  #age(event, wall) {
    const made = Date.parse(event.time);
    const late = made - Date.parse(this.started?.time) - event.end_ms;
    const age = Math.max(0, wall - made) || 0;
    return Math.abs(late) < 5000 && age < LONGEST_SILENCE_MS ? age : 0;
  }

  #clock(event, now) {
    this.endMs = Math.max(this.endMs, event.end_ms);
    this.offsets.push(now - event.end_ms);
    if (this.offsets.length > 24) this.offsets.shift();
  }

  #notice(event) {
    this.notices.push(event);
    if (this.notices.length > 3) this.notices.shift();
  }
}
