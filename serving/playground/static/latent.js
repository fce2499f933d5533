// The code of an encoder–decoder as sliders: each movement decodes it and shows the picture.

import { button, h, latest } from "./elements.js";
import { paint, picture } from "./pixels.js";
import { inferRequest } from "./requests.js";

const STEP = 0.05;
const WANDER_MS = 1500; // from one drawn code to the next

/**
 * `send(request, shown)` resolves to a v2 answer, or rejects; `shown` is whether the request is the one to show as code.
 * `onproblem(sentence)` says what went wrong. `code` and `output` name the ports of the code and of the picture, whose values
 * `intensity` brings to 0 … 1. Starts at the centre of the prior.
 */
export function latentSliders({ model, send, onproblem, code: codeName, output: outputName, intensity }) {
  const { codec, graphs } = model;
  const graph = graphs.find(({ inputs, outputs }) => has(inputs, codeName) && has(outputs, outputName));
  const port = graph.inputs.find(({ name }) => name === codeName);
  const size = port.shape.at(-1);
  const [low, high] = [port.low ?? -4, port.high ?? 4];
  const canvas = h("canvas", { className: "picture large", role: "img", "aria-label": "Picture decoded from the code" });
  const sliders = Array.from({ length: size }, (_, index) => slider(index));
  let walk = null;

  function slider(index) {
    const value = h("output", {}, "0.00");
    const input = h("input", { type: "range", min: low, max: high, step: STEP, value: 0, oninput: () => (rest(), decode()) });
    return { input, value, element: h("label", { className: "slider" }, h("span", {}, `${port.name}${index + 1}`), input, value) };
  }

  function code() {
    return sliders.map(({ input }) => Number(input.value));
  }

  function label() {
    for (const { input, value } of sliders) value.value = Number(input.value).toFixed(2);
  }

  const ask = latest(async (shown) => {
    const inputs = [{ name: port.name, shape: [1, size], datatype: port.datatype, data: code() }];
    const binary = port.datatype === "FP32";
    try {
      const { outputs } = await send(inferRequest(graph, inputs, { outputs: [outputName], binary }), shown);
      const values = Float32Array.from(outputs[0].data, intensity);
      paint(canvas, picture(codec.height, codec.width, codec.channels, values));
      onproblem("");
    } catch (error) {
      rest();
      onproblem(error.message);
    }
  });

  function decode(shown = true) {
    label();
    return ask(shown);
  }

  function set(values, shown = true) {
    sliders.forEach(({ input }, index) => (input.value = values[index]));
    return decode(shown);
  }

  function wander() {
    if (walk) return rest();
    wandering.setAttribute("aria-pressed", "true");
    walk = { from: code(), to: draw(size), start: performance.now() };
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const move = async () => {
      if (!walk) return;
      const share = Math.min(1, (performance.now() - walk.start) / WANDER_MS);
      const { from, to } = walk;
      if (!still || share === 1) await set(still ? to : from.map((value, index) => value + (to[index] - value) * share));
      if (walk && share === 1) walk = { from: to, to: draw(size), start: performance.now() };
      if (walk) walk.frame = requestAnimationFrame(move);
    };
    walk.frame = requestAnimationFrame(move);
  }

  function rest() {
    if (walk) cancelAnimationFrame(walk.frame);
    walk = null;
    wandering.setAttribute("aria-pressed", "false");
  }

  const choose = (values) => () => (rest(), set(values()));
  const wandering = button("Wander", wander, { "aria-pressed": "false" });
  const element = h(
    "div",
    { className: "latent" },
    h(
      "div",
      { className: "stack" },
      h("figure", { className: "quiet" }, canvas, h("figcaption", {}, "decoded from the sliders")),
      h("div", { className: "row" }, button("Random", choose(() => draw(size))), button("Zero", choose(() => Array(size).fill(0))), wandering),
    ),
    h(
      "div",
      { className: "sliders grow", role: "group", "aria-label": `Code ${port.name}: ${port.doc ?? ""}` },
      ...sliders.map((one) => one.element),
    ),
  );
  decode();
  return { element, set: (values) => (rest(), set(values, false)), dispose: rest };
}

function has(ports, name) {
  return ports.some((port) => port.name === name);
}

/** Draws from the standard normal distribution (Box and Muller, 1958). */
function draw(size) {
  return Array.from({ length: size }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
    return radius * Math.cos(2 * Math.PI * Math.random());
  });
}
