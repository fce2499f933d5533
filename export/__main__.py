"""`python -m export build RUN OUT`, `validate ARTIFACT` and `bisect ARTIFACT`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from zoo.commands import run_command, shell
from zoo.errors import ParityError, UsageError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def export() -> None:
    """Turn run folders into candidates, and prove candidates and artifacts."""


@app.command()
def build(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[Path, typer.Argument(help="Folder of the candidate; replaced as a whole.")],
    version: Annotated[int, typer.Option(help="Version of the artifact.")] = 1,
) -> None:
    """Export every graph of a run."""
    from export.candidate import build_candidate

    manifest = build_candidate(run, out, version=version)
    for graph in manifest.graphs:
        print(f"{out / graph.file}  {(out / graph.file).stat().st_size:,} bytes")


@app.command()
def validate(
    artifact: Annotated[Path | None, typer.Argument(help="Candidate or published artifact.")] = None,
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
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML page.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the report as JUnit XML.")] = None,
    github: Annotated[bool, typer.Option(help="Print annotations for a GitHub workflow.")] = False,
) -> None:
    """Prove graphs numerically equal to their original: an artifact's, or a file of your own."""
    from export.certify import certify as write_certificate
    from export.deliver import deliver
    from export.foreign import file_reference, module_reference, validate_file
    from export.validate import validate as validate_artifact

    if artifact is not None:
        if original or onnx_reference or onnx:
            raise UsageError("Name an artifact, or --onnx with --original or --onnx-reference, not both.")
        depth = depth or ("full" if certify else "quick")
        with Status(f"proving {artifact}", console=Console(stderr=True)) as status:
            report = validate_artifact(
                artifact,
                run=run,
                seed=seed,
                provider=provider,
                depth=depth,
                say=lambda what: status.update(f"proving {what}"),
            )
    else:
        if onnx is None or (original is None) == (onnx_reference is None):
            raise UsageError("Name an artifact, or --onnx with either --original or --onnx-reference.")
        if original is not None and weights is None:
            raise UsageError("--original needs --weights, a safetensors file.")
        if certify or run or depth not in (None, "quick"):
            raise UsageError("--certify, --run and --depth are for artifacts and candidates; leave them out with --onnx.")
        reference = module_reference(original, weights) if original and weights else file_reference(onnx_reference or onnx)
        report = validate_file(onnx, reference, ports=ports, samples=samples, method=method, seed=seed, provider=provider)
    deliver(report, shell(), artifact or onnx, html=html, json=json, junit=junit, github=github)
    if not report.passed:
        raise ParityError(f"{report.subject} is not proven equal to its original.")
    if certify and artifact:
        write_certificate(report, artifact)


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
