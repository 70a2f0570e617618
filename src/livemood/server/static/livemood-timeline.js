/**
 * A session in any web page, as an element of its own:
 *
 *     <script type="module" src="http://HOST:PORT/static/livemood-timeline.js"></script>
 *     <livemood-timeline src="http://HOST:PORT/sessions/ID"></livemood-timeline>
 *
 * Attributes: `src`, the address of a monitor or of a session's page; `token`, with the scope
 * `watch`; `channel`, to show one alone; `span`, in seconds or `all`; `language`, `en` or `zh`;
 * `theme`, `light` or `dark`. Each event of the session is told as a DOM event `livemood`.
 */
import { el, say, set } from "./dom.js";
import { onTimeline } from "./keys.js";
import { Panel } from "./panel.js";
import { themeColours } from "./plot.js";
import { Pointing } from "./pointing.js";
import { speak, t } from "./text.js";
import { Timeline } from "./timeline.js";
import { View } from "./view.js";
import { Watching } from "./watching.js";

const STYLES = ["colours.css", "panel.css", "livemood-timeline.css"];

export class LivemoodTimeline extends HTMLElement {
  static observedAttributes = ["src", "token", "channel", "span", "language", "theme"];
  #watching = null;
  #timeline = null;
  #panels = [];
  #sizes = new ResizeObserver(() => {
    this.#timeline?.resize();
    this.#watching?.touched();
  });

  constructor() {
    super();
    const styles = STYLES.map((name) =>
      el("link", { rel: "stylesheet", href: new URL(`./${name}`, import.meta.url).href }),
    );
    const slider = { role: "slider", "aria-valuemin": "0", "aria-valuemax": "0", "aria-valuenow": "0" };
    this.canvas = el("canvas", { tabIndex: 0, ...slider });
    this.panels = el("div", { class: "panels" });
    this.tip = el("div", { class: "tip", hidden: true });
    this.plot = el("div", { class: "plot", hidden: true }, this.canvas, this.tip);
    this.note = el("p", { class: "note" });
    const all = el("div", { class: "all" }, this.panels, this.plot, this.note);
    this.attachShadow({ mode: "open" }).append(...styles, all);
  }

  connectedCallback() {
    this.view = new View();
    this.pointing = new Pointing(this.canvas, this.tip, this.view);
    this.#watch();
    const touched = () => this.#watching?.touched();
    this.pointing.listen(this.canvas, () => this.#timeline, () => this.#shown(), touched);
    this.canvas.onkeydown = (event) => {
      const { now, store } = this.#watching;
      const move = onTimeline(event, this.view, now, Boolean(store.ended));
      if (!move) return;
      event.preventDefault();
      this.pointing.pointed = true;
      move();
      touched();
    };
  }

  disconnectedCallback() {
    this.#watching?.close();
    this.#watching = null;
    this.#sizes.disconnect();
  }

  attributeChangedCallback(name, before, value) {
    if (name === "language") speak(value ?? "");
    if (!this.#watching || before === value) return;
    if (name === "src" || name === "token") this.#watch();
    else if (name === "span") this.#span();
    this.#watching.touched();
  }

  /** Watch what `src` names from the beginning. */
  #watch() {
    this.#watching?.close();
    this.view.follow();
    this.#span();
    const url = new URL(this.getAttribute("src") ?? "", location.href);
    const session = url.pathname.match(/\/sessions\/([^/]+)/)?.[1];
    const where = {
      url: url.origin === "null" ? `${url.protocol}//${url.host}` : url.origin,
      session: session && decodeURIComponent(session),
      token: this.getAttribute("token") || undefined,
    };
    this.#watching = new Watching(where, () => this.#draw(), (event) => {
      this.dispatchEvent(new CustomEvent("livemood", { detail: event }));
    });
  }

  #span() {
    const asked = this.getAttribute("span");
    const seconds = asked === "all" ? Infinity : Number(asked);
    if (asked && seconds > 0) Object.assign(this.view, { spanMs: 1000 * seconds, chosen: true });
  }

  #shown() {
    const asked = this.getAttribute("channel");
    const { channels } = this.#watching.store;
    return asked ? channels.filter(({ number }) => String(number) === asked) : channels;
  }

  #draw() {
    if (!this.#watching) return;
    const { store, now, connected, state, why } = this.#watching;
    const shown = this.#shown();
    const same = this.#panels.length === shown.length && this.#panels.every((p, i) => p.channel === shown[i]);
    if (!same) this.#rebuild(shown);
    this.view.settle(Boolean(store.ended));
    const who = (n) => this.#watching.who(n);
    for (const channel of shown) channel.pin(!this.view.live, now);
    for (const panel of this.#panels) panel.draw(store, now, connected);
    say(this.note, state === "refused" && why ? why : t("note"));
    if (!this.#timeline) return;
    set(this.canvas, "aria-label", t("timeline_of", { who: shown.map((c) => who(c.number)).join(", ") }));
    if (this.#timeline.draw(store, this.view, now, themeColours(this), who)) this.#watching.touched();
    this.pointing.draw(this.#timeline, { ...marked(store), channels: shown }, now, who);
  }

  #rebuild(shown) {
    this.#panels = shown.map((each) => new Panel(each, () => this.#watching.who(each.number)));
    this.panels.replaceChildren(...this.#panels.map((panel) => panel.root));
    this.plot.hidden = !shown.length;
    this.plot.style.setProperty("--channels", String(shown.length));
    this.#timeline = shown.length ? new Timeline(this.canvas, shown) : null;
    this.#sizes.disconnect();
    if (shown.length) this.#sizes.observe(this.canvas);
  }
}

function marked({ markers, alerts, ended }) {
  return { markers, alerts, ended };
}

customElements.define("livemood-timeline", LivemoodTimeline);
