"""`python -m serving.bento MODEL…`, which is what `zoo bento` runs: models, certificates and code as one Bento.

`bentoml serve TAG` starts it in an environment that has only its requirements; `bentoml containerize TAG` makes an image.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import zoo
from serving.requirements import requirements
from zoo.errors import UsageError, ZooError
from zoo.hub import EMBEDDED, ORIGINAL, Artifact, Hub

TEMPLATE = Path(__file__).parent / "container" / "Dockerfile.j2"
SERVICE = "zoo_bento"
NAME = "onnx-zoo"  # not "zoo": BentoML would take the tag zoo:latest for something in the package of that name
_LEFT_OUT = (EMBEDDED.name, "families", "layers.py", "__pycache__")

_ENTRY = '''"""The service of this Bento. Its models are verified before a worker starts; variables set outside win."""

import os

for name, value in {variables!r}.items():
    os.environ.setdefault(name, value)

from serving.service import Zoo

__all__ = ["Zoo"]
'''


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    try:
        bento = build(options.models, gpu=options.gpu)
        place = export(bento, options.out) if options.out else bento.tag
    except ZooError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.status) from None
    start = f"bentoml import {place} and bentoml serve {bento.tag}" if _is_file(options.out) else f"bentoml serve {place}"
    print(f"{bento.tag} holds {', '.join(options.models)}; start it with {start}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zoo bento", description="Pack models as a Bento, in BentoML's own store.")
    parser.add_argument("models", nargs="+", metavar="MODEL", help="name or name@version")
    parser.add_argument("--gpu", action="store_true", help="require CUDA and run there")
    parser.add_argument("--out", type=Path, help="also write it here: FILE.bento, or a new folder")
    return parser


def build(models: Sequence[str], *, gpu: bool = False) -> Any:
    """The Bento, in the store below BENTOML_HOME.

    Raises UnknownNameError, IntegrityError for a model that is not what was certified, and UsageError for a disk that
    is full or cannot be written to.
    """
    artifacts = _find(models)
    variables = {"ZOO_MODELS": ",".join(artifacts), "ZOO_PROVIDER": "cuda" if gpu else "cpu"}
    with _sentences(), tempfile.TemporaryDirectory() as folder:
        write_context(Path(folder), artifacts, variables, requirements(gpu=gpu))
        container = {**variables, "NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
        return _build(Path(folder), artifacts, container if gpu else variables)


def _find(models: Sequence[str]) -> dict[str, Artifact]:
    """The artifacts by name, verified."""
    hub, found = Hub(), {}
    for reference in dict.fromkeys(models):
        artifact = hub.artifact(reference)
        artifact.verify()
        name = artifact.manifest.model
        if name in found:
            raise UsageError(f"{name} is named twice; name one version of it.")
        found[name] = artifact
    return found


def write_context(
    folder: Path, artifacts: Mapping[str, Artifact], variables: Mapping[str, str], lines: Sequence[str]
) -> None:
    """Everything that the Bento is made of: code without families, a hub of these models, entry and requirements."""
    ignore = shutil.ignore_patterns(*_LEFT_OUT)
    shutil.copytree(Path(zoo.__file__).parent, folder / "zoo", ignore=ignore)
    shutil.copytree(Path(__file__).parent, folder / "serving", ignore=ignore)
    hub = folder / "zoo" / EMBEDDED.name
    for name, artifact in artifacts.items():
        shutil.copytree(artifact.folder, hub / name, ignore=shutil.ignore_patterns(ORIGINAL))
    Hub(hub).write_index()
    (folder / f"{SERVICE}.py").write_text(_ENTRY.format(variables=dict(variables)), encoding="utf-8")
    (folder / "requirements.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")
    shutil.copy(TEMPLATE, folder / TEMPLATE.name)


def _build(folder: Path, artifacts: Mapping[str, Artifact], container: Mapping[str, str]) -> Any:
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    import bentoml

    # BentoML warns that it falls back to its first form of Bento, the one whose container file can be a template.
    logging.getLogger("bentoml").setLevel(logging.ERROR)
    versions = {name: str(artifact.manifest.version) for name, artifact in artifacts.items()}
    with chdir(folder):  # BentoML reads nothing outside of the working directory
        return bentoml.build(
            f"{SERVICE}:Zoo",
            name=NAME,
            build_ctx=str(folder),
            description="\n".join(f"- {name} v{versions[name]}: {one.manifest.summary}" for name, one in artifacts.items()),
            labels=versions,
            exclude=["requirements.txt", TEMPLATE.name],
            python={"requirements_txt": "requirements.txt", "lock_packages": False},
            docker={"dockerfile_template": TEMPLATE.name, "env": dict(container)},
        )


def export(bento: Any, out: Path) -> Path:
    """The Bento as a file `*.bento`, or as a new folder. Raises UsageError where it cannot be written."""
    if not _is_file(out) and out.exists():
        raise UsageError(f"{out} exists; name a new folder, or a file that ends in .bento.")
    with _sentences():
        out.parent.mkdir(parents=True, exist_ok=True)
        if not _is_file(out):
            return Path(shutil.copytree(bento.path, out))
        unfinished = out.with_name(f".{out.name}.{os.getpid()}.bento")
        try:
            bento.export(str(unfinished), "bento")
            return unfinished.replace(out)
        finally:
            unfinished.unlink(missing_ok=True)


def _is_file(out: Path | None) -> bool:
    return out is not None and out.suffix == ".bento"


@contextmanager
def _sentences() -> Iterator[None]:
    """Turns what disk and BentoML raise into UsageError."""
    from bentoml.exceptions import BentoMLException

    try:
        yield
    except BentoMLException as error:
        raise UsageError(f"BentoML cannot build this ({error}).") from error
    except shutil.Error as error:
        _, target, reason = error.args[0][0]
        raise UsageError(f"{target} cannot be written ({reason}); free space or choose another place.") from error
    except OSError as error:
        place = error.filename or "the disk"
        raise UsageError(f"{place} cannot be written ({error.strerror}); free space or choose another place.") from error


if __name__ == "__main__":
    main()
