"""MLServer with a runtime of our own and adaptive batching, set up by the files that its start writes."""

import numpy as np
from graph import Graph
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Bench(MLModel):
    async def load(self) -> bool:
        self.graph = Graph()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        batch = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32, copy=False)
        output = NumpyCodec.encode_output(self.graph.output, self.graph.run(batch))
        return InferenceResponse(model_name=self.name, outputs=[output])
