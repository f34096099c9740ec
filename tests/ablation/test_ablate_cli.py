"""`tarvitpose ablate` as a user meets it: tables, exit codes, files."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from invoke import run
from tiny_ablation import BASE, overrides

from tarvitpose.ablation.rows import RowScores
from tarvitpose.ablation.table import TableRow
from tarvitpose.cli.ablate import GROUPS, by_motion, comparison, interval_cell
from tarvitpose.cli.tables import drawn
from tarvitpose.evaluation.degraded import Score

pytest.importorskip("lightning_fabric", reason="the train extra is not installed")

TABLE = {
    "title": "Table 0: two of a kind",
    "paper": "nothing",
    "rows": [
        {"name": "alone", "change": {"model.offsets": []}, "paper": 81.7},
        {"name": "together"},
    ],
}


def ablate(*arguments: object) -> Any:
    return run("ablate", *arguments)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.yaml"
    path.write_text(yaml.safe_dump(TABLE), encoding="utf-8")
    return path


def test_rows_are_trained_shown_and_written(table: Path, tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    changes = ("--base", BASE, *overrides(tmp_path))
    shown = ablate(table, *changes, "--show")
    assert shown.exit_code == 0
    assert "no row has been trained yet" in shown.stdout
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "features").exists()

    part = ablate(table, *changes, "--row", "alone")
    assert part.exit_code == 0, part.stderr
    assert "together" not in part.stdout
    done = ablate(table, *changes, "--json", path)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert not any("alone, seed 0" in line for line in lines)  # it was there
    assert any("together, seed 0" in line for line in lines)
    assert f"Table 0: two of a kind: {BASE}, 6 held-out people, ground-truth boxes" in lines
    numbers = {line.split()[0]: line.split()[-2:] for line in lines if len(line.split()) > 5}
    assert (numbers["alone"], numbers["together"]) == (["1", "81.7"], ["1", "-"])
    written = json.loads(path.read_text(encoding="utf-8"))
    assert [row["row"]["name"] for row in written["rows"]] == ["alone", "together"]
    assert written["rows"][0]["gains"]["clean/ap"] == {"value": 0.0, "low": 0.0, "high": 0.0}

    whole = ablate(table, *changes, "--show", "--pck", "1", "--json", path)  # the same joints
    assert whole.exit_code == 0, whole.stderr
    within = json.loads(path.read_text(encoding="utf-8"))
    assert (written["pck_threshold"], within["pck_threshold"]) == (0.2, 1)
    pck = [each["rows"][0]["scores"]["clean/pck"]["value"] for each in (written, within)]
    assert 0 <= pck[0] < pck[1] <= 100

    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").rglob("*")}
    again = ablate(table, *changes, "--show")
    assert again.stdout.splitlines()[-6:] == lines[-6:]
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").rglob("*")} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.yaml"], "none.yaml: no such configuration file"),
        (["TABLE", "--base", "none.yaml"], "none.yaml: no such configuration file"),
        (["TABLE", "--base", BASE, "--seeds", "1,x"], "--seeds=1,x: expected whole numbers"),
        (["TABLE", "--base", BASE, "--row", "neither"], "--row neither: the rows are alone, toge"),
        (["BAD", "--base", BASE], "rows.0: unknown key chnge"),
    ],
)
def test_mistakes_are_one_line_and_exit_with_2(
    arguments: list[Any], message: str, table: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.yaml"
    content = {**TABLE, "rows": [{"name": "wrong", "chnge": {}}]}
    bad.write_text(yaml.safe_dump(content), encoding="utf-8")
    names = {"TABLE": table, "BAD": bad}
    changes = overrides(tmp_path) if BASE in arguments else ()
    done = ablate(*(names.get(argument, argument) for argument in arguments), *changes)
    assert done.exit_code == 2
    assert message.replace("rows.0: unknown key chnge", "chnge") in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_ctrl_c_is_no_error(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tarvitpose.ablation.rows.train", stop)
    done = ablate(table, "--base", BASE, *overrides(tmp_path))
    assert done.exit_code == 130
    assert "continues from the last saved state" in done.stderr


def test_a_line_has_cost_scores_gains_and_the_papers_number() -> None:
    ours, gain = Score(70.25, 60, 80), Score(2.5, -1, 6)
    scores = {"degraded/ap": ours}
    first = RowScores(
        TableRow(name="a"), 35_551_000, 31.12, 3, scores, {"degraded/ap": Score(0, 0, 0)}, {}
    )
    second = RowScores(
        TableRow(name="b", paper=84.0), 10_000, 1.0, 1, scores, {"degraded/ap": gain}, {}
    )
    lines = drawn(comparison([first, second], "ap")).splitlines()
    assert lines[-2].split() == ["a", "35.6", "31.1", "70.2", "-", "3", "-"]
    assert lines[-1].split() == [
        "b",
        "0.0",
        "1.0",
        "70.2",
        "+2.5",
        "(-1.0..+6.0)",
        "-",
        "1",
        "84.0",
    ]
    assert interval_cell(gain) == "+2.5 (-1.0..+6.0)"


def test_thirds_are_shown_with_what_each_row_has_over_the_named_one() -> None:
    columns = ("", " slow", " middle", " fast")
    names = [f"{group}{column}/pck" for group in GROUPS for column in columns]
    scores = {name: Score(50 + at, 0, 100) for at, name in enumerate(names)}
    over = dict.fromkeys(names, Score(-1.5, -2, -1))
    row = RowScores(TableRow(name="a"), 1, 1.0, 1, scores, {}, over)
    lines = drawn(by_motion([row], "b"), width=200).splitlines()
    assert [line.split()[0] for line in lines[-2:]] == ["a", "over"]
    assert lines[-2].split()[1:] == [f"{50 + at:.1f}" for at in range(8)]
    assert lines[-1].split()[1:3] == ["b", "-1.5"]


def test_costs_are_counted_without_training(tmp_path: Path) -> None:
    (tmp_path / "runs_here").mkdir()
    table, facts = tmp_path / "table.yaml", tmp_path / "costs.json"
    rows = [*TABLE["rows"], {"name": "deep", "change": {"model.jta_layers": 12}, "paper_gflops": 9}]
    table.write_text(yaml.safe_dump({**TABLE, "rows": rows}))
    result = ablate(
        table, "--base", BASE, "--costs", "--json", facts, *overrides(tmp_path / "runs_here")
    )
    assert result.exit_code == 0, result.output
    assert "paper" in result.stdout
    costs = [row["costs"] for row in json.loads(facts.read_text())["rows"]]
    assert "jta" not in costs[0]
    assert costs[2]["jta"]["parameters"] > 1.9 * costs[1]["jta"]["parameters"]
    assert costs[1]["temporal"]["gmacs"] > 0
    assert not (tmp_path / "runs_here" / "runs").exists()
