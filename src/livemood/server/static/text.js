/**
 * Words, numbers and dates in the reader's language. All words are in strings.json, for this page
 * and for the report.
 */
import { keep, kept } from "./kept.js";

const strings = await (await fetch(new URL("./strings.json", import.meta.url))).json();

/** Languages that there are words in. */
export const languages = Object.keys(strings).map((code) => [code, strings[code].language]);

const KEPT = "livemood.language";
let language = choose();
let locale = localeOf(language);
const listeners = new Set();

function choose() {
  const asked = [kept(KEPT), ...navigator.languages];
  for (const one of asked) {
    const code = one?.toLowerCase().split("-")[0];
    if (code in strings) return code;
  }
  return "en";
}

/** The reader's own locale where it is of this language: dates differ between en-GB and en-US. */
function localeOf(code) {
  return navigator.languages.find((one) => one.toLowerCase().startsWith(code)) ?? code;
}

export function currentLanguage() {
  return language;
}

/** Speak `code` from now on, on this page and on those that are opened later. */
export function setLanguage(code) {
  keep(KEPT, code);
  speak(code);
  fill(document);
}

/** Speak `code` here, and tell everybody who shows words; one that there are no words in is none. */
export function speak(code) {
  if (!Object.hasOwn(strings, code)) return;
  language = code;
  locale = localeOf(code);
  formats.clear();
  for (const listener of listeners) listener();
}

/** Call `listener` whenever words are to be said anew; gives what ends that. */
export function onLanguage(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The words for `key`, with `{name}` replaced from `values`. */
export function t(key, values = {}) {
  const words = key.split(".").reduce((part, name) => part?.[name], strings[language]);
  if (typeof words !== "string") return key.split(".").at(-1);
  return words.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** Put words into every element below `root` that names them: data-t, data-t-title and so on. */
export function fill(root) {
  document.documentElement.lang = language;
  for (const element of root.querySelectorAll("[data-t]")) {
    element.textContent = t(element.dataset.t);
  }
  for (const attribute of ["aria-label", "placeholder", "title"]) {
    for (const element of root.querySelectorAll(`[data-t-${attribute}]`)) {
      element.setAttribute(attribute, t(element.getAttribute(`data-t-${attribute}`)));
    }
  }
}

const formats = new Map();

function format(name, make) {
  if (!formats.has(name)) formats.set(name, make());
  return formats.get(name);
}

export function percent(share) {
  const options = { style: "percent", maximumFractionDigits: 0 };
  return format("percent", () => new Intl.NumberFormat(locale, options)).format(share);
}

export function whole(number) {
  const options = { maximumFractionDigits: 0 };
  return minus(format("whole", () => new Intl.NumberFormat(locale, options)).format(number));
}

/** With a true minus, as wide as a plus, in place of a hyphen. */
function minus(text) {
  return text.replace("-", "−");
}

/** A number with up to two decimals. */
export function amount(number) {
  const options = { maximumFractionDigits: 2 };
  return format("amount", () => new Intl.NumberFormat(locale, options)).format(number);
}

/** A number of [-1, 1] with its sign. */
export function signed(number) {
  const options = { signDisplay: "exceptZero", minimumFractionDigits: 2, maximumFractionDigits: 2 };
  return minus(format("signed", () => new Intl.NumberFormat(locale, options)).format(number));
}

export function date(text) {
  const options = { dateStyle: "medium", timeStyle: "short" };
  return format("date", () => new Intl.DateTimeFormat(locale, options)).format(new Date(text));
}

/** Time in a session: 1:02:03 or 2:03, with tenths if wanted. */
export function clock(ms, tenths = false) {
  const total = tenths ? Math.floor(ms / 100) / 10 : Math.floor(ms / 1000);
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor(total / 60) % 60;
  const seconds = (total % 60).toFixed(tenths ? 1 : 0).padStart(tenths ? 4 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

/** How long something lasts, in whole seconds or more: for people who glance at it. */
export function length(ms) {
  const seconds = Math.floor(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h) return t("length_h", { h, m });
  return m ? t("length_min", { m, s }) : t("length_s", { s });
}

/** For how long something has been so; `paused` where pauses are within, `trend` where one is known. */
export function held(ms, { paused = false, trend = "" } = {}) {
  if (ms < 1000) return t("just_now");
  const words = t(paused ? "held_paused" : "held", { time: length(ms) });
  return trend ? t("with_trend", { held: words, trend: t(`trends.${trend}`) }) : words;
}

/** The words for one of a group of codes; the code itself where there are none. */
export function word(group, code) {
  const words = strings[language][group];
  return Object.hasOwn(words, code) ? words[code] : code;
}

/** What `code` of the server means; else `message`, its own words. */
export function reason(code, message) {
  const words = strings[language].refusals;
  return Object.hasOwn(words, code) ? words[code] : message;
}

/** How a voice differs from its usual, in words; "" where it does not. @param {string[]} words */
export function voiceWords(words) {
  if (!words.length) return "";
  const said = words.map((code) => word("voice_words", code)).join(t("voice_and"));
  return t("voice_unlike", { words: said });
}

/** Why an alert was raised; the server's own words where it gave no parts. */
export function alertWords(reason, found) {
  if (!found) return reason;
  const { label, valence, arousal, share, within_s: s } = found;
  for (const code of ["silent", "overtalk"]) if (found[code]) return t(`alert_found.${code}`);
  const parts = label === undefined ? [] : [t("alert_found.label", { label: labelName(label) })];
  if (valence !== undefined) parts.push(t("alert_found.valence", { value: signed(valence) }));
  if (arousal !== undefined) parts.push(t("alert_found.arousal", { value: signed(arousal) }));
  const what = parts.join(t("alert_found.and"));
  return share === undefined ? what : t("alert_found.share", { what, share: percent(share), s: amount(s) });
}

/** The name of a label; what the model calls it where there is no word for it. */
export function labelName(label) {
  return word("labels", label);
}

/** Where sound comes from, for people: servers say "stream s16le 16000 Hz", files have names. */
function sourceName(source) {
  const kind = /^(stream|rtp|whip|twilio|recording)( |$)/.exec(source)?.[1];
  return kind ? word("sources", kind) : source;
}

/**
 * What a session is called, on every page: by those who speak, else by where its sound comes from.
 * @param {{participants: string[], source: ?string, kind?: string}} session
 */
export function sessionName({ participants, source, kind }) {
  return participants.join(", ") || sourceName(source ?? kind ?? "");
}

/** Let `select` offer `purposes`, in words. */
export function offerPurposes(select, purposes) {
  const options = purposes.map((value) => new Option(value, value));
  select.append(...options);
  const say = () => options.forEach((option) => (option.text = word("purposes", option.value)));
  onLanguage(say);
  say();
}
