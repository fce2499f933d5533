"""What every rival serves: the graph that BENCH_ONNX names, opened with one thread."""

import os

import numpy as np
import onnxruntime


class Graph:
    """One input, one output, rows along the first axis of both."""

    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["BENCH_ONNX"], options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.output = self.session.get_outputs()[0].name
        self.row_shape = tuple(self.session.get_inputs()[0].shape[1:])

    def run(self, batch):
        return self.session.run([self.output], {self.input: batch})[0]

    def rows(self, data):
        """Raw float32 as rows."""
        return np.frombuffer(data, np.float32).reshape(-1, *self.row_shape)
