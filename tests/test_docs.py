"""The pages of docs/: their commands are understood, their links and configs exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import shown_commands, understand
from tiny_ablation import TABLES

from tarvitpose.ablation import Ablation
from tarvitpose.ablation_table import load_table
from tarvitpose.cli.evaluate_options import Options
from tarvitpose.training.config import load_train_config

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
POSETRACK = (ROOT / "docs" / "posetrack.md").read_text(encoding="utf-8")
LINES = sorted({line for page in PAGES for line in shown_commands(page.read_text("utf-8"))})
OURS = [line for line in LINES if line.startswith("tarvitpose ")]


def of(verb: str) -> list[str]:
    return [line for line in OURS if line.split()[1] == verb]


@pytest.mark.parametrize("line", OURS)
def test_commands_are_understood(line: str) -> None:
    assert understand(line)


@pytest.mark.parametrize("line", of("train"))
def test_what_is_trained_loads(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    values = understand(line)
    load_train_config(Path(values["config"]), tuple(values["changes"] or ()))


@pytest.mark.parametrize("line", of("ablate"))
def test_what_is_ablated_loads(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    values = understand(line)
    changes = tuple(values["changes"] or ())
    ablation = Ablation(Path(values["base"]), changes, lambda _: None, values["boxes"])
    for row in load_table(Path(values["table"])).rows:
        assert ablation.row_config(row, 0)


@pytest.mark.parametrize("line", of("evaluate"))
def test_what_is_evaluated_goes_together(line: str) -> None:
    values = understand(line)
    options = Options(**{**values, "videos": tuple(values["videos"] or ())})
    assert options.way() in ("weights", "predictions", "kinds", "videos")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_every_recipe_and_table_of_the_paper_is_on_the_page() -> None:
    for path in TABLES:
        assert any(path.name in line for line in of("ablate")), path.name
        for row in load_table(path).rows:
            for key, value in row.change.items():
                said = f"{key}={value}" if isinstance(value, str) else f"{key}="
                assert said in POSETRACK, row.name
    numbers: set[int] = set()
    for heading in re.findall(r"^## Tables? ([^:]*):", POSETRACK, flags=re.MULTILINE):
        for first, last in re.findall(r"(\d+)(?: to (\d+))?", heading):
            numbers |= set(range(int(first), int(last or first) + 1))
    assert numbers == set(range(1, 15))
