"""What was last seen of each hub, so that neither its readers nor its publisher are led back to an older index."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from zoo.errors import ArtifactError, IntegrityError
from zoo.hubs.depot import Depot
from zoo.hubs.index import INDEX
from zoo.manifest import read_json, write_json

SEEN = "seen.json"


def last_seen(depot: Depot, label: str) -> dict[str, Any]:
    """`serial`, `sha256` and `signer` (empty when it was unsigned) of the last index accepted; {} when there is none."""
    try:
        seen = read_json(depot.hub(label) / SEEN)
    except ArtifactError:
        return {}
    return seen if type(seen.get("serial")) is int else {}


def was_signed(depot: Depot, label: str) -> bool:
    """Whether the last index accepted from there had the signature of a trusted key."""
    return bool(last_seen(depot, label).get("signer"))


def refuse_older(depot: Depot, label: str, serial: int, digest: str) -> None:
    """Raise IntegrityError for an index before the last seen, or another one with its serial."""
    seen = last_seen(depot, label)
    last = seen.get("serial", -1)
    if serial < last or (serial == last and digest != seen.get("sha256")):
        raise IntegrityError(
            f"The index of {label} has serial {serial}, and another with serial {last} was seen before: it is older, or the "
            f"hub was replaced; ask its publisher, and remove {depot.hub(label)} if that is right."
        )


def refuse_missing(depot: Depot, label: str) -> None:
    """Raise IntegrityError where an index was seen before and there is none now."""
    seen = last_seen(depot, label)
    if seen:
        raise IntegrityError(
            f"{label} has no index, and one with serial {seen['serial']} was seen before; put it back, or remove "
            f"{depot.hub(label)} if the hub is to be made anew."
        )


def remember(depot: Depot, label: str, content: bytes, serial: int, signer: str) -> None:
    """Keep an accepted index; `signer` is the fingerprint of the key that signed it."""
    digest = hashlib.sha256(content).hexdigest()
    seen = last_seen(depot, label)
    if digest != seen.get("sha256") or signer != seen.get("signer"):
        folder = depot.make_hub(label)
        _replace(folder / INDEX, content)
        write_json(folder / SEEN, {"hub": label, "serial": serial, "sha256": digest, "signer": signer})


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)
