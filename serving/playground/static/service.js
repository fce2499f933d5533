// Requests to the service, all of them: with the key, timed, errors as the server's own sentence.

import { encode } from "./requests.js";

export class ServiceError extends Error {
  constructor(sentence, status = 0) {
    super(sentence);
    this.status = status;
  }
}

let key = "";
const listeners = new Set();

export function setKey(value) {
  key = value;
}

export function hasKey() {
  return key !== "";
}

/** `listener(ms)` is called with the round trip of every request that was answered well. */
export function onAnswer(listener) {
  listeners.add(listener);
}

export async function getJson(path) {
  return (await call(path, { cache: "no-cache" })).json();
}

/** The answer's document; tensors of a v2 answer have their numbers in `data`. Raises ServiceError. */
export async function send(request) {
  const { body, headers } = encode(request);
  const started = performance.now();
  const response = await call(request.path, { method: "POST", body, headers });
  const answer = await decode(response);
  for (const listener of listeners) listener(performance.now() - started);
  return answer;
}

/** `onpiece(piece)` is called with each piece of an answer that grows, until its end. Raises ServiceError. */
export async function stream(request, onpiece, signal) {
  const { body, headers } = encode(request);
  const started = performance.now();
  const response = await call(request.path, { method: "POST", body, headers, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    const events = (rest + chunk.value).split("\n\n");
    rest = events.pop();
    for (const event of events) take(JSON.parse(event.slice("data: ".length)), onpiece);
  }
  for (const listener of listeners) listener(performance.now() - started);
}

function take(piece, onpiece) {
  if (piece.error) throw new ServiceError(piece.error);
  onpiece(piece);
}

async function call(path, options) {
  const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new ServiceError("The service does not answer; see whether it still runs.");
  }
  if (response.ok) return response;
  const document = await response.json().catch(() => ({}));
  throw new ServiceError(document.error ?? `The service answered with status ${response.status}.`, response.status);
}

async function decode(response) {
  if (response.headers.get("content-type").startsWith("text/event-stream")) return { events: await response.text() };
  const size = response.headers.get("inference-header-content-length");
  if (size === null) return response.json();
  const bytes = await response.arrayBuffer();
  const document = JSON.parse(new TextDecoder().decode(bytes.slice(0, Number(size))));
  let at = Number(size);
  for (const tensor of document.outputs) {
    const length = tensor.parameters?.binary_data_size;
    if (length === undefined) continue;
    tensor.data = Array.from(new Float32Array(bytes.slice(at, at + length)));
    at += length;
  }
  return document;
}
