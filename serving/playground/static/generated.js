// Pictures that a model draws by a seed: how many, and of a diffusion model in how many steps; a generator's code as sliders.

import { button, h, latest, percent } from "./elements.js";
import { latentSliders } from "./latent.js";
import { paintDataUrl } from "./pixels.js";
import { instancesRequest } from "./requests.js";

const COUNTS = [1, 4, 9, 16, 25];
const SEEDS = 1_000_000;

/** As `makePanel` has it. Every change of an option draws anew; what comes meanwhile replaces what is waiting. */
export function generatedPanel(context) {
  const { model, send } = context;
  const sampled = model.codec.alpha_bar.length > 0;
  const pictures = h("div", { className: "drawn", role: "group", "aria-label": "Drawn pictures" });
  const told = h("p", { className: "headline quiet", role: "status" }, "Drawing");
  const sliders = sampled ? null : latentSliders({ ...context, code: "z", output: "picture", intensity: (value) => (value + 1) / 2, onproblem: tell });
  const options = optionFields(model.codec, sampled, () => draw());
  let gone = false;

  const ask = latest(async (wanted) => {
    try {
      const { predictions } = await send(instancesRequest(model, rows(wanted, sampled)));
      if (gone) return;
      pictures.replaceChildren(...predictions.map(shown));
      tell("");
    } catch (error) {
      if (!gone) tell(error.message);
    }
  });

  function draw() {
    return ask(options.values());
  }

  function tell(sentence) {
    told.textContent = sentence;
    told.className = sentence ? "headline bad" : "headline";
  }

  draw();
  return {
    input: options.element,
    answer: h("div", { className: "stack" }, told, pictures, sliders?.element),
    dispose: () => {
      gone = true;
      sliders?.dispose();
    },
  };
}

/** One row of the task endpoint for each picture: the seed and its number, and how a diffusion model samples it. */
function rows({ seed, count, steps, eta }, sampled) {
  return Array.from({ length: count }, (_, number) => (sampled ? [seed, number, steps, eta] : [seed, number]));
}

function shown({ picture, realness }, number) {
  const canvas = h("canvas", { className: "picture", role: "img", "aria-label": `Picture ${number + 1}` });
  paintDataUrl(canvas, picture);
  const caption = realness === undefined ? null : h("figcaption", {}, `real? ${percent(realness)}`);
  return h("figure", { className: "quiet" }, canvas, caption);
}

function optionFields(codec, sampled, onchange) {
  const seed = h("input", { type: "number", min: 0, max: SEEDS - 1, step: 1, value: 1, onchange });
  const count = h("select", { onchange }, ...COUNTS.map((size) => h("option", { value: size, selected: size === 9 }, String(size))));
  const steps = slider("Steps", { min: 1, max: codec.alpha_bar.length - 1, step: 1, value: codec.steps }, onchange);
  const eta = slider("Noise of each step", { min: 0, max: 1, step: 0.1, value: codec.eta }, onchange);
  const another = () => {
    seed.value = Math.floor(Math.random() * SEEDS);
    onchange();
  };
  const element = h(
    "div",
    { className: "stack" },
    h("div", { className: "row" }, h("label", { className: "row" }, "Seed", seed), button("Another seed", another)),
    h("label", { className: "row" }, "Pictures", count),
    ...(sampled ? [steps.element, eta.element, h("p", { className: "quiet" }, "No noise is DDIM; all of it, with every timestep a step, is DDPM.")] : []),
  );
  const values = () => ({
    seed: Math.min(SEEDS - 1, Math.max(0, Math.floor(Number(seed.value)) || 0)),
    count: Number(count.value),
    steps: steps.value(),
    eta: eta.value(),
  });
  return { element, values };
}

function slider(text, range, onchange) {
  const value = h("output", {}, String(range.value));
  const input = h("input", { type: "range", ...range, onchange, oninput: () => (value.value = input.value) });
  return { element: h("label", { className: "option" }, h("span", {}, text), input, value), value: () => Number(input.value) };
}
