import { tile } from "./palette.js";

/**
 * Stacked areas in the textures of their labels, pixel by pixel: on machines without a graphics
 * processor that takes a tenth of what the canvas' own filled paths take.
 */
export class Areas {
  /** @param {readonly string[]} labels @param {number} scale Pixels a CSS pixel. */
  constructor(labels, scale) {
    this.count = labels.length;
    this.side = 8 * scale;
    this.tiles = labels.map((label) => {
      const canvas = tile(label, scale);
      const { data } = canvas.getContext("2d").getImageData(0, 0, this.side, this.side);
      return new Uint32Array(data.buffer);
    });
    this.image = null;
  }

  /** Room of `width` by `height` pixels, empty. */
  clear(width, height) {
    if (this.image?.width !== width || this.image.height !== height) {
      this.image = new ImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    } else {
      this.pixels.fill(0);
    }
  }

  /**
   * Paint between two points, at `x0` and `x1` pixels; `values` holds their shares from `at0` and
   * `at1` on. The first label is at the top, the last fills what is left.
   */
  paint(x0, x1, values, at0, at1) {
    const { width, height } = this.image;
    const { pixels, tiles, count, side } = this;
    const mask = side - 1;
    const end = Math.min(width - 1, Math.floor(x1));
    for (let x = Math.max(0, Math.ceil(x0)); x <= end; x++) {
      const part = x1 > x0 ? (x - x0) / (x1 - x0) : 1;
      let sum = 0;
      let place = x;
      let y = 0;
      for (let label = 0; label < count; label++) {
        const tile = tiles[label];
        const before = values[at0 + label];
        sum += before + part * (values[at1 + label] - before);
        const until = label === count - 1 ? height : Math.min(height, Math.round(sum * height));
        for (; y < until; y++) {
          pixels[place] = tile[(y & mask) * side + (x & mask)];
          place += width;
        }
      }
    }
  }
}
