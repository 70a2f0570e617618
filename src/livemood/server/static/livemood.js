/**
 * livemood in a web page: the events of a monitor, each once and in order.
 *
 * It stands alone: no other file, no build step. See docs/guides/dashboards.md.
 *
 *     import { connect } from "/static/livemood.js";
 *     const feed = connect({ onEvent: (event) => console.log(event.type, event.label) });
 *
 * @typedef {{type: string, session: string, channel: ?number, seq: ?number, start_ms: number,
 *   end_ms: number, time: string}} LivemoodEvent  With the fields of docs/reference/protocol.md by `type`.
 *   Types that a page does not know are to be passed over: there may be more one day.
 * @typedef {"connecting"|"live"|"waiting"|"ended"|"refused"|"closed"} FeedState
 * @typedef {object} FeedOptions
 * @property {string} [url] Where the monitor is, `ws://HOST:PORT`; by default where the page is.
 * @property {string} [session] Which session, where the server has many.
 * @property {number} [after] Only events after this number; 0, the default, gives all.
 * @property {string} [token] An access token with the scope `watch`, where the server asks for one.
 * @property {boolean} [follow] When the session has ended, wait for the next one at this address.
 * @property {(event: LivemoodEvent) => void} [onEvent] Told every event.
 * @property {(state: FeedState, why: string, code: string) => void} [onState] Told how the
 *   connection is; where it is refused, what the server said, and its code where it gave one.
 */

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5000;
const FOLLOW_MS = 3000;
/** In silence nothing comes; nor does it over a connection that died without a word. */
const QUIET_MS = 15_000;
const ANSWER_MS = 5000;
/** Close codes: the session has ended; the server cannot now, and asks to come back later. */
const ENDED = 1000;
const LATER = 1013;
const PATH = "/v1/timeline";

/** Subprotocols of a socket: browsers cannot send the header that carries a token elsewhere. */
export function protocols(token) {
  return token ? ["livemood.v1", `bearer.${token}`] : ["livemood.v1"];
}

/** The WebSocket address of `path` at `base`, by default the page's own server. */
export function address(path, base = location.href) {
  const url = new URL(path, base);
  url.protocol = { "http:": "ws:", "https:": "wss:" }[url.protocol] ?? url.protocol;
  return url;
}

/** A connection that mends itself and fetches what it missed by sequence number. */
export class Feed {
  #options;
  #socket = null;
  #timer = 0;
  #quiet = 0;
  #wait = FIRST_WAIT_MS;
  /** Whether the session that was heard last has ended: a server may also just go away. */
  #over = false;
  #retry = () => this.#retryNow();

  /** @param {FeedOptions} options */
  constructor(options = {}) {
    this.#options = options;
    /** @type {FeedState} */
    this.state = "connecting";
    /** The session of the newest event; empty before the first. */
    this.session = options.session ?? "";
    /** Number of the newest event. */
    this.seq = options.after ?? 0;
    /** Events that never came, less those that the server said it had dropped. */
    this.missed = 0;
    addEventListener("online", this.#retry);
    document.addEventListener("visibilitychange", this.#retry);
    this.#open();
    queueMicrotask(() => {
      if (this.state === "connecting") this.#options.onState?.("connecting", "", "");
    });
  }

  /** Leave for good. */
  close() {
    removeEventListener("online", this.#retry);
    document.removeEventListener("visibilitychange", this.#retry);
    clearTimeout(this.#timer);
    clearTimeout(this.#quiet);
    this.#become("closed");
    this.#socket?.close();
  }

  #open() {
    const url = address(PATH, this.#options.url);
    url.searchParams.set("after", String(this.seq));
    if (this.session) url.searchParams.set("session", this.session);
    let socket;
    try {
      socket = new WebSocket(url, protocols(this.#options.token));
    } catch {
      this.#become("refused", "the token holds characters that no token has", "bad_token");
      return;
    }
    this.#socket = socket;
    this.#listen(socket);
    let refusal = null;
    socket.onopen = () => {
      if (socket === this.#socket && this.state !== "ended") this.#become("live");
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.#listen(socket);
      const event = JSON.parse(data);
      if (!Number.isInteger(event.seq) && event.type === "error" && event.fatal) refusal = event;
      this.#take(event);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.state === "closed" || socket !== this.#socket) return;
      clearTimeout(this.#quiet);
      if (refusal && code !== LATER) this.#become("refused", refusal.message, refusal.code);
      else if (code === 1008) this.#become("refused", reason);
      else if (this.#over || code === ENDED) this.#end();
      else this.#again();
    };
  }

  /** Something came over `socket`: when nothing has for long, ask whether the server is there. */
  #listen(socket) {
    clearTimeout(this.#quiet);
    const timer = setTimeout(async () => {
      const opened = socket.readyState === WebSocket.OPEN;
      const there = opened && (await this.#answers());
      if (timer !== this.#quiet || this.state === "closed") return;
      if (there) {
        this.#listen(socket);
      } else if (socket.readyState !== WebSocket.CLOSED) {
        this.#socket = null;
        socket.close();
        this.#again();
      }
    }, QUIET_MS);
    this.#quiet = timer;
  }

  /** Whether the server answers at all, be it to say no. */
  async #answers() {
    const url = new URL("/healthz", address(PATH, this.#options.url));
    url.protocol = url.protocol === "wss:" ? "https:" : "http:";
    const signal = AbortSignal.timeout(ANSWER_MS);
    const options = { cache: "no-store", mode: "no-cors", signal };
    return fetch(url, options).then(() => true, () => false);
  }

  #take(event) {
    if (Number.isInteger(event.seq)) {
      const same = event.session === this.session;
      if (same && event.seq <= this.seq) return;
      // Not before: a server may take every connection, and close it at once.
      this.#wait = FIRST_WAIT_MS;
      this.missed = same || !this.session ? this.missed + event.seq - this.seq - 1 : 0;
      this.session = event.session;
      this.seq = event.seq;
      this.#over = event.type === "session.ended";
      if (this.state === "ended" && !same) this.#become("live");
    } else if (event.code === "rewound") {
      this.seq -= event.count;
    } else if (event.count) {
      this.missed -= event.count;
    }
    this.#options.onEvent?.(event);
  }

  #end() {
    this.#become("ended");
    if (this.#options.follow) this.#later(FOLLOW_MS);
  }

  #again() {
    // Said again after each attempt, so that whoever is told may ask why.
    if (this.state === "waiting") this.#options.onState?.("waiting", "", "");
    else this.#become("waiting");
    this.#later(this.#wait);
    this.#wait = Math.min(LONGEST_WAIT_MS, this.#wait * 2);
  }

  #later(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), ms);
  }

  #retryNow() {
    if (this.state !== "waiting" || document.hidden) return;
    if (this.#socket?.readyState === WebSocket.CONNECTING) return;
    this.#wait = FIRST_WAIT_MS;
    this.#later(0);
  }

  #become(state, why = "", code = "") {
    if (state === this.state) return;
    this.state = state;
    this.#options.onState?.(state, why, code);
  }
}

/**
 * Connect to a monitor. Events come to `onEvent`, each once and in order, also after the
 * connection broke or the server was started anew.
 * @param {FeedOptions} [options]
 * @returns {Feed}
 */
export function connect(options) {
  return new Feed(options);
}
