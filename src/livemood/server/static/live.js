/** The live page: a monitor's session, one of many, or the microphone of this page. */
import { prepareActions } from "./actions.js";
import { Announcer } from "./announce.js";
import { ask, serverNow, token } from "./api.js";
import { themeColours } from "./chart.js";
import { Controls } from "./controls.js";
import { $, el, say } from "./dom.js";
import { showHead } from "./head.js";
import { connect } from "./livemood.js";
import { askForToken, explain, notice, onTheme, ready } from "./page.js";
import { Panel } from "./panel.js";
import { prepareSpeaking } from "./speaking.js";
import { Store } from "./store.js";
import { Table } from "./table.js";
import { currentLanguage, onLanguage, reason, t, whole } from "./text.js";
import { View } from "./view.js";

const TICK_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 250;

/** With what is written and erased, a deletion takes less. */
const DELETION_MS = 2000;

const about = await ready();
const speaking = location.pathname === "/speak";
const asked = named(location.pathname.match(/^\/sessions\/(.+)$/)?.[1] ?? "");
const store = new Store();
const view = new View();
const announcer = new Announcer($("#announcer"));
const table = new Table($("#table-details"), touched);
const controls = new Controls(view, now, touched);
let state = speaking ? "ready" : "connecting";
let panels = [];
let colours = themeColours();
let waiting = false;
/** Whether the session was deleted, or is none of the reader's. */
let gone = false;
/** Channels whose panels are to be drawn. */
const dirty = new Set();
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
  if (typeof channel === "number") dirty.add(channel);
  else for (const each of store.channels) dirty.add(each.number);
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

/** One chart a frame: with many channels no frame takes longer. */
function draw() {
  const { channels } = store;
  const same = panels.length === channels.length && panels.every((p, i) => p.channel === channels[i]);
  if (!same) rebuild();
  head();
  controls.draw(Boolean(store.ended));
  for (const channel of channels) channel.pin(!view.live, now());
  const [next] = dirty;
  dirty.delete(next);
  panels[next]?.draw(store, now(), colours);
  table.draw(store, who, currentLanguage());
  announce();
  if (dirty.size) touched(dirty.values().next().value);
}

function rebuild() {
  sizes.disconnect();
  panels = store.channels.map((channel) => new Panel(channel, () => who(channel.number), view, touched));
  $("#panels").style.setProperty("--channels", Math.min(2, panels.length || 1));
  $("#panels").replaceChildren(...panels.map((panel) => panel.root));
  for (const panel of panels) {
    panel.attach();
    controls.attach(panel);
    sizes.observe(panel.canvas);
  }
}

const sizes = new ResizeObserver(() => {
  for (const panel of panels) panel.chart.resize();
  touched();
});

/** The lines above the panels. */
function head() {
  const { ended } = store;
  const root = document.documentElement;
  root.classList.toggle("idle", !store.channels.length);
  showHead(store, state, t(speaking ? "speak_title" : "timeline"));
  $("#marker-form").hidden = !(about.features.markers && state === "live" && !ended);
  $("#report").hidden = !store.session || gone;
  if (gone) $("#delete").hidden = true;
  say($("#help"), t(ended ? "timeline_help_ended" : "timeline_help"));
  const said = store.notices.map(words);
  const list = $("#notices");
  if (list.dataset.said !== said.join()) {
    list.dataset.said = said.join();
    list.replaceChildren(...said.map((line) => el("li", {}, line)));
  }
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
  colours = themeColours();
  touched();
});
$("#table-details").addEventListener("toggle", touched);
document.documentElement.dataset.mode = about.mode;
$("#home").hidden = about.mode !== "service";
setInterval(() => {
  if (state === "live" && view.live) touched();
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
globalThis.livemoodPage = { store, view, feed, speaking: speaker, take, now, panels: () => panels };
