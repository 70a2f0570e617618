/** A test message to whom alerts go: the button is there only where the settings name somebody. */
import { ask } from "./api.js";
import { $, say } from "./dom.js";
import { explain, notice } from "./page.js";
import { t } from "./text.js";

/** @param {import("./page.js").About} about */
export function prepareTrial(about) {
  const button = $("#alerts-test");
  const state = $("#alerts-tested");
  button.hidden = !about.features.receivers;
  button.onclick = async () => {
    button.disabled = true;
    notice("");
    say(state, t("alerts_testing"));
    try {
      const tried = await ask("/v1/alerts/test", { method: "POST" });
      say(state, tried.map(outcome).join("  "));
    } catch (refusal) {
      say(state, "");
      explain(refusal);
    }
    button.disabled = false;
  };
}

/** @param {{receiver: string, error: ?string}} tried */
function outcome({ receiver, error }) {
  return error === null ? t("alerts_arrived", { receiver }) : t("alerts_failed", { receiver, why: error });
}
