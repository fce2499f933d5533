// Live charts of the last minute: rows a second, rows in one execution, and latency; from the service's statistics, polled
// each second, and from this page's own requests.

import { h, short, svg } from "./elements.js";
import { getJson, onAnswer } from "./service.js";

const WINDOW_S = 60;
const [WIDTH, HEIGHT, FLOOR, TOP] = [300, 110, 96, 14];

export class Charts {
  /** `onpoll(error, names)` is called after each poll with what is served, or with the error. */
  constructor(onpoll) {
    this.onpoll = onpoll;
    this.endpoints = [];
    this.samples = new Map(); // by endpoint: counters at times
    this.trips = []; // of this page: { time, ms }
    this.throughput = new Chart("Throughput", "rows/s");
    this.rows = new Chart("Rows per execution", "");
    this.latency = new Chart("Latency", "ms");
    this.elements = [this.throughput, this.rows, this.latency].map((chart) => chart.element);
    onAnswer((ms) => this.trips.push({ time: now(), ms }));
  }

  /** Show the sum over these v2 names. */
  select(endpoints) {
    this.endpoints = endpoints;
    this.trips = [];
    this.#draw();
  }

  async run() {
    for (;;) {
      if (!document.hidden) await this.#poll();
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }

  async #poll() {
    try {
      const { model_stats: entries } = await getJson("/v2/models/stats");
      const time = now();
      for (const entry of entries) this.#keep(entry, time);
      this.#draw();
      this.onpoll(null, entries.map(({ name, version }) => `${name}@${version}`));
    } catch (error) {
      this.onpoll(error, []);
    }
  }

  #keep(entry, time) {
    const { queue, compute_infer: compute } = entry.inference_stats;
    const sample = { time, rows: entry.inference_count, executions: entry.execution_count, queue, compute };
    const kept = (this.samples.get(entry.name) ?? []).filter((one) => time - one.time <= WINDOW_S + 2);
    const restarted = kept.length && kept.at(-1).rows > sample.rows;
    this.samples.set(entry.name, [...(restarted ? [] : kept), sample]);
  }

  #draw() {
    this.trips = this.trips.filter(({ time }) => now() - time <= WINDOW_S);
    const rates = this.#rates();
    this.throughput.draw(rates.map(({ time, rows, seconds }) => ({ time, value: rows / seconds })));
    const busy = rates.filter(({ executions }) => executions > 0);
    this.rows.draw(busy.map(({ time, rows, executions }) => ({ time, value: rows / executions })));
    const inside = busy.map(({ time, ms }) => ({ time, value: ms }));
    this.latency.draw(inside, this.trips.map(({ time, ms }) => ({ time, value: ms })));
  }

  /** What happened between polls, summed over the endpoints. */
  #rates() {
    const lists = this.endpoints.map((name) => differences(this.samples.get(name) ?? []));
    return (lists[0] ?? []).map((first, index) => {
      const parts = lists.map((list) => list.at(index - lists[0].length)).filter(Boolean);
      const sum = (of) => parts.reduce((total, part) => total + of(part), 0);
      const executions = sum((part) => part.executions);
      return {
        time: first.time,
        seconds: first.seconds,
        rows: sum((part) => part.rows),
        executions,
        ms: executions ? sum((part) => part.ms * part.executions) / executions : 0,
      };
    });
  }
}

function differences(samples) {
  return samples.slice(1).map((after, index) => {
    const before = samples[index];
    return {
      time: after.time,
      seconds: after.time - before.time,
      rows: after.rows - before.rows,
      executions: after.executions - before.executions,
      ms: meanMs(before.queue, after.queue) + meanMs(before.compute, after.compute),
    };
  });
}

function meanMs(before, after) {
  const count = after.count - before.count;
  return count > 0 ? (after.ns - before.ns) / count / 1e6 : 0;
}

function now() {
  return performance.now() / 1000;
}

/** One chart of points { time, value } within the last minute. */
class Chart {
  constructor(title, unit) {
    this.title = title;
    this.unit = unit;
    this.now = h("span", { className: "now" }, "–");
    this.picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    this.note = h("p", { className: "quiet" });
    const caption = h("figcaption", {}, h("span", {}, title), this.now);
    this.element = h("figure", { className: "chart" }, caption, this.picture, this.note);
    this.draw([]);
  }

  draw(line, dots = []) {
    const all = [...line, ...dots].map(({ value }) => value);
    const top = ceiling(all.reduce((a, b) => Math.max(a, b), 0));
    const end = now();
    const x = (time) => WIDTH - ((end - time) / WINDOW_S) * WIDTH;
    const y = (value) => FLOOR - (value / top) * (FLOOR - TOP);
    const points = line.map(({ time, value }) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`);
    const area = points.length > 1 ? [`${x(line[0].time)},${FLOOR}`, ...points, `${x(line.at(-1).time)},${FLOOR}`] : [];
    this.picture.replaceChildren(
      svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: TOP, y2: TOP }),
      svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: FLOOR, y2: FLOOR }),
      svg("polygon", { class: "area", points: area.join(" ") }),
      svg("polyline", { class: "line", points: points.join(" ") }),
      ...line.slice(-1).map(({ time, value }) => svg("circle", { class: "last", cx: x(time), cy: y(value), r: 2.5 })),
      ...dots.slice(-400).map(({ time, value }) => svg("circle", { class: "dot", cx: x(time), cy: y(value), r: 1.8 })),
      svg("text", { x: 0, y: TOP - 4 }, all.length ? `${short(top)} ${this.unit}` : ""),
      svg("text", { x: 0, y: HEIGHT - 2 }, `${WINDOW_S} s ago`),
      svg("text", { x: WIDTH, y: HEIGHT - 2, "text-anchor": "end" }, "now"),
    );
    this.#say(line.at(-1)?.value, dots);
  }

  #say(last, dots) {
    const text = (value) => (value === undefined ? "–" : `${short(value)} ${this.unit}`.trimEnd());
    this.now.textContent = dots.length ? `${text(median(dots.map(({ value }) => value)))} median` : text(last);
    this.note.textContent = dots.length ? `Dots: this page's round trips. Line: queue and compute in the service, now ${text(last)}.` : "";
    this.picture.setAttribute("aria-label", `${this.title}, last minute: ${this.now.textContent}`);
  }
}

function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** 1, 2 or 5 times a power of ten, not below `value`. */
function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}
