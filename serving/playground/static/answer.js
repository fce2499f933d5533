// Answers as people read them: probabilities as bars, pictures as pictures, numbers as numbers; the JSON below.

import { areDetections, detectionsTable } from "./detection.js";
import { h, percent, short } from "./elements.js";
import { paintDataUrl } from "./pixels.js";

const MOST_BARS = 12;
const LARGE = 256; // pixels: pictures that are wider are shown as photographs are

/** Where answers appear. `show(document)`, `fail(sentence)`, `wait(hint)`. */
export class AnswerView {
  constructor() {
    this.headline = h("p", { className: "headline", role: "status" });
    this.body = h("div", { className: "parts" });
    this.json = h("pre", { tabIndex: 0 });
    this.whole = h("details", { className: "whole", hidden: true }, h("summary", {}, "Whole answer as JSON"), this.json);
    this.element = h("div", { className: "stack" }, this.headline, this.body, this.whole);
  }

  wait(hint) {
    this.#set(hint, "quiet", []);
  }

  fail(sentence) {
    this.#set(sentence, "bad", []);
  }

  /** An answer of the task endpoint (`predictions`) or of protocol v2 (`outputs`). */
  show(document) {
    const parts = document.predictions ? document.predictions.flatMap(predictionParts) : document.outputs.map(tensorPart);
    this.#set(document.predictions ? headline(document.predictions) : "", "", parts);
    this.json.textContent = abridged(document);
    this.whole.hidden = false;
  }

  #set(text, kind, parts) {
    this.headline.className = `headline ${kind}`;
    this.headline.textContent = text;
    this.body.replaceChildren(...parts);
    this.whole.hidden = true;
  }
}

function headline(predictions) {
  const [{ action, label, labels, probabilities, value, unit, interval_95 }] = predictions;
  if (typeof action === "string") return action;
  if (Array.isArray(labels)) return labels.join(", ") || "none";
  if (typeof value === "number") return `${short(value)}${unit ? ` ${unit}` : ""}${interval_95 ? ` · 95 % between ${interval_95.map(short).join(" and ")}` : ""}`;
  if (label === undefined) return "";
  return probabilities ? `${label} · ${percent(probabilities[label])}` : String(label);
}

const KINDS = [
  { is: isPicture, make: pictureOf },
  { is: isShares, make: (_, value) => bars(value) },
  { is: isPosteriors, make: (_, value) => posteriors(value) },
  { is: (value) => typeof value === "number", make: (name, value) => fact(name, short(value)) },
  { is: (value) => typeof value === "string", make: fact },
  { is: isNumbers, make: numbers },
  { is: isScores, make: scores },
  { is: areDetections, make: (_, value) => detectionsTable(value) },
];

/** Elements for the fields of one prediction, by what each holds; what the headline says stands above, the rest in the JSON. */
function predictionParts({ action, label, labels, value, unit, interval_95, ...fields }) {
  const rank = ([name, value]) => KINDS.findIndex(({ is }) => is(value, name));
  const known = Object.entries(fields).filter((field) => rank(field) >= 0);
  return known.sort((a, b) => rank(a) - rank(b)).map((field) => KINDS[rank(field)].make(...field));
}

function isPicture(value) {
  return typeof value === "string" && value.startsWith("data:image/");
}

function isShares(value, name) {
  return name === "probabilities" && typeof value === "object" && value !== null && Object.values(value).every((one) => one >= 0 && one <= 1);
}

function isPosteriors(value, name) {
  return name === "posteriors" && typeof value === "object" && value !== null && Object.values(value).every((one) => isShares(one, "probabilities"));
}

function isScores(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) && isNumbers(Object.values(value));
}

function isNumbers(value) {
  return Array.isArray(value) && value.every((one) => typeof one === "number");
}

function words(name) {
  return name.replaceAll("_", " ");
}

function fact(name, text) {
  return h("p", { className: "fact" }, h("span", { className: "quiet" }, words(name)), ` ${text}`);
}

function numbers(name, values) {
  const shown = values.slice(0, 64).map(short).join("  ");
  return h("details", {}, h("summary", {}, `${words(name)}, ${values.length} numbers`), h("p", { className: "numbers" }, shown));
}

/** Shares of the states of each variable. */
function posteriors(values) {
  return h("div", { className: "stack" }, ...Object.entries(values).map(([name, shares]) => h("div", {}, h("p", { className: "fact" }, words(name)), bars(shares))));
}

/** Numbers by label that are no shares of a whole: a row each. */
function scores(name, values) {
  const rows = Object.entries(values).map(([label, value]) => h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, short(value))));
  return h("table", { className: "scores" }, h("caption", { className: "quiet" }, words(name)), h("tbody", {}, ...rows));
}

function pictureOf(name, url) {
  const canvas = h("canvas", { className: "picture", role: "img", "aria-label": words(name) });
  paintDataUrl(canvas, url).then(() => canvas.classList.toggle("wide", canvas.width > LARGE));
  return h("figure", { className: "quiet" }, canvas, h("figcaption", {}, words(name)));
}

/** Shares from 0 to 1 as bars: in their own order when they are few, else the largest. */
export function bars(shares) {
  const all = Object.entries(shares);
  const largest = [...all].sort((a, b) => b[1] - a[1]);
  const shown = all.length <= MOST_BARS ? all : largest.slice(0, MOST_BARS);
  const rows = shown.map(([label, share]) => {
    const fill = h("span", { className: "fill" });
    fill.style.width = `${share * 100}%`;
    const top = label === largest[0][0] ? "top-share" : "";
    return h("li", { className: top }, h("span", { className: "label" }, label), h("span", { className: "bar" }, fill), h("span", { className: "share" }, percent(share)));
  });
  const rest = all.length - shown.length;
  return h("div", {}, h("ol", { className: "bars", "aria-label": "Probabilities" }, ...rows), rest ? h("p", { className: "quiet" }, `and ${rest} smaller ones`) : null);
}

function tensorPart({ name, datatype, shape, data }) {
  const shown = data.slice(0, 64).map((value) => (typeof value === "number" ? short(value) : String(value)));
  const more = data.length > shown.length ? ` … (${data.length} in all)` : "";
  return h(
    "div",
    {},
    h("p", { className: "fact" }, h("strong", {}, name), h("span", { className: "quiet" }, ` ${datatype} [${shape.join(", ")}]`)),
    h("p", { className: "numbers" }, shown.join("  ") + more),
  );
}

/** JSON of a document, a list of numbers on one line, with what is too long to read cut short. */
function abridged(value, indent = "") {
  if (typeof value === "string" && value.length > 200) return `"${value.slice(0, 60)}…" (${value.length} characters)`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const list = Array.isArray(value);
  if (list && value.every((one) => typeof one !== "object")) return JSON.stringify(value).replaceAll(",", ", ");
  const inner = `${indent}  `;
  const items = Object.entries(value).map(([name, one]) => inner + (list ? "" : `${JSON.stringify(name)}: `) + abridged(one, inner));
  const [open, close] = list ? "[]" : "{}";
  return items.length ? `${open}\n${items.join(",\n")}\n${indent}${close}` : open + close;
}
