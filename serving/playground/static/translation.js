// A sentence in, its translation out, and which words each of its tokens looked at.

import { button, exampleButtons, h, percent } from "./elements.js";
import { instancesRequest } from "./requests.js";

/** A text to translate, and how widely translations are searched for. */
export function sentenceInput({ model, examples, onrequest, onclear, onproblem }) {
  const { source, target, beam, max_beam } = model.codec;
  const text = h("textarea", { rows: 4, spellcheck: false, "aria-label": `Sentence in ${source}` });
  const width = h("input", { type: "number", min: 1, max: max_beam, value: beam, "aria-label": "Beam width" });
  const ask = () => {
    if (!text.value.trim()) return onclear();
    if (!width.checkValidity() || width.value === "") return onproblem(`The beam width is no whole number from 1 to ${max_beam}.`);
    onrequest(instancesRequest(model, [{ text: text.value, beam: Number(width.value) }]));
  };
  const take = (instance) => {
    text.value = typeof instance === "string" ? instance : instance.text;
    ask();
  };
  const element = h(
    "div",
    { className: "stack" },
    h("label", { className: "stack" }, `${source} to ${target}`, text),
    h("label", { className: "option" }, h("span", {}, "Beam width"), width, h("span", { className: "quiet" }, "1 is greedy")),
    h("div", { className: "row" }, button("Translate", ask, { className: "primary" })),
    exampleButtons(examples.instances, take),
  );
  return { element, hint: "Write a sentence, or choose an example." };
}

/** Where the newest translation's attention is drawn: a row a token that was written, a column a token that was read. */
export function attentionTable() {
  const element = h("div", { className: "attention" });
  const show = ({ tokens, source_tokens: read, attention }) => {
    const head = h("tr", {}, h("td"), ...read.map((token) => h("th", { scope: "col" }, token)));
    const rows = tokens.map((token, row) => h("tr", {}, h("th", { scope: "row" }, token), ...attention[row].map(cell)));
    const caption = h("caption", { className: "quiet" }, "Attention: where each written token (rows) looked in the sentence (columns)");
    element.replaceChildren(h("table", {}, caption, h("thead", {}, head), h("tbody", {}, ...rows)));
  };
  return { element, show };
}

function cell(weight) {
  const element = h("td", { title: percent(weight) });
  element.style.setProperty("--weight", String(weight));
  return element;
}
