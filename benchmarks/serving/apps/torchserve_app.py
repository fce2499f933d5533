"""TorchServe's handler: raw float32 bodies of one batch in, raw rows out."""

import numpy as np
from graph import Graph

state = {}


def handle(data, context):
    if not data:
        return None
    if "graph" not in state:
        state["graph"] = Graph()
    graph = state["graph"]
    rows = np.concatenate([graph.rows(item.get("body") or item.get("data")) for item in data])
    return [row.tobytes() for row in graph.run(rows)]
