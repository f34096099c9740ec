"""Tables that went through pandas, R or a spreadsheet and come back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from error_lines import error_line

from tarvitpose import UserError, load_poses

CASES = Path(__file__).parents[3] / "shared/cases/poses"
HEADER = "frame,time_s,track_id,joint,x,y,score\n"
TABLE = [  # with nobody in frame 2
    ("0", "0.0", "1", "nose", "74.011", "152.564", "0.875"),
    ("0", "0.0", "2", "nose", "1234.5", "-2.5", "8.75e-05"),
    ("1", "0.04", "1", "nose", "75", "", "0.5"),
    ("2", "0.08", "", "", "", "", ""),
]


def refusal(path: Path) -> str:
    return error_line(UserError, load_poses, path)


def comma(cell: str) -> str:
    return cell.replace(".", ",")


def floats(cells: Sequence[str], blank: str = "") -> list[str]:
    """What pandas makes of whole numbers where some are missing."""
    return [f"{cell}.0" if at == 2 and cell else cell or blank for at, cell in enumerate(cells)]


@pytest.mark.parametrize(
    ("delimiter", "change", "encoding"),
    [
        (",", lambda row: row, "utf-8"),
        (",", floats, "utf-8"),
        (",", lambda row: floats(row, "NA"), "utf-8"),
        (",", lambda row: floats(row, "NaN"), "utf-8"),
        (";", lambda row: map(comma, row), "utf-8-sig"),
        (";", lambda row: map(comma, floats(row)), "utf-8-sig"),
        (";", lambda row: row, "utf-8"),
        ("\t", lambda row: map(comma, row), "utf-16"),
    ],
)
def test_tables_come_back_from_pandas_and_spreadsheets(
    tmp_path: Path, delimiter: str, change: Any, encoding: str
) -> None:
    header = delimiter.join(HEADER.strip().split(","))
    lines = [header, *(delimiter.join(change(row)) for row in TABLE)]
    path = tmp_path / "a.csv"
    path.write_text("\r\n".join(lines) + "\r\n", encoding=encoding)
    first, second, third = load_poses(path)
    assert [frame.track_ids.tolist() for frame in (first, second, third)] == [[1, 2], [1], []]
    assert (
        first.keypoints[:, 0].tolist() == np.float32([[74.011, 152.564], [1234.5, -2.5]]).tolist()
    )
    assert first.scores[:, 0].tolist() == np.float32([0.875, 8.75e-05]).tolist()
    assert np.isnan(second.keypoints[0, 0, 1])
    assert [frame.time for frame in (first, second, third)] == [0, 0.04, 0.08]


def test_a_track_that_is_no_whole_number_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER + "0,0,1.5,nose,1,2,3\n")
    assert "line 2: track_id: expected a whole number, found '1.5'" in refusal(path)


def test_parquet_of_pandas_has_whole_numbers_as_floats(tmp_path: Path) -> None:
    pd, _ = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    rows = [
        [float(cell) if at != 3 and cell else cell or None for at, cell in enumerate(row)]
        for row in TABLE
    ]
    table = pd.DataFrame(rows, columns=HEADER.strip().split(","))
    table.to_parquet(tmp_path / "a.parquet")
    poses = load_poses(tmp_path / "a.parquet")
    assert [frame.track_ids.tolist() for frame in poses] == [[1, 2], [1], []]
    assert [type(frame.index) for frame in poses] == [int] * 3
    table.track_id += 0.5
    table.to_parquet(tmp_path / "b.parquet")
    assert "track_id: expected a whole number, found 1.5" in refusal(tmp_path / "b.parquet")


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
@pytest.mark.parametrize("name", ["pandas_filtered.csv", "excel_de.csv"])
def test_tables_from_the_field(name: str) -> None:
    poses = load_poses(CASES / name)
    assert [frame.index for frame in poses] == list(range(16))
    assert {track for frame in poses for track in frame.track_ids.tolist()} == {1, 2}
    assert poses[0].keypoints[0, 0].tolist() == np.float32([74.011, 152.564]).tolist()
    assert len(poses[15]) == 0
