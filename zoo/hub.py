"""Where artifacts come from: the hubs in use, in order of preference.

`ZOO_HUB` names them, separated by spaces or commas: folders, `https://`, `s3://`, `gs://` and `hf://` addresses, and the
words `embedded` (what came with the code) and `release` (the assets of this version's release). It is `embedded` when not
set. The first hub that lists a model decides which bytes it has; any other may deliver them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.artifact import GOLDEN, ORIGINAL, Artifact
from zoo.errors import HubError, RuntimeUnavailableError, UnknownNameError, UsageError
from zoo.hubs.tree import INDEX, Tree, is_tree

if TYPE_CHECKING:
    from zoo.hubs.remote import Policy, Remote
    from zoo.hubs.store import Store

__all__ = ["EMBEDDED", "GOLDEN", "INDEX", "ORIGINAL", "Artifact", "Hub"]

EMBEDDED = Path(__file__).parent / "artifacts"
log = logging.getLogger("zoo.hubs")


class Hub:
    """The hubs that `root` or ZOO_HUB names. Raises UsageError for a folder that does not exist.

    `offline` and `trust_unsigned` are those of ZOO_OFFLINE and ZOO_TRUST_UNSIGNED when not given.
    """

    def __init__(
        self, root: Path | str | None = None, *, offline: bool | None = None, trust_unsigned: bool | None = None
    ) -> None:
        self._offline, self._trust_unsigned = offline, trust_unsigned
        self.sources = [self._open(location) for location in ([root] if root else _configured())]

    @property
    def label(self) -> str:
        """The hubs' places, without secrets."""
        return ", ".join(source.label for source in self.sources)

    @property
    def is_tree(self) -> bool:
        """Whether the first hub is a folder of artifacts, opened in place."""
        return isinstance(self.sources[0], Tree)

    @property
    def root(self) -> Path:
        """The folder of a hub of artifacts. Raises UsageError for another kind of hub."""
        return self.tree.root

    @property
    def tree(self) -> Tree:
        source = self.sources[0]
        if not isinstance(source, Tree):
            raise UsageError(f"The hub {source.label} is no folder of artifacts; name one, or publish with --to.")
        return source

    @property
    def index(self) -> dict[str, dict[str, Any]]:
        """What the first hub that has it says of each model's latest version."""
        merged: dict[str, dict[str, Any]] = {}
        for _, entries in self._readable():
            for name, entry in entries.items():
                merged.setdefault(name, entry)
        return merged

    def names(self) -> list[str]:
        return sorted(self.index)

    def artifact(self, reference: str, *, with_original: bool = False) -> Artifact:
        """The artifact of `model` or `model@version`, fetched into the cache where it is not in a folder already.

        Raises UnknownNameError for a model or version that no hub has, IntegrityError for what must not be used,
        HubError when it cannot be fetched.
        """
        name, _, version = reference.partition("@")
        versions: list[str] = []
        for source, entries in self._readable():
            if name not in entries:
                continue
            found = [str(number) for number in source.versions(name)]
            if not version or version in found:
                return self._from(source, name, int(version) if version else None, with_original)
            versions += found
        if versions:
            raise UnknownNameError(f"version of {name}", version, versions)
        raise UnknownNameError("model", name, self.index)

    def write_index(self) -> None:
        """Describe every artifact below the root in `index.json`."""
        self.tree.write_index()

    def stores(self) -> list[Store]:
        """Where blobs may be fetched from, in order of preference; last the release, for what came with the code."""
        found = [source.store for source in self._remotes() if source.reachable]
        if any(isinstance(source, Tree) and source.root == EMBEDDED for source in self.sources) and not self.policy.offline:
            from zoo.hubs.release import release_url
            from zoo.hubs.store import open_store

            try:
                found.append(open_store(release_url()))
            except UsageError as error:
                log.debug("%s", error)
        return found

    def _from(self, source: Tree | Remote, name: str, version: int | None, with_original: bool) -> Artifact:
        if isinstance(source, Tree):
            return source.artifact(name, version, self.stores(), with_original=with_original)
        from zoo.hubs.pull import pull

        stores = self.stores()
        if source.reachable:
            stores.sort(key=lambda store: store is not source.store)
        return pull(name, source.index.entry(name, version), stores, source.depot, with_original=with_original)

    @property
    def policy(self) -> Policy:
        from zoo.hubs.remote import Policy

        found = Policy.from_environment()
        return Policy(
            found.offline if self._offline is None else self._offline,
            found.trust_unsigned if self._trust_unsigned is None else self._trust_unsigned,
        )

    def _open(self, location: Path | str) -> Tree | Remote:
        if location == "embedded" or location == EMBEDDED:
            return Tree(EMBEDDED, trust_unsigned=True)
        if "://" not in str(location) and location != "release" and is_tree(Path(location).expanduser()):
            return Tree(Path(location).expanduser(), trust_unsigned=self.policy.trust_unsigned)
        from zoo.hubs.depot import Depot
        from zoo.hubs.remote import Remote
        from zoo.hubs.store import open_store

        if location == "release":
            from zoo.hubs.release import release_url

            location = release_url()
        return Remote(open_store(str(location)), Depot(), self.policy)

    def _remotes(self) -> list[Remote]:
        return [source for source in self.sources if not isinstance(source, Tree)]

    def _readable(self) -> Iterator[tuple[Tree | Remote, dict[str, dict[str, Any]]]]:
        """The hubs whose index can be had, with what it says; raises the first failure when there is none."""
        failures: list[HubError | RuntimeUnavailableError] = []
        for source in self.sources:
            try:
                entries = source.entries
            except (HubError, RuntimeUnavailableError) as error:
                failures.append(error)
                if len(self.sources) > 1:
                    log.warning("%s The other hubs are used.", error)
                continue
            yield source, entries
        if len(failures) == len(self.sources):
            raise failures[0]


def _configured() -> list[str]:
    value = os.environ.get("ZOO_HUB", "").strip()
    if not value:
        return ["embedded"]
    return [value] if Path(value).is_dir() else value.replace(",", " ").split()
