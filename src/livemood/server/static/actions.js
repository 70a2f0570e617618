/** What the buttons of the live page do: the report, markers, deletion. */
import { ask } from "./api.js";
import { erased } from "./deletion.js";
import { $ } from "./dom.js";
import { explain, notice, openReport } from "./page.js";
import { t } from "./text.js";

/**
 * @param {object} page
 * @param {import("./page.js").About} page.about
 * @param {import("./store.js").Store} page.store
 * @param {string} page.own The session whose own page this is; empty if it is none's.
 * @param {() => ?{mark: (note: string) => void}} page.speaker Where this page is the microphone.
 * @param {() => void} page.leave Close the connection.
 */
export function prepareActions({ about, store, own, speaker, leave }) {
  const service = about.mode === "service";
  const path = (id) => `/v1/sessions/${encodeURIComponent(id)}`;

  $("#report").onclick = async () => {
    try {
      // A tab of its own would show what a refusal looks like to programs.
      await ask(service ? path(store.session) : "/v1/about");
      await openReport(service ? `${path(store.session)}/report` : "/v1/report");
    } catch (refusal) {
      if (refusal.status === 0 && !service) notice(() => t("report_gone"));
      else explain(refusal);
    }
  };

  $("#marker-form").onsubmit = async (event) => {
    event.preventDefault();
    const field = $("input", event.target);
    const note = field.value.trim();
    if (!note) return;
    try {
      if (speaker()) speaker().mark(note);
      else await ask(`${path(store.session)}/markers`, { method: "POST", body: { note, at_ms: null } });
      field.value = "";
    } catch (refusal) {
      explain(refusal);
    }
  };

  $("#delete").hidden = !own;
  $("#delete").onclick = async () => {
    try {
      if (!(await erased(await ask(path(own))))) return;
      leave();
      location.assign("/");
    } catch (refusal) {
      explain(refusal);
    }
  };
}
