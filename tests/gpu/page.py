"""The result as `gpu.json` and as `gpu.md`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.manifest import write_json

SEARCHES = {"onnxruntime": "EXHAUSTIVE", "heuristic": "HEURISTIC", "default": "DEFAULT"}


def write(found: dict[str, Any], folder: Path) -> None:
    write_json(folder / "gpu.json", found)
    (folder / "gpu.md").write_text(render(found), encoding="utf-8")


def render(found: dict[str, Any]) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    return "\n\n".join(
        [
            "# On a GPU: parity, service, throughput",
            f"{machine}.\n\n    {found['command']}",
            "## Parity\n\n" + _parity(found["parity"]),
            "## Service: golden requests over HTTP\n\n" + _service(found["service"]),
            "## Rows a second, from host memory to host memory\n\n" + _throughput(found["throughput"]),
            "## cuDNN's search for a convolution's algorithm\n\n" + best_search(found),
        ]
    ) + "\n"  # fmt: skip


def _parity(rows: Sequence[dict[str, Any]]) -> str:
    cells = []
    for row in rows:
        share = "–" if row["share"] is None else f"{row['share']:.2f}"
        twins = "; ".join(f"{twin['variant']} {'accepted' if twin['accepted'] else 'refused'}" for twin in row["twins"])
        remarks = "; ".join([*row["failures"], *row["findings"]])
        cells.append((row["model"], row["provider"], "proven" if row["passed"] else "FAILED", share, twins or "–", remarks))
    return _table(("model", "provider", "verdict", "error / bound", "twins", "remarks"), cells)


def _service(rows: Sequence[dict[str, Any]]) -> str:
    cells = [
        (row["graph"], row["provider"], "ok" if row["passed"] else "FAILED", f"{row['share']:.2f}", f"{row['ready_s']:.1f}")
        if "share" in row
        else (row["graph"], row["provider"], "FAILED", row["why"], "–")
        for row in rows
    ]
    return _table(("graph", "provider", "verdict", "error / bound", "ready, s"), cells)


def _throughput(rows: Sequence[dict[str, Any]]) -> str:
    runners = list(dict.fromkeys(row["runner"] for row in rows))
    cells: dict[tuple[str, int], dict[str, str]] = {}
    for row in rows:
        rate = row["rows_per_s"]
        cells.setdefault((row["graph"], row["batch"]), {})[row["runner"]] = "–" if rate is None else f"{rate:,.0f}"
    table = [(graph, f"{batch}", *(found.get(runner, "–") for runner in runners)) for (graph, batch), found in cells.items()]
    why = sorted({f"{row['graph']}, {row['runner']}: {row['why']}" for row in rows if row["why"]})
    return _table(("graph", "batch", *runners), table) + ("\n\n" + "\n".join(f"- {line}" for line in why) if why else "")


def best_search(found: dict[str, Any]) -> str:
    """Geometric mean of each search's rate beside the exhaustive one's, over graphs and batches that have all three."""
    if "cuda" not in found["providers"]:
        return "Not measured: there is none on a CPU."
    rows = found["throughput"]
    rates: dict[tuple[str, int], dict[str, float]] = {}
    for row in rows:
        if row["runner"] in SEARCHES and row["rows_per_s"]:
            rates.setdefault((row["graph"], row["batch"]), {})[row["runner"]] = row["rows_per_s"]
    complete = [each for each in rates.values() if len(each) == len(SEARCHES)]
    if not complete:
        return "Not measured."
    ratios = {}
    for runner in SEARCHES:
        product = 1.0
        for each in complete:
            product *= (each[runner] / each["onnxruntime"]) ** (1 / len(complete))
        ratios[runner] = product
    best = max(ratios, key=lambda runner: ratios[runner])
    listed = ", ".join(f"{SEARCHES[runner]} {ratio:.2f}" for runner, ratio in ratios.items())
    return f"Beside EXHAUSTIVE, in the geometric mean: {listed}. Fastest: {SEARCHES[best]}; set it in `zoo/providers.py`."


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
