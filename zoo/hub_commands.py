"""The commands about hubs and the cache: list, pull, publish, `zoo hub …` and `zoo cache …`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.hub import EMBEDDED, Hub

hub_app = typer.Typer(no_args_is_help=True, help="Make, copy and check hubs.")
cache_app = typer.Typer(no_args_is_help=True, help="Look after the cache of pulled models.")


def _sets(variable: str) -> Callable[[Any], Any]:
    """An option's callback: the choice reaches every part of this process, and the ones it starts."""

    def set_variable(value: Any) -> Any:
        if value:
            os.environ[variable] = "1" if value is True else str(value)
        return value

    return set_variable


HubOption = Annotated[
    str | None,
    typer.Option("--hub", callback=_sets("ZOO_HUB"), help="Hubs in order of preference, as in ZOO_HUB.", show_default=False),
]
Offline = Annotated[bool, typer.Option("--offline", callback=_sets("ZOO_OFFLINE"), help="Use only what is on this machine.")]
TrustUnsigned = Annotated[
    bool,
    typer.Option("--trust-unsigned", callback=_sets("ZOO_TRUST_UNSIGNED"), help="Use hubs without a trusted signature."),
]
Sign = Annotated[Path | None, typer.Option(help="Private key that signs the index; ZOO_SIGNING_KEY when not given.")]


def list_models(
    words: Annotated[list[str] | None, typer.Argument(help="Only models with all these words.")] = None,
    task: Annotated[str | None, typer.Option(help="Only models of this task.")] = None,
    family: Annotated[str | None, typer.Option(help="Only models of this family.")] = None,
    max_size: Annotated[str | None, typer.Option(help="Only models whose graphs take at most this: 500kB, 2MB.")] = None,
    metric: Annotated[str | None, typer.Option(help="Only models with this metric: accuracy, or accuracy>=0.99.")] = None,
    licence: Annotated[str | None, typer.Option(help="Only models on data of this licence.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    hub: HubOption = None,
    offline: Offline = False,
    trust_unsigned: TrustUnsigned = False,
) -> None:
    """List the published models."""
    from zoo.hubs.choose import choose

    found = choose(Hub().index, words or [], task=task, family=family, max_size=max_size, metric=metric, licence=licence)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for name, entry in sorted(found.items()):
        print(_printable(line(name, entry)))


def pull(
    models: Annotated[list[str], typer.Argument(help="Names of models, or name@version.")],
    with_original: Annotated[bool, typer.Option("--with-original", help="Fetch the checkpoint too.")] = False,
    hub: HubOption = None,
    offline: Offline = False,
    trust_unsigned: TrustUnsigned = False,
) -> None:
    """Fetch models into the cache, or say where they are."""
    hubs = Hub()
    for model in models:
        artifact = hubs.artifact(model, with_original=with_original)
        print(f"{artifact.manifest.model} v{artifact.manifest.version} is in {artifact.folder}")


def publish(
    candidate: Annotated[Path, typer.Argument(help="Certified candidate, or an artifact.")],
    to: Annotated[str | None, typer.Option(help="Hub; the one in use when not given.", show_default=False)] = None,
    sign: Sign = None,
    trust_unsigned: TrustUnsigned = False,
) -> None:
    """Publish a certified candidate as a version of its model."""
    from zoo.hubs.write import signing_key
    from zoo.publish import publish as install

    hub = _target(to) if to else Hub()
    artifact = install(candidate, hub, signing_key(sign))
    place = artifact.folder if hub.is_tree else hub.label
    print(f"{artifact.manifest.model} v{artifact.manifest.version} is published in {place}")


@hub_app.command("export")
def hub_export(
    folder: Annotated[str, typer.Argument(help="Folder or address of the hub to make or add to.")],
    source: Annotated[
        Path, typer.Option("--from", help="Folder of artifacts.", show_default="the embedded models")
    ] = EMBEDDED,
    sign: Sign = None,
    trust_unsigned: TrustUnsigned = False,
) -> None:
    """Publish every model of a folder of artifacts, the embedded ones by default, into a hub."""
    from zoo.hubs import mirror
    from zoo.hubs.remote import refuse_offline
    from zoo.hubs.store import open_store
    from zoo.hubs.write import signing_key

    store, hub = open_store(folder), Hub(source)
    refuse_offline(store, hub.policy)
    index = mirror.export(hub.tree, store, signing_key(sign), trust_unsigned=trust_unsigned)
    print(f"{store.label} has {len(index.models)} models, serial {index.serial}")


@hub_app.command("mirror")
def hub_mirror(
    source: Annotated[str, typer.Argument(help="Hub to copy.")],
    target: Annotated[str, typer.Argument(help="Folder or address of the copy.")],
    trust_unsigned: TrustUnsigned = False,
) -> None:
    """Copy a hub, signature included; what is there already is not sent again."""
    from zoo.errors import UsageError
    from zoo.hubs import mirror
    from zoo.hubs.redact import redact
    from zoo.hubs.store import open_store
    from zoo.hubs.tree import Tree

    found = Hub(source).sources[0]
    if isinstance(found, Tree):
        raise UsageError(f"{found.label} is a folder of artifacts; use zoo hub export {redact(target)} --from it.")
    copied: list[str] = []
    store = open_store(target)
    index = mirror.mirror(found, store, copied.append)
    print(f"{store.label} is a copy of {found.label}: {len(index.models)} models, {len(copied)} files sent")


@hub_app.command("check")
def hub_check(
    hub: Annotated[str, typer.Argument(help="Hub, as in ZOO_HUB.")], trust_unsigned: TrustUnsigned = False
) -> None:
    """Verify a whole hub: signature, index, every byte of every file, certificates, names and contents."""
    from zoo.hubs import mirror

    found = Hub(hub).sources[0]
    checked = mirror.check(found)
    for failure in checked.failures:
        print(_printable(failure))
    verdict = f"{len(checked.failures)} failures" if checked.failures else "all right"
    print(f"{found.label}: {checked.models} versions, {checked.files} files, {verdict}")
    raise typer.Exit(1 if checked.failures else 0)


@hub_app.command("trust")
def hub_trust(key: Annotated[Path, typer.Argument(help="Public key in PEM.")]) -> None:
    """Trust the hubs that this key signs."""
    from zoo.hubs import signing

    print(f"{signing.trust(key)} public keys are trusted, in {signing.keys_file()}")


@cache_app.command("list")
def cache_list(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the models in the cache."""
    from zoo.hubs.depot import Depot
    from zoo.hubs.upkeep import cached

    found = cached(Depot())
    if as_json:
        rows = [{"model": f"{one.record.model}@{one.record.version}", "bytes": one.bytes, "original": one.original,
                 "folder": str(one.folder)} for one in found]  # fmt: skip
        print(json.dumps(rows, indent=1))
        return
    for one in found:
        extra = "  with original" if one.original else ""
        print(f"{one.record.model}@{one.record.version}  {one.bytes / 1e3:,.0f} kB{extra}  {one.folder}")


@cache_app.command("verify")
def cache_verify(
    repair: Annotated[bool, typer.Option("--repair", help="Fetch again what is damaged.")] = False,
    hub: HubOption = None,
    trust_unsigned: TrustUnsigned = False,
) -> None:
    """Read every byte of the cache and compare it with its hash."""
    from zoo.hubs import upkeep
    from zoo.hubs.depot import Depot

    depot = Depot()
    wrong = upkeep.verify(depot)
    for sentence in wrong:
        print(sentence)
    failures = wrong
    if wrong and repair:
        failures = upkeep.repair(depot, Hub().stores()) or upkeep.verify(depot)
        for sentence in failures:
            print(sentence)
    state = f"{len(failures)} damaged; --repair fetches them again" if failures else "all right"
    print(f"{depot.root}: {len(upkeep.cached(depot))} models, {len(depot.blobs())} files, {state}")
    raise typer.Exit(1 if failures else 0)


@cache_app.command("prune")
def cache_prune(
    models: Annotated[list[str] | None, typer.Argument(help="Models to remove; old versions when none is named.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every model.")] = False,
) -> None:
    """Remove old versions, named models or all, and what interrupted pulls left."""
    from zoo.hubs import upkeep
    from zoo.hubs.depot import Depot

    depot = Depot()
    freed = upkeep.prune(depot, models or [], every=every)
    print(f"{depot.root}: {freed:,} bytes freed, {len(upkeep.cached(depot))} models left")


def _target(to: str) -> Hub:
    """A folder that is a folder of artifacts stays one; any other place is a hub of blobs, made if it is not there."""
    from zoo.hubs.tree import INDEX, is_tree

    path = Path(to).expanduser()
    if "://" in to or ((path / INDEX).exists() and is_tree(path)):
        return Hub(to)
    return Hub(f"file://{path.absolute()}")


def line(name: str, entry: Mapping[str, Any]) -> str:
    """What `zoo list` prints of a model."""
    metrics = ", ".join(f"{metric} {value:.4f}" for metric, value in entry["metrics"].items())
    return f"{name:24} v{entry['version']}  {entry['task']:22} {metrics:18} {entry['summary']}"


def _printable(text: str) -> str:
    """Without what could steer a terminal: the text came from a hub."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "�", text)
