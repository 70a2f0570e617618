import { say } from "./dom.js";
import { labelName, percent, t, word } from "./text.js";

const EVERY_MS = 5000;
/** Pauses between words are no silence to speak of. */
const SILENCE_MS = 2000;
/** Older gaps and markers are no news: they come when a page is opened late. */
const NEWS_MS = 10_000;

/** Tells screen readers what changed, at most every five seconds: the newest, not a backlog. */
export class Announcer {
  /** @param {HTMLElement} region With aria-live. */
  constructor(region) {
    this.region = region;
    this.session = "";
    this.last = -Infinity;
    this.timer = 0;
    /** What is to be told, and what was told last, by what it is about: `{state, text}`. */
    this.pending = new Map();
    this.told = new Map();
  }

  /** Tell what is new in `store`; its time is `now`, its channels are called by `who`. */
  follow(store, now, who) {
    if (store.session !== this.session) {
      this.session = store.session;
      this.pending.clear();
      this.told.clear();
    }
    for (const channel of store.channels) {
      this.#sound(channel, now, who(channel.number));
      this.#level(channel, who(channel.number));
      const lost = channel.gaps.at(-1);
      if (lost && now - lost.end < NEWS_MS) {
        const text = t("gap", { cause: t(`gap_causes.${lost.cause}`) });
        this.#tell(`gap ${channel.number}`, lost, `${who(channel.number)}: ${text}`);
      }
    }
    const marker = store.markers.at(-1);
    if (marker && now - marker.at < NEWS_MS) {
      this.#tell("marker", marker, `${t("marker")}: ${marker.note}`);
    }
    const behind = store.behind.size > 0;
    if (behind || this.told.has("behind") || this.pending.has("behind")) {
      this.#tell("behind", behind, `${t("latency")}: ${t(behind ? "behind" : "in_time")}`);
    }
  }

  /** The label when it changes, with the confidence of that moment; silence when it lasts. */
  #sound({ number, emotion, speaking, speech, fresh }, now, who) {
    if (!emotion) return;
    if (speaking) {
      // The newest reading is still one of what was said before the pause.
      if (fresh) return;
      const values = { label: labelName(emotion.label), confidence: percent(emotion.confidence) };
      this.#tell(number, emotion.label, t("said", { who, ...values }));
    } else if (speech.length && now - speech.at(-1).end >= SILENCE_MS) {
      this.#tell(number, null, t("said_silent", { who }));
    }
  }

  /** What is wrong with the sound, once it is said; that it is good again is no news. */
  #level({ number, level }, who) {
    const problems = level?.problems ?? [];
    const what = `level ${number}`;
    if (!problems.length && !this.told.has(what)) return;
    const text = problems.map((code) => word("level_problems", code)).join(", ");
    if (problems.length) this.#tell(what, problems.join(), `${who}: ${text}`);
    else this.told.delete(what);
  }

  /** Say `text` about `what`, which is in a new `state`, unless that was said last. */
  #tell(what, state, text) {
    if (this.told.has(what) && this.told.get(what) === state) {
      this.pending.delete(what);
      return;
    }
    if (this.pending.get(what)?.state === state) return;
    this.pending.set(what, { state, text });
    if (this.timer) return;
    const wait = Math.max(0, this.last + EVERY_MS - performance.now());
    this.timer = setTimeout(() => this.#speak(), wait);
  }

  #speak() {
    this.timer = 0;
    if (!this.pending.size) return;
    this.last = performance.now();
    say(this.region, [...this.pending.values()].map(({ text }) => text).join(". "));
    for (const [what, { state }] of this.pending) this.told.set(what, state);
    this.pending.clear();
  }
}
