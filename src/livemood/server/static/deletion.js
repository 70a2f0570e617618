/** A session is deleted after a question that says which one. */
import { ask } from "./api.js";
import { el } from "./dom.js";
import { confirmed } from "./page.js";
import { date, sessionName, t } from "./text.js";

const title = el("h2", { id: "delete-title", "data-t": "delete_sure" });
const which = el("p", { class: "strong" });
const when = el("p", {});
const dialog = el(
  "dialog",
  { id: "delete-dialog", "aria-labelledby": "delete-title" },
  el(
    "form",
    { method: "dialog" },
    title,
    which,
    when,
    el("p", { "data-t": "delete_what" }),
    el(
      "div",
      { class: "row" },
      el("button", { value: "no", "data-t": "cancel", autofocus: true }),
      el("button", { value: "yes", class: "danger", "data-t": "delete" }),
    ),
  ),
);
document.body.append(dialog);

/** Ask, and delete; whether it was deleted. @param {object} session As `/v1/sessions` gives it. */
export async function erased(session) {
  const started = date(session.started ?? session.created);
  which.textContent = sessionName(session);
  const live = session.state === "live" ? ` ${t("delete_live")}` : "";
  when.textContent = t("delete_begun", { started }) + live;
  if (!(await confirmed(dialog))) return false;
  await ask(`/v1/sessions/${encodeURIComponent(session.id)}`, { method: "DELETE" });
  return true;
}
