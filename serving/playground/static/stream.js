// An answer as it grows: text token by token, a picture step by step; stopped at any time.

import { button, h, short } from "./elements.js";
import { paintDataUrl } from "./pixels.js";
import { streamRequest } from "./requests.js";

const SEEDS = 1_000_000;
const LONGEST_EXAMPLE = 200; // characters

/** As `makePanel` has it; `context.stream(request, onpiece, signal)` resolves when the answer has ended. */
export function streamPanel({ model, examples, stream }) {
  const text = model.completes ? promptField(examples) : null;
  const options = (model.completes ? textOptions() : pictureOptions(model.codec)).map(numberField);
  const stop = model.completes ? h("input", { type: "text", autocomplete: "off", spellcheck: false, "aria-label": "Stop words" }) : null;
  const go = button("Generate", () => (running ? running.abort() : generate()), { className: "primary" });
  const told = h("p", { className: "headline quiet", role: "status" }, "Generate, and the answer grows here.");
  const grown = h("pre", { className: "grown", tabIndex: 0, "aria-label": "Answer", hidden: !model.completes });
  const canvas = h("canvas", { className: "picture large", role: "img", "aria-label": "Picture so far", hidden: true });
  let running = null;

  async function generate() {
    const mine = (running = new AbortController());
    const started = performance.now();
    let pieces = 0;
    go.textContent = "Stop";
    grown.replaceChildren(...(text ? [h("span", { className: "quiet" }, text.value)] : []));
    tell("Waiting for a slot", "quiet");
    try {
      await stream(request(), (piece) => {
        pieces++;
        show(piece);
        const seconds = (performance.now() - started) / 1000;
        tell(`${progress(piece, pieces)}, ${short(pieces / seconds)} a second${ended(piece)}`, "quiet");
      }, mine.signal);
    } catch (error) {
      if (mine.signal.aborted) told.append(", stopped");
      else tell(error.message, "bad");
    }
    if (running === mine) running = null;
    go.textContent = running ? "Stop" : "Generate";
  }

  function request() {
    const parameters = Object.fromEntries(options.filter(({ input }) => input.value !== "").map(({ name, input }) => [name, Number(input.value)]));
    const words = stop?.value.split(",").map((word) => word.trim()).filter(Boolean) ?? [];
    return streamRequest(model, text?.value, words.length ? { ...parameters, stop: words } : parameters);
  }

  function show(piece) {
    if (piece.text_output !== undefined) grown.append(piece.text_output);
    if (piece.image !== undefined) {
      canvas.hidden = false;
      paintDataUrl(canvas, piece.image);
    }
  }

  function tell(sentence, kind) {
    told.className = `headline ${kind}`;
    told.textContent = sentence;
  }

  const input = h(
    "div",
    { className: "stack" },
    text && h("label", { className: "stack" }, "Text", text),
    ...options.map(({ element }) => element),
    stop && h("label", { className: "option" }, h("span", {}, "Stop before"), stop, h("span", { className: "quiet" }, "a, b")),
    h("div", { className: "row" }, go),
  );
  return { input, answer: h("div", { className: "stack" }, told, grown, canvas), dispose: () => running?.abort() };
}

function promptField(examples) {
  const [first] = examples.instances.map(({ instance }) => textOf(instance));
  return h("textarea", { rows: 5, spellcheck: false, value: (first ?? "").slice(0, LONGEST_EXAMPLE) });
}

/** An example as text: it is one, or its bytes, or an object that has one. */
function textOf(instance) {
  if (Array.isArray(instance)) return new TextDecoder().decode(Uint8Array.from(instance));
  return typeof instance === "string" ? instance : instance?.text;
}

function textOptions() {
  return [
    { name: "max_tokens", text: "Tokens at most", min: 1, max: 4096, step: 1, value: 200 },
    { name: "temperature", text: "Temperature", min: 0, max: 5, step: 0.1, placeholder: "the model's" },
    { name: "top_p", text: "Top p", min: 0, max: 1, step: 0.05, placeholder: "the model's" },
    { name: "seed", text: "Seed", min: 0, max: SEEDS, step: 1, value: 1 },
  ];
}

function pictureOptions(codec) {
  const seed = { name: "seed", text: "Seed", min: 0, max: SEEDS, step: 1, value: 1 };
  const steps = codec.alpha_bar?.length ? [{ name: "steps", text: "Steps", min: 1, max: codec.alpha_bar.length - 1, step: 1, value: codec.steps }] : [];
  return [seed, ...steps];
}

function numberField({ name, text, ...range }) {
  const input = h("input", { type: "number", ...range });
  return { name, input, element: h("label", { className: "option" }, h("span", {}, text), input) };
}

function progress(piece, pieces) {
  if (piece.step !== undefined) return `Step ${piece.step}${piece.steps ? ` of ${piece.steps}` : ""}`;
  return `${pieces} token${pieces === 1 ? "" : "s"}`;
}

function ended({ finish_reason: reason }) {
  return { length: ", as long as asked for", stop: ", ended" }[reason] ?? "";
}
