"""Every format: what is written is read back the same, and by other readers of the format."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from some_poses import TIMES, clip, smoothed, some_poses
from video_files import make_folder, make_video

from tarvitpose import load_poses
from tarvitpose.config import POSE_FORMATS, PredictConfig
from tarvitpose.errors import MissingDependencyError, OutputError
from tarvitpose.formats.writing import open_writer, output_paths
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import COCO_17, JOINT_SETS, POSETRACK_15
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.video.sources import open_source

EXACT = ("parquet", "npz")
TABLES = ("csv", "parquet")
CASES = [  # PoseTrack has no place for eyes and feet, which is a test of its own
    (kind, joints)
    for kind in POSE_FORMATS
    for joints in JOINT_SETS
    if kind != "posetrack" or joints.startswith("posetrack")
]
Frames = Sequence[FramePoses]


@pytest.fixture
def video(tmp_path: Path) -> Iterator[FrameSource]:
    """Yield a source with a name that is not ASCII, of as many frames as `clip` has."""
    (tmp_path / "in").mkdir()
    with open_source(make_video(tmp_path / "in" / "tänzer 舞.mp4", TIMES)) as source:
        yield source


def write(kind: str, source: FrameSource, frames: Frames, folder: Path) -> Path:
    """Write frames in one format, and return where they are."""
    config = PredictConfig(output=folder, formats=(kind,), render=False, weights="w")
    path = output_paths(source, config)[kind]
    with open_writer(kind, path, source, config) as writer:
        for poses in frames:
            writer.write(poses)
    return path


def single_person() -> FramePoses:
    """Return a frame with numbers that are easy to find in a file."""
    poses = replace(some_poses(7, 1, 0.28), track_ids=np.array([3]))
    poses.keypoints[0] = np.arange(30).reshape(15, 2) + 0.5
    poses.scores[:], poses.box_scores[:] = 0.5, 0.75
    poses.boxes[0] = 1, 2, 31, 42.25
    return poses


def assert_same(kind: str, loaded: Frames, written: Frames) -> None:
    """Check everything that a format carries, to the digits that it writes."""
    point, score = (0, 0) if kind in EXACT else (0.00051, 0.0000051)
    assert len(loaded) == len(written)
    for poses, expected in zip(loaded, written, strict=True):
        assert (poses.index, poses.joint_names) == (expected.index, expected.joint_names)
        assert poses.time == pytest.approx(expected.time, abs=0 if kind in EXACT else 5.1e-7)
        assert poses.image_size == ((0, 0) if kind == "csv" else expected.image_size)
        assert np.array_equal(poses.track_ids, expected.track_ids)
        np.testing.assert_allclose(poses.keypoints, expected.keypoints, rtol=0, atol=point)
        np.testing.assert_allclose(poses.scores, expected.scores, rtol=0, atol=score)
        if kind in TABLES:
            assert np.isnan(poses.boxes).all()
            assert np.isnan(poses.box_scores).all()
        else:
            np.testing.assert_allclose(poses.boxes, expected.boxes, rtol=0, atol=2.5 * point)
            np.testing.assert_allclose(poses.box_scores, expected.box_scores, rtol=0, atol=score)
        assert (poses.raw_keypoints is None) == (expected.raw_keypoints is None)
        if poses.raw_keypoints is not None and expected.raw_keypoints is not None:
            np.testing.assert_allclose(
                poses.raw_keypoints, expected.raw_keypoints, rtol=0, atol=point
            )
        shapes = [poses.keypoints.shape, poses.scores.shape, poses.boxes.shape]
        assert shapes == [(len(expected), len(expected.joint_names), 2), *expected_shapes(expected)]
        kinds = {values.dtype for values in (poses.keypoints, poses.scores, poses.boxes)}
        assert kinds == {np.dtype(np.float32)}
        assert poses.track_ids.dtype == np.int64


def expected_shapes(poses: FramePoses) -> list[tuple[int, ...]]:
    return [poses.scores.shape, poses.boxes.shape]


# ----------------------------------------------------------------------------------- there and back


@pytest.mark.parametrize(("kind", "joints"), CASES, ids=str)
@pytest.mark.parametrize("is_smoothed", [False, True])
def test_every_frame_comes_back(
    tmp_path: Path, video: FrameSource, kind: str, joints: str, is_smoothed: bool
) -> None:
    joint_set = JOINT_SETS[joints]
    frames = smoothed(clip(joint_set)) if is_smoothed else clip(joint_set)
    assert_same(kind, load_poses(write(kind, video, frames, tmp_path / "out")), frames)


def test_posetrack_has_no_place_for_eyes(tmp_path: Path, video: FrameSource) -> None:
    frames = smoothed(clip(COCO_17))
    loaded = load_poses(write("posetrack", video, frames, tmp_path / "out"))
    written_names = [name for name in COCO_17.joints if not name.endswith("eye")]
    at = [COCO_17.joints.index(name) for name in written_names]
    expected = [
        replace(
            poses,
            keypoints=poses.keypoints[:, at],
            raw_keypoints=poses.raw_keypoints[:, at],
            scores=poses.scores[:, at],
            joint_names=tuple(written_names),
        )
        for poses in frames
        if poses.raw_keypoints is not None
    ]
    assert_same("posetrack", loaded, expected)


@pytest.mark.parametrize("kind", POSE_FORMATS)
def test_a_video_with_nobody_in_it_has_all_its_frames(
    tmp_path: Path, video: FrameSource, kind: str
) -> None:
    frames = clip(people=(0,) * 5)
    loaded = load_poses(write(kind, video, frames, tmp_path / "out"))
    if kind == "csv":  # nothing in it tells the joints
        frames = [
            replace(poses, joint_names=(), keypoints=np.empty((0, 0, 2)), scores=np.empty((0, 0)))
            for poses in frames
        ]
    assert_same(kind, loaded, frames)


@pytest.mark.parametrize("kind", POSE_FORMATS)
def test_a_part_of_a_video_keeps_its_numbers(tmp_path: Path, video: FrameSource, kind: str) -> None:
    loaded = load_poses(write(kind, video, clip()[2:], tmp_path / "out"))
    assert [poses.index for poses in loaded] == [2, 3, 4]


@pytest.mark.parametrize("kind", POSE_FORMATS)
def test_a_folder_of_images_comes_back(tmp_path: Path, kind: str) -> None:
    folder = make_folder(tmp_path / "größe", ["b10.png", "b9.png", "bé.png"])
    with open_source(folder) as source:
        frames = [some_poses(frame.index, 1, frame.time) for frame in source]
        path = write(kind, source, frames, tmp_path / "out")
    assert_same(kind, load_poses(str(path)), frames)


@pytest.mark.parametrize("kind", POSE_FORMATS)
def test_the_same_frames_give_the_same_bytes(tmp_path: Path, video: FrameSource, kind: str) -> None:
    paths = [write(kind, video, clip(), tmp_path / folder) for folder in "ab"]
    if kind == "openpose":
        paths = [file for path in paths for file in path.glob("*2_keypoints.json")]
    first, second = (path.read_bytes() for path in paths)
    assert first == second


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_raw_keypoints_are_of_all_frames_or_of_none(
    tmp_path: Path, video: FrameSource, kind: str
) -> None:
    frames = [*smoothed(clip()[:1]), clip()[1]]
    with pytest.raises(ValueError, match="also without people"):
        write(kind, video, frames, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


# ------------------------------------------------------------------------------------- COCO, MMPose


def test_mmpose_is_as_its_demos_save_it(tmp_path: Path, video: FrameSource) -> None:
    path = write("mmpose", video, [single_person()], tmp_path / "out")
    content = json.loads(path.read_text(encoding="utf-8"))
    meta = content["meta_info"]
    assert (meta["dataset_name"], meta["num_keypoints"]) == ("posetrack15", 15)
    assert meta["keypoint_id2name"]["0"] == "nose"
    assert meta["keypoint_name2id"]["head_top"] == 2
    assert meta["flip_indices"] == list(POSETRACK_15.flip_order)
    assert [0, 2] in [sorted(pair) for pair in meta["skeleton_links"]]
    assert content["instance_info"] == [
        {
            "frame_id": 7,
            "width": 64,
            "height": 48,
            "time": 0.28,
            "instances": [
                {
                    "keypoints": [[2 * j + 0.5, 2 * j + 1.5] for j in range(15)],
                    "keypoint_scores": [0.5] * 15,
                    "bbox": [[1.0, 2.0, 31.0, 42.25]],
                    "bbox_score": 0.75,
                    "track_id": 3,
                }
            ],
        }
    ]


# ---------------------------------------------------------------------------------------- PoseTrack


def test_posetrack_is_as_it_was_published(tmp_path: Path, video: FrameSource) -> None:
    path = write("posetrack", video, [single_person()], tmp_path / "out")
    content = json.loads(path.read_text(encoding="utf-8"))
    (image,), (person,), (category,) = (
        content[key] for key in ("images", "annotations", "categories")
    )
    assert image["file_name"] == "tänzer 舞/000007.jpg"
    assert (image["id"], image["frame_id"], image["is_labeled"]) == (7, 7, True)
    assert category["keypoints"][:6] == [
        *("nose", "head_bottom", "head_top", "left_ear", "right_ear", "left_shoulder")
    ]
    assert person["keypoints"][:18] == [
        *(0.5, 1.5, 1, 2.5, 3.5, 1, 4.5, 5.5, 1),
        *(0, 0, 0, 0, 0, 0, 6.5, 7.5, 1),
    ]
    assert person["scores"][:6] == [0.375, 0.375, 0.375, 0, 0, 0.375]  # joint times box
    assert person["keypoint_scores"][:6] == [0.5, 0.5, 0.5, 0, 0, 0.5]
    assert (person["track_id"], person["image_id"], person["num_keypoints"]) == (3, 7, 15)
    assert isinstance(person["num_keypoints"], int)


def labels_of(path: Path) -> dict[str, Any]:
    """Return what people would have labelled, had they labelled what a file predicts."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for person in content["annotations"]:
        del person["scores"]
        person["bbox_head"] = [0, 0, 4, 3]
    return content


def test_our_evaluator_reads_posetrack_beside_other_results(tmp_path: Path) -> None:
    from posetrack_scores import average_precision

    from tarvitpose.evaluation.posetrack_pairs import paired_files, read_pairs

    out, labels = tmp_path / "out", tmp_path / "labels"
    labels.mkdir()
    folder = make_folder(tmp_path / "walk", [f"00000{i}.png" for i in range(5)])
    with open_source(folder) as source:
        path = write("posetrack", source, clip(), out)
        write("coco", source, clip(), out)
    (labels / "walk.json").write_text(json.dumps(labels_of(path)))
    ((predictions, annotations),) = paired_files(out, labels)
    assert predictions.name == "walk.posetrack.json"
    pairs = read_pairs(predictions, annotations)
    assert len(pairs) == 3  # frames with people
    assert set(average_precision(pairs).joints.values()) == {100.0}


# ----------------------------------------------------------------------------------------- OpenPose


def test_openpose_is_as_its_readers_know_it(tmp_path: Path, video: FrameSource) -> None:
    poses = single_person()
    poses.scores[0, 3] = 0.25  # the left shoulder
    folder = write("openpose", video, [poses, some_poses(8, 0, 0.32)], tmp_path / "out")
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"tänzer 舞_00000000000{i}_keypoints.json" for i in (7, 8)]
    content = json.loads((folder / names[0]).read_text(encoding="utf-8"))
    assert list(content) == ["version", "people", "tarvitpose"]
    (person,) = content["people"]
    assert (content["version"], person["person_id"]) == (1.3, [3])
    body = np.array(person["pose_keypoints_2d"]).reshape(25, 3)
    left, right = POSETRACK_15.joints.index("left_shoulder"), POSETRACK_15.joints.index("left_hip")
    by_place = {  # OpenPose's numbers of joints
        0: [0.5, 1.5, 0.5],  # nose
        1: [7.5, 8.5, 0.25],  # neck, in the middle of the shoulders
        2: [8.5, 9.5, 0.5],  # right shoulder
        5: [2 * left + 0.5, 2 * left + 1.5, 0.25],
        8: [2 * right + 1.5, 2 * right + 2.5, 0.5],  # mid hip
        12: [2 * right + 0.5, 2 * right + 1.5, 0.5],  # left hip
    }
    for number, point in by_place.items():
        assert body[number].tolist() == point, number
    assert not body[15:].any()  # eyes, ears and feet, which were not predicted
    empty = [key for key, value in person.items() if value == []]
    assert sorted(empty) == sorted(
        f"{part}_keypoints_{n}d"
        for part in ("pose", "face", "hand_left", "hand_right")
        for n in (2, 3)
        if (part, n) != ("pose", 2)
    )
    assert person["tarvitpose"]["keypoints"] == {
        "head_bottom": [2.5, 3.5, 0.5],
        "head_top": [4.5, 5.5, 0.5],
    }
    assert json.loads((folder / names[1]).read_text(encoding="utf-8"))["people"] == []


def test_eyes_and_ears_have_a_place_in_openpose(tmp_path: Path, video: FrameSource) -> None:
    folder = write("openpose", video, [some_poses(0, 1, 0.0, COCO_17)], tmp_path / "out")
    (path,) = folder.iterdir()
    (person,) = json.loads(path.read_text(encoding="utf-8"))["people"]
    body = np.array(person["pose_keypoints_2d"]).reshape(25, 3)
    expected = some_poses(0, 1, 0.0, COCO_17).keypoints[0, [2, 1, 4, 3]]
    np.testing.assert_allclose(body[15:19, :2], expected, atol=0.00051)
    assert person["tarvitpose"]["keypoints"] == {}


def test_a_folder_of_other_things_is_never_replaced(tmp_path: Path, video: FrameSource) -> None:
    folder = tmp_path / "out" / "tänzer 舞.openpose"
    folder.mkdir(parents=True)
    (folder / "diary.txt").touch()
    with pytest.raises(OutputError, match=r"holds other files, such as diary.txt"):
        write("openpose", video, clip(), tmp_path / "out")
    (folder / "diary.txt").rename(tmp_path / "diary.txt")
    (folder / "old_000000000099_keypoints.json").touch()
    write("openpose", video, clip(), tmp_path / "out")
    assert len(list(folder.iterdir())) == 5
    assert not list(folder.glob("old*"))


# -------------------------------------------------------------------------------- tables and arrays


def test_parquet_is_the_table_of_csv(tmp_path: Path, video: FrameSource) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    frames = smoothed(clip())
    table = parquet.read_table(write("parquet", video, frames, tmp_path / "out"))
    with write("csv", video, frames, tmp_path / "out").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert table.column_names == rows[0]
    assert [str(kind) for kind in table.schema.types] == [
        *("int64", "double", "int64", "string", "float", "float", "float", "float", "float")
    ]
    for mine, theirs in zip(zip(*table.to_pydict().values(), strict=True), rows[1:], strict=True):
        for value, cell in zip(mine, theirs, strict=True):
            if isinstance(value, float):
                assert float(cell) == pytest.approx(value, abs=0.00051)
            else:
                assert cell == ("" if value is None else str(value))


def test_row_groups_bound_the_memory(
    tmp_path: Path, video: FrameSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("tarvitpose.formats.parquet.ROWS", 32)
    path = write("parquet", video, clip(), tmp_path / "out")
    file = parquet.ParquetFile(path)
    sizes = [file.metadata.row_group(at).num_rows for at in range(file.metadata.num_row_groups)]
    assert sizes == [30 + 1 + 15, 1 + 45]  # whole frames, until there are enough
    assert_same("parquet", load_poses(path), clip())


def test_parquet_without_pyarrow_is_refused_before_the_work(
    tmp_path: Path, video: FrameSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"--format parquet .*tarvitpose\[parquet\]"):
        output_paths(video, PredictConfig(output=tmp_path, formats=("parquet",)))


def test_npz_is_arrays_and_no_pickles(tmp_path: Path, video: FrameSource) -> None:
    frames = clip()
    path = write("npz", video, frames, tmp_path / "out")
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    assert arrays["offsets"].tolist() == [0, 2, 2, 3, 3, 6]
    assert arrays["joint_names"].tolist() == list(POSETRACK_15.joints)
    assert arrays["keypoints"].shape == (6, 15, 2)
    assert np.array_equal(arrays["keypoints"][3:6], frames[4].keypoints)
    assert arrays["time"].tolist() == list(TIMES)
    assert "raw_keypoints" not in arrays


# ------------------------------------------------------------------------------------------ bridges


def test_a_data_frame_is_the_table_of_the_file(tmp_path: Path, video: FrameSource) -> None:
    pd = pytest.importorskip("pandas")
    frames = smoothed(clip())
    table = pd.concat([poses.to_dataframe() for poses in frames], ignore_index=True)
    assert table.columns.tolist() == [
        *("frame", "time_s", "track_id", "joint", "x", "y", "score", "x_raw", "y_raw")
    ]
    read = pd.read_parquet(write("parquet", video, frames, tmp_path / "out"))
    for name in table.columns:
        ours, theirs = (entry[name].astype(object).fillna(-1).tolist() for entry in (table, read))
        assert ours == theirs
    nose = table[table.joint == "nose"]
    assert nose.groupby("frame").size().to_dict() == {0: 2, 2: 1, 4: 3}
    assert table[table.frame == 1].track_id.isna().all()


def test_supervision_gets_everything_by_its_own_names() -> None:
    sv = pytest.importorskip("supervision")
    (poses,) = smoothed([some_poses(0, 2, 0.0)])
    points = poses.to_supervision()
    assert isinstance(points, sv.KeyPoints)
    assert np.array_equal(points.xy, poses.keypoints)
    assert np.array_equal(points.keypoint_confidence, poses.scores)
    assert np.array_equal(points.detection_confidence, poses.box_scores)
    assert points.data["tracker_id"].tolist() == [1, 2]
    assert np.array_equal(points.data["xy_raw"], poses.raw_keypoints)
    second = points[1]
    assert np.array_equal(second.data["xyxy"], poses.boxes[1:])
    image = np.zeros((100, 100, 3), np.uint8)
    assert sv.VertexAnnotator(radius=3).annotate(image, points).any()
    assert len(some_poses(0, 0, 0.0).to_supervision()) == 0


def test_supervision_keeps_tracks_in_detections_and_selections() -> None:
    pytest.importorskip("supervision")
    poses = some_poses(1, 3, 0.0)
    points = poses.to_supervision()
    assert points.as_detections().tracker_id.tolist() == [11, 12, 13]
    assert points["tracker_id"].tolist() == [11, 12, 13]
    for some in (points[[2, 0]], points[np.array([True, False, True])], points[1:][:, [0, 5]]):
        assert some.as_detections().tracker_id.tolist() == some.data["tracker_id"].tolist()
        assert len(some) == 2
    assert len(some_poses(0, 0, 0.0).to_supervision().as_detections().tracker_id) == 0


def test_supervision_draws_the_limbs() -> None:
    sv = pytest.importorskip("supervision")
    poses = some_poses(0, 1, 0.0)
    points = np.stack(np.meshgrid([20, 50, 80], [10, 30, 50, 70, 90]), -1).reshape(1, 15, 2)
    poses = replace(poses, keypoints=points.astype(np.float32))
    image = np.zeros((100, 100, 3), np.uint8)
    drawn = sv.EdgeAnnotator(thickness=1).annotate(image.copy(), poses.to_supervision())
    edges = [(a + 1, b + 1) for a, b in poses.limbs]
    by_hand = sv.EdgeAnnotator(thickness=1, edges=edges).annotate(image, poses.to_supervision())
    assert drawn.any()
    assert np.array_equal(drawn, by_hand)
    for a, b in POSETRACK_15.limb_indices:
        x, y = points[0, [a, b]].mean(0).astype(int)
        assert drawn[y - 1 : y + 2, x - 1 : x + 2].any()


@pytest.mark.parametrize(
    ("package", "call"), [("pandas", "to_dataframe"), ("supervision", "to_supervision")]
)
def test_a_bridge_without_its_package_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, package: str, call: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"{call} needs .*pip install 'tarvitpose\["):
        getattr(some_poses(0, 1, 0.0), call)()
