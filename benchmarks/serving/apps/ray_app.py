"""Ray Serve with batching; raw float32. It listens everywhere, so it refuses to run where there is more than loopback."""

import os
import signal
import socket
import sys
import threading
from pathlib import Path

import numpy as np
import ray
from graph import Graph
from ray import serve
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(max_ongoing_requests=100, ray_actor_options={"num_cpus": 0.5})
class Bench:
    def __init__(self):
        self.graph = Graph()

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.001)
    async def run(self, rows):
        return list(self.graph.run(np.concatenate(rows)))

    async def __call__(self, request: Request) -> Response:
        row = await self.run(self.graph.rows(await request.body()))
        return Response(row.tobytes(), media_type="application/octet-stream")


def main():
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    if others:
        sys.exit(f"Ray would listen on {', '.join(others)}; start it where there is only loopback.")
    environment = {"env_vars": {"BENCH_ONNX": os.environ["BENCH_ONNX"], "PYTHONPATH": str(Path(__file__).parent)}}
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=os.environ["BENCH_FOLDER"],
        runtime_env=environment,
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])}, logging_config={"enable_access_log": False})
    serve.run(Bench.bind(), route_prefix="/")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    stop.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
