/** What every page has: language, theme, the token dialog, and what the server says of itself. */
import { ask, sendable, setToken, token } from "./api.js";
import { $, el, say } from "./dom.js";
import { keep, kept } from "./kept.js";
import { currentLanguage, fill, languages, onLanguage, reason, setLanguage, t } from "./text.js";

const THEME = "livemood.theme";

/** @typedef {{version: string, mode: "monitor"|"service", session: ?string, auth_required: boolean,
 *   features: Record<string, boolean>, purposes?: string[]}} About */

/** Make the page ready: words, choices, the token. @returns {Promise<About>} */
export async function ready() {
  fill(document);
  chooseLanguage($("#language"));
  chooseTheme($("#theme"));
  const button = $("#token-button");
  button.hidden = !token();
  button.onclick = () => askForToken();
  const about = await patiently(() => ask("/v1/about"));
  $("#version").textContent = `livemood ${about.version}`;
  button.hidden = !about.auth_required && !token();
  return about;
}

/** Ask again until the server answers; what it refuses it will refuse again: then never return. */
async function patiently(question) {
  for (;;) {
    try {
      const answer = await question();
      notice("");
      return answer;
    } catch (refusal) {
      explain(refusal);
      const lasting = refusal.status >= 400 && refusal.status < 500 && refusal.status !== 429;
      if (lasting) $("#token-button").hidden = false;
      await new Promise((done) => lasting || setTimeout(done, 2000));
    }
  }
}

function chooseLanguage(select) {
  select.replaceChildren(
    ...languages.map(([code, name]) => el("option", { value: code, lang: code }, name)),
  );
  select.value = currentLanguage();
  select.onchange = () => setLanguage(select.value);
}

const themeListeners = new Set();

export function onTheme(listener) {
  themeListeners.add(listener);
}

function chooseTheme(select) {
  const show = () => {
    document.documentElement.dataset.theme = select.value;
    for (const listener of themeListeners) listener();
  };
  select.value = kept(THEME) ?? "auto";
  select.onchange = () => {
    keep(THEME, select.value);
    show();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}

let said = () => "";

/**
 * Say something that matters in a line of its own; nothing hides it. What it says already is not
 * said again: screen readers would. `words` gives it in the reader's language; "" takes it away.
 * @param {(() => string)|""} words
 */
export function notice(words) {
  said = words || (() => "");
  const text = said();
  const line = $("#notice");
  line.hidden = !text;
  say(line, text);
}
onLanguage(() => notice(said));

/** Ask the reader for a token; the page starts anew with it. */
export function askForToken(why = "") {
  const dialog = $("#token-dialog");
  if (dialog.open) return;
  const field = $("input[name=token]", dialog);
  field.value = token();
  $(".why", dialog).textContent = why || t("token_why");
  $("form", dialog).onsubmit = (event) => {
    event.preventDefault();
    const value = event.submitter?.value === "forget" ? "" : field.value.trim();
    if (value && !sendable(value)) {
      $(".why", dialog).textContent = t("refusals.bad_token");
      return;
    }
    if (!setToken(value, $("input[name=remember]", dialog).checked)) {
      $(".why", dialog).textContent = t("token_unkept");
      return;
    }
    location.reload();
  };
  $(".cancel", dialog).onclick = () => dialog.close();
  dialog.showModal();
}

/** Say what a request came to nothing for; ask for a token where one is wanting. */
export function explain(refusal) {
  if (refusal.status === 401) {
    $("#token-button").hidden = false;
    askForToken(token() ? t("refusals.bad_token") : "");
  } else notice(() => reason(refusal.code, "") || unnamed(refusal));
}

/** What is said where the server gave no code, or one that there are no words for. */
function unnamed({ status, message }) {
  if (status === 403) return t("refusals.missing_scope");
  if (status === 404) return t("refusals.not_found");
  return message || t("unreachable");
}

/** A question that is answered yes or no. */
export function confirmed(dialog) {
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
    dialog.showModal();
  });
}

/**
 * Open the report at `path` in a tab of its own. Where a token is needed, which a link cannot
 * carry, it is fetched and saved instead.
 */
export async function openReport(path) {
  const address = `${path}?language=${currentLanguage()}`;
  if (!token()) {
    el("a", { href: address, target: "_blank", rel: "noopener" }).click();
    return;
  }
  await save(address, "livemood-report.html");
}

/** Save what is at `path` as a file: a link could not carry the token. */
export async function save(path, name) {
  const response = await ask(path, { raw: true });
  const url = URL.createObjectURL(await response.blob());
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
