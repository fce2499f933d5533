"""Triton with its dynamic batcher, the graph in Python behind it: `pytriton_app.py HTTP_PORT GRPC_PORT`."""

import sys

import numpy as np
from graph import Graph
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

graph = Graph()
classes = graph.session.get_outputs()[0].shape[1]


@batch
def infer(**inputs):
    return [graph.run(inputs[graph.input])]


config = TritonConfig(
    http_address="127.0.0.1",
    http_port=int(sys.argv[1]),
    grpc_address="127.0.0.1",
    grpc_port=int(sys.argv[2]),
    allow_metrics=False,
    log_verbose=0,
)
with Triton(config=config) as triton:
    triton.bind(
        model_name="bench",
        infer_func=infer,
        inputs=[Tensor(name=graph.input, dtype=np.float32, shape=graph.row_shape)],
        outputs=[Tensor(name=graph.output, dtype=np.float32, shape=(classes,))],
        config=ModelConfig(max_batch_size=32, batcher=DynamicBatcher(max_queue_delay_microseconds=1000)),
    )
    triton.serve()
