/**
 * The whole of a channel in bounded memory: readings are averaged into buckets of time, and when
 * the session outgrows them, neighbours are joined and each bucket stands for twice as long.
 */
export class History {
  /**
   * @param {number} labels How many labels the model has.
   * @param {number} capacity Buckets; even.
   * @param {number} bucketMs What a bucket stands for at first.
   */
  constructor(labels, capacity = 2048, bucketMs = 250) {
    this.labels = labels;
    this.capacity = capacity;
    this.bucketMs = bucketMs;
    /** Buckets up to the newest reading. */
    this.length = 0;
    /** Time of the first reading. */
    this.first = Infinity;
    this.counts = new Uint32Array(capacity);
    /** Sums, in rows of one value a label, then valence and arousal. */
    this.sums = new Float32Array(capacity * (labels + 2));
    /** Readings of each label, `uncertain` last. */
    this.votes = new Uint16Array(capacity * (labels + 1));
  }

  /**
   * Take a reading at `ms`.
   * @param {ArrayLike<number>} values Probabilities, then valence and arousal.
   * @param {number} label Index of the smoothed label; `labels` for uncertain.
   */
  add(ms, values, label) {
    this.first = Math.min(this.first, ms);
    while (ms >= this.capacity * this.bucketMs) this.#halve();
    const bucket = Math.max(0, Math.floor(ms / this.bucketMs));
    const width = this.labels + 2;
    this.counts[bucket] += 1;
    for (let i = 0; i < width; i++) this.sums[bucket * width + i] += values[i];
    this.votes[bucket * (this.labels + 1) + label] += 1;
    this.length = Math.max(this.length, bucket + 1);
  }

  /** Mean of value `i` in a bucket that has readings. */
  mean(bucket, i) {
    return this.sums[bucket * (this.labels + 2) + i] / this.counts[bucket];
  }

  /** Means of `size` buckets from `first` on, into `mean`; whether there were any readings. */
  average(first, size, mean) {
    const width = this.labels + 2;
    const end = Math.min(first + size, this.length);
    let count = 0;
    mean.fill(0);
    for (let bucket = first; bucket < end; bucket++) {
      count += this.counts[bucket];
      for (let i = 0; i < width; i++) mean[i] += this.sums[bucket * width + i];
    }
    for (let i = 0; i < width; i++) mean[i] /= count;
    return count > 0;
  }

  /** Index of the label that most readings of a bucket had. */
  label(bucket) {
    const width = this.labels + 1;
    let best = 0;
    for (let i = 1; i < width; i++) {
      if (this.votes[bucket * width + i] > this.votes[bucket * width + best]) best = i;
    }
    return best;
  }

  #halve() {
    join(this.counts, 1);
    join(this.sums, this.labels + 2);
    join(this.votes, this.labels + 1);
    this.length = Math.ceil(this.length / 2);
    this.bucketMs *= 2;
  }
}

/** Add each two neighbouring rows of `width` values up, and clear what is free then. */
function join(array, width) {
  const rows = array.length / width / 2;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < width; i++) {
      array[row * width + i] = array[2 * row * width + i] + array[(2 * row + 1) * width + i];
    }
  }
  array.fill(0, rows * width);
}
