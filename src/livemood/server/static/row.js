import { el, say, set } from "./dom.js";
import { explain, openReport, save } from "./page.js";
import { chip } from "./palette.js";
import { clock, currentLanguage, date, held, labelName, sessionName, t, word } from "./text.js";

const CELLS = ["state", "sounds", "source", "purpose", "started", "duration", "actions"];

/**
 * One session in the list. Its elements stay, and only what changed is written: nothing that
 * somebody points at, has selected or has the focus on is replaced.
 */
export class Row {
  /** @param {string} id @param {(session: object) => void} erase */
  constructor(id, erase) {
    this.link = el("a", { href: `/sessions/${encodeURIComponent(id)}`, class: "open" });
    this.cells = Object.fromEntries(CELLS.map((name) => [name, el("td", { class: name })]));
    this.state = el("span", { class: "pill" });
    this.behind = el("span", { class: "pill", "data-state": "behind" });
    this.reason = el("span", { class: "reason" });
    this.remove = el("button", { type: "button", class: "delete" });
    this.remove.onclick = () => erase(this.session);
    this.cells.state.append(el("div", {}, this.state, " ", this.behind, this.reason));
    this.exports = exportsMenu(id);
    this.cells.actions.append(this.exports.root, " ", this.remove);
    const name = el("th", { scope: "row" }, this.link);
    this.root = el("tr", { "data-session": id }, name, ...Object.values(this.cells));
    this.sounds = "";
  }

  /** Show the session as it is now. */
  show(session) {
    this.session = session;
    const { cells } = this;
    const live = session.state === "live";
    const odd = session.state === "ended" && session.reason !== "end";
    const started = session.started ?? session.created;
    for (const name of CELLS) set(cells[name], "data-name", t(name));
    say(this.link, sessionName(session));
    say(this.state, word("session_states", session.state));
    set(this.state, "data-state", session.state);
    this.behind.hidden = !(live && session.behind);
    say(this.behind, t("behind"));
    this.reason.hidden = !odd;
    say(this.reason, odd ? word("ended_why", session.reason ?? "") : "");
    this.#sounds(session, live);
    this.exports.show(session);
    say(cells.source, session.source ?? session.kind);
    say(cells.purpose, word("purposes", session.purpose) || "–");
    say(cells.started, date(started));
    say(cells.duration, clock(duration(session)));
    say(this.remove, t("delete"));
    const name = `${sessionName(session)}, ${date(started)}`;
    set(this.remove, "aria-label", t("delete_session", { name }));
  }

  /** Who sounds how: live, for how long and whether it becomes likelier; in the end, mostly. */
  #sounds({ labels, moods, participants }, live) {
    const lines = live && moods.length ? moods : labels.map((label) => label && { label });
    const said = lines.map((mood, n) => mood && { ...soundWords(mood), who: participants[n] ?? "" });
    const key = JSON.stringify([currentLanguage(), said]);
    if (key === this.sounds) return;
    this.sounds = key;
    const each = said.filter(Boolean).map(({ who, label, quiet, words }) =>
      el("div", { class: quiet ? "sound quiet" : "sound" }, chip(label), who && el("b", {}, who), " ", words),
    );
    this.cells.sounds.replaceChildren(...each);
  }
}

/** How one voice sounds, in words; `quiet` where nobody speaks: the label is what was heard last. */
function soundWords({ label, speaking, for_ms: ms, trend }) {
  const name = labelName(label);
  if (speaking === undefined) return { label, quiet: false, words: name };
  if (!speaking) return { label, quiet: true, words: t("silent_last", { label: name }) };
  return { label, quiet: false, words: `${name} ${held(ms, { trend })}` };
}

const FORMS = ["json", "jsonl", "csv", "vtt", "emotionml"];

/** A menu of what a session can be taken away as. */
function exportsMenu(id) {
  const path = `/v1/sessions/${encodeURIComponent(id)}`;
  const summary = el("summary", {});
  const items = FORMS.map((form) => el("button", { type: "button", onclick: () => take(form) }));
  const report = el("button", { type: "button", onclick: () => openReport(`${path}/report`).catch(explain) });
  const root = el(
    "details",
    { class: "exports" },
    summary,
    el("div", { class: "menu" }, report, ...items),
  );
  const take = (form) => save(`${path}/timeline?format=${form}`, `${id}.${form}`).catch(explain);
  // Away from it, and after a choice, it folds.
  root.addEventListener("focusout", ({ relatedTarget }) => {
    if (!root.contains(relatedTarget)) root.open = false;
  });
  root.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !root.open) return;
    root.open = false;
    summary.focus();
  });
  const show = (session) => {
    root.hidden = session.state === "waiting";
    say(summary, t("exports"));
    set(summary, "aria-label", t("exports_of", { name: sessionName(session) }));
    say(report, t("report"));
    items.forEach((item, n) => say(item, t(`export_forms.${FORMS[n]}`)));
  };
  return { root, show };
}

/** Of a live session: since it began, for what the server said is a little old. */
function duration({ state, started, duration_ms: ms }) {
  return state === "live" && started ? Math.max(0, Date.now() - Date.parse(started)) : ms;
}
