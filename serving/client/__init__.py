"""A client of the service, and of any server of the Open Inference Protocol v2 over HTTP.

>>> from serving.client import Client
>>> with Client("http://127.0.0.1:3000") as client:
...     client.predict("convnet-mnist", "digit.png")[0]["label"]
...     client.infer("convnet-mnist", {"x": np.zeros((1, 1, 28, 28), np.float32)})["logits"]
...     for piece in client.stream("gpt-shakespeare", "ROMEO:", max_tokens=200, seed=1):
...         print(piece["text_output"], end="", flush=True)

`AsyncClient` has the same methods, to be awaited. Tensors travel as bytes; connections are kept. Needs httpx, NumPy and
orjson only.
"""

from serving.client.clients import AsyncClient, Client
from serving.client.errors import (
    AnswerError,
    BrokenOffError,
    ClientError,
    DeniedError,
    LateError,
    NotFoundError,
    OverloadedError,
    RefusedError,
    ServerFailedError,
    StatusError,
    UnreachableError,
)

__all__ = [
    "AnswerError",
    "AsyncClient",
    "BrokenOffError",
    "Client",
    "ClientError",
    "DeniedError",
    "LateError",
    "NotFoundError",
    "OverloadedError",
    "RefusedError",
    "ServerFailedError",
    "StatusError",
    "UnreachableError",
]
