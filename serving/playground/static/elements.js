// Elements from names, properties and children; text is never read as markup.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function button(text, onclick, properties = {}) {
  return h("button", { type: "button", onclick, ...properties }, text);
}

/** A button for each of `examples`, named by its label or its number, which hands its instance to `take`; null without any. */
export function exampleButtons(examples, take) {
  if (!examples.length) return null;
  const buttons = examples.map(({ label, instance }, number) => {
    const name = label ?? String(number + 1);
    return button(name, () => take(instance), { "aria-label": `Example ${name}` });
  });
  return h("div", { className: "row", role: "group", "aria-label": "Examples" }, h("span", { className: "quiet" }, "Examples"), ...buttons);
}

/** A button that opens the file dialog; `onfile` is given the chosen file. */
export function fileButton(text, accept, onfile) {
  const input = h("input", {
    type: "file",
    accept,
    className: "unseen",
    onchange: () => {
      if (input.files.length) onfile(input.files[0]);
      input.value = "";
    },
  });
  return h("label", { className: "button" }, text, input);
}

/** Makes `target` take files that are dropped on it. */
export function takeDrops(target, onfile) {
  target.addEventListener("dragover", (event) => {
    event.preventDefault();
    target.classList.add("drop");
  });
  target.addEventListener("dragleave", () => target.classList.remove("drop"));
  target.addEventListener("drop", (event) => {
    event.preventDefault();
    target.classList.remove("drop");
    if (event.dataTransfer.files.length) onfile(event.dataTransfer.files[0]);
  });
}

/** Runs `work` on the newest value, one at a time; values that come meanwhile replace one another. */
export function latest(work) {
  let running = false;
  let next;
  return async (value) => {
    next = { value };
    if (running) return;
    running = true;
    while (next) {
      const { value: newest } = next;
      next = undefined;
      await work(newest);
    }
    running = false;
  };
}

export function percent(share) {
  return `${(share * 100).toFixed(1)} %`;
}

/** Three significant digits, without an exponent where one can read it without. */
export function short(number) {
  if (!Number.isFinite(number)) return String(number);
  const size = Math.abs(number);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return number.toExponential(2);
  return size >= 100 ? Math.round(number).toLocaleString("en") : String(Number(number.toPrecision(3)));
}
