"""The notebook runs from top to bottom, and carries no outputs in git."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
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


def test_its_cells_compile_and_what_they_import_is_there() -> None:
    code = [
        "".join(cell["source"])
        for cell in json.loads(NOTEBOOK.read_text())["cells"]
        if cell["cell_type"] == "code"
    ]
    plain = re.sub(r"^( *)[%!].*$", r"\1pass", "\n".join(code), flags=re.MULTILINE)
    compile(plain, str(NOTEBOOK), "exec")
    ours = [line for line in plain.splitlines() if line.startswith("from tarvitpose")]
    assert ours
    exec("\n".join(ours), {})


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = read()
    drawn = "print([len(top.lines), len(top.lines[0].get_xdata()), axes.images[0].get_size()])"
    expected = "print([2, len(times), first.image_size])"
    notebook.cells += [nbformat.v4.new_code_cell(code) for code in (drawn, expected)]
    done = nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    code = [cell for cell in done.cells if cell.cell_type == "code"]
    assert "frames, 2 people, joints: nose, head_bottom" in code[1].outputs[-1].text
    assert "person 1: " in code[2].outputs[0].text
    for cell in code[3:-2]:
        [picture] = [output for output in cell.outputs if "image/png" in output.get("data", {})]
        image = np.frombuffer(base64.b64decode(picture.data["image/png"]), np.uint8)
        assert cv2.imdecode(image, cv2.IMREAD_COLOR) is not None
    assert code[-2].outputs[0].text == code[-1].outputs[0].text
