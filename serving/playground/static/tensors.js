// The form that every graph has: its ports, and a request of the Open Inference Protocol as JSON to edit and send.

import { button, h } from "./elements.js";
import { inferRequest } from "./requests.js";

export function tensorForm({ model, examples, onrequest, onproblem }) {
  const text = h("textarea", { className: "code", rows: 14, spellcheck: false });
  const choice = h("select", { onchange: fill }, ...model.graphs.map(({ endpoint }) => h("option", {}, endpoint)));

  function graph() {
    return model.graphs[choice.selectedIndex];
  }

  function fill() {
    const tensors = examples.tensors[graph().name];
    const parts = tensors.map(({ data, ...rest }) => JSON.stringify({ ...rest, data }).replaceAll(",", ", ").replaceAll('":', '": '));
    text.value = `{"inputs": [\n ${parts.join(",\n ")}\n]}`;
  }

  function ask() {
    let document;
    try {
      document = JSON.parse(text.value);
    } catch (error) {
      return onproblem(`This is no JSON (${error.message}); correct it, or load the example again.`);
    }
    if (!Array.isArray(document?.inputs)) return onproblem('The JSON has no list "inputs"; load the example to see one.');
    onrequest(inferRequest(graph(), document.inputs, { outputs: document.outputs?.map(({ name }) => name) }));
  }

  fill();
  const element = h(
    "div",
    { className: "stack" },
    model.graphs.length > 1 ? h("label", { className: "row" }, "Graph", choice) : null,
    h("label", { className: "stack" }, "Request as JSON", text),
    h("div", { className: "row" }, button("Send", ask, { className: "primary" }), button("Load the example", fill)),
  );
  return { element, hint: "Send the example, or change it first." };
}
