"""Signatures of an index, by OpenSSF model-signing with an elliptic-curve key, and the keys that are trusted.

Public keys are PEM blocks in one file, `$ZOO_TRUSTED_KEYS` or `trusted-keys.pem` in the platform's folder for settings.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from zoo.errors import IntegrityError, RuntimeUnavailableError, UsageError
from zoo.hubs import check_signature
from zoo.hubs.index import INDEX

MOST_BYTES = 1 << 20
_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


def keys_file() -> Path:
    """Where the trusted keys are; it need not exist."""
    chosen = os.environ.get("ZOO_TRUSTED_KEYS")
    return (
        Path(chosen).expanduser() if chosen else platformdirs.user_config_path("zoo", appauthor=False) / "trusted-keys.pem"
    )


def trusted_keys() -> list[bytes]:
    """The public keys, as PEM. Raises UsageError for a file that holds none, or that `ZOO_TRUSTED_KEYS` names in vain."""
    path = keys_file()
    if not path.exists() and "ZOO_TRUSTED_KEYS" not in os.environ:
        return []
    try:
        keys = _KEY.findall(path.read_bytes())
    except OSError as error:
        raise UsageError(f"The trusted keys {path} cannot be read ({error.strerror}); correct ZOO_TRUSTED_KEYS.") from error
    if not keys:
        raise UsageError(f"{path} holds no public key; put PEM blocks into it that begin with -----BEGIN PUBLIC KEY-----.")
    return [key + b"\n" for key in keys]


def trust(key: Path) -> int:
    """Add the public keys of a PEM file to the trusted ones; how many are trusted now. Raises UsageError."""
    try:
        found = _KEY.findall(key.read_bytes())
    except OSError as error:
        raise UsageError(f"{key} cannot be read ({error.strerror}); name a public key in PEM.") from error
    if not found:
        raise UsageError(f"{key} holds no public key; make one of a private key: openssl ec -in KEY -pubout -out PUBLIC.")
    path = keys_file()
    old = path.read_bytes() if path.exists() else b""
    new = [block for block in found if fingerprint(block) not in map(fingerprint, _KEY.findall(old))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join([old, *(block + b"\n" for block in new)]))
    return len(_KEY.findall(path.read_bytes()))


def fingerprint(key: bytes) -> str:
    return hashlib.sha256(b"".join(key.split())).hexdigest()


def sign(index: bytes, key: Path) -> bytes:
    """The signature of an index by a private key in PEM. Raises UsageError for a key that cannot sign."""
    if not key.is_file():
        raise UsageError(f"There is no key {key}; name the private key with --sign or ZOO_SIGNING_KEY.")
    with _library(), _folder(index) as folder:
        from model_signing import signing

        target = folder.parent / "signature"
        try:
            signing.Config().use_elliptic_key_signer(private_key=key).sign(folder, target)
        except Exception as error:  # of the cryptography library, by what is wrong with the key
            raise UsageError(
                f"{key} cannot sign ({_first_line(error)}); use an elliptic-curve key in PEM: openssl ecparam -name "
                "prime256v1 -genkey -noout -out KEY."
            ) from error
        return target.read_bytes()


def public_key(key: Path) -> bytes:
    """The public half of a private key, as PEM. Raises UsageError for a file that holds no such key."""
    with _library():
        from cryptography.hazmat.primitives import serialization

        try:
            private = serialization.load_pem_private_key(key.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"{key} holds no private key that can be read ({_first_line(error)}); name one in PEM."
            ) from error
        return private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def verify(index: bytes, signature: bytes, keys: list[bytes], where: str) -> str:
    """The fingerprint of the trusted key that signed the index. Raises IntegrityError when none did."""
    with _folder(index) as folder:
        files = [folder.parent / f"key{place}" for place in range(len(keys))]
        for file, content in zip([folder.parent / "signature", *files], [signature, *keys], strict=True):
            file.write_bytes(content)
        place = _signer(str(folder), str(folder.parent / "signature"), [str(file) for file in files])
    if place is not None:
        return fingerprint(keys[place])
    raise IntegrityError(
        f"The index of {where} is not signed by a key in {keys_file()}; add its publisher's public key there, or choose "
        "--trust-unsigned."
    )


def _signer(folder: str, signature: str, keys: list[str]) -> int | None:
    """The place of the key that signed, found in a process of its own unless this one has the library already."""
    if not keys:
        return None
    if "model_signing.verifying" in sys.modules:
        return check_signature.signer(folder, signature, keys)
    line = [sys.executable, "-P", str(check_signature.__file__), folder, signature, *keys]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RuntimeUnavailableError(f"A signature cannot be checked ({reason}); install the zoo again.")
    return int(done.stdout) if done.stdout.strip().isdecimal() else None


@contextlib.contextmanager
def _folder(index: bytes) -> Iterator[Path]:
    """A folder with nothing but the index: what the signature is about."""
    with tempfile.TemporaryDirectory(prefix="zoo-sign-") as name:
        folder = Path(name) / "hub"
        folder.mkdir()
        (folder / INDEX).write_bytes(index)
        yield folder


@contextlib.contextmanager
def _library() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"Signatures need model-signing and pyOpenSSL ({error}); install the zoo again."
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
