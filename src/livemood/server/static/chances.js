/** All probabilities of one channel, folded away: bars of what is now, and stacked over time. */
import { el, fillTo, say } from "./dom.js";
import { chip } from "./palette.js";
import { Stack } from "./stack.js";
import { stateOf } from "./state.js";
import { labelName, percent, t } from "./text.js";

export class Chances {
  /** @param {import("./channel.js").Channel} channel @param {() => string} who */
  constructor(channel, who) {
    this.channel = channel;
    this.who = who;
    this.title = el("h3", {});
    this.of = el("p", { class: "of" });
    this.bars = channel.labels.map((label) => bar(label));
    this.canvas = el("canvas", { class: "stack", role: "img" });
    this.root = el(
      "section",
      { class: "chances", "data-channel": String(channel.number) },
      el(
        "div",
        {},
        this.title,
        this.of,
        el("dl", { class: "bars" }, ...this.bars.map((b) => b.root)),
      ),
      this.canvas,
    );
  }

  /** Once it can be seen. */
  attach() {
    this.stack = new Stack(this.canvas, this.channel);
  }

  draw(store, view, now, connected, colours) {
    const { said } = stateOf(this.channel, now, { ended: store.ended, connected });
    say(this.title, this.who());
    say(this.of, t(store.ended ? "report_shares" : said ? "now" : "no_label_now"));
    this.canvas.setAttribute("aria-label", t("probabilities_of", { who: this.who() }));
    for (const one of this.bars) one.show(said?.probabilities[one.label] ?? 0, said?.label);
    this.stack?.draw(view, now, colours);
  }
}

/** A label's bar: its look, its name and its probability. */
function bar(label) {
  const name = el("span", { class: "name" });
  const value = el("dd", {});
  const fill = el("span", { class: "fill" });
  const root = el(
    "div",
    { class: "bar" },
    el("dt", {}, chip(label), name),
    el("span", { class: "track", "aria-hidden": "true" }, fill),
    value,
  );
  const show = (probability, said) => {
    say(name, labelName(label));
    say(value, said ? percent(probability) : "–");
    fillTo(fill, probability);
    root.classList.toggle("said", label === said);
  };
  show(0, "");
  return { label, root, show };
}
