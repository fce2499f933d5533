// The input of tasks that take a graph: an example, a file or JSON as text; drawn, and its edges joined and parted by hand.

import { bars } from "./answer.js";
import { button, exampleButtons, fileButton, h, percent, svg, takeDrops } from "./elements.js";
import { instancesRequest } from "./requests.js";

const [WIDTH, HEIGHT, MARGIN] = [560, 420, 14];
const MOST_DRAWN = 300; // nodes: placing them takes time that grows with their square
const ROUNDS = 150;

/** As for `pictureInput`; `colour(nodes)` shows an answer, `onchoose(node)` tells which node was chosen, null for none. */
export function graphInput({ model, examples, onrequest, onclear, onproblem, onchoose }) {
  const drawing = svg("svg", { class: "plot network", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": "Drawing of the graph" });
  const count = h("p", { className: "quiet" });
  const editing = h("input", { type: "checkbox" });
  const text = h("textarea", {
    rows: 6,
    spellcheck: false,
    placeholder: '{"nodes": [[3, 17], [17, 20], [3]], "edges": [[0, 1], [1, 2]]}',
    oninput: () => typed(),
  });
  let graph = null;
  let dots = [];
  let places = [];
  let chosen = null;

  function typed() {
    choose(null);
    try {
      graph = text.value.trim() ? parse(text.value) : null;
    } catch (error) {
      [graph, places] = [null, []];
      draw();
      return onproblem(error.message);
    }
    places = graph && size(graph) <= MOST_DRAWN ? layout(size(graph), graph.edges) : [];
    draw();
    if (graph) onrequest(instancesRequest(model, [graph]));
    else onclear();
  }

  function draw() {
    const lines = graph && places.length ? graph.edges.map(([a, b]) => line(places[a], places[b])) : [];
    dots = graph ? places.map((place, node) => dot(place, node)) : [];
    drawing.replaceChildren(...lines, ...dots);
    const undrawn = graph && !places.length ? `; drawn up to ${MOST_DRAWN} nodes` : "";
    count.textContent = graph ? `${size(graph)} nodes, ${graph.edges.length} edges${undrawn}` : "";
  }

  function dot([x, y], node) {
    const pick = () => (editing.checked && chosen !== null && chosen !== node ? toggle(chosen, node) : choose(node));
    const circle = svg("circle", { cx: x, cy: y, r: 6, tabindex: 0, role: "button", "aria-label": `Node ${node}` }, svg("title"));
    circle.addEventListener("click", pick);
    circle.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      pick();
    });
    return circle;
  }

  function choose(node) {
    dots.forEach((circle, number) => circle.classList.toggle("chosen", number === node));
    chosen = node;
    onchoose(node);
  }

  /** Join two nodes, or part them; the graph is sent again, its nodes stay where they are. */
  function toggle(a, b) {
    const others = graph.edges.filter((edge) => !(edge.includes(a) && edge.includes(b)));
    graph.edges = others.length < graph.edges.length ? others : [...graph.edges, [a, b]];
    text.value = JSON.stringify(graph);
    draw();
    choose(null);
    onrequest(instancesRequest(model, [graph]));
  }

  function colour(nodes) {
    if (nodes.length !== dots.length) return; // of a graph that another one has replaced
    dots.forEach((circle, node) => {
      const { label, probabilities } = nodes[node];
      circle.setAttribute("class", `${circle.classList.contains("chosen") ? "chosen " : ""}${kind(model, label)}`);
      circle.setAttribute("aria-label", `Node ${node}: ${label}`);
      circle.firstChild.textContent = `${node}: ${label}, ${percent(probabilities[label])}`;
    });
  }

  function take(json) {
    text.value = json;
    typed();
  }

  async function takeFile(file) {
    if (file.size > 10_000_000) return onproblem(`${file.name} has ${file.size} bytes; choose a graph of at most 10 MB.`);
    take(await file.text());
  }

  const element = h(
    "div",
    { className: "stack" },
    drawing,
    legend(model),
    count,
    h("label", { className: "check" }, editing, "Edit edges: choose two nodes to join or part them"),
    h("div", { className: "row" }, button("Clear", () => take("")), fileButton("Choose a file", ".json,application/json", takeFile)),
    h("label", { className: "stack" }, "Graph as JSON", text),
    exampleButtons(examples.instances, (instance) => take(JSON.stringify(instance))),
  );
  takeDrops(element, takeFile);
  return { element, hint: "Choose the example, drop a JSON file, or write a graph.", colour };
}

/** The probabilities of the chosen node. */
export function chosenNode() {
  const element = h("div", { className: "stack" });
  let [nodes, chosen] = [[], null];
  const draw = () => {
    const answer = nodes[chosen];
    element.replaceChildren(...(answer ? [h("p", { className: "headline" }, `Node ${chosen}: ${answer.label}`), bars(answer.probabilities)] : []));
  };
  const show = (answers) => {
    nodes = answers;
    draw();
  };
  const choose = (node) => {
    chosen = node;
    draw();
  };
  return { element, show, choose };
}

function legend({ codec: { labels } }) {
  const swatch = (label) => svg("svg", { viewBox: "0 0 12 12", width: 12, height: 12, class: "network", "aria-hidden": "true" }, svg("circle", { cx: 6, cy: 6, r: 5, class: kind({ codec: { labels } }, label) }));
  return h("div", { className: "row legend" }, ...labels.map((label) => h("span", {}, swatch(label), ` ${label}`)));
}

function kind({ codec: { labels } }, label) {
  return `channel-${labels.indexOf(label) % 8}`;
}

function size({ nodes, features }) {
  return (nodes ?? features).length;
}

/** A graph that can be drawn; what else is wrong with it the service says. Raises a sentence. */
function parse(text) {
  let graph;
  try {
    graph = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is no JSON (${error.message}).`);
  }
  const listed = graph?.nodes ?? graph?.features;
  if (!Array.isArray(listed) || !listed.length) throw new Error('A graph has "nodes", a list of lists of numbers, and "edges".');
  const edges = graph.edges ?? [];
  const inside = (node) => Number.isInteger(node) && node >= 0 && node < listed.length;
  if (!Array.isArray(edges)) throw new Error("The edges are no list of pairs.");
  const wrong = edges.findIndex((edge) => !Array.isArray(edge) || edge.length !== 2 || !edge.every(inside));
  if (wrong >= 0) throw new Error(`Edge ${wrong} is no pair of node numbers from 0 to ${listed.length - 1}.`);
  return { ...graph, edges };
}

function line([x1, y1], [x2, y2]) {
  return svg("line", { x1, y1, x2, y2 });
}

/**
 * Places of nodes, the same every time: all push one another away, edges pull (Fruchterman and Reingold 1991,
 * https://doi.org/10.1002/spe.4380211102), from a spiral on, cooling down.
 */
function layout(nodes, edges) {
  const ideal = Math.sqrt(1 / nodes);
  const at = Array.from({ length: nodes }, (_, k) => [Math.cos(2.4 * k), Math.sin(2.4 * k)].map((one) => one * Math.sqrt((k + 0.5) / nodes)));
  for (let round = 0; round < ROUNDS; round++) {
    const force = at.map(([x, y]) => [-x * ideal, -y * ideal]); // parts that nothing joins stay in sight
    const push = (a, b, strength) => {
      const [dx, dy] = [at[a][0] - at[b][0], at[a][1] - at[b][1]];
      const far = Math.max(Math.hypot(dx, dy), 1e-4);
      const size = strength(far) / far;
      force[a][0] += dx * size;
      force[a][1] += dy * size;
      force[b][0] -= dx * size;
      force[b][1] -= dy * size;
    };
    for (let a = 0; a < nodes; a++) for (let b = 0; b < a; b++) push(a, b, (far) => (ideal * ideal) / far);
    for (const [a, b] of edges) if (a !== b) push(a, b, (far) => -(far * far) / ideal);
    const step = 0.1 * (1 - round / ROUNDS);
    at.forEach((place, node) => {
      const far = Math.max(Math.hypot(...force[node]), 1e-9);
      place[0] += (force[node][0] / far) * Math.min(far, step);
      place[1] += (force[node][1] / far) * Math.min(far, step);
    });
  }
  return fitted(at);
}

function fitted(at) {
  const [low, high] = [Math.min, Math.max].map((limit) => [0, 1].map((axis) => at.reduce((value, place) => limit(value, place[axis]), at[0][axis])));
  const room = [WIDTH, HEIGHT].map((length) => length - 2 * MARGIN);
  return at.map((place) => place.map((value, axis) => MARGIN + (high[axis] > low[axis] ? (value - low[axis]) / (high[axis] - low[axis]) : 0.5) * room[axis]));
}
