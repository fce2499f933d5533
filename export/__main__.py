"""`python -m export build RUN OUT` and `python -m export validate ARTIFACT`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.commands import run_command, shell
from zoo.errors import ParityError

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
    artifact: Annotated[Path, typer.Argument(help="Candidate or published artifact.")],
    run: Annotated[Path | None, typer.Option(help="Run folder with the whole test split.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the drawn inputs.")] = 0,
    provider: Annotated[str, typer.Option(help="cpu, cuda or tensorrt.")] = "cpu",
    certify: Annotated[bool, typer.Option(help="Write the certificate of a candidate that passes.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the report to this file as well.")] = None,
) -> None:
    """Prove the graphs of an artifact numerically equal to its original."""
    from export.certify import certify as write_certificate
    from export.report import print_report, report_json
    from export.validate import validate as prove
    from zoo.manifest import write_json

    report = prove(artifact, run=run, seed=seed, provider=provider)
    print_report(report, shell())
    if json:
        write_json(json, report_json(report))
    if not report.passed:
        raise ParityError(f"{report.manifest.model} is not proven equal to its original.")
    if certify:
        write_certificate(report)


def main() -> None:
    run_command(app)


if __name__ == "__main__":
    main()
