import { amount, t } from "./text.js";

/** Means of no more than that are readings as they came: one hop apart. */
const HOP_MS = 250;

/** Valence and arousal as lines, their key beneath, and whether all that is shown are means. */
export function drawAffect(chart) {
  const { pen, series, labels, colours, layout } = chart;
  const { top, height } = chart.bands.affect;
  const lines = [["valence", labels.length, []], ["arousal", labels.length + 1, [6, 4]]];
  const under = top + height - 0.6 * layout.size;
  let x = layout.gutter + 6;
  for (const [name, at, dash] of lines) {
    pen.strokeStyle = colours[name];
    pen.lineWidth = 2;
    pen.setLineDash(dash);
    pen.beginPath();
    for (const [from, to] of chart.runs) {
      for (let i = from; i < to; i++) {
        const y = top + (height * (1 - series.values[i * series.width + at])) / 2;
        if (i === from) pen.moveTo(chart.xs[i], y);
        else pen.lineTo(chart.xs[i], y);
      }
    }
    pen.stroke();
    x = key(chart, name, x, under);
    pen.setLineDash([]);
  }
  if (series.meanMs <= HOP_MS) return;
  pen.textAlign = "right";
  outlined(chart, t("means_of", { s: amount(series.meanMs / 1000) }), layout.right - 6, under);
}

/** The name of a line beside a piece of it. */
function key(chart, name, x, y) {
  const { pen } = chart;
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(x + 24, y);
  pen.stroke();
  pen.setLineDash([]);
  pen.textAlign = "left";
  outlined(chart, t(name), x + 29, y);
  return x + 41 + pen.measureText(t(name)).width;
}

function outlined({ pen, colours }, text, x, y) {
  pen.lineWidth = 4;
  pen.strokeStyle = colours.surface;
  pen.strokeText(text, x, y);
  pen.fillStyle = colours.ink;
  pen.fillText(text, x, y);
}
