"""Whatever is made of annotations, each file is read once."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from label_files import dcpose, frame17, person17, person18, save, save_images, video18
from typer.testing import CliRunner

from tarvitpose.cli.data import app
from tarvitpose.data.check import check_data
from tarvitpose.data.sources import dataset_files, read_records
from tarvitpose.evaluation.datasets import read_labelled
from tarvitpose.skeleton import POSETRACK_15

FRAMES = [f"images/val/clip/{at:06d}.jpg" for at in range(4)]
VIDEO17 = {"annolist": [frame17(at, person17()) for at in (1, 2)]}
STILLS = dcpose([{"id": 1, "file_name": FRAMES[0]}], [person18(1, 0)])
CONTENTS = {"posetrack17": VIDEO17, "posetrack18": video18([person18(89, 0)]), "coco": STILLS}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each JSON file was read, by its name."""
    counts: Counter[str] = Counter()
    read: Callable[..., str] = Path.read_text

    def counted(path: Path, *args: Any, **options: Any) -> str:
        if path.suffix == ".json":
            counts[path.name] += 1
        return read(path, *args, **options)

    monkeypatch.setattr(Path, "read_text", counted)
    return counts


@pytest.fixture(params=CONTENTS)
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    save_images(tmp_path, FRAMES)
    for name in ("a", "b"):
        save(tmp_path / "annotations" / "val" / f"{name}.json", CONTENTS[request.param])
    return tmp_path


def test_records_are_read_once(dataset: Path, reads: Counter[str]) -> None:
    assert read_records(None, dataset / "annotations" / "val", POSETRACK_15)
    assert reads == {"a.json": 1, "b.json": 1}


def test_labelled_frames_boxes_and_truth_are_read_once(dataset: Path, reads: Counter[str]) -> None:
    videos = read_labelled(None, dataset / "annotations" / "val", POSETRACK_15)
    assert len(videos) == 2
    assert reads == {"a.json": 1, "b.json": 1}


def test_the_check_reads_once(dataset: Path, reads: Counter[str]) -> None:
    files = dataset_files(dataset)
    report = check_data(files, None, None, quick=True, progress=lambda _, __: None)
    assert report.people
    assert reads == {"a.json": 1, "b.json": 1}


@pytest.mark.parametrize("dataset", ["coco"], indirect=True)
def test_packing_reads_once(dataset: Path, tmp_path: Path, reads: Counter[str]) -> None:
    arguments = ["pack", str(dataset), str(tmp_path / "shards"), "--set", "val"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert reads == {"a.json": 1, "b.json": 1}
