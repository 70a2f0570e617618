/** What was read beside the voice: of words, by other observers, and of all of them together. */
import { clock, labelName, percent, t, word } from "./text.js";

/** Events that say so. */
export const BESIDE = ["words", "observation", "fused"];

/** Who read it: `words`, `voice`, or an observer by name. */
const SOURCES = {
  words: () => ["words"],
  observation: ({ source }) => [source],
  fused: ({ sources }) => sources,
};

/** One such event as it is kept. */
export function besideOf(event) {
  const { type, start_ms: start, end_ms: end, label, confidence, valence, arousal, text } = event;
  return { start, end, sources: SOURCES[type](event), label, confidence, valence, arousal, text };
}

/** Who read it, in words: "voice + words". */
export function sourcesOf({ sources }) {
  return sources.map((name) => word("source_names", name)).join(" + ");
}

/** "voice + words: happy, 93 %". */
export function told(reading) {
  const { label, confidence } = reading;
  return t("said", { who: sourcesOf(reading), label: labelName(label), confidence: percent(confidence) });
}

/** The time that was told of last, and the newest of each source of it; [] where there is none. */
export function newest(beside) {
  const last = beside.at(-1);
  if (!last) return [];
  const same = beside.filter(({ start, end }) => start === last.start && end === last.end);
  const each = new Map(same.map((reading) => [reading.sources.join(), told(reading)]));
  return [`${clock(last.start)} – ${clock(last.end)}`, ...each.values()];
}

/** What was read beside the voice of the time at `ms`, in words. */
export function besideAt(beside, ms) {
  const there = beside.filter(({ start, end }) => start <= ms && ms <= end);
  return [...new Map(there.map((reading) => [reading.sources.join(), told(reading)])).values()];
}
