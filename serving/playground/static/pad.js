// A canvas to draw on, by mouse, touch, pen or keyboard.

import { h } from "./elements.js";
import { paint, picture, read, resample } from "./pixels.js";

const SIDE = 280; // of the drawing, in its own pixels
const STEP = SIDE / 28; // of the keyboard's pen

export class Pad {
  /** `ondraw()` is called whenever the ink has changed by drawing. */
  constructor({ height, width, channels, lightOnDark }, ondraw) {
    const unit = SIDE / Math.max(height, width);
    this.channels = channels;
    this.brush = Math.max(0.08 * SIDE, unit);
    this.ink = lightOnDark ? "#ffffff" : "#000000";
    this.ground = lightOnDark ? "#000000" : "#ffffff";
    this.ondraw = ondraw;
    this.pen = { x: (width * unit) / 2, y: (height * unit) / 2, down: false };
    this.canvas = h("canvas", {
      className: "pad",
      width: width * unit,
      height: height * unit,
      tabIndex: 0,
      role: "application",
      "aria-label": "Drawing area. Arrow keys move the pen, space puts it down or lifts it, Delete clears.",
      onpointerdown: (event) => this.#press(event),
      onpointermove: (event) => this.#drag(event),
      onpointerup: () => (this.last = null),
      onpointercancel: () => (this.last = null),
      onkeydown: (event) => this.#key(event),
      onfocus: () => this.#showPen(),
      onblur: () => this.#lift(),
    });
    this.cursor = h("span", { className: "pen", hidden: true });
    this.element = h("div", { className: "pad-frame" }, this.canvas, this.cursor);
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.clear();
  }

  clear() {
    this.context.fillStyle = this.ground;
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.empty = true;
  }

  /** The drawing as numbers. */
  picture() {
    return read(this.canvas, this.channels);
  }

  /** Show a small picture, each of its cells as a square. */
  show(small) {
    const canvas = h("canvas");
    paint(canvas, small);
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(canvas, 0, 0, this.canvas.width, this.canvas.height);
    this.empty = false;
  }

  /** Show a file as large as it fits. Rejects when it is no picture. */
  async showFile(file) {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(this.canvas.width / bitmap.width, this.canvas.height / bitmap.height);
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    this.clear();
    this.context.imageSmoothingEnabled = true;
    this.context.drawImage(bitmap, (this.canvas.width - width) / 2, (this.canvas.height - height) / 2, width, height);
    this.empty = false;
  }

  #press(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.#lift();
    this.canvas.setPointerCapture(event.pointerId);
    this.last = this.#position(event);
    this.#line(this.last, this.last);
  }

  #drag(event) {
    if (!this.last) return;
    for (const moved of event.getCoalescedEvents?.() ?? [event]) {
      const position = this.#position(moved);
      this.#line(this.last, position);
      this.last = position;
    }
  }

  #position(event) {
    const box = this.canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * this.canvas.width,
      y: ((event.clientY - box.top) / box.height) * this.canvas.height,
    };
  }

  #line(from, to) {
    Object.assign(this.context, { lineCap: "round", lineJoin: "round", lineWidth: this.brush, strokeStyle: this.ink });
    this.context.beginPath();
    this.context.moveTo(from.x, from.y);
    this.context.lineTo(to.x, to.y);
    this.context.stroke();
    this.empty = false;
    this.ondraw();
  }

  #key(event) {
    const move = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (move) this.#step(...move);
    else if (event.key === " ") this.#touch();
    else if (event.key === "Delete" || event.key === "Backspace") this.element.dispatchEvent(new Event("wipe"));
    else return;
    event.preventDefault();
    this.#showPen();
  }

  #step(right, down) {
    const from = { ...this.pen };
    this.pen.x = Math.min(Math.max(0, this.pen.x + right * STEP), this.canvas.width);
    this.pen.y = Math.min(Math.max(0, this.pen.y + down * STEP), this.canvas.height);
    if (this.pen.down) this.#line(from, this.pen);
  }

  #touch() {
    this.pen.down = !this.pen.down;
    if (this.pen.down) this.#line(this.pen, this.pen);
  }

  #showPen() {
    if (!this.canvas.matches(":focus-visible")) return;
    this.cursor.hidden = false;
    this.cursor.classList.toggle("down", this.pen.down);
    this.cursor.style.left = `${(this.pen.x / this.canvas.width) * 100}%`;
    this.cursor.style.top = `${(this.pen.y / this.canvas.height) * 100}%`;
  }

  #lift() {
    this.pen.down = false;
    this.cursor.hidden = true;
  }
}

/** The drawing as the model takes it; with `like`, it lies as the examples do. */
export function shrink(drawing, { height, width, channels }, like) {
  const blank = drawing.values.every((value) => value < 0.1);
  if (blank) return picture(height, width, channels, new Float32Array(height * width * channels));
  return resample(drawing, height, width, like);
}
