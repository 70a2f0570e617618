/** The microphone of this page as a session: AudioWorklet to `/v1/stream`, events back. */
import { token } from "./api.js";
import { address, protocols } from "./livemood.js";

/** How long the server may take to read what it has, once the end was said. */
const GOODBYE_MS = 15_000;

/**
 * @typedef {object} Wishes
 * @property {string} purpose What the session is for.
 * @property {string} consent What the speaker agreed to.
 * @property {string} name Of the speaker; may be empty.
 *
 * @typedef {object} End How it ended.
 * @property {"stopped"|"unplugged"|"slow"|"refused"|"server"|"unanswered"|"untaken"|"lost"|"failed"
 *   } kind `stopped` by the speaker; `unplugged`: the microphone went; `slow`: the network;
 *   `refused` or ended by the `server`; `unanswered`: it never said anything; `untaken`: it never
 *   took the connection; `lost`: the connection broke; `failed`: the browser could not.
 * @property {string} why The server's or the browser's words, if any.
 * @property {string} [code] The server's code for them.
 *
 * @typedef {object} Told
 * @property {(event: object) => void} onEvent Every event of the session.
 * @property {(on: boolean) => void} onMicrophone The microphone is on, or off again.
 * @property {() => void} onBegin The server has said that the session began.
 * @property {(key: string) => void} onTrouble `suspended`, `muted`, or nothing any more.
 * @property {(end: End) => void} onEnd Once, when all has been said.
 */

/** Streams the microphone until `stop` or until the server ends the session. Of one use. */
export class Speaker {
  /** Sound that may wait for a slow network, in bytes: about ten seconds. */
  static mostWaiting = 1_000_000;
  /** How long the server may take to say that the session began. */
  static patienceMs = 10_000;
  begun = false;
  /** What it ends with, once it is ending. @type {?End} */
  ending = null;
  #over = false;
  #refusal = "";
  #trouble = "";
  #timer = 0;
  /** What is listened to on the page as long as the microphone is on. */
  #while = new AbortController();

  /** @param {Told} told */
  constructor(told) {
    this.told = told;
  }

  /** Begin. Throws where the browser gives no microphone; all else `onEnd` tells. */
  async start(/** @type {Wishes} */ wishes) {
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio });
    this.told.onMicrophone(true);
    for (const track of this.stream.getTracks()) {
      // A microphone that is unplugged ends the session in order.
      track.onended = () => this.#finish("unplugged");
      track.onmute = () => this.#look(true);
      track.onunmute = () => this.#look(false);
    }
    this.#timer = setTimeout(() => this.#finish("unanswered"), Speaker.patienceMs);
    try {
      this.context = new AudioContext();
      const worklet = new URL("./worklet.js", import.meta.url);
      const loaded = await this.context.audioWorklet.addModule(worklet).then(
        () => true,
        () => false,
      );
      if (!loaded) this.#finish("untaken");
      if (this.ending) return;
      this.#connect(wishes);
      this.#listen();
    } catch (error) {
      this.#finish("failed", error.message);
    }
  }

  /** End in order: the server reads what it has, and says the summary. */
  stop() {
    this.#finish("stopped");
  }

  /** Note something at this moment. */
  mark(note) {
    this.socket.send(JSON.stringify({ type: "marker", note }));
  }

  #connect({ purpose, consent, name }) {
    const socket = new WebSocket(address("/v1/stream"), protocols(token()));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    const start = {
      type: "start",
      rate: this.context.sampleRate,
      encoding: "s16le",
      channels: 1,
      participants: name ? [name] : [],
      purpose,
      consent,
    };
    let opened = false;
    socket.onopen = () => {
      opened = true;
      socket.send(JSON.stringify(start));
    };
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = ({ code, reason }) => {
      if (code === 1000) this.#close("server");
      else if (this.#refusal) this.#close("refused", this.#refusal.message, this.#refusal.code);
      else this.#close(opened ? "lost" : "untaken", reason);
    };
  }

  #take(event) {
    if (event.type === "error" && event.fatal) this.#refusal = event;
    else if (!this.begun) {
      this.begun = true;
      clearTimeout(this.#timer);
      if (!this.ending) this.told.onBegin();
      this.#look();
    }
    this.told.onEvent(event);
  }

  #listen() {
    const { context } = this;
    this.source = context.createMediaStreamSource(this.stream);
    this.blocks = new AudioWorkletNode(context, "blocks", { numberOfOutputs: 0 });
    this.blocks.port.onmessage = ({ data }) => this.#send(data);
    this.source.connect(this.blocks);
    context.onstatechange = () => this.#look();
    // Where it cannot, the state says so.
    const resume = () => context.resume().catch(() => {});
    resume();
    // Browsers let sound go on only where somebody touches the page, or comes back to it.
    const { signal } = this.#while;
    for (const kind of ["pointerdown", "keydown", "visibilitychange"]) {
      document.addEventListener(kind, resume, { signal });
    }
  }

  #send(block) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    // Sound left out would shift the session's clock: rather than that, it ends.
    if (this.socket.bufferedAmount > Speaker.mostWaiting) this.#finish("slow");
    else this.socket.send(block);
  }

  /** Tell of what keeps the microphone from being heard, and when it no longer does. */
  #look(muted = this.stream.getTracks().some((track) => track.muted)) {
    if (this.ending) return;
    const trouble = this.context.state !== "running" ? "suspended" : muted ? "muted" : "";
    if (trouble !== this.#trouble) this.told.onTrouble(trouble);
    this.#trouble = trouble;
  }

  /** The microphone goes off; the rest of what the server says is still heard. */
  #finish(kind, why = "") {
    if (this.ending) return;
    this.ending = { kind, why };
    this.#release();
    clearTimeout(this.#timer);
    const open = this.socket?.readyState === WebSocket.OPEN;
    if (open) this.socket.send(JSON.stringify({ type: "end" }));
    if (open && this.begun) this.#timer = setTimeout(() => this.#close(kind), GOODBYE_MS);
    else this.#close(kind, why);
  }

  #close(kind, why = "", code = "") {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    // The server's own words say more than that the speaker had stopped.
    const stopped = this.ending?.kind === "stopped" && kind === "refused";
    const end = stopped ? { kind, why, code } : (this.ending ?? { kind, why, code });
    this.ending = end;
    this.#release();
    if (this.socket) {
      this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
      this.socket.close();
    }
    this.told.onEnd(end);
  }

  #release() {
    if (this.#while.signal.aborted) return;
    this.#while.abort();
    if (this.blocks) this.blocks.port.onmessage = null;
    for (const track of this.stream?.getTracks() ?? []) {
      track.onended = track.onmute = track.onunmute = null;
      track.stop();
    }
    if (this.context && this.context.state !== "closed") {
      this.context.onstatechange = null;
      this.context.close();
    }
    if (this.stream) this.told.onMicrophone(false);
  }
}
