"""BentoML as its documentation has it: a batchable API over arrays, as JSON."""

import bentoml
import numpy as np
from graph import Graph


@bentoml.service(name="bench", workers=1, http={"host": "127.0.0.1"})
class Bench:
    def __init__(self):
        self.graph = Graph()

    @bentoml.api(batchable=True, max_batch_size=32)
    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.graph.run(x.astype(np.float32, copy=False))
