/**
 * One look for each label: a letter, a colour and a texture, so that none of them is needed alone.
 * Colours are of the Okabe-Ito palette; black text is legible on every one of them.
 */
const looks = await (await fetch(new URL("./palette.json", import.meta.url))).json();

const TEXTURE = "rgba(0, 0, 0, 0.38)";
const SIDE = 8;

/** Letter, colour and texture of a label; a label that is not known looks like uncertain. */
export function look(label) {
  return looks[label] ?? { ...looks.uncertain, letter: label.slice(0, 1).toUpperCase() };
}

/** Lines of each texture in a tile of 8 by 8: from x, y to x, y. */
const LINES = {
  plain: [],
  rising: [[-2, 2, 2, -2], [-2, 10, 10, -2], [6, 10, 10, 6]],
  falling: [[-2, 6, 2, 10], [-2, -2, 10, 10], [6, -2, 10, 2]],
  upright: [[2, 0, 2, 8], [6, 0, 6, 8]],
  level: [[0, 2, 8, 2], [0, 6, 8, 6]],
  cross: [[0, 4, 8, 4], [4, 0, 4, 8]],
  dots: [[1, 2, 3, 2], [5, 6, 7, 6]],
  sparse: [[3, 4, 4, 4]],
};

/** A tile of a label's colour and texture, as a canvas of `scale` pixels a CSS pixel. */
export function tile(label, scale) {
  const { colour, pattern } = look(label);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = colour;
  pen.fillRect(0, 0, SIDE, SIDE);
  pen.strokeStyle = TEXTURE;
  pen.lineWidth = pattern === "dots" || pattern === "sparse" ? 2 : 1;
  pen.beginPath();
  for (const [x1, y1, x2, y2] of LINES[pattern] ?? []) {
    pen.moveTo(x1, y1);
    pen.lineTo(x2, y2);
  }
  pen.stroke();
  return canvas;
}

const patterns = new Map();

/** What to fill the area of a label with, on a canvas of `scale` pixels a CSS pixel. */
export function filling(pen, label, scale) {
  const key = `${label}@${scale}`;
  if (!patterns.has(key)) {
    patterns.set(key, repeated(pen, tile(label, scale), scale));
  }
  return patterns.get(key);
}

const hatchings = new Map();

/** What to lay over lost sound: what is beneath shows faintly through the hatches. */
export function hatching(pen, { lost, surface }, scale) {
  const key = `${lost} ${surface}@${scale}`;
  if (!hatchings.has(key)) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIDE * scale;
    const tilePen = canvas.getContext("2d");
    tilePen.scale(scale, scale);
    tilePen.globalAlpha = 0.75;
    tilePen.fillStyle = surface;
    tilePen.fillRect(0, 0, SIDE, SIDE);
    tilePen.globalAlpha = 1;
    tilePen.strokeStyle = lost;
    tilePen.beginPath();
    for (const at of [-SIDE, 0, SIDE]) {
      tilePen.moveTo(at - 1, SIDE + 1);
      tilePen.lineTo(at + SIDE + 1, -1);
    }
    tilePen.stroke();
    hatchings.set(key, repeated(pen, canvas, scale));
  }
  return hatchings.get(key);
}

function repeated(pen, canvas, scale) {
  const pattern = pen.createPattern(canvas, "repeat");
  pattern.setTransform(new DOMMatrix().scale(1 / scale));
  return pattern;
}

/** A small square in the look of a label, with its letter. */
export function chip(label) {
  const canvas = document.createElement("canvas");
  paintChip(canvas, label);
  canvas.className = "chip";
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

/** Fill all of a canvas with the look of a label, its letter in the middle; of "" with nothing. */
export function paintSwatch(canvas, label) {
  const scale = Math.min(2, Math.ceil(devicePixelRatio || 1));
  const { clientWidth: width, clientHeight: height } = canvas;
  const key = `${label} ${width} ${height} ${scale}`;
  if (canvas.dataset.look === key) return;
  canvas.dataset.look = key;
  canvas.width = Math.max(1, width * scale);
  canvas.height = Math.max(1, height * scale);
  if (!label) return;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = filling(pen, label, scale);
  pen.fillRect(0, 0, width, height);
  const radius = Math.min(width, height) * 0.3;
  pen.fillStyle = look(label).colour;
  pen.beginPath();
  pen.arc(width / 2, height / 2, radius, 0, 7);
  pen.fill();
  pen.fillStyle = "#000";
  pen.font = `700 ${Math.round(1.35 * radius)}px system-ui, sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(look(label).letter, width / 2, height / 2 + 1);
}

/** Paint a chip anew for another label. */
export function paintChip(canvas, label) {
  if (canvas.dataset.label === label) return;
  canvas.dataset.label = label;
  canvas.width = canvas.height = 48;
  const pen = canvas.getContext("2d");
  pen.scale(2, 2);
  pen.fillStyle = filling(pen, label, 2);
  pen.fillRect(0, 0, 24, 24);
  pen.fillStyle = look(label).colour;
  pen.beginPath();
  pen.arc(12, 12, 8.5, 0, 7);
  pen.fill();
  pen.fillStyle = "#000";
  pen.font = "700 14px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(look(label).letter, 12, 12.5);
}
