// The input of tasks that take a series: type it, choose or drop a CSV, or take an example; plotted and played.

import { button, exampleButtons, fileButton, h, svg, takeDrops } from "./elements.js";
import { fileRequest } from "./requests.js";

const STEPS_A_SECOND = 8;
const [WIDTH, HEIGHT] = [560, 180];

/** As for `pictureInput`. Playing sends ever more of the series' first steps. */
export function seriesInput({ model, examples, onrequest, onclear, onproblem }) {
  const plot = svg("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "Plot of the series" });
  const steps = h("input", { type: "range", min: model.codec.history ?? 1, max: 1, value: 1, disabled: true, oninput: () => (stop(), ask()) });
  const count = h("output");
  const text = h("textarea", {
    rows: 6,
    wrap: "off",
    spellcheck: false,
    placeholder: model.codec.channels === 1 ? "One value a line" : `One step a line: ${model.codec.channels} numbers, separated by commas`,
    oninput: () => (stop(), typed()),
  });
  const play = button("Play", toggle, { disabled: true });
  let lines = [];
  let timer = null;

  function typed() {
    lines = dataLines(text.value);
    const empty = lines.length === 0;
    steps.disabled = play.disabled = empty;
    Object.assign(steps, { max: Math.max(1, lines.length), value: lines.length });
    if (empty) {
      plot.replaceChildren();
      count.value = "";
      onclear();
    } else {
      ask();
    }
  }

  /** Send the first steps up to the slider; the whole text as it was typed when that is all of it. */
  function ask() {
    const shown = Number(steps.value);
    count.value = `${shown} of ${lines.length} steps`;
    draw(plot, lines, shown);
    const body = shown === lines.length ? text.value : `${lines.slice(0, shown).join("\n")}\n`;
    onrequest(fileRequest(model, new Blob([body], { type: "text/csv" }), "series.csv"));
  }

  function toggle() {
    if (timer) return stop();
    if (Number(steps.value) === lines.length) steps.value = 0;
    play.textContent = "Pause";
    timer = setInterval(() => {
      steps.value = Number(steps.value) + 1;
      ask();
      if (Number(steps.value) === lines.length) stop();
    }, 1000 / STEPS_A_SECOND);
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }

  function take(value) {
    stop();
    text.value = value;
    typed();
  }

  async function takeFile(file) {
    if (file.size > 10_000_000) return onproblem(`${file.name} has ${file.size} bytes; choose a CSV of at most 10 MB.`);
    take(await file.text());
  }

  const element = h(
    "div",
    { className: "stack" },
    plot,
    h("div", { className: "row player" }, play, h("label", { className: "grow" }, h("span", {}, "Steps sent"), steps), count),
    h(
      "div",
      { className: "row" },
      button("Clear", () => take("")),
      fileButton("Choose a CSV", ".csv,text/csv,text/plain", takeFile),
    ),
    h("label", { className: "stack" }, "Series as CSV", text),
    exampleButtons(examples.instances, (instance) => take(csv(instance))),
  );
  takeDrops(element, takeFile);
  return { element, hint: "Type a series, drop a CSV, or choose an example.", dispose: stop };
}

function csv(series) {
  return series.map((step) => [].concat(step).join(",")).join("\n") + "\n";
}

/** Lines with numbers: blank ones and a first one of names are passed over, as the codec does. */
function dataLines(text) {
  const lines = text.split(/\r?\n/).filter((line) => line.replaceAll(",", "").trim());
  const isName = (cell) => cell.trim() === "" || Number.isNaN(Number(cell));
  return lines.length && lines[0].split(",").every(isName) ? lines.slice(1) : lines;
}

/** One line a channel; what has not been sent is faint. */
function draw(plot, lines, shown) {
  const rows = lines.map((line) => line.split(",").map(Number));
  const values = rows.flat().filter(Number.isFinite);
  const [low, high] = [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
  const x = (step) => 6 + (rows.length === 1 ? 0.5 : step / (rows.length - 1)) * (WIDTH - 12);
  const y = (value) => HEIGHT - 8 - (high === low ? 0.5 : (value - low) / (high - low)) * (HEIGHT - 16);
  const channels = Math.max(...rows.map((row) => row.length));
  const curves = Array.from({ length: channels }, (_, channel) => {
    const points = rows.flatMap((row, step) => (Number.isFinite(row[channel]) ? [{ step, at: `${x(step)},${y(row[channel])}` }] : []));
    const part = (some, kind) => svg("polyline", { class: `${kind} channel-${channel % 8}`, points: some.map(({ at }) => at).join(" ") });
    return [part(points, "faint"), part(points.filter(({ step }) => step < shown), "sent")];
  });
  const edge = x(shown - 1);
  plot.replaceChildren(...curves.flat(), svg("line", { class: "edge", x1: edge, x2: edge, y1: 2, y2: HEIGHT - 2 }));
  plot.setAttribute("aria-label", `Plot of ${rows.length} steps of ${channels} channels`);
}
