// The input of tasks that take a text of several lines, a map say: typed, dropped or taken from an example.

import { exampleButtons, fileButton, h, takeDrops } from "./elements.js";
import { instancesRequest } from "./requests.js";

/** As for `pictureInput`. Every change is asked for at once. */
export function textInput({ model, examples, onrequest, onclear }) {
  const text = h("textarea", { rows: 12, wrap: "off", spellcheck: false, "aria-label": "Text", oninput: ask });

  function ask() {
    if (text.value.trim()) onrequest(instancesRequest(model, [text.value]));
    else onclear();
  }

  function take(value) {
    text.value = value;
    ask();
  }
  const drop = async (file) => take(await file.text());
  const offered = examples.instances.slice(0, 8);
  const element = h(
    "div",
    { className: "stack" },
    text,
    h("div", { className: "row" }, fileButton("Choose a file", "text/plain", drop)),
    exampleButtons(offered, take),
  );
  takeDrops(element, drop);
  if (offered.length) text.value = offered[0].instance;
  return { element, hint: "Change the text, drop a file, or choose an example." };
}
