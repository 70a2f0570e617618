import { el, say, set } from "./dom.js";
import { chip } from "./palette.js";
import { clock, currentLanguage, date, labelName, sessionName, t, word } from "./text.js";

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
    this.cells.actions.append(this.remove);
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
    this.#sounds(session.labels.filter(Boolean));
    say(cells.source, session.source ?? session.kind);
    say(cells.purpose, word("purposes", session.purpose) || "–");
    say(cells.started, date(started));
    say(cells.duration, clock(duration(session)));
    say(this.remove, t("delete"));
    const name = `${sessionName(session)}, ${date(started)}`;
    set(this.remove, "aria-label", t("delete_session", { name }));
  }

  #sounds(labels) {
    const key = [currentLanguage(), ...labels].join();
    if (key === this.sounds) return;
    this.sounds = key;
    const each = labels.map((label) => el("span", { class: "sound" }, chip(label), labelName(label)));
    this.cells.sounds.replaceChildren(...each);
  }
}

/** Of a live session, which says no duration yet: since it began. */
function duration({ state, started, duration_ms: ms }) {
  return state === "live" && started ? Math.max(0, Date.now() - Date.parse(started)) : ms;
}
