"""How deep JSON is nested, found out before it is parsed: parsing is what deep nesting is meant to hurt."""

from __future__ import annotations

import numpy as np

from serving.errors import ProtocolError

_QUOTE = 2
_STEPS = bytes({91: 1, 123: 1, 93: 255, 125: 255, 34: _QUOTE}.get(byte, 0) for byte in range(256))
_OTHERS = bytes(byte for byte in range(256) if not _STEPS[byte])


def check_depth(text: bytes | memoryview, limit: int) -> None:
    """Raises ProtocolError when lists and objects are nested deeper than `limit`; exact for JSON, harmless for the rest."""
    text = bytes(text)  # a copy only of a view
    if _occurs(text, b"[", limit) + _occurs(text, b"{", limit) > limit and _depth(text) > limit:
        raise ProtocolError(f"The JSON is nested deeper than {limit} (ZOO_MAX_JSON_DEPTH); send flatter data.")


def _occurs(text: bytes, byte: bytes, most: int) -> int:
    """How often, counted to `most` + 1: most requests have few brackets, and finding is faster than counting."""
    at = -1
    for count in range(most + 1):
        at = text.find(byte, at + 1)
        if at < 0:
            return count
    return most + 1


def _depth(text: bytes) -> int:
    """The largest number of brackets that are open at once; those within strings are no brackets."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    steps = np.frombuffer(text.translate(_STEPS, _OTHERS), np.int8)
    quotes = steps == _QUOTE
    if quotes.any():
        within = np.cumsum(quotes, dtype=np.uint8) & 1  # wraps at an even number
        steps = np.where(quotes | within.view(bool), 0, steps)
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))
