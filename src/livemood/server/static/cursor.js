/** What there is at a moment of the timeline: the reading next to it, and its words. */
import { besideAt } from "./beside.js";
import { firstAt } from "./series.js";
import { amount, labelName, percent, signed, t } from "./text.js";

/** How long a pause may be within which the values before it are still shown at the cursor. */
const NEAR_MS = 2500;

/**
 * The time of the reading nearest to `ms` on any channel, no further away than `reach` and not
 * after `until`; `ms` itself where there is none.
 * @param {import("./channel.js").Channel[]} channels
 */
export function snapped(channels, ms, reach, until) {
  let best = ms;
  let least = reach;
  for (const channel of channels) {
    for (const at of around(channel, ms)) {
      const far = Math.abs(at - ms);
      if (far > least || at > until) continue;
      best = at;
      least = far;
    }
  }
  return best;
}

/** Times of the readings on both sides of `ms`; where only means are left, the middle of one. */
function around(channel, ms) {
  const readings = channel.readings(ms, ms);
  if (readings) {
    const next = firstAt(readings, ms);
    return readings.slice(Math.max(0, next - 1), next + 1).map((reading) => reading.ms);
  }
  const { bucketMs, counts } = channel.history;
  const bucket = Math.floor(ms / bucketMs);
  return counts[bucket] ? [(bucket + 0.5) * bucketMs] : [];
}

/** A channel at `ms`, in words. */
export function described(channel, ms) {
  const gap = channel.shown.gaps.find((g) => g.start <= ms && ms <= g.end);
  if (gap) return t("gap", { cause: t(`gap_causes.${gap.cause}`) });
  return [ofVoice(channel, ms), ...besideAt(channel.beside, ms)].join(" · ");
}

function ofVoice(channel, ms) {
  const at = valuesAt(channel, ms);
  if (!at) return t("nothing_here");
  const { labels } = channel;
  const values = {
    label: labelName(labels[at.label] ?? "uncertain"),
    confidence: percent(at.confidence),
    valence: signed(at.values[labels.length]),
    arousal: signed(at.values[labels.length + 1]),
  };
  const mean = at.meanMs ? ` (${t("mean_of", { s: amount(at.meanMs / 1000) })})` : "";
  return t("at_cursor", values) + mean;
}

function valuesAt(channel, ms) {
  const { history } = channel;
  const readings = channel.readings(ms, ms);
  if (readings) {
    const next = readings[firstAt(readings, ms)] ?? readings.at(-1);
    if (!next) return null;
    const from = next.fresh ? next.from : next.ms - NEAR_MS;
    return ms >= from && ms <= next.ms + 250 ? next : null;
  }
  const bucket = Math.floor(ms / history.bucketMs);
  if (!history.counts[bucket]) return null;
  const values = channel.labels.map((_, i) => history.mean(bucket, i));
  const confidence = values[history.label(bucket)] ?? Math.max(...values);
  for (const extra of [0, 1]) values.push(history.mean(bucket, channel.labels.length + extra));
  return { values, confidence, label: history.label(bucket), meanMs: history.bucketMs };
}
