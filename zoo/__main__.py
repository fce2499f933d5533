"""The command line. Stages are started as commands, so that listing, predicting and serving never load torch."""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

import typer

import zoo
from zoo import explain, hub_commands
from zoo.commands import run_command
from zoo.hub import Artifact, Hub
from zoo.hub_commands import HubOption, Offline, TrustUnsigned

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
bench = typer.Typer(no_args_is_help=True, help="Measure what runs.")
app.add_typer(bench, name="bench")
app.add_typer(hub_commands.hub_app, name="hub")
app.add_typer(hub_commands.cache_app, name="cache")
app.command("list")(hub_commands.list_models)
app.command()(explain.info)
app.command()(explain.card)
app.command()(explain.gallery)
app.command()(hub_commands.pull)
app.command()(hub_commands.publish)
FORWARD = {"allow_extra_args": True, "ignore_unknown_options": True}
MOST_SHOWN = 20  # values of a list on a line
PASS_ON = {**FORWARD, "help_option_names": []}

Model = Annotated[str, typer.Argument(help="Name of a model, or name@version.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    hub: HubOption = None,
    offline: Offline = False,
    trust_unsigned: TrustUnsigned = False,
) -> None:
    """Models that are proven equal to their originals: list, pull, predict, train, export, validate, publish, serve."""
    if version:
        print(zoo.__version__)
        raise typer.Exit


@app.command()
def predict(
    model: Model,
    files: Annotated[list[Path], typer.Argument(help="PNG, JPEG, CSV, text or JSON, whatever the model's task takes.")],
    as_json: AsJson = False,
    provider: Annotated[str, typer.Option(help="cpu, cuda or tensorrt.")] = "cpu",
    variant: Annotated[str, typer.Option(help="fp16 or int8, where the model has it.")] = "",
    hub: HubOption = None,
    offline: Offline = False,
    trust_unsigned: TrustUnsigned = False,
) -> None:
    """Answer what is in the files."""
    loaded = zoo.load(model, provider=provider, variant=variant)
    for file in files:
        answers = loaded.predict(file)
        for answer in answers if isinstance(answers, list) else [answers]:
            print(json.dumps({"file": str(file), **answer}) if as_json else f"{file}: {_readable(answer)}")


@app.command(context_settings=PASS_ON)
def train(context: typer.Context) -> None:
    """Train a model into runs/MODEL; `zoo train --help` lists the options."""
    from zoo import pipeline

    pipeline.stage("training", ["train", *context.args])


@app.command(context_settings=PASS_ON)
def study(context: typer.Context) -> None:
    """Run a published table again beside its figures; `zoo study --help` lists the options."""
    from zoo import pipeline

    pipeline.stage("training", ["study", *context.args])


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[Path | None, typer.Option(help="Candidate; build/<model> when not given.")] = None,
    variants: Annotated[
        str | None, typer.Option(help="Twins: fp16, int8, int8-dynamic, optimized, separated by commas; '' for none.")
    ] = None,
) -> None:
    """Export a run folder as a candidate: ONNX graphs, twins, manifest, golden samples, original."""
    from zoo import pipeline

    print(pipeline.export(run, Hub(), out, variants))


@app.command(context_settings=PASS_ON)
def validate(context: typer.Context) -> None:
    """Prove models, candidates' folders or a file of your own; `zoo validate --help` lists the options."""
    from zoo import pipeline

    pipeline.stage("export", ["validate", *_with_folders(context.args)])


@app.command(context_settings=PASS_ON)
def bisect(context: typer.Context) -> None:
    """Name the first module and node of a graph that leaves its bound; `zoo bisect --help` lists the options."""
    from zoo import pipeline

    pipeline.stage("export", ["bisect", *_with_folders(context.args)])


def _with_folders(arguments: list[str]) -> list[str]:
    """The arguments, the models' names before the first option replaced by the folders of their whole artifacts."""
    names = list(takewhile(lambda word: not word.startswith("-"), arguments))
    folders = [name if Path(name).exists() else str(Hub().artifact(name, with_original=True).folder) for name in names]
    return [*folders, *arguments[len(names) :]]


@app.command(context_settings=FORWARD)
def build(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(help="Name of a model.")] = None,
    from_run: Annotated[Path | None, typer.Option(help="Finished run folder; skips training.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every model that has a recipe.")] = False,
    changed_since: Annotated[str | None, typer.Option(help="Models that differ from this git revision.")] = None,
    jobs: Annotated[int, typer.Option(help="Models at a time.")] = 1,
    junit: Annotated[Path | None, typer.Option(help="Write the summary of many models as JUnit XML.")] = None,
) -> None:
    """Run the whole chain: train, export, validate, certify, publish. Other options go to training."""
    from zoo import builds, pipeline
    from zoo.errors import UsageError

    if sum((model is not None, every, changed_since is not None)) != 1:
        raise UsageError("Name one model, or --all, or --changed-since REV.")
    if from_run and (context.args or model is None):
        raise UsageError("--from-run goes with one model and without options for training, which it skips.")
    if model is not None:
        _say_published(pipeline.build(model, run=from_run, arguments=context.args, hub=Hub()))
        return
    known = builds.recipes()
    models = builds.changed_since(changed_since, known) if changed_since else sorted(known)
    outcomes = builds.build_many(models, hub=Hub(), jobs=jobs, arguments=context.args)
    if junit:
        junit.write_text(builds.junit(outcomes), encoding="utf-8")
    failed = [outcome.model for outcome in outcomes if outcome.failure]
    print(f"{len(outcomes) - len(failed)} of {len(outcomes)} models went through the chain.")
    raise typer.Exit(1 if failed else 0)


@app.command(context_settings=PASS_ON)
def serve(
    context: typer.Context, hub: HubOption = None, offline: Offline = False, trust_unsigned: TrustUnsigned = False
) -> None:
    """Serve models over HTTP until interrupted; `zoo serve --help` lists the options."""
    from zoo import pipeline

    pipeline.become("serving", context.args)


@app.command(context_settings=PASS_ON)
def bento(context: typer.Context) -> None:
    """Pack models as a Bento that `bentoml serve` starts anywhere; `zoo bento --help` lists the options."""
    from zoo import pipeline

    pipeline.become("serving.bento", context.args)


@bench.command("serve", context_settings=PASS_ON)
def bench_serve(context: typer.Context) -> None:
    """Measure a service's throughput and latency; `zoo bench serve --help` lists the options."""
    from zoo import pipeline

    pipeline.stage("serving.load", context.args)


def _readable(answer: dict[str, Any]) -> str:
    """Label and probabilities on one line; other answers as name and value, pictures left out."""
    if "probabilities" in answer:
        ordered = sorted(answer["probabilities"].items(), key=lambda item: -item[1])
        return f"{answer['label']}  ({', '.join(f'{name} {p:.4f}' for name, p in ordered if p >= 0.0001)})"
    return ", ".join(f"{name} {_short(value)}" for name, value in answer.items())


def _short(value: Any) -> str:
    """A value on part of a line: of a long list the beginning, pictures cut off."""
    if isinstance(value, list):
        more = f", … {len(value)} in all; --json prints them" if len(value) > MOST_SHOWN else ""
        return "[" + ", ".join(map(_item, value[:MOST_SHOWN])) + more + "]"
    if isinstance(value, dict):
        parts = (f"{name} {_short(each) if isinstance(each, dict) else _item(each)}" for name, each in value.items())
        return "(" + ", ".join(parts) + ")"
    if isinstance(value, float):
        return f"{value:.5f}"
    if isinstance(value, str) and value.startswith("data:"):
        return f"{value[:22]}… ({len(value)} characters; --json prints all)"
    return str(value)


def _item(value: Any) -> str:
    """Part of a list: of a dictionary the plain values, of a list how many."""
    if isinstance(value, dict):
        return " ".join(_item(each) for each in value.values() if not isinstance(each, (dict, list)))
    if isinstance(value, list):
        return f"[{len(value)} values]"
    return f"{value:.3f}" if isinstance(value, float) else _short(value)


def _say_published(artifact: Artifact) -> None:
    print(f"{artifact.manifest.model} v{artifact.manifest.version} is published in {artifact.folder}")


def main() -> None:
    run_command(app)


if __name__ == "__main__":
    main()
