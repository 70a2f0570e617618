import { filling, hatching, look } from "./palette.js";
import { labelName, t } from "./text.js";

/** What lies on a chart besides its curves. Each takes the chart that it draws on. */

/** Segments as boxes with their labels; the last one is still open. */
export function drawRibbon(chart, channel, now) {
  const end = chart.range[1];
  const { segments, history } = channel;
  const kept = segments.length ? segments[0].start : Infinity;
  if (chart.from < kept && history.first < kept) drawOldRibbon(chart, channel, Math.min(kept, end));
  for (let i = after(segments, chart.from); i < segments.length && segments[i].start < end; i++) {
    const segment = segments[i];
    box(chart, segment.start, segment.end, segment.label);
  }
  if (channel.emotion && channel.speaking && channel.emotion.end_ms > channel.since) {
    box(chart, channel.since, Math.min(now, channel.emotion.end_ms), channel.emotion.label);
  }
}

/** Where segments are kept no more, the label that most readings had. */
function drawOldRibbon(chart, channel, until) {
  const { history, labels, speaking, since } = channel;
  const end = speaking ? Math.min(until, since) : until;
  const last = Math.min(history.length, Math.floor(end / history.bucketMs));
  for (let i = Math.max(0, Math.floor(chart.from / history.bucketMs)); i < last; i++) {
    if (!history.counts[i]) continue;
    const label = labels[history.label(i)] ?? "uncertain";
    box(chart, i * history.bucketMs, (i + 1) * history.bucketMs, label);
  }
}

/** Index of the first segment that ends after `ms`. */
function after(segments, ms) {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (segments[middle].end < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

const widths = new Map();

/** Width of `text` in the chart's font, which is measured once. */
function widthOf(chart, text) {
  const key = `${chart.layout.size} ${text}`;
  // Notes are anybody's, and as many as they like.
  if (widths.size > 2000) widths.clear();
  if (!widths.has(key)) widths.set(key, chart.pen.measureText(text).width);
  return widths.get(key);
}

function box(chart, from, to, label) {
  const { pen, layout } = chart;
  const { top, height } = chart.bands.ribbon;
  const x = Math.max(layout.gutter, chart.x(from));
  const width = Math.max(1, Math.min(layout.right, chart.x(to)) - x);
  // Textures and frames need some room to be seen.
  pen.fillStyle = width < 4 ? look(label).colour : filling(pen, label, chart.scale);
  pen.fillRect(x, top, width, height);
  if (width < 4) return;
  pen.strokeStyle = chart.colours.ink;
  pen.lineWidth = 1;
  pen.strokeRect(x + 0.5, top + 0.5, width - 1, height - 1);
  if (width < layout.size) return;
  chart.font(layout.size, 600);
  const name = labelName(label);
  const text = widthOf(chart, name) + 10 < width ? name : look(label).letter;
  const room = widthOf(chart, text) + 8;
  if (room <= width) {
    // The texture stops where text begins.
    pen.fillStyle = look(label).colour;
    pen.fillRect(x + (width - room) / 2, top + 2, room, height - 4);
    pen.fillStyle = "#000";
    pen.textAlign = "center";
    pen.fillText(text, x + width / 2, top + height / 2 + 1);
  }
  chart.font(layout.size);
}

/** A thick line where somebody speaks, a thin one where nobody does. */
export function drawSpeech(chart, channel, now) {
  const { pen, colours } = chart;
  const { top, height } = chart.bands.speech;
  const [start, end] = chart.range;
  const middle = top + height / 2;
  pen.fillStyle = colours.line;
  const from = chart.x(Math.max(0, start));
  pen.fillRect(from, middle - 0.5, chart.x(Math.min(now, end)) - from, 1.5);
  pen.fillStyle = colours.muted;
  for (const speech of channel.speech) {
    const until = speech.end ?? now;
    if (until < chart.from || speech.start > end) continue;
    const x = chart.x(speech.start);
    // Each by itself: one path of hundreds of boxes takes twenty times as long to fill.
    pen.fillRect(x, middle - height / 3, Math.max(1, chart.x(until) - x), (2 * height) / 3);
  }
}

const NAMED_MS = 120_000;

/** Lost sound: hatched, and named. */
export function drawGaps(chart, channel) {
  const { layout } = chart;
  // Where the box or the name before ends: what would lie over it is left out.
  let boxed = -Infinity;
  let named = -Infinity;
  for (const gap of channel.gaps) {
    if (gap.end < chart.range[0] || gap.start > chart.range[1]) continue;
    const x = chart.x(gap.start);
    const width = Math.max(4, chart.x(gap.end) - x);
    if (x + width <= boxed) continue;
    boxed = x + width;
    drawHatched(chart, x, width);
    // In long views a name would hide more than was lost: the cursor and the table say it there.
    if (width < layout.size && chart.range[1] - chart.range[0] > NAMED_MS) continue;
    named = nameGap(chart, gap, x + width / 2, width, named);
  }
}

function drawHatched(chart, x, width) {
  const { pen, colours, bands } = chart;
  const top = bands.ribbon.top;
  const height = bands.axis.top - top;
  pen.fillStyle = hatching(pen, colours, chart.scale);
  pen.fillRect(x, top, width, height);
  pen.strokeStyle = colours.lost;
  pen.lineWidth = 1;
  pen.strokeRect(x + 0.5, top, width - 1, height);
}

/** Name a gap about `x`, unless over another name, which ends at `named`; where its own ends. */
function nameGap(chart, gap, x, width, named) {
  const { pen, colours, bands, layout } = chart;
  const text = t("gap", { cause: t(`gap_causes.${gap.cause}`) });
  const tall = widthOf(chart, text) + 10;
  const thick = 1.4 * layout.size;
  const half = (width < tall ? thick : tall) / 2;
  const tallest = bands.axis.top - bands.ribbon.top;
  // What would reach into the next lane is left to the cursor and the table.
  if (x - half < named || (width < tall && tall > tallest)) return named;
  pen.save();
  pen.translate(x, (bands.ribbon.top + bands.axis.top) / 2);
  if (width < tall) pen.rotate(-Math.PI / 2);
  pen.fillStyle = colours.surface;
  pen.fillRect(-tall / 2, -thick / 2, tall, thick);
  pen.fillStyle = colours.lost;
  pen.textAlign = "center";
  pen.fillText(text, 0, 1);
  pen.restore();
  return x + half;
}

/** Notes of people and alerts, as flags; of flags over one another the first stands for all. */
export function drawMarkers(chart, markers) {
  const { layout } = chart;
  const shown = [];
  for (const [i, marker] of markers.entries()) {
    const x = Math.round(chart.x(marker.at)) + 0.5;
    if (x < layout.gutter || x > layout.right || marker.at > chart.until) continue;
    const next = markers[i + 1]?.at > marker.at ? chart.x(markers[i + 1].at) : Infinity;
    shown.push({ x, next, note: marker.note, alert: Boolean(marker.alert) });
  }
  drawPoles(chart, shown);
  let free = -Infinity;
  for (const flag of shown) if (flag.x >= free) free = drawFlag(chart, flag, free);
}

/** The lines of all flags at once; dashes, which take long to paint, only where they are few. */
function drawPoles(chart, shown) {
  const { pen, bands, colours } = chart;
  const few = chart.range[1] - chart.range[0] <= NAMED_MS;
  pen.strokeStyle = colours.accent;
  pen.lineWidth = few ? 1.5 : 1;
  if (few) pen.setLineDash([3, 3]);
  pen.beginPath();
  const left = chart.x(chart.from) - 1;
  for (const { x } of shown) {
    if (x < left) continue;
    pen.moveTo(x, bands.markers.top);
    pen.lineTo(x, bands.axis.top);
  }
  pen.stroke();
  pen.setLineDash([]);
}

/** A flag with as much of its note as there is room for; where it ends. */
function drawFlag(chart, { x, next, note, alert }, free) {
  const { pen, colours } = chart;
  const sign = alert ? "⚠" : "⚑";
  const { top, height } = chart.bands.markers;
  const short = note.length > 28 ? `${note.slice(0, 27)}…` : note;
  // A note that would run into the next is left to the cursor and the table.
  const room = widthOf(chart, `${sign} ${short}`) + 6;
  const [right, left] = [x + room < Math.min(next, chart.layout.right), x - room > free];
  const text = right || left ? `${sign} ${short}` : sign;
  const width = widthOf(chart, text) + 6;
  // At the right edge it stands before its pole, even over the end of the note before.
  const from = right || (!left && x + width <= chart.layout.right) ? x : x - width;
  pen.textAlign = "left";
  pen.fillStyle = colours.surface;
  pen.fillRect(from + 1, top, width - 1, height);
  pen.fillStyle = alert ? colours.lost : colours.accent;
  pen.fillText(text, from + 3, top + height / 2);
  return Math.max(x + 1, from + width);
}

/** The moment whose values are shown, from `top` to `bottom`. */
export function drawCursor(plot, ms, top, bottom) {
  if (ms === null) return;
  const { pen, colours } = plot;
  const x = Math.round(plot.x(ms)) + 0.5;
  pen.strokeStyle = colours.ink;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(x, top);
  pen.lineTo(x, bottom);
  pen.stroke();
}
