"""`tarvitpose ablate`: the rows of one of the paper's tables, trained alike and compared."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tarvitpose.cli import checks, console
from tarvitpose.cli.options import Changes, JsonFile
from tarvitpose.cli.tables import drawn, plain_table, shown
from tarvitpose.cli.train import STOPPED, check_experiment
from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.utils.lists import parse_whole_numbers

if TYPE_CHECKING:
    from rich.table import Table

    from tarvitpose.ablation.rows import Ablation, RowScores
    from tarvitpose.ablation.table import Table as AblationTable
    from tarvitpose.evaluation.degraded import Score

GROUPS = ("degraded", "clean")  # frames that are scored together

TableFile = Annotated[
    Path,
    typer.Argument(
        metavar="TABLE", help="YAML file, or one that comes with the package: ablation/table4."
    ),
]
Base = Annotated[
    Path, typer.Option("--base", metavar="CONFIG", help="Configuration that all rows share.")
]
Seeds = Annotated[
    str, typer.Option(metavar="N,N", help="Train every row once with each of these seeds.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--row", metavar="TEXT", help="Only rows whose name contains this; repeatable."),
]
Boxes = Annotated[
    str,
    typer.Option(
        metavar="gt|detector|FILE", help="Boxes of people; only gt works with a frozen encoder."
    ),
]
TorsoShare = Annotated[
    float,
    typer.Option(
        "--pck", min=0.01, max=1, help="PCK: a joint is right within this share of the torso."
    ),
]
Show = Annotated[
    bool, typer.Option("--show", help="Train nothing; show the rows that have been trained.")
]
Costs = Annotated[
    bool,
    typer.Option("--costs", help="Train nothing; count parameters and multiply-adds of each row."),
]


def run(
    *,
    table: TableFile,
    changes: Changes = None,
    base: Base = Path("ablation/jhmdb.yaml"),
    seeds: Seeds = "0",
    only: Only = None,
    boxes: Boxes = "gt",
    torso_share: TorsoShare = TORSO_SHARE,
    json_file: JsonFile = None,
    show: Show = False,
    costs: Costs = False,
) -> None:
    """Train and score the rows of a table, beside the paper's numbers.

    Ctrl-C is safe: the same command continues where it stopped. Rows that several tables share are
    trained once.
    """
    numbers = parse_whole_numbers("--seeds", seeds, "0,1,2")
    checks.refuse_unused({"--costs": costs and show}, "give it or --show, not both")
    checks.refuse_unused({"--row": bool(only) and (show or costs)}, "chooses what is trained")
    scoring = {
        "--seeds": seeds != "0",
        "--boxes": boxes != "gt",
        "--pck": torso_share != TORSO_SHARE,
    }
    checks.refuse_unused(scoring if costs else {}, "--costs scores nothing")
    from tarvitpose.ablation.table import load_table

    rows = load_table(table)
    chosen = [row for row in rows.rows if not only or any(part in row.name for part in only)]
    if not chosen:
        names = ", ".join(row.name for row in rows.rows)
        raise typer.BadParameter(f"--row {', '.join(only or ())}: the rows are {names}")
    checks.writable_files(json_file)
    if not (show or costs):
        check_experiment(base, changes)
    from tarvitpose.ablation.rows import Ablation

    ablation = Ablation(base, tuple(changes or ()), console.say, boxes, torso_share)
    if costs:
        report_costs(ablation, rows, json_file)
        return
    with console.stoppable(STOPPED):
        for seed in () if show else numbers:
            for row in chosen:
                ablation.train(row, seed)
    report(ablation, rows, ablation.scores(rows, numbers), json_file)


def report(
    ablation: Ablation, table: AblationTable, scores: list[RowScores], json_file: Path | None
) -> None:
    """Print the rows that have been trained, and write them to a file if one is asked for."""
    if not scores:
        console.say(f"{table.title}: no row has been trained yet in {ablation.config.output}")
        return
    rows = [row.facts() for row in scores]
    facts = {"table": table.title, "pck_threshold": ablation.torso_share, "rows": rows}
    checks.save_json(json_file, facts)
    console.say(f"{table.title}: {ablation.base}, {ablation.evaluator.label}", style="bold")
    metric = "ap" if "clean/ap" in scores[0].scores else "pck"
    console.say(drawn(comparison(scores, metric), width=140))
    pck = f"PCK@{ablation.torso_share:g} of the torso"
    measure = {"ap": "Mean AP", "pck": pck}[metric]
    console.say(
        f"{measure}. Gains are over the first row, 95% intervals over people or videos; "
        f"n is how many seeds were trained.\nThe paper's numbers, mean AP: {table.paper}."
    )
    if any(name.startswith("clean ") for name in scores[0].scores):  # by thirds of motion
        console.say(f"\n{pck}, all joints and thirds by their motion")
        console.say(drawn(by_motion(scores, table.against), width=200))


def report_costs(ablation: Ablation, table: AblationTable, json_file: Path | None) -> None:
    """Print parameters and multiply-adds of every row by part, and write them to a file."""
    costs = ablation.costs(table)
    facts = [
        {"row": row.model_dump(), "costs": {name: asdict(cost) for name, cost in parts.items()}}
        for row, parts in costs
    ]
    checks.save_json(json_file, {"table": table.title, "rows": facts})
    names = ("encoder", "decoder", "jta", "gra", "temporal", "total")
    printed = any(row.paper_gflops is not None for row, _ in costs)
    rows = plain_table(["M / GMAC", *names, *["paper, GFLOP"] * printed])
    for row, parts in costs:
        cells = [
            f"{parts[name].parameters / 1e6:.2f} / {parts[name].gmacs:.3g}"
            if name in parts
            else "-"
            for name in names
        ]
        paper = "-" if row.paper_gflops is None else f"{row.paper_gflops:g}"
        rows.add_row(row.name, *cells, *[paper] * printed)
    console.say(f"{table.title}: {ablation.base}", style="bold")
    console.say(drawn(rows, width=140))
    console.say(
        "Million parameters and 10^9 multiply-adds of one person and output frame; encoder: one "
        "frame, decoder: one call,\ntotal: a whole window. Every product is counted; the paper's "
        "profiler does not see attention's weights."
    )


def comparison(scores: list[RowScores], metric: str) -> Table:
    """Return a line for each row: its cost, our scores, "ap" or "pck", and the paper's."""
    headings = ["", "M", "GMAC", "degraded", "gain (95%)", "clean", "gain (95%)", "n", "paper"]
    rows = plain_table(headings)
    for row in scores:
        cells = []
        for name in (f"{group}/{metric}" for group in GROUPS):
            score, gain = row.scores.get(name), row.gains.get(name)
            cells.append("-" if score is None else shown(score.value))
            cells.append("" if gain is None or row is scores[0] else interval_cell(gain))
        paper = "-" if row.row.paper is None else shown(row.row.paper)
        size, work = f"{row.parameters / 1e6:.1f}", f"{row.gmacs:.1f}"
        rows.add_row(row.row.name, size, work, *cells, str(row.seeds), paper)
    return rows


def by_motion(scores: list[RowScores], against: str) -> Table:
    """Return each row's PCK by motion, and below it what it has over the row `against`."""
    from tarvitpose.evaluation.motion_scores import THIRDS

    columns = [f"{group} {third}".strip() for group in GROUPS for third in ("", *THIRDS)]
    rows = plain_table(["", *columns])
    for row in scores:
        cells = (row.scores.get(f"{name}/pck") for name in columns)
        rows.add_row(row.row.name, *("-" if each is None else shown(each.value) for each in cells))
        if row.over and row.row.name != against:
            gains = (row.over.get(f"{name}/pck") for name in columns)
            differences = ("" if each is None else interval_cell(each) for each in gains)
            rows.add_row(f"  over {against}", *differences)
    return rows


def interval_cell(gain: Score) -> str:
    """Return a gain as a cell of a table, with its interval if there is one."""
    if math.isnan(gain.low):
        return shown(gain.value, "+")
    return f"{shown(gain.value, '+')} ({shown(gain.low, '+')}..{shown(gain.high, '+')})"
