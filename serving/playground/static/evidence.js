// The input of tasks that take what is known of some variables: a choice of states for each, filled from an example.

import { button, exampleButtons, h } from "./elements.js";
import { instancesRequest } from "./requests.js";

const UNKNOWN = ""; // the choice that says nothing

/** As for `pictureInput`. Every change is asked for at once. */
export function evidenceInput({ model, examples, onrequest }) {
  const { variables, states } = model.codec;
  const choices = variables.map((name, number) =>
    h(
      "select",
      { "aria-label": name, onchange: ask },
      h("option", { value: UNKNOWN }, "not known"),
      ...states[number].map((state) => h("option", { value: state }, state)),
    ),
  );

  function ask() {
    const known = variables.map((name, number) => [name, choices[number].value]).filter(([, state]) => state !== UNKNOWN);
    onrequest(instancesRequest(model, [Object.fromEntries(known)]));
  }

  function fill(instance) {
    choices.forEach((choice, number) => (choice.value = instance[variables[number]] ?? UNKNOWN));
    ask();
  }

  const labelled = choices.map((choice, number) => h("label", { className: "option" }, h("span", {}, variables[number]), choice));
  const element = h(
    "div",
    { className: "stack" },
    h("div", { className: "stack" }, ...labelled),
    h("div", { className: "row" }, button("Ask", ask, { className: "primary" }), button("Forget all", () => fill({}))),
    exampleButtons(examples.instances.slice(0, 8), fill),
  );
  return { element, hint: "Say what is known, or choose an example." };
}
