import { newest } from "./beside.js";
import { el, fillTo, say, set } from "./dom.js";
import { paintSwatch } from "./palette.js";
import { stateOf } from "./state.js";
import {
  alertWords,
  clock,
  currentLanguage,
  held,
  labelName,
  percent,
  signed,
  t,
  voiceWords,
  whole,
  word,
} from "./text.js";

const ARROWS = { rising: "↗", falling: "↘", steady: "→" };
/** The level that an empty meter stands for, in dB below full scale. */
const QUIETEST_DB = -70;

/** One person on the page: how they sound now, since when, and what is wrong with the sound. */
export class Panel {
  /** @param {import("./channel.js").Channel} channel @param {() => string} who */
  constructor(channel, who) {
    const title = `who-${channel.number}`;
    this.channel = channel;
    this.who = who;
    this.title = el("h2", { id: title });
    this.speech = el("span", { class: "speech" });
    this.swatch = el("canvas", { class: "swatch", "aria-hidden": "true" });
    this.label = el("span", { class: "label" });
    this.since = el("span", { class: "since" });
    this.arrow = el("span", { class: "arrow", "aria-hidden": "true" });
    this.confidence = el("span", { class: "confidence" });
    this.sure = el("span", { class: "sure" });
    this.affect = el("span", { class: "affect" });
    this.voice = el("span", { class: "voice" });
    this.beside = el("p", { class: "beside", hidden: true });
    this.reason = el("p", { class: "reason", hidden: true });
    this.meter = el("span", { class: "fill" });
    this.db = el("span", { class: "db" });
    const track = el("span", { class: "track", "aria-hidden": "true" }, this.meter);
    this.problems = el("span", {});
    this.level = el("p", { class: "level", hidden: true }, this.problems, track, this.db);
    this.root = el(
      "section",
      { class: "panel", "data-channel": String(channel.number), "aria-labelledby": title },
      this.swatch,
      el(
        "div",
        { class: "now" },
        el("div", { class: "who" }, this.title, this.speech),
        el("p", { class: "said" }, this.label, " ", el("span", { class: "held" }, this.since, " ", this.arrow)),
        el("p", { class: "values" }, this.confidence, this.sure, this.affect, this.voice),
        this.beside,
        this.reason,
        this.level,
      ),
    );
  }

  /** Show what is known now. @param {import("./store.js").Store} store */
  draw(store, now, connected) {
    const { root, channel } = this;
    const state = stateOf(channel, now, { ended: store.ended, connected });
    const label = state.said?.label ?? "";
    root.dataset.kind = state.kind;
    root.dataset.label = label;
    root.dataset.seq = String(channel.emotion?.seq ?? 0);
    say(this.title, this.who());
    say(this.speech, standing(state, channel));
    say(this.label, headline(state));
    say(this.since, sinceWords(state));
    say(this.arrow, state.forMs >= 1000 ? (ARROWS[state.trend] ?? "") : "");
    say(this.confidence, state.said ? shareWords(state) : "");
    say(this.sure, state.kind === "speaking" ? t("confidence") : "");
    say(this.affect, state.said ? affectOf(state.said) : lastWords(state));
    say(this.voice, state.kind === "speaking" ? voiceWords(state.said.voice?.words ?? []) : "");
    set(this.voice, "title", t("voice_long"));
    paintSwatch(this.swatch, label);
    this.#beside();
    this.#alert(store);
    this.#level(state.kind !== "ended" && connected ? channel.level : null);
  }

  /** What was read of words, and together with them, and of which time. */
  #beside() {
    const { beside, told } = this.channel;
    const key = `${told} ${currentLanguage()}`;
    if (this.beside.dataset.told === key) return;
    this.beside.dataset.told = key;
    this.beside.hidden = !beside.length;
    // Each reading in a piece of its own, which is not broken where there is room for it.
    const pieces = newest(beside).flatMap((piece) => [" · ", el("span", {}, piece)]);
    this.beside.replaceChildren(...pieces.slice(1));
  }

  /** Why an alert about this person holds, and since when: by now they may sound otherwise. */
  #alert({ raised, ended }) {
    const own = ended ? [] : [...raised.values()].filter((a) => a.channel === this.channel.number);
    this.reason.hidden = !own.length;
    const words = own.map(({ since, reason, found }) =>
      t("alert_line", { time: clock(since), what: alertWords(reason, found) }),
    );
    say(this.reason, words.join(" · "));
  }

  /** What is wrong with the sound, and how loud it is, where the server has said so. */
  #level(level) {
    const problems = level?.problems ?? [];
    this.level.hidden = !problems.length;
    if (!problems.length) return;
    say(this.problems, problems.map((code) => word("level_problems", code)).join(" · "));
    const db = level.db;
    this.meter.parentNode.hidden = this.db.hidden = db === null;
    if (db === null) return;
    fillTo(this.meter, Math.max(0, Math.min(1, 1 - db / QUIETEST_DB)));
    say(this.db, t("db", { db: whole(db) }));
    set(this.db, "title", t("db_long"));
  }
}

/** Whether the person speaks, beside the name. */
function standing({ kind }, { speaking }) {
  if (kind === "ended") return t("mostly");
  return speaking && kind !== "unknown" ? t("speech") : "";
}

/** The word that is read first. */
function headline({ kind, said }) {
  if (said) return labelName(said.label);
  const words = {
    unread: () => t("not_read"),
    silent: () => t("silence"),
    hearing: () => t("hearing"),
    unknown: () => t("no_news"),
  };
  return words[kind]?.() ?? t("nothing_yet");
}

function sinceWords({ forMs, paused, trend }) {
  return forMs === null ? "" : held(forMs, { paused, trend });
}

function shareWords({ kind, said }) {
  const share = percent(said.share);
  return kind === "ended" ? t("share_of_speech", { share }) : share;
}

function lastWords({ last }) {
  return last ? t("last_heard", { label: labelName(last.label), time: clock(last.ms) }) : "";
}

function affectOf({ valence, arousal }) {
  return t("affect", { valence: signed(valence), arousal: signed(arousal) });
}
