import { BESIDE, besideOf } from "./beside.js";
import { History } from "./history.js";

/** Readings are kept as they came for so long; before that, averaged. */
export const RAW_MS = 130_000;
const MOST = 3000;
/** What a timeline draws of a channel. */
const DRAWN = ["emotion", "segment", "speech.started", "speech.ended", "gap"];

/** What the page knows of one channel; bounded, however long the session. */
export class Channel {
  /** @param {number} number @param {readonly string[]} labels */
  constructor(number, labels) {
    this.number = number;
    this.labels = labels;
    /** Whether it is left out, as the owner asked. */
    this.unread = false;
    this.history = new History(labels.length);
    /** Readings of the last two minutes: `{ms, from, fresh, values, label, confidence}`. */
    this.raw = [];
    /** Time of the newest reading that is no longer among them. */
    this.rawAfter = -Infinity;
    /** What was known when the view was paused, and up to when: see `pin`. */
    this.pinned = null;
    /** Closed segments, oldest first; the oldest are forgotten beyond 3000. */
    this.segments = [];
    /** Stretches of speech, `{start, end}`; `end` is null while somebody speaks. */
    this.speech = [];
    this.gaps = [];
    /** What was read beside the voice: see `besideOf`. */
    this.beside = [];
    /** Counts those, so that whoever shows them knows of news. */
    this.told = 0;
    /** The newest reading. */
    this.emotion = null;
    /** Where the label that is said now began. */
    this.since = 0;
    this.speaking = false;
    /** What is wrong with the sound: `{problems, db}`; null while nothing was said of it. */
    this.level = null;
    /** Whether the next reading is the first of a stretch of speech. */
    this.fresh = true;
    /** Counts segments, so that whoever shows them knows of news. */
    this.closed = 0;
    /** Counts all that a timeline draws, for the same reason. */
    this.news = 0;
  }

  /** The same channel once the labels are known: until then nothing was read. */
  withLabels(labels) {
    return Object.assign(new Channel(this.number, labels), {
      unread: this.unread,
      segments: this.segments,
      speech: this.speech,
      gaps: this.gaps,
      beside: this.beside,
      told: this.told,
      since: this.since,
      speaking: this.speaking,
      level: this.level,
      fresh: this.fresh,
      closed: this.closed,
      news: this.news,
    });
  }

  take(event) {
    if (DRAWN.includes(event.type)) this.news += 1;
    if (event.type === "emotion") this.#read(event);
    else if (event.type === "segment") this.#close(event);
    else if (event.type === "speech.started") {
      this.speaking = true;
      this.fresh = true;
      keep(this.speech, { start: event.start_ms, end: null });
      this.since = event.start_ms;
    } else if (event.type === "speech.ended") {
      this.speaking = false;
      const last = this.speech.at(-1);
      if (last && last.end === null) last.end = event.end_ms;
      else keep(this.speech, { start: event.start_ms, end: event.end_ms });
    } else if (event.type === "level") {
      this.level = { problems: event.problems ?? [], db: event.speech_db ?? event.peak_db ?? null };
    } else if (BESIDE.includes(event.type)) {
      keep(this.beside, besideOf(event));
      this.told += 1;
    } else if (event.type === "gap") {
      keep(this.gaps, { start: event.start_ms, end: event.end_ms, cause: event.cause });
    }
  }

  /** While the view stands still, keep what it shows; `now` is where it stood. */
  pin(still, now) {
    if (!still) this.pinned = null;
    else this.pinned ??= this.#snapshot(now);
  }

  #snapshot(until) {
    const { labels, history, segments, gaps, emotion, since, speaking } = this;
    const speech = this.speech.map((stretch) => ({ ...stretch }));
    const marks = { segments: segments.slice(), gaps: gaps.slice(), speech };
    const now = { emotion, since, speaking };
    return { readings: this.raw.slice(), after: this.rawAfter, until, labels, history, ...marks, ...now };
  }

  /** What marks are drawn of: all that is known, or what was when the view was paused. */
  get shown() {
    return this.pinned ?? this;
  }

  /** Readings as they came for all of a stretch of time; null where only means of them are left. */
  readings(start, end) {
    // A reading that has just gone may be at the very edge.
    const from = start + 500;
    const { pinned } = this;
    if (pinned && pinned.after <= from && end <= pinned.until) return pinned.readings;
    return this.rawAfter <= from ? this.raw : null;
  }

  #read(event) {
    const { raw } = this;
    // Where its beginning is no longer kept, a reading says that somebody speaks.
    if (!this.speech.length) this.speaking = true;
    if (Array.isArray(event.level)) this.level = { db: null, ...this.level, problems: event.level };
    const known = this.labels.indexOf(event.label);
    const values = new Float32Array(this.labels.length + 2);
    this.labels.forEach((label, i) => (values[i] = event.probabilities[label] ?? 0));
    values[this.labels.length] = event.valence;
    values[this.labels.length + 1] = event.arousal;
    const label = known < 0 ? this.labels.length : known;
    const ms = event.end_ms;
    raw.push({
      ms,
      from: event.start_ms,
      fresh: this.fresh,
      values,
      label,
      confidence: event.confidence,
    });
    this.fresh = false;
    if (raw[0].ms < ms - RAW_MS - 10_000) {
      const gone = raw.splice(0, raw.findIndex((reading) => reading.ms >= ms - RAW_MS));
      this.rawAfter = gone.at(-1).ms;
    }
    this.history.add(ms, values, label);
    this.emotion = event;
  }

  #close(event) {
    const { start_ms: start, end_ms: end, label, confidence, valence, arousal } = event;
    keep(this.segments, { start, end, label, confidence, valence, arousal });
    this.since = end;
    this.closed += 1;
  }
}

/** Append to a list that forgets its oldest beyond a limit. */
export function keep(list, item) {
  list.push(item);
  if (list.length > MOST) list.splice(0, MOST / 10);
}
