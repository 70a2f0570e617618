/** What the colours of the timeline mean: each label that was said, and lost sound where there is some. */
import { el } from "./dom.js";
import { chip } from "./palette.js";
import { currentLanguage, labelName, t } from "./text.js";

export class Key {
  /** @param {HTMLElement} root A list. */
  constructor(root) {
    this.root = root;
    this.shown = "";
  }

  /** @param {import("./channel.js").Channel[]} channels */
  draw(channels) {
    const said = new Set();
    for (const { segments, emotion } of channels) {
      for (const { label } of segments) said.add(label);
      if (emotion) said.add(emotion.label);
    }
    const order = [...(channels[0]?.labels ?? []), "uncertain"];
    const labels = order.filter((label) => said.has(label));
    const lost = channels.some(({ gaps }) => gaps.length);
    const shown = JSON.stringify([currentLanguage(), labels, lost]);
    if (shown === this.shown) return;
    this.shown = shown;
    const entries = labels.map((label) => el("li", {}, chip(label), labelName(label)));
    if (lost) entries.push(el("li", {}, el("span", { class: "chip lost", "aria-hidden": "true" }), t("lost")));
    this.root.replaceChildren(...entries);
  }
}
