"""`python -m export build RUN OUT`, `validate ARTIFACT` and `bisect ARTIFACT`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.commands import run_command, shell
from zoo.errors import ParityError, UsageError
from zoo.hub import Artifact, Hub

if TYPE_CHECKING:
    from export.validate import Report

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def export() -> None:
    """Turn run folders into candidates, and prove candidates and artifacts."""


@app.command()
def build(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[Path, typer.Argument(help="Folder of the candidate; replaced as a whole.")],
    version: Annotated[int, typer.Option(help="Version of the artifact.")] = 1,
    variants: Annotated[str | None, typer.Option(help="Twins, separated by commas; '' for none.")] = None,
) -> None:
    """Export every graph of a run, and its twins."""
    from export.candidate import build_candidate

    chosen = None if variants is None else tuple(dict.fromkeys(filter(None, map(str.strip, variants.split(",")))))
    build_candidate(run, out, version=version, variants=chosen)
    for file in sorted(out.glob("*.onnx"), key=lambda file: (file.name.split(".")[0], len(file.name), file.name)):
        print(f"{file}  {file.stat().st_size:,} bytes")


@app.command()
def validate(
    artifacts: Annotated[list[Path] | None, typer.Argument(help="Candidates or published artifacts.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All models of the hub.")] = False,
    run: Annotated[Path | None, typer.Option(help="Run folder with the whole test split.")] = None,
    original: Annotated[str | None, typer.Option(help="package.module:factory of your own torch module.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Its weights, safetensors.")] = None,
    onnx_reference: Annotated[Path | None, typer.Option(help="ONNX file to compare with, instead of a module.")] = None,
    onnx: Annotated[Path | None, typer.Option(help="The ONNX file to be proven.")] = None,
    ports: Annotated[Path | None, typer.Option(help="Its ports as JSON; inferred when not given.")] = None,
    samples: Annotated[Path | None, typer.Option(help="Real inputs, NPZ with one array a port.")] = None,
    method: Annotated[str, typer.Option(help="The module's method that the graph computes.")] = "forward",
    seed: Annotated[int, typer.Option(help="Seed of the drawn inputs.")] = 0,
    provider: Annotated[str, typer.Option(help="cpu, cuda or tensorrt.")] = "cpu",
    depth: Annotated[str | None, typer.Option(help="quick, full (when certifying) or thorough.")] = None,
    certify: Annotated[bool, typer.Option(help="Write the certificate of a candidate that passes.")] = False,
    jobs: Annotated[int, typer.Option(help="Artifacts at a time.")] = 1,
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML page; of several, into a folder.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON; of several, into a folder.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the report as JUnit XML; of several, into a folder.")] = None,
    github: Annotated[bool, typer.Option(help="Print annotations for a GitHub workflow.")] = False,
) -> None:
    """Prove graphs numerically equal to their original: those of artifacts, or a file of your own."""
    files = {name: path for name, path in (("--html", html), ("--json", json), ("--junit", junit)) if path}
    if every:
        if artifacts or onnx:
            raise UsageError("Name artifacts, or --all, not both.")
        artifacts = [Hub().artifact(name, with_original=True).folder for name in Hub().names()]
    if artifacts and len(artifacts) > 1:
        from export.many import validate_many

        if run or certify or original or onnx_reference or onnx:
            raise UsageError("Of several artifacts each is proven on its own; --run, --certify and --onnx go with one.")
        options = ["--seed", str(seed), "--provider", provider, *(["--depth", depth] if depth else [])]
        status = validate_many(artifacts, [*options, *(["--github"] if github else [])], jobs=jobs, files=files)
        raise typer.Exit(status)
    artifact = artifacts[0] if artifacts else None
    if artifact is not None:
        if original or onnx_reference or onnx:
            raise UsageError("Name an artifact, or --onnx with --original or --onnx-reference, not both.")
        if certify:
            _check_candidate(artifact, run)
        report = _of_artifact(artifact, run, seed, provider, depth or ("full" if certify else "quick"))
    else:
        if certify or run or depth not in (None, "quick"):
            raise UsageError("--certify, --run and --depth are for artifacts and candidates; leave them out with --onnx.")
        report = _of_file(onnx, original, weights, onnx_reference, ports, samples, method, seed, provider)
    from export.deliver import deliver

    deliver(report, shell(), artifact or onnx, html=html, json=json, junit=junit, github=github)
    if artifact is not None:
        _keep(report, artifact, certify)
    if not report.passed:
        raise ParityError(f"{report.subject} is not proven equal to its original.")


def _check_candidate(folder: Path, run: Path | None) -> None:
    """Raises UsageError for what `--certify` would change or could not judge."""
    from export.judge import variants_in
    from zoo.manifest import CARD, Manifest

    manifest = Manifest.read(folder)
    if (folder / CARD).exists():
        raise UsageError(f"{manifest.model} is published and does not change; certify a candidate.")
    if run is None and variants_in(folder, manifest):
        raise UsageError("--certify needs --run: its twins are judged on the whole test split.")


def _of_artifact(artifact: Path, run: Path | None, seed: int, provider: str, depth: str) -> Report:
    from export.progress import told
    from export.validate import validate as validate_artifact

    with told(f"proving {artifact.name}") as say:
        return validate_artifact(artifact, run=run, seed=seed, provider=provider, depth=depth, say=say)


def _of_file(
    onnx: Path | None,
    original: str | None,
    weights: Path | None,
    onnx_reference: Path | None,
    ports: Path | None,
    samples: Path | None,
    method: str,
    seed: int,
    provider: str,
) -> Report:
    from export.foreign import file_reference, module_reference, validate_file
    from export.progress import told

    if onnx is None or (original is None) == (onnx_reference is None):
        raise UsageError("Name an artifact, or --onnx with either --original or --onnx-reference.")
    if original is not None and weights is None:
        raise UsageError("--original needs --weights, a safetensors file.")
    with told(f"proving {onnx.name}") as say:
        say("parity and invariances", 0, 1)
        reference = module_reference(original, weights) if original and weights else file_reference(onnx_reference or onnx)
        return validate_file(onnx, reference, ports=ports, samples=samples, method=method, seed=seed, provider=provider)


def _keep(report: Report, artifact: Path, certify: bool) -> None:
    """The certificate of a candidate, or the local proof of a provider that an artifact's certificate does not name.

    A fuller proof replaces one of fewer variants; a failure withdraws it.
    """
    from export.certify import certify as write_certificate
    from zoo.manifest import CERTIFICATE
    from zoo.proofs import covers, record, withdraw

    if not report.passed:
        if (artifact / CERTIFICATE).exists():
            withdraw(Artifact(artifact), report.provider)
    elif certify:
        write_certificate(report, artifact)
    elif (artifact / CERTIFICATE).exists():
        accepted = [twin.variant for twin in report.twins if twin.accepted]
        found = Artifact(artifact)
        if not all(covers(found, report.provider, variant) for variant in ("", *accepted)):
            path = record(found, report.provider, {"depth": report.depth, "variants": accepted})
            print(f"{report.subject} may be served on {report.provider} here: {path}")


@app.command()
def bisect(
    artifact: Annotated[Path, typer.Argument(help="Candidate or published artifact.")],
    graph: Annotated[str, typer.Option(help="Name of the graph.")] = "predict",
    onnx: Annotated[Path | None, typer.Option(help="Another file of the graph than the artifact's own.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the drawn inputs.")] = 0,
) -> None:
    """Name the first module and node whose output leaves its bound."""
    from export.bisect import bisect as find

    found = find(artifact, graph, onnx_path=onnx, seed=seed)
    if found is not None:
        raise ParityError(found.describe())
    print(f"No value of graph {graph} leaves its bound.")


def main() -> None:
    run_command(app)


if __name__ == "__main__":
    main()
