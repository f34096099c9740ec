"""What holds for the project as a whole: layout, exports, documents, and the way to set it up."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
import pkgutil
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from commands import shown_commands, understand

import tarvitpose

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "tarvitpose"
FLOORS = (  # from the ground up; docs/architecture.md says what each room is for
    ("errors", "skeleton", "utils", "config"),
    ("geometry", "heatmaps", "drawing", "supervision_points", "results"),
    (
        *("model", "weights", "video", "detection", "tracking", "smoothing"),
        *("formats", "metrics"),
    ),
    ("data", "inference"),
    ("training", "evaluation", "runs"),
    ("ablation", "benchmark", "visualization"),
    ("web", "cli", "__main__"),
)
FLOOR = {unit: number for number, units in enumerate(FLOORS) for unit in units}
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = shown_commands(README)
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], "tarvitpose.")
    if not module.name.endswith("__main__")
)


def imported(path: Path) -> set[str]:
    """Return the modules of the package that a file names in imports, wherever they stand."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = inner & {*MODULES}
            names |= modules | ({str(node.module)} if inner - modules else set())
    return {name for name in names if name.startswith("tarvitpose.")}


IMPORTS = {
    name: imported(Path(str(importlib.util.find_spec(name).origin)))  # type: ignore[union-attr]
    for name in MODULES
}


@pytest.mark.parametrize("name", MODULES)
def test_no_module_imports_from_a_floor_above_its_own(name: str) -> None:
    floor = FLOOR[name.split(".")[1]]
    above = {other for other in IMPORTS[name] if FLOOR[other.split(".")[1]] > floor}
    assert not above


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert list(TopologicalSorter(IMPORTS).static_order())  # raises CycleError with the circle


def test_few_modules_stand_outside_of_the_rooms() -> None:
    assert len([*PACKAGE.glob("*.py")]) <= 10


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert not found.failed


@pytest.mark.parametrize("name", tarvitpose.__all__)
def test_every_export_exists(name: str) -> None:
    assert getattr(tarvitpose, name)
    assert name in dir(tarvitpose)


def test_exports_are_these() -> None:
    expected = {
        *("FramePoses", "PoseEstimator", "TARViTPose", "UserError", "__version__"),
        *("load_poses", "smooth"),
    }
    assert set(tarvitpose.__all__) == expected
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = tarvitpose.Nothing


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, tarvitpose; "
        "heavy = {'torch', 'numpy', 'cv2', 'av', 'pydantic', 'typer'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", [one for one in COMMANDS if one.startswith("tarvitpose ")])
def test_commands_of_the_readme_are_understood(line: str) -> None:
    assert understand(line)


@pytest.mark.parametrize("line", [one for one in COMMANDS if one.startswith("make ")])
def test_targets_of_the_readme_exist(line: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{line.split()[1]}:", makefile, flags=re.MULTILINE)


def test_the_readme_begins_with_the_two_commands() -> None:
    assert COMMANDS[:2] == ["make demo", "make test"]
    assert all(line.split()[0] in ("make", "tarvitpose", "pip") for line in COMMANDS)


def test_python_of_the_readme_compiles_and_imports() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module == "tarvitpose":
                assert {alias.name for alias in node.names} <= set(tarvitpose.__all__)


def test_files_that_the_readme_links_to_exist() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert not missing


def test_everything_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    assert "torch==2.13.0" in pins
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["train"], *extras["huggingface"], *extras["dev"]]
    names = {plain(pin) for pin in pins}
    assert {plain(one) for one in wanted if not one.startswith("tarvitpose[")} <= names


def plain(requirement: str) -> str:
    """Return the normal form of a requirement's name.

    >>> plain("huggingface_hub==1.0")
    'huggingface-hub'
    """
    return re.split(r"[<>=\[;]", requirement)[0].strip().lower().replace("_", "-")


def test_continuous_integration_runs_the_tests_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    text = script.read_text(encoding="utf-8")
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in text
    assert "\nmake test\n" in text


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.search(r"^## (\S+)", text, flags=re.MULTILINE)
    assert first is not None
    assert first[1] == tarvitpose.__version__
