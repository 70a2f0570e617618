/** `/overlay?channel=0`: who sounds how, on nothing, to lie over a video. */
import { token } from "./api.js";
import { $, say } from "./dom.js";
import { Panel } from "./panel.js";
import { fill, speak, t } from "./text.js";
import { Watching } from "./watching.js";

const query = new URLSearchParams(location.search);
/** Tokens stand behind the #: that part of an address is never sent. */
const given = new URLSearchParams(location.hash.slice(1)).get("token");
const asked = query.get("channel");
const channel = asked === null || asked === "" ? null : Number(asked);
const wrong = channel !== null && !(Number.isInteger(channel) && channel >= 0);
let panels = [];

speak(query.get("language") ?? "");
fill(document);
const watching = new Watching(
  { session: query.get("session") ?? undefined, token: given || token() || undefined },
  draw,
);

function draw() {
  const { store, now, connected } = watching;
  const shown = store.channels.filter(({ number }) => channel === null || number === channel);
  if (panels.length !== shown.length || panels.some((p, i) => p.channel !== shown[i])) {
    panels = shown.map((each) => new Panel(each, () => watching.who(each.number)));
    $("#panels").replaceChildren(...panels.map((panel) => panel.root));
  }
  for (const panel of panels) panel.draw(store, now, connected);
  const text = trouble(shown);
  $("#trouble").hidden = !text;
  say($("#trouble"), text);
}

/** What keeps it from showing anything: said where it is set up, not over a video. */
function trouble(shown) {
  if (wrong || (watching.store.started && !shown.length)) return t("overlay_channel", { channel: asked });
  return watching.state === "refused" ? watching.why || t("states.refused") : "";
}

/** For whoever looks inside from the console, and for tests. */
globalThis.livemoodOverlay = watching;
