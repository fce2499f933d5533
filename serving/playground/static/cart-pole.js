// A cart with a pole on a hinge, as the model was trained on it: its motion, and how it is drawn.
//
// The equations are those of Barto, Sutton and Anderson (1983), https://doi.org/10.1109/TSMC.1983.6313077, without friction.
// A state is [position in m, velocity in m/s, angle from upright in rad, angular velocity in rad/s].

import { svg } from "./elements.js";

const GRAVITY = 9.8; // m/s²
const [CART, POLE] = [1, 0.1]; // kg
const HALF_LENGTH = 0.5; // of the pole, in m
const FORCE = 10; // N
const [TRACK, TILT] = [2.4, (12 * Math.PI) / 180]; // limits to either side, m and rad
const METRE = 100; // units of the drawing

export const SECONDS = 0.02; // of one step
export const MAX_STEPS = 500;

/** The state one step after a push to the left (0) or to the right (1). */
export function step([position, velocity, angle, spin], action) {
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  const push = ((action === 1 ? FORCE : -FORCE) + POLE * HALF_LENGTH * spin ** 2 * sine) / (CART + POLE);
  const turn = (GRAVITY * sine - cosine * push) / (HALF_LENGTH * (4 / 3 - (POLE * cosine ** 2) / (CART + POLE)));
  const drive = push - (POLE * HALF_LENGTH * turn * cosine) / (CART + POLE);
  return [position + SECONDS * velocity, velocity + SECONDS * drive, angle + SECONDS * spin, spin + SECONDS * turn];
}

/** What ended the episode in this state; nothing while it goes on. */
export function ending([position, , angle]) {
  if (Math.abs(angle) > TILT) return "The pole fell";
  return Math.abs(position) > TRACK ? "The cart left its track" : "";
}

/** Where an episode begins: nearly at rest in the middle. */
export function start() {
  return Array.from({ length: 4 }, () => Number(((Math.random() - 0.5) / 10).toFixed(3)));
}

/** `draw(state, action)` shows the cart, its pole and, where there is an action, the push. */
export function stage() {
  const pole = svg("line", { class: "pole", x1: 0, y1: 0, x2: 0, y2: -2 * HALF_LENGTH * METRE });
  const push = svg("polyline", { class: "channel-1" });
  const cart = svg("g", {}, push, svg("rect", { class: "cart", x: -25, y: 0, width: 50, height: 25, rx: 4 }), pole);
  const ends = [-TRACK, TRACK].map((at) => svg("line", { class: "edge", x1: at * METRE, x2: at * METRE, y1: -110, y2: 40 }));
  const track = svg("line", { class: "track", x1: -TRACK * METRE, x2: TRACK * METRE, y1: 25, y2: 25 });
  const element = svg("svg", { class: "plot", viewBox: "-280 -120 560 170", role: "img" }, track, ...ends, cart);

  function draw([position, , angle], action) {
    cart.setAttribute("transform", `translate(${position * METRE} 0)`);
    pole.setAttribute("transform", `rotate(${(angle * 180) / Math.PI})`);
    const side = action === 1 ? 1 : -1;
    push.setAttribute("points", action === undefined ? "" : [[70, 12], [30, 12], [40, 5], [30, 12], [40, 19]].map(([x, y]) => `${-side * x},${y}`).join(" "));
    element.setAttribute("aria-label", `Cart at ${position.toFixed(2)} m, pole at ${((angle * 180) / Math.PI).toFixed(1)}°`);
  }

  return { element, draw };
}
