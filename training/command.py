"""The commands of training: `train`, `study`, `list`, and the entry of a recipe's own file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from zoo.commands import run_command, shell

if TYPE_CHECKING:
    from training.recipe import Recipe
    from zoo.run import Run

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
console = Console(stderr=True)


@app.callback()
def training() -> None:
    """Obtain weights: recipes in, run folders out."""


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="Name of the model, as `python -m training list` prints it.")],
    seed: Annotated[list[int] | None, typer.Option(help="Seed; several train several runs and keep the best.")] = None,
    assign: Annotated[list[str] | None, typer.Option("--set", help="field=value of the settings, repeatable.")] = None,
    devices: Annotated[str, typer.Option(help="Number of devices, or auto.")] = "auto",
    num_nodes: Annotated[int, typer.Option(help="Machines, under torchrun or SLURM.")] = 1,
    precision: Annotated[str | None, typer.Option(help="32-true, bf16-mixed, … (the recipe's when not given).")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/<model> when not given.")] = None,
) -> None:
    """Train a model; the same command goes on after an interruption."""
    from training.train import make_fabric, recipe_of, select
    from training.train import train as train_seed

    recipe = recipe_of(model, assign or [])
    folder, seeds = out or Path("runs") / model, seed or [0]
    if len(seeds) == 1:
        fabric = make_fabric(recipe, folder, devices=devices, num_nodes=num_nodes, precision=precision)
        run = train_seed(model, recipe, seeds[0], folder, fabric, shell())
    else:
        folders = [folder / "seeds" / str(number) for number in seeds]
        for number, each in zip(seeds, folders, strict=True):
            console.print(f"{model}, seed {number}")
            fabric = make_fabric(recipe, each, devices=devices, num_nodes=num_nodes, precision=precision)
            train_seed(model, recipe, number, each, fabric, shell())
        run = select(model, folders, folder)
    if fabric.is_global_zero:
        scores = ", ".join(f"{name} {value:.4f}" for name, value in run.metrics.items())
        print(f"{folder}: seed {run.seed}, test {scores}, {run.duration_s:.0f} s")


@app.command("list")
def list_recipes(as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with families.")] = False) -> None:
    """Print the models that can be trained."""
    from training.recipes import load_recipe, recipe_modules

    if as_json:
        entries = {name: {"module": module, "family": load_recipe(name).family} for name, module in recipe_modules().items()}
        print(json.dumps(entries, indent=1))
        return
    for model, module in recipe_modules().items():
        print(f"{model:32} python -m {module}")


@app.command()
def study(
    name: Annotated[str | None, typer.Argument(help="Name of a study; without one the studies are listed.")] = None,
    cell: Annotated[list[str] | None, typer.Option(help="ROW or ROW:SEED, repeatable; all cells when not given.")] = None,
    only_list: Annotated[bool, typer.Option("--list", help="Print the cells and how far each is; run none.")] = False,
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/studies"),
    docs: Annotated[Path, typer.Option(help="Folder of the tables.")] = Path("docs/studies"),
) -> None:
    """Run a published table again; the same command goes on after an interruption."""
    from training import cells
    from training.study import load_study, study_modules
    from training.study_table import write

    if name is None:
        print("\n".join(study_modules()))
        return
    found, folder = load_study(name), runs / name
    wanted = cells.chosen(found, cell, folder) if cell else cells.cells_of(found, folder)
    for each in wanted:
        state = cells.state(found, each)
        if only_list:
            print(f"{each.name:32} {state}")
        elif state != "done":
            console.print(f"{name} {each.name}, {state}")
            cells.obtain(found, each, _train_cell, _recipe)
    if not only_list:
        print(write(found, name, folder, docs))


def _recipe(model: str) -> Recipe:
    from training.train import recipe_of

    return recipe_of(model, [])


def _train_cell(model: str, recipe: Recipe, seed: int, folder: Path) -> Run:
    from training.train import make_fabric, train

    fabric = make_fabric(recipe, folder, devices="auto", num_nodes=1, precision=None)
    return train(model, recipe, seed, folder, fabric, shell())


def recipe_main(file: str) -> None:
    """Entry of a recipe's own file: `train` with the model that the file names."""
    import sys

    sys.argv[1:1] = ["train", Path(file).stem.replace("_", "-")]
    main()


def main() -> None:
    run_command(app)
