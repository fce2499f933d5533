// What is sent: requests as plain objects, their bytes, and the same requests as curl and Python.
//
// { model, path, file, fileName, mediaType }            a file to the task endpoint
// { model, path, instances }                            numbers to the task endpoint
// { model, path, text, parameters }                     an answer that grows, of the generate extension
// { endpoint, path, inputs, binary, outputs }           tensors to the v2 endpoint; `binary`: float32 in and out as bytes

export function fileRequest(model, file, fileName) {
  return { model: model.name, path: model.predict, file, fileName, mediaType: file.type };
}

export function instancesRequest(model, instances) {
  return { model: model.name, path: model.predict, instances };
}

export function streamRequest(model, text, parameters) {
  return { model: model.name, path: model.generate, text, parameters };
}

export function inferRequest(graph, inputs, more = {}) {
  return { endpoint: graph.endpoint, path: graph.infer, inputs, ...more };
}

/** Body and headers of a request. */
export function encode(request) {
  if (request.file) return { body: request.file, headers: { "Content-Type": request.mediaType } };
  if (request.binary) return encodeBinary(request);
  return { body: JSON.stringify(jsonOf(request)), headers: { "Content-Type": "application/json" } };
}

function jsonOf({ instances, inputs, outputs, text, parameters }) {
  if (parameters) return text === undefined ? { parameters } : { text_input: text, parameters };
  if (instances) return { instances };
  return outputs ? { inputs, outputs: outputs.map((name) => ({ name })) } : { inputs };
}

function encodeBinary({ inputs, outputs }) {
  const blobs = inputs.map((tensor) => Float32Array.from(tensor.data));
  const head = JSON.stringify({
    inputs: inputs.map(({ name, shape, datatype }, index) => ({
      name,
      shape,
      datatype,
      parameters: { binary_data_size: blobs[index].byteLength },
    })),
    outputs: outputs.map((name) => ({ name, parameters: { binary_data: true } })),
  });
  const bytes = new TextEncoder().encode(head);
  return {
    body: new Blob([bytes, ...blobs]),
    headers: { "Content-Type": "application/octet-stream", "Inference-Header-Content-Length": String(bytes.length) },
  };
}

/** A shell command; binary tensors are shown as JSON, which means the same. */
export function curl(request, origin, keyed) {
  const headers = keyed ? [`-H "Authorization: Bearer $ZOO_API_KEY"`] : [];
  const url = `${origin}${request.path}`;
  if (request.file) {
    const parts = [...headers, `-H 'Content-Type: ${request.mediaType}'`, `--data-binary @${quote(request.fileName)}`, url];
    return `curl ${parts.join(" \\\n  ")}`;
  }
  const body = `-d ${quote(JSON.stringify(jsonOf(request)))}`;
  if (request.parameters) headers.unshift("-N");
  return `curl ${[...headers, "-H 'Content-Type: application/json'", url, body].join(" \\\n  ")}`;
}

/** The same with the client that comes with the service. */
export function python(request, origin, keyed) {
  const imports = [...(keyed ? ["import os", ""] : []), ...(request.inputs ? ["import numpy as np", ""] : [])];
  const key = keyed ? ', api_key=os.environ["ZOO_API_KEY"]' : "";
  return [
    ...imports,
    "from serving.client import Client",
    "",
    `with Client(${JSON.stringify(origin)}${key}) as client:`,
    ...(request.parameters ? pythonLoop(request) : [`    print(client.${pythonCall(request)})`]),
  ].join("\n");
}

function pythonLoop({ model, text, parameters }) {
  const given = [model, text].filter((value) => value !== undefined).map((value) => JSON.stringify(value));
  const options = Object.entries(parameters).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const shown = text === undefined ? "print(piece)" : 'print(piece["text_output"], end="", flush=True)';
  return [`    for piece in client.stream(${[...given, ...options].join(", ")}):`, `        ${shown}`];
}

function pythonCall(request) {
  if (request.file) return `predict(${JSON.stringify(request.model)}, ${JSON.stringify(request.fileName)})`;
  if (request.instances) return `predict(${JSON.stringify(request.model)}, ${JSON.stringify(request.instances[0])})`;
  const arrays = request.inputs.map((tensor) => `${JSON.stringify(tensor.name)}: ${array(tensor)}`);
  const outputs = request.outputs ? `, outputs=${JSON.stringify(request.outputs)}` : "";
  return `infer(${JSON.stringify(request.endpoint)}, {${arrays.join(", ")}}${outputs})`;
}

const DTYPES = {
  FP64: "float64", FP32: "float32", FP16: "float16", INT64: "int64", INT32: "int32", UINT8: "uint8", INT8: "int8", BOOL: "bool",
};

function array({ data, shape, datatype }) {
  const numbers = JSON.stringify(data).replaceAll("true", "True").replaceAll("false", "False");
  return `np.array(${numbers}, "${DTYPES[datatype]}").reshape(${JSON.stringify(shape)})`;
}

function quote(text) {
  return /^[\w./@%+=:,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
