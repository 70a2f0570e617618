import { sourcesOf } from "./beside.js";
import { $, el } from "./dom.js";
import { clock, labelName, percent, signed, t, whole } from "./text.js";

/** Rows shown at first, and more at each press of the button. */
const ROWS = 100;
const HEADS = ["who", "from", "to", "label", "confidence", "valence", "arousal"];

/** The timeline as text: segments, words, silences, markers and gaps, newest first. */
export class Table {
  /** @param {HTMLDetailsElement} details With the table and the button that shows more of it. */
  constructor(details, touched) {
    this.details = details;
    this.table = $("table", details);
    this.more = $("#table-more", details);
    this.session = "";
    this.most = ROWS;
    this.shown = "";
    this.more.onclick = () => {
      this.most += ROWS;
      touched();
    };
  }

  /** Show what is new; nothing while the table is folded away. */
  draw(store, who, language) {
    if (store.session !== this.session) {
      this.session = store.session;
      this.most = ROWS;
    }
    const news = store.channels.map((c) => `${c.closed}/${c.told}/${c.gaps.length}/${c.speech.length}`);
    const ends = `${store.markers.length} ${Boolean(store.ended)} ${language} ${this.most}`;
    const state = `${store.session} ${news.join(" ")} ${ends}`;
    if (!this.details.open || state === this.shown) return;
    this.shown = state;
    const read = [...segments(store, who), ...beside(store, who)];
    const rows = [...read, ...silences(store, who), ...marks(store), ...gaps(store, who)];
    rows.sort((a, b) => b.at - a.at);
    const shown = Math.min(this.most, rows.length);
    const count = { shown: whole(shown), all: whole(rows.length) };
    this.table.replaceChildren(
      el("caption", {}, shown < rows.length ? t("table_part", count) : t("table_caption")),
      el("thead", {}, el("tr", {}, ...HEADS.map((key) => el("th", { scope: "col" }, t(key))))),
      el("tbody", {}, ...rows.slice(0, shown).map((row) => row.element())),
    );
    this.more.hidden = shown === rows.length;
  }
}

function* segments(store, who) {
  for (const channel of store.channels) {
    for (const s of channel.segments) {
      const element = () => {
        const values = [percent(s.confidence), signed(s.valence), signed(s.arousal)];
        return row(who(channel.number), s.start, s.end, [labelName(s.label), ...values]);
      };
      yield { at: s.start, element };
    }
  }
}

/** What was read of words, by other observers, and of all together. */
function* beside(store, who) {
  for (const channel of store.channels) {
    for (const reading of channel.beside) {
      const { start, end, label, confidence, valence, arousal, text } = reading;
      const element = () => {
        const name = t("person_at", { who: sourcesOf(reading), what: labelName(label) });
        const said = text ? `${name} (${text})` : name;
        const affect = valence === undefined ? ["", ""] : [signed(valence), signed(arousal)];
        return row(who(channel.number), start, end, [said, percent(confidence), ...affect]);
      };
      yield { at: start, element };
    }
  }
}

/** Where nobody speaks between what is known of a channel, and no sound is lost. */
function* silences(store, who) {
  for (const { number, speech, gaps } of store.channels) {
    const known = [...speech, ...gaps].sort((a, b) => a.start - b.start);
    if (store.ended) known.push({ start: store.endMs, end: store.endMs });
    let from = known[0]?.start;
    for (const { start, end } of known) {
      if (start > from) yield silence(who(number), from, start);
      from = Math.max(from, end ?? Infinity);
    }
  }
}

function silence(name, from, to) {
  return { at: from, element: () => remark(name, from, to, t("silence")) };
}

function* marks(store) {
  for (const { at, note } of store.markers) {
    yield { at, element: () => remark(t("marker"), at, null, note) };
  }
}

function* gaps(store, who) {
  for (const channel of store.channels) {
    for (const gap of channel.gaps) {
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
