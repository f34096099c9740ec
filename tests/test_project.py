"""What holds for the project as a whole: layout, exports, documents, and the way to set it up."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from commands import shown_commands, understand

import tarvitpose

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "tarvitpose"
VIDEO = (
    *("audio_track", "clock", "containers", "frame_source", "image_source", "playlists"),
    *("prefetch", "video", "video_reader", "video_writer"),
)
LEVELS = (  # a unit is a file or folder of the package; it imports only from levels before its own
    ("errors", "skeleton", "results", "offline", "source_names", "config", "config_words"),
    (
        *("files", "figure", "json_file", "posetrack_layout", "provenance"),
        *("geometry", "heatmaps", "ablation_table"),
    ),
    (
        *("model", "losses", "data", "metrics", "detection", "tracking", "smoothing"),
        *("video", "drawing", "readers", "supervision_points"),
    ),
    ("people", "predict", "runtime", "streaming", "journal", "manifest"),
    ("estimator", "evaluation", "writers", "pipeline", "resume", "data_preview"),
    ("training", "timing", "report", "bulk", "on_ray"),
    ("ablation", "export", "web"),
    ("cli", "__main__"),
)
NOTED = {  # within one level, or at use alone
    ("results", "errors"),
    ("results", "skeleton"),
    ("results", "drawing"),
    ("results", "supervision_points"),
    ("config", "config_words"),
    ("config", "errors"),
    ("config", "skeleton"),
    ("heatmaps", "geometry"),
    ("posetrack_layout", "json_file"),
    ("provenance", "files"),
    ("provenance", "json_file"),
    ("predict", "runtime"),
    ("streaming", "predict"),
    ("journal", "predict"),
    ("journal", "runtime"),
    ("resume", "estimator"),
    ("pipeline", "resume"),
    ("pipeline", "estimator"),
    ("pipeline", "writers"),
    ("data_preview", "writers"),
    ("report", "timing"),
    ("on_ray", "bulk"),
    ("__main__", "cli"),
}
LEVEL = {unit: level for level, units in enumerate(LEVELS) for unit in units}
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = shown_commands(README)
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], "tarvitpose.")
    if not module.name.endswith("__main__")
)


def unit_of(module: str) -> str:
    """Return the unit of a module; the files that read and write video are one.

    >>> unit_of("tarvitpose.model.jta"), unit_of("tarvitpose.audio_track")
    ('model', 'video')
    """
    unit = module.split(".")[1]
    return "video" if unit in VIDEO else unit


def imported(path: Path) -> set[str]:
    """Return the modules of the package that a file names in imports, wherever they stand."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= set(names) if node.module == "tarvitpose" else {str(node.module)}
    return {name for name in found if name.startswith("tarvitpose.")} - {"tarvitpose.__version__"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.name))
def test_imports_point_only_upward(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts == ("__init__",):
        return  # exports by name what lies below
    own = unit_of(f"tarvitpose.{parts[0]}")
    for other in map(unit_of, imported(path)):
        is_fine = other == own or (own, other) in NOTED or LEVEL[other] < LEVEL[own]
        assert is_fine, f"{path.name} of {own} imports {other}"


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
