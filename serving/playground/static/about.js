// What a model is: its name and results, its ports, and its last request as code to copy.

import { button, h, short } from "./elements.js";
import { curl, python } from "./requests.js";

export function about(model) {
  const facts = [
    ["task", model.task.replaceAll("-", " ")],
    ...Object.entries(model.metrics).map(([name, value]) => [name.replaceAll("_", " "), value.toFixed(4)]),
    ["parameters", model.parameters.toLocaleString("en")],
    ["data", [model.data.name, model.data.licence].filter(Boolean).join(", ")],
  ];
  const items = facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  const title = h("h1", {}, model.name, " ", h("span", { className: "version" }, `version ${model.version}`));
  return [title, h("p", {}, model.summary), h("dl", { className: "facts" }, ...items)];
}

export function ports(model) {
  return model.graphs.map(({ endpoint, inputs, outputs, axes }) =>
    h(
      "div",
      { className: "graph" },
      h("h3", {}, h("code", {}, endpoint)),
      h("ul", { className: "ports" }, ...inputs.map((port) => portItem("in", port)), ...outputs.map((port) => portItem("out", port))),
      axes.length ? h("p", { className: "quiet" }, axes.map(axisText).join("; ")) : null,
    ),
  );
}

function portItem(side, port) {
  const range = port.low !== undefined || port.high !== undefined ? `${port.low ?? "…"} to ${port.high ?? "…"}` : "";
  const notes = [port.doc, range, port.unit, port.role === "data" ? "" : `role ${port.role}`].filter(Boolean).join(" · ");
  return h(
    "li",
    {},
    h("span", { className: "side" }, side),
    h("span", {}, h("code", {}, port.name), ` ${port.datatype} [${port.shape.join(", ")}]`, h("span", { className: "quiet" }, notes && ` · ${notes}`)),
  );
}

function axisText({ name, low, high, padded }) {
  const size = high === null ? `${short(low)} or more` : `${short(low)} to ${short(high)}`;
  return `axis ${name}: ${size}${padded ? ", may be padded" : ""}`;
}

/** The request as curl and Python, each with a button that copies it, and the file that they name. */
export function snippets(request, origin, keyed) {
  const blocks = [snippet("curl", curl(request, origin, keyed)), snippet("Python", python(request, origin, keyed))];
  if (!request.file) return blocks;
  const url = URL.createObjectURL(request.file);
  const link = h("a", { href: url, download: request.fileName, className: "button" }, `Save ${request.fileName}`);
  return [...blocks, h("p", { className: "row" }, link, h("span", { className: "quiet" }, "the file that both name"))];
}

function snippet(title, code) {
  const copy = button("Copy", async () => {
    copy.textContent = (await copyText(code)) ? "Copied" : "Select and copy by hand";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  }, { "aria-label": `Copy ${title}` });
  const block = h("pre", { tabIndex: 0, "aria-label": title }, h("code", {}, code));
  return h("div", { className: "snippet" }, h("div", { className: "head" }, h("h3", {}, title), copy), block);
}

/** The clipboard is open to pages on 127.0.0.1 or under TLS; elsewhere the old way may work. */
async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const field = h("textarea", { value: text, className: "unseen" });
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
