/**
 * The readings of a channel within a stretch of time as points to draw: raw ones where they are
 * still kept, averaged ones where not. Arrays are used again, so that drawing leaves no garbage.
 */
export class Series {
  constructor(width) {
    this.width = width;
    this.length = 0;
    /** What a point is the mean of, in ms; 0 where points are readings as they came. */
    this.meanMs = 0;
    this.ms = new Float64Array(1024);
    this.values = new Float32Array(1024 * width);
    /** Whether a point begins a new run: what lies before it is not joined to it. */
    this.begins = new Uint8Array(1024);
  }

  /**
   * @param {import("./channel.js").Channel} channel
   * @param {number} finest What one point may at least stand for, in ms.
   */
  fill(channel, start, end, finest) {
    this.length = 0;
    this.meanMs = 0;
    const readings = channel.readings(start, end);
    if (readings) this.#fromRaw(readings, start, end);
    else this.#fromHistory(channel.history, start, end, finest);
  }

  #fromRaw(raw, start, end) {
    let before = null;
    for (let i = firstFrom(raw, start); i < raw.length && !(before?.ms > end); i++) {
      const reading = raw[i];
      const joined = before && !reading.fresh;
      if (!joined) this.#push(reading.fresh ? reading.from : reading.ms - 250, reading.values, true);
      this.#push(reading.ms, reading.values, false);
      before = reading;
    }
  }

  #fromHistory(history, start, end, finest) {
    const { bucketMs, counts } = history;
    const { width } = this;
    // Groups lie on a grid of their own, so that they do not change as the view moves.
    const size = Math.max(1, Math.floor(finest / bucketMs));
    const step = size * bucketMs;
    this.meanMs = step;
    const last = Math.min(Math.ceil(history.length / size) - 1, Math.ceil(end / step));
    const mean = new Float32Array(width);
    let joined = false;
    for (let group = Math.max(0, Math.floor(start / step) - 1); group <= last; group++) {
      if (!history.average(group * size, size, mean)) {
        // A bucket at the pace of readings may stay empty by chance.
        joined &&= step < 1000 && counts[(group + 1) * size] > 0;
        continue;
      }
      if (!joined) this.#push(group * step, mean, true);
      this.#push((group + 1) * step, mean, false);
      joined = true;
    }
  }

  #push(ms, values, begins) {
    if (this.length === this.ms.length) this.#grow();
    this.ms[this.length] = ms;
    this.begins[this.length] = begins ? 1 : 0;
    this.values.set(values.subarray(0, this.width), this.length * this.width);
    this.length += 1;
  }

  #grow() {
    for (const name of ["ms", "values", "begins"]) {
      const larger = new this[name].constructor(this[name].length * 2);
      larger.set(this[name]);
      this[name] = larger;
    }
  }
}

/** Index of the last reading before `start`, or of the first one. */
export function firstFrom(raw, start) {
  return Math.max(0, firstAt(raw, start) - 1);
}

/** Index of the first reading at or after `ms`. */
export function firstAt(raw, ms) {
  let low = 0;
  let high = raw.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (raw[middle].ms < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}
