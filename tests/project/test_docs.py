"""README and the pages of docs/: commands are understood, links and configs exist."""

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest
from commands import shown_commands, understand
from tiny_ablation import TABLES

import tarvitpose
from tarvitpose.ablation.rows import Ablation
from tarvitpose.ablation.table import load_table
from tarvitpose.cli.evaluate_options import MODES, EvaluateConfig
from tarvitpose.training.config import load_train_config

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py")) + sorted((ROOT / "examples").glob("*.ipynb"))
PAGES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"),
    *sorted((ROOT / "docs").glob("*.md")),
]
POSETRACK = (ROOT / "docs" / "posetrack.md").read_text(encoding="utf-8")
LINES = sorted({line for page in PAGES for line in shown_commands(page.read_text("utf-8"))})
OURS = [line for line in LINES if line.startswith("tarvitpose ")]
TOOLS = [line for line in LINES if line.startswith("python -m tools.")]


def of(verb: str) -> list[str]:
    return [line for line in OURS if line.split()[1] == verb]


@pytest.mark.parametrize("line", OURS)
def test_commands_are_understood(line: str) -> None:
    assert understand(line)


class ParsedError(Exception):
    """Raised in place of what a tool does once its arguments are understood."""


@pytest.mark.parametrize("line", TOOLS)
def test_commands_of_tools_are_understood(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, module, *arguments = shlex.split(line)
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser: argparse.ArgumentParser) -> None:
        parse(parser, arguments)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    with pytest.raises(ParsedError):
        importlib.import_module(module).main()


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
    assert EvaluateConfig(**values).mode() in MODES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_code_lines_of_the_readme_do_not_run_out_of_the_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert lines
    assert [line for line in lines if len(line) > 104] == []


def test_every_recipe_and_table_of_the_paper_is_on_the_page() -> None:
    for path in TABLES:
        assert any(path.name in line for line in of("ablate")), path.name
        for row in load_table(path).rows:
            for key, value in row.change.items():
                change = f"{key}={value}" if isinstance(value, str) else f"{key}="
                assert change in POSETRACK, row.name
    numbers: set[int] = set()
    for heading in re.findall(r"^## Tables? ([^:]*):", POSETRACK, flags=re.MULTILINE):
        for first, last in re.findall(r"(\d+)(?: to (\d+))?", heading):
            numbers |= set(range(int(first), int(last or first) + 1))
    assert numbers == set(range(1, 15))


def imported_names() -> set[str]:
    """Return what the pages and the examples import from the package, such as `smooth`."""
    names: set[str] = set()
    for path in (*PAGES, *EXAMPLES):
        text = path.read_text(encoding="utf-8")
        for line in re.findall(r"from tarvitpose[\w.]* import ([\w, ]+)", text):
            names |= {name.strip() for name in line.split(",")}
    return names


def test_the_reference_has_every_public_name() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    targets = re.findall(r"^::: ([\w.]+)$", text, flags=re.MULTILINE)
    named = {target.rpartition(".")[2] for target in targets}
    public = set(tarvitpose.__all__) - {"__version__"}
    assert "JOINT_SETS" in imported_names()
    assert public | imported_names() <= named
    assert "__version__" in text
    first, _, blocks = text.partition("## Building blocks")
    assert {line.rpartition(".")[2] for line in re.findall(r"^::: (.+)$", first, re.M)} == public
    assert "from their modules" in blocks
    for target in targets:
        module, _, name = target.rpartition(".")
        thing = getattr(importlib.import_module(module), name)
        if name in public:
            assert thing is getattr(tarvitpose, name)


def test_members_of_the_reference_exist() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    listed = re.findall(r"::: ([\w.]+)\n    options:\n      members: \[([\w, ]+)\]", text)
    assert len(listed) == 2
    for target, members in listed:
        module, _, name = target.rpartition(".")
        kind = getattr(importlib.import_module(module), name)
        assert all(getattr(kind, member).__doc__ for member in members.split(", "))
