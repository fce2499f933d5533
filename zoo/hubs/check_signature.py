"""Which of some public keys signed a folder: `python -P check_signature.py FOLDER SIGNATURE KEY …` prints its number.

Run as a file, in a process that ends: the library and what it loads take 40 MB, which a process that downloads or serves
afterwards would keep. Nothing of the zoo is imported for the same reason.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Sequence


def signer(folder: str, signature: str, keys: Sequence[str]) -> int | None:
    """The place of the key that signed; None where none did. Raises ImportError without the library."""
    from model_signing import verifying

    for place, key in enumerate(keys):
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # the library prints its warnings
                verifying.Config().use_elliptic_key_verifier(public_key=key).verify(folder, signature)
            return place
        except Exception:  # of many kinds: another key, damaged JSON, another index
            continue
    return None


if __name__ == "__main__":
    print(signer(sys.argv[1], sys.argv[2], sys.argv[3:]))
