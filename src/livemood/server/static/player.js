/** The demo's sound and words: a person can check each reading by ear. */
import { ask } from "./api.js";
import { $, el, say } from "./dom.js";
import { notice } from "./page.js";
import { t } from "./text.js";

/** Live, the sound may be so far from the session's time before it is moved, in ms. */
const DRIFT_MS = 300;
/** Words stay for a moment after they were said. */
const AFTER_MS = 400;

/**
 * Along with the session while that is live and shown; else from where somebody pressed the timeline,
 * or where it was stopped, and then it moves the cursor.
 */
export class Player {
  /**
   * @param {{real_time: boolean}} demo
   * @param {import("./store.js").Store} store
   * @param {import("./view.js").View} view
   * @param {(n: number) => string} who
   */
  constructor(demo, store, view, who, touched) {
    Object.assign(this, { demo, store, view, who, touched });
    this.button = $("#play");
    this.words = $("#words");
    this.spoken = [];
    /** Whether it plays what is live. */
    this.along = false;
    this.sound = el("audio", { preload: "none", src: "/demo/sound" });
    for (const news of ["play", "pause", "ended"]) this.sound.addEventListener(news, touched);
    this.button.onclick = () => (this.playing ? this.sound.pause() : this.#play());
    $("#player").hidden = false;
    ask("/demo/words").then((words) => {
      this.spoken = words;
      touched();
    }, () => {});
  }

  get playing() {
    return !this.sound.paused && !this.sound.ended;
  }

  /** Where the sound is, in ms. */
  get ms() {
    return 1000 * this.sound.currentTime;
  }

  /** Go on from `ms`, or begin there, where somebody presses the timeline or moves its cursor. */
  seek(ms) {
    if (ms !== null && !(this.playing && this.along)) this.sound.currentTime = ms / 1000;
  }

  async #play() {
    const { store, view, sound } = this;
    this.along = view.live && !store.ended;
    if (this.along) sound.currentTime = this.now / 1000;
    try {
      await sound.play();
    } catch (error) {
      // Who stops it before it began needs no word of it.
      if (error.name !== "AbortError") notice(() => t("sound_failed"));
    }
  }

  /** Keep sound, cursor and words together; whether the cursor moves on at the next frame. */
  draw(now, state, pointing) {
    this.now = now;
    const { store, view, sound } = this;
    const live = state === "live" && view.live && !store.ended;
    if (this.playing && this.along) {
      if (live && Math.abs(this.ms - now) > DRIFT_MS) sound.currentTime = now / 1000;
      if (!live) sound.pause();
    }
    const reads = this.playing && !this.along;
    if (reads && live) sound.pause();
    else if (reads) {
      view.point(this.ms, now);
      pointing.pointed = true;
    }
    const able = Boolean(store.session) && (this.demo.real_time || Boolean(store.ended));
    this.button.hidden = !able;
    say(this.button, t(this.playing ? "stop_sound" : "play_sound"));
    say(this.words, this.#said(this.playing ? this.ms : (view.cursorMs ?? view.endMs ?? now)));
    return reads;
  }

  /** Who says what at `ms`. */
  #said(ms) {
    const { ended } = this.store;
    if (ended && !this.playing && this.view.cursorMs === null) return t("words_hint");
    const at = ({ start_ms: start, end_ms: end }) => start <= ms && ms < end + AFTER_MS;
    const said = this.spoken.find(at);
    return said ? t("words_of", { who: this.who(said.channel), words: said.text }) : "";
  }
}
