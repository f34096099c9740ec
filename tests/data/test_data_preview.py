"""The picture of the augmentation: a row for each switch, alone, and joints where they are."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tarvitpose.config import vit_small
from tarvitpose.data.augment import NO_AUGMENTATION, AugmentConfig
from tarvitpose.data.dataset import VALIDATION, ClipDataset
from tarvitpose.data.degrade import DegradeConfig
from tarvitpose.data.generated import write_generated
from tarvitpose.data.records import Record
from tarvitpose.data.sources import read_records
from tarvitpose.drawing import SIDE_COLOURS
from tarvitpose.errors import DataError, OutputError
from tarvitpose.skeleton import POSETRACK_15, POSETRACK_17, JointSet
from tarvitpose.visualization import augmentation_preview as data_preview
from tarvitpose.visualization.augmentation_preview import ROWS, write_preview

J = len(POSETRACK_15)
ON = {  # keys that are no amounts of their own, and what they belong to
    "rotation": "rotate",
    "box_noise": "box_jitter",
    "degradations": "current",
}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    folder = write_generated(tmp_path_factory.mktemp("data") / "made", 2, 0, 5)
    return read_records("posetrack18", folder / "annotations" / "train", POSETRACK_15, folder)


def still(folder: Path, joints: int = J) -> Record:
    path = folder / "still.png"
    cv2.imwrite(str(path), np.full((200, 160, 3), 120, np.uint8))
    points = np.random.default_rng(0).uniform((60, 60), (100, 140), (joints, 2))
    return Record("still#1", (path,), 0, (40, 40, 120, 160), points, np.ones(joints))


def picture(path: Path) -> np.ndarray:
    image = cv2.imread(str(path))
    assert image is not None
    return image


def test_the_picture_has_a_strip_for_every_row(records: list[Record], tmp_path: Path) -> None:
    write_preview(records, tmp_path / "new" / "preview.png")
    image = picture(tmp_path / "new" / "preview.png")
    assert image.shape[1] == data_preview.COLUMNS * data_preview.STRIP_WIDTH
    below = -(-len(ROWS) // data_preview.COLUMNS)
    strips = np.array_split(image[3 * data_preview.TITLE_HEIGHT :], below)
    assert all(strip.std() > 20 for strip in strips)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["preview.png"]


@pytest.mark.parametrize("joints", [POSETRACK_15, POSETRACK_17])
def test_a_still_will_do_and_an_odd_number_of_rows(
    tmp_path: Path, joints: JointSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_preview, "ROWS", (ROWS[0], ROWS[7], ROWS[9]))
    write_preview([still(tmp_path, len(joints))], tmp_path / "preview.png", joints)
    last = np.split(picture(tmp_path / "preview.png")[3 * data_preview.TITLE_HEIGHT :], 2)[1]
    empty = last[:, data_preview.STRIP_WIDTH :]
    assert (empty == data_preview.PAPER).all()


def switched(row: data_preview.PreviewRow) -> set[str]:
    """The keys in which a row differs from a configuration that leaves everything off."""
    config, keys = NO_AUGMENTATION.model_copy(update=row.switched_on), set()
    for part, off in ((config, NO_AUGMENTATION), (config.degrade, NO_AUGMENTATION.degrade)):
        for key, value in part:
            if key not in ("motion", "degrade") and value != getattr(off, key):
                keys.add(ON.get(key, key))
    return keys


def test_each_row_switches_on_one_key_and_every_key_has_a_row() -> None:
    assert [len(switched(row)) for row in ROWS[1:]] == [
        int(row.title != "motion of stills") for row in ROWS[1:]
    ]
    shown = set().union(*map(switched, ROWS))
    fields = {*AugmentConfig.model_fields, *DegradeConfig.model_fields}
    left_out = {"motion", "degrade", "absent", "auxiliary", "auxiliary_strong", "joint_weights"}
    left_out |= {"scale_sigma", "rotation_sigma"}
    assert {ON.get(key, key) for key in fields - left_out} == shown
    for row in ROWS:
        AugmentConfig.model_validate(
            NO_AUGMENTATION.model_copy(update=row.switched_on).model_dump()
        )
        assert all(key in row.keys for key in switched(row))


def test_with_everything_off_the_crop_is_that_of_inference(records: list[Record]) -> None:
    clips = [
        ClipDataset(records, vit_small(), augment)[2] for augment in (NO_AUGMENTATION, VALIDATION)
    ]
    assert np.array_equal(clips[0]["clip"], clips[1]["clip"])
    assert np.array_equal(clips[0]["matrix"], clips[1]["matrix"])


def test_a_person_in_the_middle_of_a_video_is_chosen(
    records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_preview, "ROWS", ROWS[:1])
    middle = [record for record in records if record.current == 2]
    sheets = [
        data_preview.preview_sheet(people, POSETRACK_15)
        for people in ([still(tmp_path), *records], middle[:1], middle[1:])
    ]
    assert any(np.array_equal(sheets[0], sheet) for sheet in sheets[1:])


def test_joints_are_drawn_where_they_are_known_alone() -> None:
    crop = np.full((128, 96, 3), 100, np.uint8)
    points = np.random.default_rng(0).uniform(20, 76, (J, 2)).astype(np.float32)
    known = np.zeros(J, np.float32)
    inside = np.s_[1:-1, 1:-1]  # without the edge
    assert (data_preview._with_joints(crop, points, known, POSETRACK_15)[inside] == 100).all()
    left = POSETRACK_15.joints.index("left_wrist")
    known[left] = 1
    drawn = data_preview._with_joints(crop, points, known, POSETRACK_15)
    y, x = np.nonzero((drawn == SIDE_COLOURS["left"]).all(-1))
    assert np.abs([x.mean() - points[left, 0], y.mean() - points[left, 1]]).max() < 0.7
    assert (crop == 100).all()


def test_nothing_is_drawn_towards_joints_outside_the_crop() -> None:
    crop = np.full((128, 96, 3), 100, np.uint8)
    points = np.full((J, 2), -10_000.0, np.float32)  # where training puts what a frame cuts off
    points[POSETRACK_15.joints.index("left_knee")] = 40, 60
    points[POSETRACK_15.joints.index("left_ankle")] = 40, 140
    drawn = data_preview._with_joints(crop, points, np.ones(J, np.float32), POSETRACK_15)
    y, x = np.nonzero((drawn[1:-1, 1:-1] != 100).any(-1))
    assert np.abs(x + 1 - 40).max() <= 5
    assert np.abs(y + 1 - 60).max() <= 5


def test_what_cannot_be_shown_or_written_is_an_error(records: list[Record], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one record"):
        write_preview([], tmp_path / "preview.png")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"preview\.png: cannot be written"):
        write_preview(records, tmp_path / "file" / "preview.png")
