import { el } from "./dom.js";
import { clock, labelName, percent, signed, t } from "./text.js";

const ROWS = 100;

/** The timeline as a table of text: segments, markers and gaps, newest first. */
export class Table {
  /** @param {HTMLTableElement} table @param {HTMLDetailsElement} details */
  constructor(table, details) {
    this.table = table;
    this.details = details;
    this.shown = "";
  }

  /** Show what is new; nothing while the table is folded away. */
  draw(store, who, language) {
    const news = store.channels.map((c) => `${c.closed}/${c.gaps.length}`).join(" ");
    const state = `${store.session} ${news} ${store.markers.length} ${language}`;
    if (!this.details.open || state === this.shown) return;
    this.shown = state;
    const heads = ["who", "from", "to", "label", "confidence", "valence", "arousal"];
    const rows = [...segments(store, who), ...marks(store), ...gaps(store, who)];
    rows.sort((a, b) => b.at - a.at);
    this.table.replaceChildren(
      el("caption", {}, t("table_caption")),
      el("thead", {}, el("tr", {}, ...heads.map((key) => el("th", { scope: "col" }, t(key))))),
      el("tbody", {}, ...rows.slice(0, ROWS).map((row) => row.element())),
    );
  }
}

function* segments(store, who) {
  for (const channel of store.channels) {
    for (const s of channel.segments.slice(-ROWS)) {
      const cells = [labelName(s.label), percent(s.confidence), signed(s.valence), signed(s.arousal)];
      yield { at: s.start, element: () => row(who(channel.number), s.start, s.end, cells) };
    }
  }
}

function* marks(store) {
  for (const { at, note } of store.markers.slice(-ROWS)) {
    yield { at, element: () => remark(t("marker"), at, null, note) };
  }
}

function* gaps(store, who) {
  for (const channel of store.channels) {
    for (const gap of channel.gaps.slice(-ROWS)) {
      const cause = t("gap", { cause: t(`gap_causes.${gap.cause}`) });
      const name = who(channel.number);
      yield { at: gap.start, element: () => remark(name, gap.start, gap.end, cause) };
    }
  }
}

/** What is no segment: one text instead of a label and its values. */
function remark(who, start, end, text) {
  const times = [clock(start, true), end === null ? "" : clock(end, true)];
  const cells = times.map((time) => el("td", {}, time));
  const said = el("td", { colSpan: 4, class: "remark" }, text);
  return el("tr", {}, el("th", { scope: "row" }, who), ...cells, said);
}

function row(who, start, end, cells) {
  const times = [clock(start, true), clock(end, true)];
  const texts = [...times, ...cells].map((text) => el("td", {}, text));
  return el("tr", {}, el("th", { scope: "row" }, who), ...texts);
}
