"""Keys of clients and of operators, of which the service knows only hashes.

`python -m serving.keys` makes a key, or reads one from a pipe, and prints it with the form that ZOO_API_KEYS and the
others take. A random key of 256 bits needs no slow hash: nobody can try them all.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import UsageError

_FORM = re.compile(r"sha256:([0-9a-fA-F]{64})")
_SHORTEST = 16


@dataclass(frozen=True)
class Keys:
    """SHA-256 digests of the keys that open a door; without any, the door has no lock."""

    digests: tuple[bytes, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.digests)

    def __add__(self, other: Keys) -> Keys:
        return Keys((*self.digests, *other.digests))

    def admit(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether X-API-Key or `Authorization: Bearer` holds one of the keys; takes as long for each as for none."""
        digest = hashlib.sha256(_sent(headers)).digest()
        return sum([hmac.compare_digest(digest, known) for known in self.digests]) > 0


def read_keys(environment: Mapping[str, str], variable: str) -> Keys:
    """The keys of `variable` (separated by commas) and of the file that `variable`_FILE names (one a line, # comments).

    Raises UsageError for a key that is not hashed, a file that others may read, and a place that was named but holds no
    key, which would leave the door open.
    """
    digests: list[bytes] = []
    if text := environment.get(variable, ""):
        digests += _digests(variable, text.split(","))
    if path := environment.get(f"{variable}_FILE", ""):
        digests += _digests(f"{variable}_FILE={path}", [line.partition("#")[0] for line in _lines(path, variable)])
    return Keys(tuple(digests))


def hash_of(key: str) -> str:
    """`sha256:<hex>`, the form in which the service takes a key."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def main() -> None:
    key = sys.stdin.readline().strip() if not sys.stdin.isatty() else ""
    if key and (len(key) < _SHORTEST or not key.isascii() or not key.isprintable() or " " in key):
        print(
            f"error: A key has {_SHORTEST} or more visible ASCII characters; pipe in such a one, or none.", file=sys.stderr
        )
        raise SystemExit(2)
    key = key or secrets.token_urlsafe(32)
    print(f"key, for the client:      {key}\nhash, for ZOO_API_KEYS…:  {hash_of(key)}")


def _sent(headers: Mapping[bytes, bytes]) -> bytes:
    key = headers.get(b"x-api-key")
    if key is not None:
        return key
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    return credentials.strip() if scheme.lower() == b"bearer" else b""


def _digests(place: str, entries: list[str]) -> list[bytes]:
    found = []
    for number, entry in enumerate(entries, start=1):
        if not entry.strip():
            continue
        match = _FORM.fullmatch(entry.strip())
        if match is None:  # what stands there may be a key, so it is not quoted
            raise UsageError(
                f"Entry {number} of {place} is not sha256: and 64 hexadecimal digits; "
                "hash the key with `python -m serving.keys` and keep only the hash there."
            )
        found.append(bytes.fromhex(match[1]))
    if not found:
        raise UsageError(f"{place} holds no key; put one there (`python -m serving.keys` makes one), or unset it.")
    return found


def _lines(path: str, variable: str) -> list[str]:
    try:
        mode = Path(path).stat().st_mode
        if mode & stat.S_IRWXO:
            raise UsageError(
                f"{variable}_FILE={path} is open to every user (mode {stat.S_IMODE(mode):o}); run chmod 600 {path}."
            )
        return Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{variable}_FILE={path} cannot be read ({error}); name a text file of hashed keys.") from error


if __name__ == "__main__":
    main()
