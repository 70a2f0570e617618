/** Two channels of two minutes, stacked probabilities over valence and arousal, redrawn as it comes. */
window.violations_ = [];
addEventListener("securitypolicyviolation", (e) => window.violations_.push(e.effectiveDirective));
const LABELS = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"];
const COLOURS = ["#999999", "#f0e442", "#56b4e9", "#d55e00", "#cc79a7", "#009e73", "#e69f00"];
const SHAPES = ["", ".", "\\", "/", "|", "+", "-"];
const POINTS = 480;
const rows = { a: [], b: [] };

function reading(n) {
  const weights = LABELS.map((_, i) => 1 + Math.sin(n / (7 + i) + i) + (i === 0 ? 3 : 0));
  const total = weights.reduce((x, y) => x + y);
  return { x: n / 4, shares: weights.map((w) => w / total), v: Math.sin(n / 40), a: Math.cos(n / 30) };
}

function traces(id) {
  const x = rows[id].map((row) => row.x);
  const areas = LABELS.map((name, i) => ({
    name,
    x,
    y: rows[id].map((row) => row.shares[i]),
    stackgroup: "one",
    fillcolor: COLOURS[i],
    fillpattern: { shape: SHAPES[i] },
    line: { width: 1, color: "#16212b" },
  }));
  const lines = ["v", "a"].map((name) => ({ name, x, y: rows[id].map((row) => row[name]), yaxis: "y2" }));
  return [...areas, ...lines];
}

function layout(id) {
  const x = rows[id].map((row) => row.x);
  return {
    width: 1350,
    height: 380,
    showlegend: false,
    xaxis: { range: [x[0], x.at(-1)] },
    yaxis: { domain: [0.4, 1] },
    yaxis2: { domain: [0, 0.35], range: [-1, 1] },
  };
}

addEventListener("load", async () => {
  for (let n = 0; n < POINTS; n++) for (const id of ["a", "b"]) rows[id].push(reading(n));
  for (const id of ["a", "b"]) await Plotly.newPlot(id, traces(id), layout(id));
  window.loading_ = performance.now();
  window.ready_ = true;
});

window.play_ = (seconds) => {
  window.frames_ = [];
  let begun = null;
  let n = POINTS;
  const end = performance.now() + 1000 * seconds;
  // Four events a second of each channel, at different times, as on the page.
  const timers = ["a", "b"].map((id, i) =>
    setTimeout(function next() {
      rows[id].shift();
      rows[id].push(reading(n++));
      // At the begin of a frame, as the page draws.
      requestAnimationFrame((now) => {
        Plotly.react(id, traces(id), layout(id));
        begun ??= now;
      });
      if (performance.now() < end) setTimeout(next, 250);
      else window.done_ = true;
    }, 125 * i),
  );
  const watch = (now) => {
    if (begun !== null && now > begun) {
      window.frames_.push(now - begun);
      begun = null;
    }
    requestAnimationFrame(watch);
  };
  requestAnimationFrame(watch);
  return timers.length;
};
