// A forecast drawn on from the history that it was made from.

import { svg } from "./elements.js";

const [WIDTH, HEIGHT] = [560, 180];

/** `show(prediction)` draws its `history` and, behind the dashed line, its `forecast`. */
export function forecastPlot() {
  const element = svg("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "Plot of the forecast" });
  return { element, show: (prediction) => draw(element, prediction) };
}

function draw(plot, { history, forecast }) {
  const values = [...history, ...forecast];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (step) => 6 + (step / Math.max(1, values.length - 1)) * (WIDTH - 12);
  const y = (value) => HEIGHT - 8 - (high === low ? 0.5 : (value - low) / (high - low)) * (HEIGHT - 16);
  const points = values.map((value, step) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`);
  const last = history.length - 1;
  plot.replaceChildren(
    svg("polyline", { class: "sent channel-0", points: points.slice(0, last + 1).join(" ") }),
    svg("polyline", { class: "sent channel-1", points: points.slice(last).join(" ") }),
    svg("line", { class: "edge", x1: x(last), x2: x(last), y1: 2, y2: HEIGHT - 2 }),
  );
  plot.setAttribute("aria-label", `Plot of ${forecast.length} steps forecast from ${history.length}`);
}
