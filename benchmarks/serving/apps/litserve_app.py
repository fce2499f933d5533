"""LitServe with batching: `litserve_app.py PORT json|base64`.

It parses every body that is no form as JSON: a row is nested numbers there, or base64, which is leaner.
"""

import base64
import sys

import litserve
import numpy as np
from graph import Graph

NUMBERS = sys.argv[2:] == ["json"]


class Bench(litserve.LitAPI):
    def setup(self, device):
        self.graph = Graph()

    def decode_request(self, request):
        if NUMBERS:
            return np.asarray(request["x"], np.float32)[0]
        return self.graph.rows(base64.b64decode(request["x"]))[0]

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, batch):
        return self.graph.run(batch)

    def unbatch(self, output):
        return list(output)

    def encode_response(self, row):
        if NUMBERS:
            return {"y": row.tolist()}
        return {"y": base64.b64encode(row.tobytes()).decode()}


if __name__ == "__main__":
    server = litserve.LitServer(Bench(max_batch_size=32, batch_timeout=0.001), accelerator="cpu", timeout=30)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="warning")
