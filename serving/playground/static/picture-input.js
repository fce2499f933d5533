// The input of tasks that take a picture: draw it, choose or drop a file, or take an example.

import { button, fileButton, h, latest, takeDrops } from "./elements.js";
import { Pad, shrink } from "./pad.js";
import { fromInstance, habit, paint, toInstance, toPng } from "./pixels.js";
import { fileRequest, instancesRequest } from "./requests.js";

const SENT_AS_THEY_ARE = ["image/png", "image/jpeg"];

/** `onrequest(request)` gets every new picture as a request, `onclear()` is called when there is none any more. */
export function pictureInput({ model, examples, onrequest, onclear, onproblem }) {
  const codec = model.codec;
  const samples = examples.instances.map(({ instance, label }) => ({ label, picture: fromInstance(instance, codec) }));
  const fitting = codec.channels === 1 && codec.light_on_dark ? habit(samples.map((sample) => sample.picture)) : null;
  const fit = h("input", { type: "checkbox", checked: true, onchange: () => drawing && drawn() });
  const seen = h("canvas", { className: "seen", role: "img" });
  const pad = new Pad({ ...codec, lightOnDark: codec.light_on_dark }, drawn);
  const inColours = codec.channels === 3;
  let drawing = false; // whether what the pad shows was drawn on it

  const redraw = latest(() => ask(shrink(pad.picture(), codec, fit.checked ? fitting : null)));

  function drawn() {
    drawing = true;
    redraw();
  }

  async function ask(small) {
    paint(seen, small);
    const request = await pictureRequest(model, small, seen);
    if (!pad.empty) onrequest(request);
  }

  function take(sample) {
    drawing = false;
    pad.show(sample.picture);
    ask(sample.picture);
  }

  async function takeFile(file) {
    drawing = false;
    try {
      await pad.showFile(file);
    } catch {
      onproblem(`${file.name} is no picture that this browser can show; choose a PNG or a JPEG.`);
      return;
    }
    blank(seen, codec);
    const known = SENT_AS_THEY_ARE.includes(file.type);
    const sent = known ? file : await toPng(pad.canvas);
    onrequest(fileRequest(model, sent, known ? file.name : "picture.png"));
  }

  function clear() {
    drawing = false;
    pad.clear();
    blank(seen, codec);
    onclear();
  }

  blank(seen, codec);
  pad.element.addEventListener("wipe", clear);
  const element = h(
    "div",
    { className: "stack" },
    h(
      "div",
      { className: "drawing" },
      pad.element,
      h("figure", { className: "quiet" }, seen, h("figcaption", {}, `as the model gets it, ${codec.width}\u00a0×\u00a0${codec.height}`)),
    ),
    h(
      "div",
      { className: "row" },
      button("Clear", clear),
      fileButton("Choose a picture", "image/*", takeFile),
      inColours && h("label", { className: "check" }, colourOf(pad), "colour of the pen"),
      fitting && h("label", { className: "check" }, fit, "lay the drawing as the examples lie"),
    ),
    samples.length ? gallery(samples, take) : null,
  );
  takeDrops(element, takeFile);
  const grey = "Draw on the pad, drop a picture on it, or choose an example.";
  return { element, hint: inColours ? "Drop a picture on the pad, choose an example, or draw." : grey };
}

/** What the pen writes with from now on. */
function colourOf(pad) {
  return h("input", { type: "color", value: pad.ink, oninput: (event) => (pad.ink = event.target.value) });
}

/** A small picture as its codec takes it exactly: eight bits as PNG, other ranges as numbers. */
async function pictureRequest(model, small, canvas) {
  const { white } = model.codec;
  if (white !== 255) return instancesRequest(model, [toInstance(small, white, white / 256)]);
  return fileRequest(model, await toPng(canvas), "picture.png");
}

function blank(canvas, { height, width }) {
  canvas.width = width;
  canvas.height = height;
}

function gallery(samples, take) {
  const items = samples.map((sample, number) => {
    const canvas = h("canvas", { "aria-hidden": "true" });
    paint(canvas, sample.picture);
    const name = `Example ${sample.label ?? number + 1}`;
    return h("button", { type: "button", className: "sample", title: name, "aria-label": name, onclick: () => take(sample) }, canvas);
  });
  return h("div", { className: "samples", role: "group", "aria-label": "Examples" }, ...items);
}
