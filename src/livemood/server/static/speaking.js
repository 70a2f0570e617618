/** The page's own microphone: what is asked before, the sign while it is on, and the end. */
import { ask } from "./api.js";
import { $ } from "./dom.js";
import { explain, notice } from "./page.js";
import { Speaker } from "./speak.js";
import { clock, offerPurposes, reason, t } from "./text.js";

/**
 * @param {import("./page.js").About} about
 * @returns {{mark: (note: string) => void, speaker: ?Speaker}}
 */
export function prepareSpeaking(about, { take, becomes }) {
  const form = $("#speak-form");
  const fields = form.elements;
  const purposes = about.purposes ?? [];
  const here = { speaker: null, mark: (note) => here.speaker.mark(note) };
  let timer = 0;
  /** The session that is spoken into; empty before it began. */
  let session = "";

  offerPurposes(fields.purpose, purposes);
  if (purposes.includes("personal")) fields.purpose.value = "personal";
  form.hidden = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    begin();
  };
  $("#stop").onclick = () => here.speaker.stop();
  // Who leaves the page has stopped, too.
  addEventListener("pagehide", () => here.speaker?.stop());
  $("#again").onclick = () => {
    notice("");
    $("#after").hidden = true;
    form.hidden = false;
    // What is agreed to is agreed to once.
    fields.consent.checked = fields.all.checked = false;
    becomes("ready", "");
    fields.consent.focus();
  };

  async function begin() {
    notice("");
    if (!navigator.mediaDevices) {
      notice(() => t("speak_insecure"));
      return;
    }
    session = "";
    here.speaker = new Speaker({ onEvent: heard, onMicrophone, onBegin, onTrouble, onEnd });
    const button = $("button", form);
    button.disabled = true;
    try {
      await here.speaker.start({
        purpose: fields.purpose.value,
        consent: `${t("speak_consent")} ${t("speak_all")}`,
        name: fields.name.value.trim(),
      });
    } catch {
      notice(() => t("speak_denied"));
    }
    button.disabled = false;
  }

  function heard(event) {
    if (event.type === "session.started") session = event.session;
    // What is fatal is said with the end.
    if (event.type !== "error" || !event.fatal) take(event);
  }

  function onMicrophone(on) {
    clearInterval(timer);
    $("#recording").hidden = !on;
    if (!on) {
      becomes("ending", "");
      if (here.speaker.ending?.kind === "slow") notice(() => t("speak_ends.slow"));
      return;
    }
    form.hidden = true;
    becomes("connecting", "");
    const since = performance.now();
    const show = () => ($("#recorded").textContent = clock(performance.now() - since));
    show();
    timer = setInterval(show, 1000);
    $("#stop").focus();
  }

  function onBegin() {
    becomes("live", "");
  }

  function onTrouble(trouble) {
    notice(trouble && (() => t(`speak_trouble.${trouble}`)));
  }

  async function onEnd({ kind, why, code }) {
    becomes(session ? "ended" : "ready", "");
    form.hidden = Boolean(session);
    $("#after").hidden = !session;
    $("#spoken").href = `/sessions/${encodeURIComponent(session)}`;
    if (session) $("#again").focus();
    if (kind === "untaken") await untaken();
    else notice(kind === "stopped" ? "" : () => t(`speak_ends.${kind}`, { why: reason(code, why) }));
  }

  /** A socket does not say why it was refused: perhaps another question does. */
  async function untaken() {
    const refusal = await ask("/v1/sessions?limit=1").catch((no) => no);
    if (refusal.status === 401 || refusal.status === 0) explain(refusal);
    else notice(() => t("speak_ends.untaken"));
  }
  return here;
}
