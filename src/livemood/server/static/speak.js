/** The microphone of this page as a session: AudioWorklet to `/v1/stream`, events back. */
import { token } from "./api.js";
import { address, protocols } from "./livemood.js";
import { t } from "./text.js";

/** Sound that may wait for a slow network, in bytes: about ten seconds. */
const MOST_WAITING = 1_000_000;

/**
 * @typedef {object} Wishes
 * @property {string} purpose What the session is for.
 * @property {string} consent What the speaker agreed to.
 * @property {string} name Of the speaker; may be empty.
 */

/** Streams the microphone until `stop` or until the server ends the session. */
export class Speaker {
  /** @param {{onEvent: (event: object) => void, onEnd: (why: string) => void}} options */
  constructor({ onEvent, onEnd }) {
    this.onEvent = onEvent;
    this.onEnd = onEnd;
  }

  /** Begin. Throws where the browser gives no microphone. @param {Wishes} wishes */
  async start(wishes) {
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio });
    try {
      this.context = new AudioContext();
      await this.context.audioWorklet.addModule(new URL("./worklet.js", import.meta.url));
      await this.#connect(wishes);
    } catch (error) {
      this.#release();
      throw error;
    }
    const source = this.context.createMediaStreamSource(this.stream);
    const blocks = new AudioWorkletNode(this.context, "blocks", { numberOfOutputs: 0 });
    blocks.port.onmessage = ({ data }) => this.#send(data);
    source.connect(blocks);
    await this.context.resume();
    // A microphone that is unplugged ends the session in order.
    for (const track of this.stream.getTracks()) track.onended = () => this.stop();
  }

  /** End in order: the server reads what it has, and says the summary. */
  stop() {
    this.#release();
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type: "end" }));
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
    let refusal = "";
    return new Promise((resolve, reject) => {
      socket.onopen = () => {
        socket.send(JSON.stringify(start));
        resolve();
      };
      socket.onmessage = ({ data }) => {
        const event = JSON.parse(data);
        if (event.type === "error" || event.error) refusal = event.message ?? event.error.message;
        if (event.type) this.onEvent(event);
      };
      socket.onclose = ({ code, reason }) => {
        this.#release();
        const why = refusal || reason || String(code);
        reject(new Error(why));
        this.onEnd(code === 1000 ? "" : why);
      };
    });
  }

  #send(block) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    // Sound left out would shift the session's clock: rather than that, it ends.
    if (this.socket.bufferedAmount > MOST_WAITING) {
      this.stop();
      this.onEnd(t("speak_slow"));
    } else {
      this.socket.send(block);
    }
  }

  #release() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    if (this.context && this.context.state !== "closed") this.context.close();
  }
}
