/** A finished recording, given to the server: the form is there only where the server takes one. */
import { ask } from "./api.js";
import { $, say } from "./dom.js";
import { explain, notice } from "./page.js";
import { offerPurposes, t, whole } from "./text.js";

/** @param {import("./page.js").About} about @param {() => void} done Called once it was taken. */
export function prepareUpload(about, done) {
  const form = $("#upload");
  const fields = form.elements;
  const button = $("#upload-open");
  const state = $("#upload-state");
  button.hidden = !about.features.recordings;
  offerPurposes(fields.purpose, about.purposes ?? []);
  const show = (open) => {
    form.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    (open ? fields.file : button).focus();
  };
  button.setAttribute("aria-expanded", "false");
  button.onclick = () => show(form.hidden);
  $(".cancel", form).onclick = () => show(false);
  form.onsubmit = async (event) => {
    event.preventDefault();
    const [file] = fields.file.files;
    const most = about.recording_bytes ?? Infinity;
    if (file.size > most) {
      say(state, t("upload_too_big", { mb: whole(most / 1e6) }));
      return;
    }
    const send = $(".primary", form);
    send.disabled = true;
    notice("");
    say(state, t("upload_sending", { name: file.name }));
    try {
      await ask(`/v1/recordings?${query(file, fields)}`, { method: "POST", body: file });
      form.reset();
      say(state, "");
      show(false);
      done();
    } catch (refusal) {
      say(state, "");
      explain(refusal);
    }
    send.disabled = false;
  };
}

/** What is said of the recording, in the address: its body is the file itself. */
function query(file, { purpose, names, informed }) {
  const about = new URLSearchParams({ name: file.name, purpose: purpose.value });
  about.set("informed", String(informed.checked));
  for (const name of names.value.split(/[,，、]/).map((one) => one.trim())) {
    if (name) about.append("participants", name);
  }
  return about;
}
