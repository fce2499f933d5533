// The page: which model is chosen, its panel, its last request, and the state of the service.

import { about, ports, snippets } from "./about.js";
import { Charts } from "./charts.js";
import { button, h } from "./elements.js";
import { hasPanel, makePanel, STREAM } from "./panels.js";
import { getJson, hasKey, send, ServiceError, setKey, stream } from "./service.js";

const SENDERS = 6; // a browser opens no more connections to one address
const RETRY_MS = 2000;

const $ = (id) => document.getElementById(id);
const charts = new Charts(polled);

let models = [];
let service = "";
let panel = null;
let shown = null; // the model of the panel
let request = null; // the last one that was shown
let sending = false;
let retry = null;
let served = null; // names and versions at the last look

async function load() {
  try {
    const document = await getJson("/v1/models");
    [models, service] = [document.models, document.service];
    if (!models.length) await whyNone();
    list();
    if (!shown || !models.some(({ name, version }) => name === shown.name && version === shown.version)) await choose();
    notice("");
  } catch (error) {
    refuse(error);
  }
}

/** Raises the service's own reason for having no model. */
async function whyNone() {
  await getJson("/v2/health/ready");
  throw new ServiceError("No model is loaded; the page shows the first one when it is.");
}

function refuse(error) {
  shown = null;
  notice(error.message);
  if (error.status === 401) {
    $("key").open = true;
    $("key-value").focus();
  } else {
    clearTimeout(retry);
    retry = setTimeout(load, RETRY_MS);
  }
}

function notice(sentence) {
  $("notice").textContent = sentence;
  $("notice").hidden = !sentence;
}

/** The models by task, as links, and as a list to choose from where the screen is narrow. */
function list() {
  const tasks = [...new Set(models.map(({ task }) => task))];
  const link = ({ name, summary }) => h("a", { href: `#${name}` }, h("strong", {}, name), h("span", {}, summary));
  const group = (task) => [h("h2", {}, task.replaceAll("-", " ")), ...models.filter((model) => model.task === task).map(link)];
  $("model-list").replaceChildren(...tasks.flatMap(group));
  $("model-select").replaceChildren(...models.map(({ name }) => h("option", { value: name }, name)));
  mark();
}

function mark() {
  if (!shown) return;
  $("model-select").value = shown.name;
  for (const link of $("model-list").querySelectorAll("a")) {
    link.setAttribute("aria-current", String(link.hash === `#${shown.name}`));
  }
}

async function choose() {
  const name = decodeURIComponent(location.hash.slice(1));
  const model = models.find((one) => one.name === name) ?? models[0];
  shown = model;
  const examples = await getJson(model.examples);
  if (shown !== model) return; // another one was chosen meanwhile
  notice("");
  stopSending();
  mark();
  document.title = `${model.name} · Proven ONNX zoo`;
  $("about").replaceChildren(...about(model));
  $("ports").replaceChildren(...ports(model));
  charts.select(model.graphs.map(({ endpoint }) => endpoint));
  show(model, examples, !hasPanel(model.task) && model.generate ? STREAM : false);
  $("model").hidden = false;
}

/** The panel of the model's task, or with `form` the one that every graph has. */
function show(model, examples, form) {
  panel?.dispose();
  forget();
  panel = makePanel({ model, examples, send: ask, stream: follow }, form);
  $("modes").replaceChildren(...(hasPanel(model.task) || model.generate ? modes(model, examples, form) : []));
  $("input").replaceChildren(panel.input);
  $("answer").replaceChildren(panel.answer);
}

function modes(model, examples, form) {
  const own = hasPanel(model.task) ? [["Try it", false]] : [];
  const grows = model.generate ? [["Watch it grow", STREAM]] : [];
  const choices = [...own, ...grows, ["Raw tensors", true]].map(([text, value]) =>
    button(text, () => change(value), { "aria-pressed": String(form === value) }),
  );
  const change = (value) => {
    show(model, examples, value);
    $("modes").querySelector('[aria-pressed="true"]').focus();
  };
  return choices;
}

function ask(asked, visible = true) {
  if (visible) remember(asked);
  return send(asked);
}

function follow(asked, onpiece, signal) {
  remember(asked);
  return stream(asked, onpiece, signal);
}

function remember(asked) {
  request = asked;
  $("repeat").disabled = false;
  for (const link of $("snippets").querySelectorAll("a")) URL.revokeObjectURL(link.href);
  $("snippets").replaceChildren(...snippets(request, location.origin, hasKey()));
}

function forget() {
  request = null;
  $("repeat").disabled = true;
  $("snippets").replaceChildren(h("p", { className: "quiet" }, "Send something, and it stands here as curl and as Python."));
}

/** Send the shown request again and again, as several clients would, until told to stop. */
function startSending() {
  sending = true;
  $("repeat").textContent = "Stop sending";
  $("repeat").setAttribute("aria-pressed", "true");
  for (let sender = 0; sender < SENDERS; sender++) resend();
}

function stopSending() {
  sending = false;
  $("repeat").textContent = "Keep sending";
  $("repeat").setAttribute("aria-pressed", "false");
}

async function resend() {
  try {
    while (sending && request) await send(request);
  } catch (error) {
    stopSending();
    notice(error.message);
  }
}

/** After each look at the statistics: is the service there, and does it still serve what it served? */
function polled(error, names) {
  const well = `${service} · ${models.length} model${models.length === 1 ? "" : "s"}`;
  $("status").textContent = !error ? well : error.status === 401 ? "needs an API key" : "not reachable";
  $("status").classList.toggle("bad", Boolean(error));
  if (error) return;
  const now = names.join();
  if (served !== null && now !== served) load();
  served = now;
}

$("repeat").addEventListener("click", () => (sending ? stopSending() : startSending()));
$("model-select").addEventListener("change", (event) => (location.hash = event.target.value));
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setKey($("key-value").value.trim());
  $("key").open = false;
  load();
});
addEventListener("hashchange", () => choose().catch(refuse));
addEventListener("dragover", (event) => event.preventDefault()); // a file that misses its target does not replace the page
addEventListener("drop", (event) => event.preventDefault());

$("charts").replaceChildren(...charts.elements);
await load();
charts.run();
