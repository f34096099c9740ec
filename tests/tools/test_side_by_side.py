"""Results of two weights on the same frames and people."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from some_poses import some_poses
from video_files import decode_fully, make_video

from tarvitpose.errors import DataError
from tarvitpose.formats.npz import NpzWriter
from tarvitpose.results import FramePoses
from tools import side_by_side

RIGHT = [some_poses(index, 2, index / 25) for index in range(4)]
LEFT = [replace(poses, keypoints=poses.keypoints + 9, scores=poses.scores / 2) for poses in RIGHT]


def test_the_left_results_are_the_single_frames_of_the_right_ones() -> None:
    pairs = side_by_side.paired(LEFT, RIGHT)
    assert list(pairs) == [0, 1, 2, 3]
    for left, right in zip(LEFT, RIGHT, strict=True):
        both = pairs[right.index]
        np.testing.assert_array_equal(both.keypoints, right.keypoints)
        np.testing.assert_array_equal(both.single_frame().keypoints, left.keypoints)
        np.testing.assert_array_equal(both.single_frame().scores, left.scores)


@pytest.mark.parametrize(
    ("left", "message"),
    [
        (LEFT[:3], "the results have different frames: 3 and 4"),
        ([replace(poses, boxes=poses.boxes + 5) for poses in LEFT], "frame 0: the results have"),
        (
            [replace(poses, joint_names=("nose",)) for poses in LEFT],
            "the results have different joints",
        ),
    ],
)
def test_results_that_do_not_belong_together(left: list[FramePoses], message: str) -> None:
    with pytest.raises(DataError, match=message):
        side_by_side.paired(left, RIGHT)


def test_the_video_has_both_sides_of_every_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_video(tmp_path / "clip.mp4", 4, size=(48, 64))
    for name, results in (("left", LEFT), ("right", RIGHT), ("other", RIGHT[:3])):
        with NpzWriter(tmp_path / f"{name}.npz") as writer:
            for poses in results:
                writer.write(poses)
    output = tmp_path / "both.mp4"
    files = [str(tmp_path / "left.npz"), str(tmp_path / "right.npz"), str(source)]
    monkeypatch.setattr(sys, "argv", ["side_by_side.py", *files, "--output", str(output)])
    side_by_side.main()
    times, _ = decode_fully(output)
    assert len(times) == 4
    files[0] = str(tmp_path / "other.npz")
    monkeypatch.setattr(sys, "argv", ["side_by_side.py", *files])
    with pytest.raises(SystemExit, match=r"^error: the results have different frames: 3 and 4$"):
        side_by_side.main()
