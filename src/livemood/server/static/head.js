/** What the page says of a session: its name and state above, and what it is, beneath. */
import { $, fillTo, say } from "./dom.js";
import { clock, date, sessionName, t, whole, word } from "./text.js";

/**
 * @param {import("./store.js").Store} store
 * @param {string} state The connection's.
 * @param {string} unnamed What the page is called before it knows of a session.
 */
export function showHead(store, state, unnamed) {
  const { started } = store;
  say($("#name"), started ? sessionName(started) : unnamed);
  const title = `${$("#name").textContent} · ${word("states", state)} · livemood`;
  if (document.title !== title) document.title = title;
  const root = document.documentElement;
  if (root.dataset.state !== state) root.dataset.state = state;
  say($("#state"), word("states", state));
  showLatency(store);
  showFacts(store);
}

function showLatency({ started, ended, latencyMs, behind }) {
  const budget = started?.settings.budget_ms;
  const values = { ms: whole(latencyMs ?? 0), budget: whole(budget ?? 0) };
  $("#latency-row").hidden = Boolean(ended);
  say($("#latency"), latencyMs !== null ? t(budget ? "latency_of" : "latency_ms", values) : "–");
  fillTo($("#latency-bar"), latencyMs !== null && budget ? Math.min(1, latencyMs / budget) : 0);
  const late = behind.size > 0 && !ended;
  $("#behind").hidden = !late;
  document.documentElement.classList.toggle("behind", late);
}

/** What stays as it is while the session runs. */
function showFacts({ started, ended, endMs }) {
  const model = started ? `${started.model.name} ${started.model.version}` : "";
  const facts = {
    model,
    "model-below": model,
    source: started?.source,
    purpose: started?.purpose && word("purposes", started.purpose),
    started: started && date(started.time),
    duration: ended && clock(endMs),
    "ended-how": ended && word("ended_why", ended.reason),
  };
  for (const [name, value] of Object.entries(facts)) {
    $(`#${name}-row`).hidden = !value;
    say($(`#${name}`), value || "–");
  }
}
