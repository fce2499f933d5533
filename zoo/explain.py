"""The commands that explain models: ports, cards and the gallery."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from zoo.hub import Hub
from zoo.hub_commands import HubOption, Offline, TrustUnsigned

Model = Annotated[str, typer.Argument(help="Name of a model, or name@version.")]


def info(
    model: Model,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole manifest as JSON.")] = False,
    hub: HubOption = None,
    offline: Offline = False,
    trust_unsigned: TrustUnsigned = False,
) -> None:
    """Show a model's ports: meaning, type, unit and range; `zoo card` shows everything else."""
    from zoo.manifest import MANIFEST, read_json

    artifact = Hub().artifact(model)
    if as_json:
        print(json.dumps(read_json(artifact.folder / MANIFEST), indent=1, ensure_ascii=False))
        return
    from zoo.cards.terminal import print_ports

    print_ports(artifact.manifest)


def card(model: Model, hub: HubOption = None, offline: Offline = False, trust_unsigned: TrustUnsigned = False) -> None:
    """Show a model's card: use and limits, results, proof, size and speed, data, training."""
    from zoo.cards.terminal import print_card
    from zoo.manifest import CARD

    print_card((Hub().artifact(model).folder / CARD).read_text(encoding="utf-8"))


def gallery(
    out: Annotated[Path, typer.Option(help="Folder of the site.")],
    hub: HubOption = None,
    offline: Offline = False,
    trust_unsigned: TrustUnsigned = False,
) -> None:
    """Write a static site of all models: plain files that need no server and ask nothing of anybody."""
    from zoo.gallery import write_gallery

    print(write_gallery(Hub(), out))
