/** The list of sessions: how they are now, search and filters, deletion. */
import { ask } from "./api.js";
import { $, el } from "./dom.js";
import { confirmed, explain, notice, ready } from "./page.js";
import { chip } from "./palette.js";
import { clock, date, labelName, onLanguage, t } from "./text.js";

const EVERY_MS = 2000;
const PAGE = 50;

const about = await ready();
const form = $("#filters");
let shown = PAGE;
let timer = 0;
let newest = 0;
let sessions = [];

for (const purpose of about.purposes ?? []) {
  form.purpose.append(el("option", { value: purpose }, purpose));
}
$("#speak").hidden = !about.features.stream;
form.oninput = () => {
  shown = PAGE;
  refresh();
};
form.onsubmit = (event) => event.preventDefault();
$("#more").onclick = () => {
  shown += PAGE;
  refresh();
};
onLanguage(draw);
document.addEventListener("visibilitychange", () => !document.hidden && refresh());
refresh();

/** Ask how things are, and again a little later as long as somebody looks. */
async function refresh() {
  clearTimeout(timer);
  const number = ++newest;
  try {
    const found = await fetchShown();
    // A slow answer to an earlier question is no answer to this one.
    if (number !== newest) return;
    sessions = found.sessions;
    $("#more").hidden = !found.next;
    draw();
    if ($("#notice").dataset.passing) notice("");
    delete $("#notice").dataset.passing;
  } catch (refusal) {
    explain(refusal);
    $("#notice").dataset.passing = "yes";
    if (refusal.status === 401) return;
  }
  if (number === newest && !document.hidden) timer = setTimeout(refresh, EVERY_MS);
}

async function fetchShown() {
  const query = new URLSearchParams({ limit: String(PAGE) });
  for (const name of ["state", "q", "purpose"]) {
    const value = form[name].value.trim();
    if (value) query.set(name, value);
  }
  const all = [];
  let next = null;
  do {
    if (next) query.set("before", next);
    const part = await ask(`/v1/sessions?${query}`);
    all.push(...part.sessions);
    next = part.next;
  } while (next && all.length < shown);
  return { sessions: all, next };
}

/** Rows that stay keep their elements, so that nobody's focus is lost. */
const rows = new Map();

function draw() {
  const filtered = ["state", "q", "purpose"].some((name) => form[name].value);
  $("#empty").hidden = sessions.length > 0;
  $("#empty").textContent = t(filtered ? "no_sessions" : "none_yet");
  $("#sessions").hidden = !sessions.length;
  const body = $("#sessions tbody");
  for (const [id, row] of rows) {
    if (sessions.some((session) => session.id === id)) continue;
    row.remove();
    rows.delete(id);
  }
  sessions.forEach((session, at) => {
    const row = rows.get(session.id) ?? el("tr", { "data-session": session.id });
    rows.set(session.id, row);
    if (body.children[at] !== row) body.insertBefore(row, body.children[at] ?? null);
    show(row, session);
  });
}

function show(row, session) {
  const text = JSON.stringify([session, clock(duration(session)), document.documentElement.lang]);
  if (row.dataset.shown === text) return;
  row.dataset.shown = text;
  const focused = row.contains(document.activeElement) && document.activeElement.className;
  const name = session.participants.join(", ") || session.source || session.id;
  const link = el("a", { href: `/sessions/${encodeURIComponent(session.id)}`, class: "open" }, name);
  const remove = el("button", { type: "button", class: "delete" }, t("delete"));
  remove.setAttribute("aria-label", t("delete_session", { name }));
  remove.onclick = () => erase(session.id);
  const started = session.started ?? session.created;
  row.replaceChildren(
    el("th", { scope: "row" }, link),
    cell("state", state(session)),
    cell("sounds", ...session.labels.filter(Boolean).map(sound)),
    cell("source", session.source ?? session.kind),
    cell("purpose", session.purpose || "–"),
    cell("started", started ? date(started) : "–"),
    cell("duration", clock(duration(session))),
    cell("actions", remove),
  );
  if (focused) row.querySelector(`.${focused}`)?.focus();
}

function cell(name, ...content) {
  return el("td", { class: name, "data-name": t(name) }, ...content);
}

function state(session) {
  const words = session.state === "waiting" ? t("session_waiting") : t(session.state);
  const pill = el("span", { class: "pill", "data-state": session.state }, words);
  if (!session.behind || session.state !== "live") return pill;
  return el("span", {}, pill, " ", el("span", { class: "pill", "data-state": "behind" }, t("behind")));
}

/** Of a live session, which says no duration yet: since it began. */
function duration({ state, started, duration_ms: ms }) {
  return state === "live" && started ? Math.max(0, Date.now() - Date.parse(started)) : ms;
}

function sound(label) {
  return el("span", { class: "sound" }, chip(label), labelName(label));
}

async function erase(id) {
  if (!(await confirmed($("#delete-dialog")))) return;
  try {
    await ask(`/v1/sessions/${encodeURIComponent(id)}`, { method: "DELETE" });
    $("#announcer").textContent = t("deleted");
  } catch (refusal) {
    explain(refusal);
  }
  refresh();
  $("h1").focus();
}
