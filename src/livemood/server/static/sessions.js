/** The list of sessions: how they are now, search and filters, deletion. */
import { ask, token } from "./api.js";
import { erased } from "./deletion.js";
import { $ } from "./dom.js";
import { explain, notice, ready } from "./page.js";
import { ordered } from "./order.js";
import { Row } from "./row.js";
import { prepareTrial } from "./trial.js";
import { prepareUpload } from "./upload.js";
import { offerPurposes, onLanguage, t } from "./text.js";

const EVERY_MS = 2000;
/** While the server wants another token: as seldom as that. */
const REFUSED_MS = 5000;
/** Typing is searched for when it pauses. */
const TYPING_MS = 250;
const PAGE = 50;
const MOST_LIVE = 200;

const about = await ready();
const form = $("#filters");
let shown = PAGE;
let timer = 0;
let newest = 0;
let sessions = [];
/** Whether the notice is about a question that came to nothing: the next answer takes it away. */
let troubled = false;
/** Whether a token was asked for since the last answer. */
let asked = false;
/** @type {Map<string, Row>} */
const rows = new Map();

offerPurposes(form.purpose, about.purposes ?? []);
$("#speak").hidden = !about.features.stream;
prepareUpload(about, refresh);
prepareTrial(about);
form.oninput = ({ target }) => {
  shown = PAGE;
  clearTimeout(timer);
  timer = setTimeout(refresh, target === form.q ? TYPING_MS : 0);
};
form.onsubmit = (event) => {
  event.preventDefault();
  refresh();
};
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
  timer = 0;
  const number = ++newest;
  let wait = EVERY_MS;
  try {
    const found = await fetchShown();
    // A slow answer to an earlier question is no answer to this one.
    if (number !== newest) return;
    sessions = ordered(found.sessions, form.order.value, held());
    $("#more").hidden = !found.next;
    draw();
    if (troubled) notice("");
    troubled = asked = false;
  } catch (refusal) {
    if (number !== newest) return;
    wait = refused(refusal);
  }
  // What was typed meanwhile is asked for already.
  if (!timer && !document.hidden) timer = setTimeout(refresh, wait);
}

/** Say why; a token is asked for once. How long to wait. */
function refused(refusal) {
  troubled = true;
  if (refusal.status !== 401) {
    explain(refusal);
    return EVERY_MS;
  }
  if (!asked) explain(refusal);
  asked = true;
  notice(() => t(token() ? "refusals.bad_token" : "token_why"));
  return REFUSED_MS;
}

/** The order of the rows while somebody points at one or is on one: it does not change then. */
function held() {
  const body = $("#sessions tbody");
  const busy = body.matches(":hover") || body.contains(document.activeElement);
  return busy ? [...body.children].map((row) => row.dataset.session) : [];
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
  // Live ones may have begun before those.
  if (next && form.order.value === "worst" && !form.state.value) {
    query.delete("before");
    query.set("state", "live");
    query.set("limit", String(MOST_LIVE));
    const { sessions: live } = await ask(`/v1/sessions?${query}`);
    const known = new Set(all.map(({ id }) => id));
    all.push(...live.filter(({ id }) => !known.has(id)));
  }
  return { sessions: all, next };
}

function draw() {
  const filtered = ["state", "q", "purpose"].some((name) => form[name].value);
  $("#empty").hidden = sessions.length > 0;
  $("#empty").textContent = t(filtered ? "no_sessions" : "none_yet");
  $("#sessions").hidden = !sessions.length;
  const body = $("#sessions tbody");
  for (const [id, row] of rows) {
    if (sessions.some((session) => session.id === id)) continue;
    row.root.remove();
    rows.delete(id);
  }
  sessions.forEach((session, at) => {
    const row = rows.get(session.id) ?? new Row(session.id, erase);
    rows.set(session.id, row);
    if (body.children[at] !== row.root) body.insertBefore(row.root, body.children[at] ?? null);
    row.show(session);
  });
}

async function erase(session) {
  notice("");
  try {
    if (!(await erased(session))) return;
    $("#announcer").textContent = t("deleted");
    $("h1").focus();
  } catch (refusal) {
    explain(refusal);
  }
  refresh();
}
