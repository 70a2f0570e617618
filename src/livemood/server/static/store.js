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
    this.latency = null;
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
  }

  #ofChannel(event) {
    if (event.type === "emotion" && !this.labels.length) {
      this.learnt = Object.keys(event.probabilities);
      this.channels = this.channels.map((channel) => channel.withLabels(this.labels));
    }
    while (this.channels.length <= event.channel) {
      this.channels.push(new Channel(this.channels.length, this.labels));
    }
    if (event.type === "emotion") {
      this.latency = event.latency_ms;
      if (event.behind) this.behind.add(event.channel);
      else this.behind.delete(event.channel);
    } else if (event.type === "load") {
      if (event.behind) this.behind.add(event.channel);
      else this.behind.delete(event.channel);
    }
    this.channels[event.channel].take(event);
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
