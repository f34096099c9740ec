"""The notebook runs from top to bottom, and carries no outputs in git."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "quickstart.ipynb"


def read() -> Any:
    nbformat = pytest.importorskip("nbformat")
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_valid_and_without_outputs() -> None:
    nbformat = pytest.importorskip("nbformat")
    notebook = read()
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    done = nbclient.NotebookClient(
        read(), timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    code = [cell for cell in done.cells if cell.cell_type == "code"]
    assert "frames, 2 people, joints: nose, head_bottom" in code[1].outputs[-1].text
    assert "person 1: " in code[2].outputs[0].text
    for place, cell in enumerate(code[3:]):
        [picture] = [one for one in cell.outputs if "image/png" in one.get("data", {})]
        content = base64.b64decode(picture.data["image/png"])
        (tmp_path / f"{place}.png").write_bytes(content)
        assert len(content) > 8000
