// Which input and answer a task has. A task that is not listed gets the form that every graph has.

import { AnswerView } from "./answer.js";
import { controlInput } from "./control.js";
import { photoInput } from "./detection.js";
import { h, latest } from "./elements.js";
import { evidenceInput } from "./evidence.js";
import { forecastPlot } from "./forecast.js";
import { generatedPanel } from "./generated.js";
import { chosenNode, graphInput } from "./graph.js";
import { latentSliders } from "./latent.js";
import { pictureInput } from "./picture-input.js";
import { seriesInput } from "./series-input.js";
import { streamPanel } from "./stream.js";
import { tableInput } from "./table.js";
import { tensorForm } from "./tensors.js";
import { textInput } from "./text-input.js";
import { attentionTable, sentenceInput } from "./translation.js";

const PANELS = {
  control: (context) => plainPanel(controlInput, context),
  "grid-planning": (context) => plainPanel(textInput, context),
  "image-classification": (context) => plainPanel(pictureInput, context),
  "image-completion": (context) => plainPanel(pictureInput, context),
  "image-generation": generatedPanel,
  "image-reconstruction": latentPanel,
  "node-classification": graphPanel,
  "object-detection": (context) => plainPanel(photoInput, context),
  "pattern-completion": (context) => plainPanel(context.model.codec.height ? pictureInput : tensorForm, context),
  "posterior-inference": (context) => plainPanel(evidenceInput, context),
  "series-classification": (context) => plainPanel(seriesInput, context),
  "series-forecasting": forecastPanel,
  "state-decoding": (context) => plainPanel(seriesInput, context),
  "tabular-classification": (context) => plainPanel(tableInput, context),
  "tabular-regression": (context) => plainPanel(tableInput, context),
  "vector-quantisation": (context) => plainPanel(pictureInput, context),
  translation: translationPanel,
};

const MAX_SLIDERS = 32; // of a longer code nobody moves each number

export const STREAM = "stream"; // the form of models whose answers grow

export function hasPanel(task) {
  return Object.hasOwn(PANELS, task);
}

/**
 * `{ input, answer, dispose }` for a model. `context` has the model, its examples, and `send(request)`, which resolves to
 * the answer or rejects with a sentence. `form`: the form that every graph has, whatever the task.
 */
export function makePanel(context, form) {
  if (form === STREAM) return streamPanel(context);
  const make = form || !hasPanel(context.model.task) ? (given) => plainPanel(tensorForm, given) : PANELS[context.model.task];
  return make(context);
}

/** An input, and the answers to its requests as they come. */
function plainPanel(makeInput, context, onanswer = () => {}) {
  const view = new AnswerView();
  let epoch = 0; // an answer to what was asked before the last clearing is not shown
  const ask = latest(async ({ request, asked }) => {
    if (asked !== epoch) return;
    try {
      const document = await context.send(request);
      if (asked !== epoch) return;
      view.show(document);
      onanswer(document);
    } catch (error) {
      if (asked === epoch) view.fail(error.message);
    }
  });
  const input = makeInput({
    ...context,
    onrequest: (request) => ask({ request, asked: epoch }),
    onclear: () => {
      epoch++;
      view.wait(input.hint);
    },
    onproblem: (sentence) => {
      epoch++;
      view.fail(sentence);
    },
  });
  view.wait(input.hint);
  const dispose = () => {
    epoch++;
    input.dispose?.();
  };
  return { input: input.element, answer: view.element, dispose };
}

/** A forecast, drawn above its numbers. */
function forecastPanel(context) {
  const plot = forecastPlot();
  const panel = plainPanel(seriesInput, context, ({ predictions: [prediction] }) => plot.show(prediction));
  return { ...panel, answer: h("div", { className: "stack" }, plot.element, panel.answer) };
}

/** A graph, coloured by the labels of its nodes, and what is said of the chosen one. */
function graphPanel(context) {
  const chosen = chosenNode();
  let drawing;
  const make = (given) => (drawing = graphInput({ ...given, onchoose: chosen.choose }));
  const panel = plainPanel(make, context, ({ predictions: [{ nodes }] }) => {
    drawing.colour(nodes);
    chosen.show(nodes);
  });
  return { ...panel, answer: h("div", { className: "stack" }, chosen.element, panel.answer) };
}

/** A translation, and what each of its tokens looked at. */
function translationPanel(context) {
  const table = attentionTable();
  const panel = plainPanel(sentenceInput, context, ({ predictions: [prediction] }) => table.show(prediction));
  return { ...panel, answer: h("div", { className: "stack" }, panel.answer, table.element) };
}

function codeSize({ graphs }, name) {
  return Math.max(...graphs.flatMap(({ inputs }) => inputs.filter((port) => port.name === name).map(({ shape }) => shape.at(-1))));
}

/** A picture's answer, and its code as sliders beside it. */
function latentPanel(context) {
  const problem = h("p", { className: "headline bad", role: "alert", hidden: true });
  const onproblem = (sentence) => {
    problem.textContent = sentence;
    problem.hidden = !sentence;
  };
  const { code, code_input, output, log_odds } = context.model.codec;
  if (codeSize(context.model, code_input) > MAX_SLIDERS) return plainPanel(pictureInput, context);
  const intensity = log_odds ? (logit) => 1 / (1 + Math.exp(-logit)) : (value) => Math.min(Math.max(value, 0), 1);
  const sliders = latentSliders({ ...context, code: code_input, output, intensity, onproblem });
  const panel = plainPanel(pictureInput, context, ({ predictions: [prediction] }) => sliders.set(prediction[code]));
  return {
    input: panel.input,
    answer: h("div", { className: "stack" }, sliders.element, problem, panel.answer),
    dispose: () => {
      panel.dispose();
      sliders.dispose();
    },
  };
}
