/** The page's own microphone: what is asked before, the sign while it is on, and the end. */
import { $, el } from "./dom.js";
import { explain, notice } from "./page.js";
import { Speaker } from "./speak.js";
import { clock, t } from "./text.js";

/** @param {import("./page.js").About} about */
export function prepareSpeaking(about, { take, becomes }) {
  const form = $("#speak-form");
  const sign = $("#recording");
  const speaker = new Speaker({ onEvent: take, onEnd: ended });
  let timer = 0;
  let failed = "";
  form.hidden = false;
  const purposes = about.purposes ?? [];
  $("select", form).replaceChildren(...purposes.map((p) => el("option", { value: p }, p)));
  if (purposes.includes("personal")) $("select", form).value = "personal";
  form.onsubmit = async (event) => {
    event.preventDefault();
    notice("");
    if (!navigator.mediaDevices) {
      notice(t("speak_insecure"));
      return;
    }
    const button = $("button", form);
    button.disabled = true;
    try {
      await speaker.start({
        purpose: $("select", form).value,
        consent: `${t("speak_consent")} ${t("speak_all")}`,
        name: $("input[name=name]", form).value.trim(),
      });
      begun();
    } catch (error) {
      const denied = error instanceof DOMException;
      if (!failed) notice(denied ? t("speak_denied") : error.message);
    }
    button.disabled = false;
  };
  $("#stop").onclick = () => speaker.stop();

  function begun() {
    form.hidden = true;
    sign.hidden = false;
    const since = performance.now();
    const show = () => ($("#recorded").textContent = clock(performance.now() - since));
    show();
    timer = setInterval(show, 1000);
    becomes("live", "");
  }

  function ended(why) {
    clearInterval(timer);
    failed = why;
    sign.hidden = true;
    form.hidden = !why;
    becomes("ended", "");
    if (/token/i.test(why)) explain({ status: 401 });
    else if (why) notice(t("speak_failed", { why }));
  }
  return speaker;
}
