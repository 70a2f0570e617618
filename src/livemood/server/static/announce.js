import { say } from "./dom.js";

const EVERY_MS = 5000;

/** Tells screen readers what changed, at most every five seconds: the newest, not a backlog. */
export class Announcer {
  /** @param {HTMLElement} region With aria-live. */
  constructor(region) {
    this.region = region;
    this.last = -Infinity;
    this.pending = null;
    this.timer = 0;
    this.said = new Map();
  }

  /** Say `text` about `what` unless that was said last. */
  tell(what, text) {
    if (this.said.get(what) === text) return;
    this.said.set(what, text);
    this.pending = [...(this.pending ?? []).filter(([w]) => w !== what), [what, text]];
    if (this.timer) return;
    const wait = Math.max(0, this.last + EVERY_MS - performance.now());
    this.timer = setTimeout(() => this.#speak(), wait);
  }

  #speak() {
    this.timer = 0;
    this.last = performance.now();
    say(this.region, this.pending.map(([, text]) => text).join(". "));
    this.pending = null;
  }
}
