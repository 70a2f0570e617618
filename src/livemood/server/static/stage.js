/** What is drawn of a session: panels, the talk, the one timeline, and all probabilities. */
import { Chances } from "./chances.js";
import { $, el, say, set } from "./dom.js";
import { Key } from "./key.js";
import { Panel } from "./panel.js";
import { themeColours } from "./plot.js";
import { Pointing } from "./pointing.js";
import { talkOf } from "./talk.js";
import { Timeline } from "./timeline.js";
import { length, percent, t } from "./text.js";

/** Draws a store. Panels at each frame; of the timeline's lanes and the stacked probabilities, one. */
export class Stage {
  /**
   * @param {import("./store.js").Store} store
   * @param {import("./view.js").View} view
   * @param {(n: number) => string} who
   * @param {(channel?: number) => void} touched To be told when something is to be drawn.
   */
  constructor(store, view, who, touched) {
    Object.assign(this, { store, view, who, touched });
    this.canvas = $("#timeline");
    this.details = $("#probabilities");
    this.pointing = new Pointing(this.canvas, $("#tip"), view);
    this.panels = [];
    this.chances = [];
    this.key = new Key($("#key"));
    /** Channels whose stacked probabilities are to be drawn. */
    this.dirty = new Set();
    this.colours = themeColours();
    this.sizes = new ResizeObserver(() => {
      this.timeline?.resize();
      for (const each of this.chances) if (this.details.open) this.#fit(each);
      touched();
    });
    this.pointing.listen(this.canvas, () => this.timeline, () => store.channels, touched);
    this.details.addEventListener("toggle", () => {
      for (const each of this.chances) if (this.details.open) this.#fit(each);
      touched();
    });
  }

  /** The theme has changed. */
  recolour() {
    this.colours = themeColours();
  }

  /** Draw; whether there is more to draw at the next frame. */
  draw(now, connected) {
    const { store, view, panels, pointing } = this;
    const { channels } = store;
    const same = panels.length === channels.length && panels.every((p, i) => p.channel === channels[i]);
    if (!same) this.#rebuild();
    for (const channel of channels) channel.pin(!view.live, now);
    for (const panel of this.panels) panel.draw(store, now, connected);
    this.#talk(now);
    this.key.draw(channels);
    if (!this.timeline) return false;
    const lanes = this.timeline.draw(store, view, now, this.colours, this.who);
    pointing.draw(this.timeline, store, now, this.who);
    set(this.canvas, "aria-label", t("timeline_of", { who: channels.map((c) => this.who(c.number)).join(", ") }));
    const stacks = this.details.open && this.#drawNext(now, connected);
    return lanes || stacks;
  }

  #drawNext(now, connected) {
    const [next] = this.dirty;
    this.dirty.delete(next);
    this.chances[next]?.draw(this.store, this.view, now, connected, this.colours);
    return this.dirty.size > 0;
  }

  #rebuild() {
    const { store, who, view } = this;
    this.sizes.disconnect();
    const name = (channel) => () => who(channel.number);
    this.panels = store.channels.map((channel) => new Panel(channel, name(channel)));
    this.chances = store.channels.map((channel) => new Chances(channel, name(channel)));
    const root = document.documentElement;
    root.style.setProperty("--channels", Math.max(1, this.panels.length));
    $("#panels").replaceChildren(...this.panels.map((panel) => panel.root));
    $("#stacks").replaceChildren(...this.chances.map((each) => each.root));
    this.timeline = this.panels.length ? new Timeline(this.canvas, store.channels) : null;
    for (const each of this.chances) {
      if (this.details.open) this.#fit(each);
      const { stack, canvas } = each;
      this.pointing.listen(canvas, () => each.stack ?? stack, () => store.channels, this.touched);
      this.sizes.observe(canvas);
    }
    if (this.panels.length) this.sizes.observe(this.canvas);
    view.cursorMs = null;
  }

  #fit(chances) {
    if (chances.stack) chances.stack.resize();
    else chances.attach();
    this.dirty.add(chances.channel.number);
  }

  /** Who speaks how much, and how long at once. */
  #talk(now) {
    const { store } = this;
    const line = $("#talk");
    const { spoken, bothMs } = talkOf(store.channels, store.ended ? store.endMs : now);
    const all = spoken.reduce((a, b) => a + b, 0);
    line.hidden = spoken.length < 2 || !all;
    if (line.hidden) return;
    const parts = $(".parts", line);
    if (parts.children.length !== spoken.length) {
      parts.replaceChildren(...spoken.map(() => el("span", {}, el("i", {}), el("b", {}))));
    }
    spoken.forEach((ms, n) => {
      const part = parts.children[n];
      const share = `${((100 * ms) / all).toFixed(1)}%`;
      if (part.style.width !== share) part.style.width = share;
      say(part.lastChild, t("talk_part", { who: this.who(n), share: percent(ms / all) }));
    });
    say($(".both", line), t("overtalk", { time: length(bothMs) }));
  }
}
