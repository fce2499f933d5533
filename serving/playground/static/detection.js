// The input of tasks that find things in a picture of any size, and what was found as a table.

import { fileButton, h, percent, takeDrops } from "./elements.js";
import { paintDataUrl, toPng } from "./pixels.js";
import { fileRequest, instancesRequest } from "./requests.js";

const SENT_AS_THEY_ARE = ["image/png", "image/jpeg"];

/** `onrequest(request)` gets every new picture as a request. */
export function photoInput({ model, examples, onrequest, onproblem }) {
  const shown = h("canvas", { className: "picture wide", role: "img", "aria-label": "the picture that was sent" });

  async function takeFile(file) {
    try {
      paintBitmap(shown, await createImageBitmap(file));
    } catch {
      onproblem(`${file.name} is no picture that this browser can show; choose a PNG or a JPEG.`);
      return;
    }
    const known = SENT_AS_THEY_ARE.includes(file.type);
    const sent = known ? file : await toPng(shown);
    onrequest(fileRequest(model, sent, known ? file.name : "picture.png"));
  }

  async function takeExample(url) {
    await paintDataUrl(shown, url);
    onrequest(instancesRequest(model, [url]));
  }

  const items = examples.instances.map(({ instance }, number) => thumbnail(instance, number + 1, takeExample));
  const element = h(
    "div",
    { className: "stack" },
    shown,
    h("div", { className: "row" }, fileButton("Choose a picture", "image/*", takeFile)),
    items.length ? h("div", { className: "samples", role: "group", "aria-label": "Examples" }, ...items) : null,
  );
  takeDrops(element, takeFile);
  return { element, hint: "Drop a picture here, choose one, or take an example." };
}

function thumbnail(url, number, take) {
  const canvas = h("canvas", { className: "thumbnail" });
  paintDataUrl(canvas, url);
  return h("button", { type: "button", className: "sample", onclick: () => take(url), "aria-label": `Example ${number}` }, canvas);
}

function paintBitmap(canvas, bitmap) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
}

/** Whether a field of an answer is a list of things with a place. */
export function areDetections(value) {
  return Array.isArray(value) && value.length > 0 && value.every((one) => one !== null && typeof one === "object" && Array.isArray(one.box));
}

/** What was found, the surest first. */
export function detectionsTable(detections) {
  const head = h("tr", {}, ...["label", "score", "left, top, right, bottom"].map((text) => h("th", { scope: "col" }, text)));
  const rows = detections.map(({ label, score, box }) =>
    h("tr", {}, h("td", {}, label), h("td", {}, percent(score)), h("td", {}, box.map(Math.round).join(", "))),
  );
  return h("details", {}, h("summary", {}, `${detections.length} found`), h("table", { className: "found" }, h("thead", {}, head), h("tbody", {}, ...rows)));
}
