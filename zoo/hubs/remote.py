"""A hub that is not the folder that came with the code: trusted by its index's signature, read through the cache."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from zoo.errors import HubError, IntegrityError, UsageError
from zoo.hubs import signing
from zoo.hubs.depot import Depot
from zoo.hubs.index import INDEX, MOST_BYTES, Index
from zoo.hubs.seen import last_seen, refuse_older, remember
from zoo.hubs.store import MissingError, Store, StoreError, read_all

log = logging.getLogger("zoo.hubs")


@dataclass(frozen=True)
class Policy:
    """What the user allows: no network at all, hubs without a trusted signature."""

    offline: bool = False
    trust_unsigned: bool = False

    @classmethod
    def from_environment(cls) -> Policy:
        return cls(offline=_flag("ZOO_OFFLINE"), trust_unsigned=_flag("ZOO_TRUST_UNSIGNED"))


def _flag(name: str) -> bool:
    return os.environ.get(name, "").lower() not in ("", "0", "false", "no")


def refuse_offline(store: Store, policy: Policy) -> None:
    """Raise UsageError for what needs a hub that may not be asked."""
    if store.remote and policy.offline:
        raise UsageError(f"{store.label} is not on this machine; do this without --offline and ZOO_OFFLINE.")


class Remote:
    """One hub of blobs."""

    def __init__(self, store: Store, depot: Depot, policy: Policy) -> None:
        self.store = store
        self.depot = depot
        self.policy = policy
        self.label = store.label

    @property
    def reachable(self) -> bool:
        """Whether the user lets it be asked."""
        return not (self.store.remote and self.policy.offline)

    @cached_property
    def index(self) -> Index:
        """The hub's index, or the one last seen where the hub cannot be reached.

        Raises IntegrityError for one that is not signed by a trusted key or older than the last, ArtifactError for a
        malformed one, HubError when there is none.
        """
        if not self.reachable:
            return self._last_seen(HubError(f"{self.label} was never read; pull once without --offline."))
        try:
            content = self._read(INDEX, MOST_BYTES)
        except MissingError:
            raise
        except StoreError as error:
            return self._last_seen(error)
        return self._accept(content)

    @property
    def entries(self) -> dict[str, dict[str, Any]]:
        """What the index says of each model's latest version."""
        return {name: versions[self.index.latest[name]] for name, versions in self.index.models.items()}

    def versions(self, name: str) -> list[int]:
        return sorted(self.index.models[name])

    def refresh(self) -> Index:
        """The index as it is now."""
        self.__dict__.pop("index", None)
        return self.index

    def _read(self, name: str, limit: int) -> bytes:
        try:
            return read_all(self.store, name, limit)
        except MissingError:
            raise
        except StoreError as error:
            if not error.again:
                raise
            return read_all(self.store, name, limit)

    def _accept(self, content: bytes) -> Index:
        digest = hashlib.sha256(content).hexdigest()
        with self.depot.lock(self.depot.hub(self.label).name):
            seen = last_seen(self.depot, self.label)
            signer = self._signer(content, digest, seen)
            index = Index.parse(content, self.label)
            refuse_older(self.depot, self.label, index.serial, digest)
            remember(self.depot, self.label, content, index.serial, signer)
        return index

    def _signer(self, content: bytes, digest: str, seen: dict[str, Any]) -> str:
        """Fingerprint of the trusted key that signed; empty where the user does without."""
        if self.policy.trust_unsigned:
            return str(seen.get("signer", "")) if digest == seen.get("sha256") else ""
        keys = signing.trusted_keys()
        if digest == seen.get("sha256") and str(seen.get("signer")) in map(signing.fingerprint, keys):
            return str(seen["signer"])
        try:
            signature = self._read(f"{digest}.sig", signing.MOST_BYTES)
        except MissingError as error:
            raise IntegrityError(
                f"The index of {self.label} is not signed; ask its publisher to sign it, or choose --trust-unsigned."
            ) from error
        return signing.verify(content, signature, keys, self.label)

    def _last_seen(self, error: HubError) -> Index:
        seen = last_seen(self.depot, self.label)
        path = self.depot.hub(self.label) / INDEX
        if not seen or not path.is_file():
            raise error
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        known = self.policy.trust_unsigned or str(seen.get("signer")) in map(signing.fingerprint, signing.trusted_keys())
        if digest != seen.get("sha256") or not known:
            raise error
        if not self.policy.offline:
            log.warning("%s Its index as it was last seen is used.", error)
        return Index.parse(content, self.label)
