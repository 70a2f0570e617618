/** Gathers what the microphone hears into blocks of 20 ms of 16-bit samples. */
class Blocks extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = Math.round(sampleRate / 50);
    this.block = new Int16Array(this.size);
    this.filled = 0;
  }

  process([input]) {
    const channels = input.length;
    const frames = input[0]?.length ?? 0;
    for (let i = 0; i < frames; i++) {
      let sum = 0;
      for (const channel of input) sum += channel[i];
      const sample = Math.max(-1, Math.min(1, sum / channels));
      this.block[this.filled++] = Math.round(sample * 32767);
      if (this.filled === this.size) this.#send();
    }
    return true;
  }

  #send() {
    this.port.postMessage(this.block.buffer, [this.block.buffer]);
    this.block = new Int16Array(this.size);
    this.filled = 0;
  }
}

registerProcessor("blocks", Blocks);
