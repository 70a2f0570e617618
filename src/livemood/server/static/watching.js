/** A session watched somewhere else than on its page: in an overlay, or in a page of others. */
import { connect } from "./livemood.js";
import { Store } from "./store.js";
import { onLanguage, t } from "./text.js";

const TICK_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 250;

export class Watching {
  #timer = 0;
  #frame = 0;
  #stopListening;

  /**
   * @param {{url?: string, session?: string, token?: string}} where
   * @param {() => void} draw Called at the next frame whenever something changed.
   * @param {(event: object) => void} [heard] Told every event.
   */
  constructor(where, draw, heard) {
    this.store = new Store();
    this.state = "connecting";
    /** What a server that refused said. */
    this.why = "";
    this.touched = () => {
      this.#frame ||= requestAnimationFrame(() => {
        this.#frame = 0;
        draw();
      });
    };
    this.#stopListening = onLanguage(this.touched);
    this.feed = connect({
      ...where,
      follow: !where.session,
      onEvent: (event) => {
        // What time it is at the server is not known here: where it says an event was made will do.
        this.store.take(event, performance.now(), Date.now());
        heard?.(event);
        this.touched();
      },
      onState: (state, why) => {
        Object.assign(this, { state, why });
        this.touched();
      },
    });
    this.#timer = setInterval(this.touched, TICK_MS);
  }

  get now() {
    return this.store.nowMs(performance.now(), this.state === "live");
  }

  get connected() {
    return this.state === "live" || this.state === "ended";
  }

  who(n) {
    return this.store.started?.participants[n] || t("channel", { n: n + 1 });
  }

  close() {
    clearInterval(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#stopListening();
    this.feed.close();
  }
}
