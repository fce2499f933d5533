"""Every error that a user of the zoo can cause or meet, as one tree.

A message says what is wrong, with which value, and what to do next. The command line prints it as one sentence
and ends with the error's `status`: 1 when a check failed, 2 for wrong usage or unusable input.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZooError(Exception):
    """Root of the tree."""

    status = 2


class UsageError(ZooError):
    """A command or a call was given something that it cannot take."""


class UnknownNameError(UsageError):
    """A name that nothing has; offers the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names) or 'none'}."
        super().__init__(f"No {kind} is named {name!r}; {hint}")


class SpecError(ZooError):
    """A port, graph or family contradicts itself."""


class PortError(UsageError):
    """Arrays do not fit the ports of the graph that they were given to."""


class CodecError(UsageError):
    """Raw input (image, CSV, JSON) that the model's codec cannot read."""


class MediaTypeError(CodecError):
    """Raw input of a kind that the model's codec does not take."""


class DataError(ZooError):
    """A data set that cannot be had or is damaged."""


class CheckpointError(ZooError):
    """A checkpoint that cannot be read or does not fit its family."""


class ArtifactError(ZooError):
    """An artifact or a file of it that is missing, malformed or cannot be opened."""


class IntegrityError(ArtifactError):
    """An artifact whose files are not those that were certified, or that nothing certifies."""

    status = 1


class HubError(ZooError):
    """A hub that cannot be reached, or that lacks what its index names."""


class RuntimeUnavailableError(ZooError):
    """A library or device that the operation needs is missing."""


class ExportError(ZooError):
    """The exporter could not turn the original into a graph with exactly the declared ports."""

    status = 1


class ParityError(ZooError):
    """A graph is not numerically equal to its original, or nothing was compared."""

    status = 1
