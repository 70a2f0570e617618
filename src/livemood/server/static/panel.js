import { Chart } from "./chart.js";
import { el, fillTo, say, set } from "./dom.js";
import { chip, paintChip } from "./palette.js";
import { firstAt } from "./series.js";
import { amount, clock, labelName, percent, signed, t } from "./text.js";

/** How long a pause may be within which the values before it are still shown at the cursor. */
const NEAR_MS = 2500;

/** One channel on the page: what is said now, the values, and the timeline. */
export class Panel {
  /** @param {import("./channel.js").Channel} channel */
  constructor(channel, who, view, touched) {
    this.channel = channel;
    this.who = who;
    this.view = view;
    this.now = 0;
    /** The cursor that the slider's value was set for last. */
    this.told = undefined;
    this.title = el("h2", {});
    this.chip = chip("uncertain");
    this.label = el("span", { class: "label" });
    this.confidence = el("span", { class: "confidence" });
    this.speech = el("span", { class: "speech" });
    this.affect = el("span", { class: "affect" });
    this.of = el("p", { class: "of", hidden: true });
    this.bars = channel.labels.map((label) => bar(label));
    const slider = { role: "slider", "aria-valuemin": "0", "aria-valuemax": "0", "aria-valuenow": "0" };
    this.canvas = el("canvas", { class: "chart", tabIndex: 0, ...slider });
    this.tip = el("div", { class: "tip", hidden: true });
    this.root = el(
      "section",
      { class: "panel", "data-channel": String(channel.number) },
      el(
        "div",
        { class: "now" },
        el("div", { class: "who" }, this.title, this.speech),
        el("p", { class: "said" }, this.chip, this.label),
        el("p", { class: "values" }, this.confidence, this.affect),
        this.of,
        el("dl", { class: "bars" }, ...this.bars.map((b) => b.root)),
      ),
      el("div", { class: "plot" }, this.canvas, this.tip),
    );
    this.#listen(touched);
  }

  /** Once the panel is on the page. */
  attach() {
    this.chart = new Chart(this.canvas, this.channel.labels);
    this.#name();
  }

  /** Whose panel it is, known before its chart is drawn: that may take some frames. */
  #name() {
    say(this.title, this.who());
    set(this.canvas, "aria-label", t("timeline_of", { who: this.who() }));
  }

  #listen(touched) {
    const { canvas, view } = this;
    canvas.addEventListener("pointermove", ({ offsetX }) => {
      const ms = this.chart.timeAt(offsetX);
      view.cursorMs = ms >= 0 && ms <= this.now ? ms : null;
      this.pointed = true;
      touched();
    });
    for (const leaving of ["pointerleave", "blur"]) {
      canvas.addEventListener(leaving, () => {
        if (leaving === "pointerleave" && document.activeElement === canvas) return;
        view.cursorMs = null;
        this.pointed = false;
        touched();
      });
    }
    canvas.addEventListener("focus", () => (this.pointed = true));
  }

  /** Show what is known now. */
  draw(store, now, colours) {
    this.now = now;
    this.chart.draw(this.channel, store, this.view, now, colours);
    this.#name();
    this.#current(store);
    this.#cursor(store);
  }

  #current(store) {
    const { emotion, speaking } = this.channel;
    const { ended } = store;
    const silent = !speaking && !ended;
    const said = spoken(emotion, ended?.summary[this.channel.number]?.session);
    say(this.speech, ended ? t("mostly") : silent ? this.#silence() : t("speech"));
    this.speech.classList.toggle("on", speaking && !ended);
    this.root.classList.toggle("silent", silent);
    this.root.dataset.label = said?.label ?? "";
    this.root.dataset.seq = String(emotion?.seq ?? 0);
    say(this.label, said ? labelName(said.label) : t(store.ended ? "nothing_here" : "listening"));
    say(this.confidence, said ? percent(said.share) : "");
    this.chip.hidden = !said;
    this.of.hidden = !(said && ended);
    if (!said) return;
    paintChip(this.chip, said.label);
    const affect = affectOf(said);
    say(this.affect, ended ? t("report_of_speech") : silent ? t("last_heard") : affect);
    say(this.of, t("means", { values: affect }));
    for (const one of this.bars) one.show(said.probabilities[one.label] ?? 0, said.label);
  }

  /** Since when nobody has spoken, as far as is known. */
  #silence() {
    const { speech } = this.channel;
    return speech.length ? t("silence_since", { time: clock(speech.at(-1).end) }) : t("silence");
  }

  /** Markers that one points at, three at the most. */
  #near(markers, ms) {
    const [start, end] = this.chart.range;
    const reach = (6 * (end - start)) / this.chart.width;
    return markers.filter(({ at }) => Math.abs(at - ms) <= reach).slice(0, 3);
  }

  /** Where the timeline stands, in words that stay: screen readers say each that is new. */
  #standing(ended) {
    const { live, endMs } = this.view;
    if (ended) return t("states.ended");
    return live ? t("states.live") : t("paused_at", { time: clock(endMs) });
  }

  /**
   * What there is at the cursor: in a box for those who see, as the slider's value for all. The
   * value stays where it was until somebody moves the cursor.
   */
  #cursor({ markers, ended }) {
    const { canvas, tip, view } = this;
    const ms = view.cursorMs;
    tip.hidden = ms === null || !this.pointed;
    if (ms !== this.told) {
      this.told = ms;
      set(canvas, "aria-valuemax", String(Math.round(this.now / 1000)));
      set(canvas, "aria-valuenow", String(Math.round((ms ?? this.now) / 1000)));
    }
    if (ms === null) {
      set(canvas, "aria-valuetext", this.#standing(ended));
      return;
    }
    const notes = this.#near(markers, ms).map(({ note }) => `⚑ ${note}`);
    const lines = [clock(ms, true), ...notes, ...describe(this.channel, ms)];
    set(canvas, "aria-valuetext", lines.join(", "));
    if (tip.hidden) return;
    tip.replaceChildren(...lines.map((line) => el("div", {}, line)));
    const x = this.chart.x(ms);
    tip.classList.toggle("left", x > this.chart.width / 2);
    tip.style.left = `${x}px`;
  }
}

/** What there is to say now: the newest reading, or of a session that ended its summary. */
function spoken(emotion, summary) {
  if (summary) {
    const { dominant: label, shares, mean_probabilities: probabilities, valence, arousal } = summary;
    return label ? { label, share: shares[label], probabilities, valence, arousal } : null;
  }
  return emotion ? { ...emotion, share: emotion.confidence } : null;
}

function affectOf({ valence, arousal }) {
  return `${t("valence")} ${signed(valence)}  ${t("arousal")} ${signed(arousal)}`;
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
    say(value, percent(probability));
    fillTo(fill, probability);
    root.classList.toggle("said", label === said);
  };
  show(0, "");
  return { label, root, show };
}

/** The values at a moment, as lines of text. */
function describe(channel, ms) {
  const gap = channel.gaps.find((g) => g.start <= ms && ms <= g.end);
  if (gap) return [t("gap", { cause: t(`gap_causes.${gap.cause}`) })];
  const at = valuesAt(channel, ms);
  if (!at) return [t("nothing_here")];
  const { labels } = channel;
  const ranked = labels.map((label, i) => [label, at.values[i]]).sort((a, b) => b[1] - a[1]);
  const said = labels[at.label] ?? "uncertain";
  return [
    `${t("label")}: ${labelName(said)}`,
    ...ranked.slice(0, 3).map(([label, share]) => `${labelName(label)} ${percent(share)}`),
    `${t("valence")} ${signed(at.values[labels.length])}`,
    `${t("arousal")} ${signed(at.values[labels.length + 1])}`,
    ...(at.meanMs ? [t("mean_of", { s: amount(at.meanMs / 1000) })] : []),
  ];
}

function valuesAt(channel, ms) {
  const { history } = channel;
  const readings = channel.readings(ms, ms);
  if (readings) {
    const next = readings[firstAt(readings, ms)] ?? readings.at(-1);
    if (!next) return null;
    const from = next.fresh ? next.from : next.ms - NEAR_MS;
    return ms >= from && ms <= next.ms + 250 ? next : null;
  }
  const bucket = Math.floor(ms / history.bucketMs);
  if (!history.counts[bucket]) return null;
  const values = channel.labels.map((_, i) => history.mean(bucket, i));
  for (const extra of [0, 1]) values.push(history.mean(bucket, channel.labels.length + extra));
  return { values, label: history.label(bucket), meanMs: history.bucketMs };
}
