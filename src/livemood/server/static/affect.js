import { amount, t } from "./text.js";

/** Means of no more than that are readings as they came: one hop apart. */
const HOP_MS = 250;
const LINES = [["valence", []], ["arousal", [6, 4]]];

/** Valence and arousal as lines, from +1 at the top to −1 at the bottom. */
export function drawAffect(lane) {
  const { pen, series, colours, points, channel } = lane;
  const { top, height } = lane.bands.affect;
  const left = lane.x(lane.from);
  for (const [i, [name, dash]] of LINES.entries()) {
    const at = channel.labels.length + i;
    pen.strokeStyle = colours[name];
    pen.lineWidth = 2;
    pen.setLineDash(dash);
    const y = (n) => top + (height * (1 - series.values[n * series.width + at])) / 2;
    for (const [from, to] of points.runs) {
      let n = from;
      let passed = 0;
      for (; n + 2 < to && points.xs[n + 2] < left; n++) {
        passed += Math.hypot(points.xs[n + 1] - points.xs[n], y(n + 1) - y(n));
      }
      // Dashes go on where those that stay as they are have ended.
      pen.lineDashOffset = passed;
      pen.beginPath();
      pen.moveTo(points.xs[n], y(n));
      while (++n < to) pen.lineTo(points.xs[n], y(n));
      pen.stroke();
    }
  }
  pen.lineDashOffset = 0;
  pen.setLineDash([]);
}

/** What the lines are, at the right of a lane's name; and whether all that is shown are means. */
export function drawKey(lane) {
  const { pen, colours, layout, series } = lane;
  const y = lane.bands.name.top + lane.bands.name.height / 2 + 2;
  const means = series.meanMs > HOP_MS ? t("means_of", { s: amount(series.meanMs / 1000) }) : "";
  let x = layout.right - 6;
  pen.textAlign = "right";
  if (means) {
    pen.fillStyle = colours.muted;
    pen.fillText(means, x, y);
    x -= pen.measureText(means).width + 18;
  }
  for (const [name, dash] of LINES.toReversed()) {
    pen.fillStyle = colours.ink;
    pen.fillText(t(name), x, y);
    x -= pen.measureText(t(name)).width + 5;
    pen.strokeStyle = colours[name];
    pen.lineWidth = 2;
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(x - 24, y);
    pen.lineTo(x, y);
    pen.stroke();
    pen.setLineDash([]);
    x -= 42;
  }
}
