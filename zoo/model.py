"""A model in use: an artifact, its codec, and a session for each graph that has been called."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.calls import drive
from zoo.codecs import Answer, make_codec
from zoo.codecs.read import JSON_TYPE
from zoo.errors import CodecError, UsageError
from zoo.hub import Artifact
from zoo.run import FILES
from zoo.spec import Arrays

if TYPE_CHECKING:
    from zoo.session import Session


class Model:
    """An artifact whose bytes have been checked against its certificate.

    Raises IntegrityError when they differ.
    """

    def __init__(self, artifact: Artifact, *, provider: str = "cpu", threads: int = 0, variant: str = "") -> None:
        artifact.verify()
        self.artifact = artifact
        self.manifest = artifact.manifest
        self.codec = make_codec(self.manifest.task, self.manifest.codec, artifact.folder / FILES)
        self._provider = provider
        self._threads = threads
        self._variant = variant
        self._sessions: dict[str, Session] = {}

    def run(self, graph: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Outputs of a graph by port name; states that `inputs` leave out are zero.

        Raises PortError when the arrays do not fit the graph's ports.
        """
        session = self.session(graph)
        whole = session.graph.complete(dict(inputs))
        session.graph.check(whole)
        return session.run(whole)

    def session(self, graph: str) -> Session:
        """The session of a graph, opened at the first call. Raises UnknownNameError."""
        if graph not in self._sessions:
            from zoo.session import Session

            spec = self.manifest.graph(graph)
            path = self.artifact.graph_path(spec, self._variant)
            self._sessions[graph] = Session(path, spec, provider=self._provider, threads=self._threads)
        return self._sessions[graph]

    def predict(self, raw: Any) -> Answer | list[Answer]:
        """The codec's answer to a file's path, an array, a Pillow image, or a dictionary as a JSON body has it; a list of
        answers to a list or a file of many.

        Raises CodecError when the codec cannot read it.
        """
        if isinstance(raw, list):
            return drive(self.codec.predict([item for one in raw for item in self._read(one)]), self.run)
        answers = drive(self.codec.predict(self._read(raw)), self.run)
        return answers[0] if len(answers) == 1 else answers

    def _read(self, raw: Any) -> list[np.ndarray]:
        if isinstance(raw, dict):
            return self.codec.read(_json(raw), JSON_TYPE)
        if not isinstance(raw, (str, Path)):
            return [np.asarray(raw)]
        path = Path(raw)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path} cannot be read ({error.strerror}); name a file.") from error
        return self.codec.read(data, media_type(path))


def _json(document: dict[str, Any]) -> bytes:
    try:
        return json.dumps(document).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise CodecError(f"The dictionary is no JSON ({error}); give lists, numbers and strings only.") from error


def media_type(path: Path) -> str:
    """Media type of a file by the end of its name; unknown ends are `application/octet-stream`."""
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"
