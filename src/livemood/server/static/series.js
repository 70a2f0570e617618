/**
 * The readings of a channel within a stretch of time as points to draw: raw ones where they are
 * still kept, averaged ones where not. Arrays are used again, so that drawing leaves no garbage.
 */
export class Series {
  constructor(width) {
    this.width = width;
    this.length = 0;
    this.ms = new Float64Array(1024);
    this.values = new Float32Array(1024 * width);
    /** Whether a point begins a new run: what lies before it is not joined to it. */
    this.begins = new Uint8Array(1024);
  }

  /** @param {import("./channel.js").Channel} channel */
  fill(channel, start, end) {
    this.length = 0;
    const { raw } = channel;
    const first = raw[0];
    if (first && (first.ms <= start + 500 || !channel.history.length || whole(channel))) {
      this.#fromRaw(raw, start, end);
    } else {
      this.#fromHistory(channel.history, start, end);
    }
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

  #fromHistory(history, start, end) {
    const { bucketMs, counts } = history;
    const { width } = this;
    const last = Math.min(history.length - 1, Math.ceil(end / bucketMs));
    const mean = new Float32Array(width);
    let joined = false;
    for (let bucket = Math.max(0, Math.floor(start / bucketMs) - 1); bucket <= last; bucket++) {
      if (!counts[bucket]) {
        // A bucket at the pace of readings may stay empty by chance.
        joined &&= bucketMs < 1000 && counts[bucket + 1] > 0;
        continue;
      }
      for (let i = 0; i < width; i++) mean[i] = history.mean(bucket, i);
      if (!joined) this.#push(bucket * bucketMs, mean, true);
      this.#push((bucket + 1) * bucketMs, mean, false);
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

/** Whether the raw readings are all that there ever were. */
function whole(channel) {
  return channel.history.first >= channel.raw[0].ms - 1;
}

/** Index of the last reading before `start`, or of the first one. */
export function firstFrom(raw, start) {
  let low = 0;
  let high = raw.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (raw[middle].ms < start) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}
