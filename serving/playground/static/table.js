// The input of tasks that take a row of a table: a field for each column, filled from an example.

import { button, exampleButtons, h } from "./elements.js";
import { instancesRequest } from "./requests.js";

/** As for `pictureInput`. Every change is asked for at once; `take(instance)` makes one. */
export function tableInput({ model, examples, onrequest, onproblem }) {
  const { columns, units } = model.codec;
  const fields = columns.map((name) => h("input", { type: "number", step: "any", "aria-label": name, oninput: ask }));

  function ask() {
    const wrong = fields.findIndex((field) => field.value === "" || !field.checkValidity());
    if (wrong >= 0) return onproblem(`The column ${columns[wrong]} has no number.`);
    onrequest(instancesRequest(model, [Object.fromEntries(columns.map((name, number) => [name, fields[number].valueAsNumber]))]));
  }

  function fill(instance) {
    fields.forEach((field, number) => (field.value = instance[columns[number]]));
  }

  function take(instance) {
    fill(instance);
    ask();
  }

  const labelled = fields.map((field, number) =>
    h("label", { className: "option" }, h("span", {}, columns[number]), field, h("span", { className: "quiet" }, units[number] ?? "")),
  );
  if (examples.instances.length) fill(examples.instances[0].instance);
  const element = h(
    "div",
    { className: "stack" },
    h("div", { className: "stack" }, ...labelled),
    h("div", { className: "row" }, button("Ask", ask, { className: "primary" })),
    exampleButtons(examples.instances, take),
  );
  return { element, hint: "Change a number, or choose an example.", take };
}
