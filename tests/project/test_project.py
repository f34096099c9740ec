"""The project as a whole: its layout, its exports, its pins and what is packaged."""

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
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import tarvitpose

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "tarvitpose"
FLOORS = (  # from the ground up; docs/architecture.md says what each room is for
    ("errors", "skeleton", "utils", "config"),
    ("geometry", "heatmaps", "drawing", "supervision_points", "results"),
    (
        *("model", "weights", "video", "detection", "tracking", "smoothing"),
        *("formats", "metrics", "angles"),
    ),
    ("data", "inference"),
    ("training", "evaluation", "runs"),
    ("ablation", "benchmark", "visualization"),
    ("web", "cli", "__main__"),
)
FLOOR = {unit: number for number, units in enumerate(FLOORS) for unit in units}
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], "tarvitpose.")
    if not module.name.endswith("__main__")
)
TOOLS = sorted(f"tools.{path.stem}" for path in (ROOT / "tools").glob("[!_]*.py"))


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


@pytest.mark.parametrize("name", [*MODULES, *TOOLS])
def test_examples_in_docstrings_are_true(name: str) -> None:
    outcome = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert not outcome.failed


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


@pytest.mark.parametrize("target", ["demo", "test", "fuzz", "lint", "docs", "clean"])
def test_make_knows_its_targets(target: str) -> None:
    command = ["make", "--dry-run", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_requirement_allows_the_version_that_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    versions = {canonicalize_name(pin.name): str(pin.specifier)[2:] for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    pinned = ("torch", "train", "huggingface", "dev")
    for line in (*project["dependencies"], *(line for extra in pinned for line in extras[extra])):
        requirement, name = Requirement(line), canonicalize_name(Requirement(line).name)
        if name != "tarvitpose":  # extras of its own
            assert requirement.specifier.contains(versions[name]), line
        if name in ("av", "huggingface-hub", "numpy", "opencv-python-headless", "pydantic"):
            major = int(versions[name].partition(".")[0])  # of PyAV 19 nothing could be opened
            assert not requirement.specifier.contains(f"{major + 1}.0"), line


def test_a_wheel_has_every_file_of_the_package() -> None:
    builder = pytest.importorskip("hatchling.builders.wheel")
    included = builder.WheelBuilder(str(ROOT)).recurse_included_files()
    files = {Path(file.path) for file in included}
    tracked = ["git", "ls-files", "-z", "src/tarvitpose"]
    done = subprocess.run(tracked, cwd=ROOT, capture_output=True, text=True, check=True)
    expected = {ROOT / name for name in done.stdout.split("\0") if name}
    assert len(expected) > 100
    assert expected <= files


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.search(r"^## (\S+)", text, flags=re.MULTILINE)
    assert first is not None
    assert first[1] == tarvitpose.__version__
