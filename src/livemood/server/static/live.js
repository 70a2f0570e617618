/** The live page: a monitor's session, one of many, or the microphone of this page. */
import { prepareActions } from "./actions.js";
import { Announcer } from "./announce.js";
import { ask, serverNow, token } from "./api.js";
import { Controls } from "./controls.js";
import { $, el, say } from "./dom.js";
import { showHead } from "./head.js";
import { connect } from "./livemood.js";
import { askForToken, explain, notice, onTheme, ready } from "./page.js";
import { Player } from "./player.js";
import { prepareSpeaking } from "./speaking.js";
import { Stage } from "./stage.js";
import { Store } from "./store.js";
import { Table } from "./table.js";
import { alertWords, clock, currentLanguage, onLanguage, reason, t, whole } from "./text.js";
import { View } from "./view.js";

const TICK_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 250;

/** With what is written and erased, a deletion takes less. */
const DELETION_MS = 2000;

/** States of a connection in which what is shown is how things are. */
const CONNECTED = ["live", "ended", "ending"];

const about = await ready();
const speaking = location.pathname === "/speak";
const asked = named(location.pathname.match(/^\/sessions\/(.+)$/)?.[1] ?? "");
const store = new Store();
const view = new View();
const announcer = new Announcer($("#announcer"));
const stage = new Stage(store, view, who, touched);
const table = new Table($("#table-details"), touched);
const controls = new Controls(view, now, touched);
controls.attach(stage.canvas, stage.pointing, () => stage.timeline);
const player = about.demo && new Player(about.demo, store, view, who, touched);
controls.onPoint = (ms) => player?.seek(ms);
let state = speaking ? "ready" : "connecting";
let waiting = false;
/** Whether the session was deleted, or is none of the reader's. */
let gone = false;
let feed = null;
let speaker = null;

/** What an address names; as it stands, where that is no encoding of anything. */
function named(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function now() {
  return store.nowMs(performance.now(), state === "live");
}

function who(n) {
  return store.started?.participants[n] || t("channel", { n: n + 1 });
}

/** Something changed, on one channel or everywhere: draw at the next frame. */
function touched(channel) {
  if (typeof channel === "number") stage.dirty.add(channel);
  else for (const each of store.channels) stage.dirty.add(each.number);
  soon();
}

function soon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

function take(event) {
  const { session } = store;
  store.take(event, performance.now(), serverNow());
  // What was looked at is gone with its session.
  if (session && store.session !== session) view.follow();
  touched(event.channel ?? undefined);
}

function draw() {
  head();
  controls.draw(Boolean(store.ended));
  const plays = player?.draw(now(), state, stage.pointing);
  const more = stage.draw(now(), CONNECTED.includes(state));
  table.draw(store, who, currentLanguage());
  announce();
  if (more || plays) soon();
}

/** The lines above the panels. */
function head() {
  const { ended } = store;
  document.documentElement.classList.toggle("idle", !store.channels.length);
  showHead(store, state, t(speaking ? "speak_title" : "timeline"));
  $("#marker-form").hidden = !(about.features.markers && state === "live" && !ended);
  $("#report").hidden = !store.session || gone;
  if (gone) $("#delete").hidden = true;
  say($("#help"), t(ended ? "timeline_help_ended" : "timeline_help"));
  list($("#notices"), store.notices.map(words));
  const alerts = ended ? [] : [...store.raised.values()];
  list($("#alerts"), alerts.map(alertLine));
}

function list(element, lines) {
  if (element.dataset.said === lines.join("\n")) return;
  element.dataset.said = lines.join("\n");
  element.replaceChildren(...lines.map((line) => el("li", {}, line)));
}

function alertLine({ since, channel, reason: its, found }) {
  const why = alertWords(its, found);
  const person = typeof channel === "number" ? t("person_at", { who: who(channel), what: why }) : why;
  return t("alert_line", { time: clock(since), what: person });
}

function words({ code, message, count }) {
  const known = ["history_lost", "slow_client", "rewound"].includes(code);
  return known ? t(code, { count: whole(count) }) : reason(code, message);
}

function announce() {
  if (state === "live") announcer.follow(store, now(), who);
}

async function becomes(next, why, code) {
  state = next;
  touched();
  if (next === "refused") {
    const words = () => reason(code, why) || t("states.refused");
    if (!why || ["bad_token", "no_token"].includes(code)) askForToken(why && words());
    notice(words);
  } else if (next === "waiting" && asked) {
    // A socket does not say why it was refused: the session's own address does.
    await lookUp();
  } else if (next === "ended" && !store.session && !speaking) {
    notice(() => t("ended_nothing"));
  } else {
    notice("");
    // Who deletes a session that runs ends it first.
    if (next === "ended" && asked) setTimeout(lookUp, DELETION_MS);
  }
}

/** Whether there still is a session of this page's address; what will not change is said. */
async function lookUp() {
  await ask(`/v1/sessions/${encodeURIComponent(asked)}`).catch((refusal) => {
    // A server that starts anew answers otherwise for a while.
    if (![401, 403, 404, 410].includes(refusal.status) || state === "live") return;
    gone = refusal.status !== 401;
    feed.close();
    explain(refusal);
    touched();
  });
}

onLanguage(touched);
onTheme(() => {
  stage.recolour();
  touched();
});
$("#table-details").addEventListener("toggle", touched);
document.documentElement.dataset.mode = about.mode;
$("#home").hidden = about.mode !== "service";
setInterval(() => {
  if (state === "live") touched();
  else announce();
}, TICK_MS);

prepareActions({
  about,
  store,
  own: asked,
  speaker: () => speaker,
  leave: () => feed?.close(),
});
if (speaking) {
  speaker = prepareSpeaking(about, { take, becomes });
} else {
  feed = connect({
    session: asked || undefined,
    token: token() || undefined,
    follow: about.mode === "monitor",
    onEvent: take,
    onState: becomes,
  });
}
touched();

/** For whoever looks inside from the console, and for tests. */
globalThis.livemoodPage = { store, view, feed, speaking: speaker, take, now, stage, player };
