"""Files of other programs, intact or damaged: they load, or one line says why not."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from error_lines import error_line
from label_files import save
from some_poses import TIMES, clip
from video_files import make_video
from written_results import written_results

from tarvitpose import UserError, load_poses
from tarvitpose.config import POSE_FORMATS
from tarvitpose.formats.openpose import BODY_25, COCO_18
from tarvitpose.skeleton import COCO_17

PERSON = {"id": 1, "name": "person", "keypoints": ["nose", "left_wrist"]}
HEADER = "frame,time_s,track_id,joint,x,y,score\n"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return results of all formats."""
    return written_results(tmp_path_factory.mktemp("results"), POSE_FORMATS)


def refusal(path: Path) -> str:
    """Return why a file cannot be read, without its name, with which the line begins."""
    line = error_line(UserError, load_poses, path)
    assert line.startswith(str(path))
    return line.removeprefix(str(path)).lstrip(": ")


# ------------------------------------------------------------------------------- files of others


def test_labels_of_coco_load_without_what_they_do_not_have(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 42, "file_name": "a.jpg"}, {"id": 7, "width": 640, "height": 480}],
        "annotations": [
            {
                **{"image_id": 42, "category_id": 1, "bbox": [10, 20, 5, 6]},
                "keypoints": [1.5, 2, 2, 0, 0, 0],
            },
            {"image_id": 42, "category_id": 3, "bbox": [0, 0, 1, 1]},
        ],
        "categories": [PERSON, {"id": 3, "name": "car"}],
    }
    first, second = load_poses(save(tmp_path / "labels.json", content))
    assert (first.index, second.index) == (7, 42)
    assert (first.image_size, second.image_size) == ((480, 640), (0, 0))
    assert (len(first), len(second)) == (0, 1)
    assert first.joint_names == ("nose", "left_wrist")
    assert np.isnan(second.time)
    np.testing.assert_equal(second.keypoints, [[[1.5, 2], [np.nan, np.nan]]])
    assert np.isnan(second.scores).all()
    assert second.boxes.tolist() == [[10, 20, 15, 26]]
    assert second.track_ids.tolist() == [-1]


def test_results_of_coco_are_its_seventeen_joints_with_scores(tmp_path: Path) -> None:
    points = [value for j in range(1, 18) for value in (j, 2 * j, 0.25)]
    person = {"image_id": 3, "category_id": 1, "keypoints": points, "score": 0.5}
    (poses,) = load_poses(save(tmp_path / "results.json", [person]))
    assert (poses.index, poses.joint_names) == (3, COCO_17.joints)
    assert poses.keypoints[0, 16].tolist() == [17, 34]
    assert (poses.scores == 0.25).all()
    short = {**person, "keypoints": [1, 2, 3]}
    assert refusal(save(tmp_path / "short.json", [short])).endswith("expected 51 numbers")
    named = {**person, "image_id": "frame_1.jpg"}
    assert "[0].image_id: expected a whole number" in refusal(
        save(tmp_path / "named.json", [named])
    )


def test_posetracks_own_layout_of_predictions(tmp_path: Path) -> None:
    from tarvitpose.formats.posetrack_files import write_posetrack18
    from tarvitpose.metrics.posetrack_ap import PredictedFrame

    keypoints = np.arange(30.0).reshape(1, 15, 2) + 1
    keypoints[0, 4] = np.nan
    frame = PredictedFrame(keypoints, np.full((1, 15), 0.5), np.array([9]))
    write_posetrack18(tmp_path / "a.json", {"images/000000.jpg": frame}, {"images/000000.jpg": 5})
    (poses,) = load_poses(tmp_path / "a.json")
    assert (poses.index, poses.track_ids.tolist(), len(poses.joint_names)) == (5, [9], 17)
    assert poses.keypoints[0, poses.joint_names.index("head_top")].tolist() == [5, 6]
    absent = np.isnan(poses.keypoints[0]).any(1)
    names = {name for name, gone in zip(poses.joint_names, absent, strict=True) if gone}
    assert names == {"left_ear", "right_ear", "right_shoulder"}
    assert poses.scores[0, 0] == 0.5


def test_mmposes_inferencer_writes_a_list(tmp_path: Path) -> None:
    instance = {
        "keypoints": [[1.0, 2.0]] * 17,
        "keypoint_scores": [0.5] * 17,
        "bbox": [[1, 2, 3, 4]],
        "bbox_score": 0.9,
    }
    content = [{"frame_id": 0, "instances": []}, {"frame_id": 1, "instances": [instance]}]
    empty, poses = load_poses(save(tmp_path / "walk.json", content))
    assert (len(empty), poses.index, poses.joint_names) == (0, 1, COCO_17.joints)
    assert poses.boxes.tolist() == [[1, 2, 3, 4]]
    assert poses.box_scores.tolist() == [pytest.approx(0.9)]
    flat = {key: value for key, value in instance.items() if not key.startswith("bbox")}
    (poses,) = load_poses(
        save(tmp_path / "b.json", [{"frame_id": 4, "instances": [{**flat, "bbox": [1] * 4}]}])
    )
    assert poses.boxes.tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize("model", [BODY_25, COCO_18], ids=len)
def test_a_folder_that_openpose_wrote(tmp_path: Path, model: tuple[str, ...]) -> None:
    values = np.arange(3.0 * len(model)).reshape(-1, 3)
    values[4] = 0  # the right wrist is not seen
    values[:, 2] /= 100
    person = {"person_id": [-1], "pose_keypoints_2d": values.ravel().tolist()}
    for number, people in ((2, [person]), (10, [])):
        path = tmp_path / f"walk_{number:012d}_keypoints.json"
        save(path, {"version": 1.3, "people": people})
    first, second = load_poses(tmp_path)
    assert (first.index, second.index, len(second)) == (2, 10, 0)
    assert first.joint_names == model
    assert first.track_ids.tolist() == [-1]
    assert np.isnan(first.time)
    assert np.isnan(first.boxes).all()
    at = model.index("left_hip")
    assert first.keypoints[0, at].tolist() == [3 * at, 3 * at + 1]
    assert np.isnan(first.keypoints[0, model.index("right_wrist")]).all()
    (alone,) = load_poses(tmp_path / "walk_000000000002_keypoints.json")
    assert alone.index == 2


def test_openpose_files_of_images_are_counted(tmp_path: Path) -> None:
    for name in ("beach", "garden"):
        save(tmp_path / f"{name}_keypoints.json", {"people": []})
    assert [poses.index for poses in load_poses(tmp_path)] == [0, 1]


def test_the_places_of_openpose_are_those_of_its_manual() -> None:
    assert BODY_25[8] == "mid_hip"
    assert BODY_25[15:] == (
        *("right_eye", "left_eye", "right_ear", "left_ear"),
        *("left_big_toe", "left_small_toe", "left_heel"),
        *("right_big_toe", "right_small_toe", "right_heel"),
    )
    assert COCO_18[:9] == (*BODY_25[:8], "right_hip")
    assert (len(BODY_25), len(COCO_18)) == (25, 18)


def test_a_table_may_be_sorted_filtered_and_have_more_columns(tmp_path: Path) -> None:
    path = tmp_path / "edited.csv"
    path.write_text(
        "joint,frame,time_s,track_id,x,y,score,note\n"
        "nose,1,0.04,5,10,11,0.5,a\n"
        "nose,0,0.0,5,1,2,0.25,b\n"
        "knee,0,0.0,6,7,8,,c\n"
        "knee,1,0.04,5,12,,0.75,d\n",
        encoding="utf-8-sig",
    )
    first, second = load_poses(path)
    assert first.joint_names == second.joint_names == ("nose", "knee")
    assert (first.track_ids.tolist(), second.track_ids.tolist()) == ([5, 6], [5])
    nan = np.nan
    np.testing.assert_equal(first.keypoints, [[[1, 2], [nan, nan]], [[nan, nan], [7, 8]]])
    np.testing.assert_equal(first.scores, [[0.25, nan], [nan, nan]])
    np.testing.assert_equal(second.keypoints, [[[10, 11], [12, nan]]])


# --------------------------------------------------------------------------------- spoiled files


@pytest.mark.parametrize("kind", [kind for kind in POSE_FORMATS if kind != "openpose"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
def test_a_file_cut_off_is_refused(
    tmp_path: Path, written: dict[str, Path], kind: str, share: float
) -> None:
    whole = written[kind].read_bytes()
    path = tmp_path / written[kind].name
    path.write_bytes(whole[: int(share * len(whole))])
    if kind == "csv" and share:  # text that ends anywhere is a table as well
        assert len(load_poses(path)) < len(clip()) or share > 0.9
    else:
        assert refusal(path)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.json", "[]", "expected the JSON of COCO, PoseTrack18, MMPose or OpenPose"),
        ("a.json", '"poses"', "expected the JSON of COCO"),
        ("a.json", '{"annolist": [1]}', "is PoseTrack17 JSON; only the layout of 2018"),
        ("a.json", '{"images": []}', "categories is missing"),
        ("a.json", '{"images": [], "categories": []}', "categories: none has keypoints"),
        ("a.json", '{"instance_info": []}', "meta_info is missing"),
        ("a.json", '[{"frame_id": 0, "instances": 3}]', "[0].instances: expected a list"),
        (
            "a.json",
            '[{"frame_id": 0, "instances": [{"keypoints": [[1, 2]], "keypoint_scores": []}]}]',
            "[0].instances[0].keypoints: expected 17 points of two numbers",
        ),
        ("a.json", '{"people": [{"pose_keypoints_2d": [1, 2]}]}', "expected 75 or 54 numbers"),
        ("a.json", '{"people": [{}]}', "pose_keypoints_2d is missing"),
        ("a.csv", "", "lacks the column frame"),
        ("a.csv", "frame,x\n", "lacks the column time_s"),
        ("a.csv", HEADER, "no frame in this file"),
        ("a.csv", HEADER + "0,0,1,nose,a,2,3\n", "line 2: x: expected a number, found 'a'"),
        ("a.csv", HEADER + "0,0,one,nose,1,2,3\n", "line 2: track_id: expected a whole number"),
        ("a.csv", HEADER + "0,0,,nose,1,2,3\n", "frame 0: nose has no track_id"),
        ("a.csv", HEADER + ",0,1,nose,1,2,3\n", "a row has no frame"),
        ("a.csv", HEADER + 2 * "0,0,1,nose,1,2,3\n", "frame 0: track 1 has a joint twice"),
        ("a.csv", b"\xff\xfe\x00", "not readable CSV"),
        ("a.npz", "no zip", "not readable npz"),
        ("a.parquet", "no table", "not readable Parquet"),
        ("a.txt", "", "expected a folder of OpenPose files, or a file .json"),
    ],
)
def test_what_is_none_of_the_formats_is_refused(
    tmp_path: Path, name: str, content: str | bytes, line: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refusal(path).startswith(line) or line in refusal(path)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "walk.coco.json") == "no such file or folder"
    assert refusal(tmp_path).startswith(
        "no OpenPose files in this folder, expected NAME_NUMBER_keypoints"
    )


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("kind", "change", "line"),
    [
        (
            "coco",
            lambda c: c["annotations"][0]["keypoints"].pop(),
            "].keypoints: expected 45 numbers",
        ),
        ("coco", lambda c: c["annotations"][2].pop("keypoints_raw"), "only some people have raw"),
        ("coco", lambda c: c["images"].pop(0), "annotations[0]: image_id 0 is not among"),
        ("coco", lambda c: c["images"][0].update(time="soon"), "images[0].time: expected numbers"),
        ("coco", lambda c: c["images"][1].update(frame_id=0), "frame 0 comes twice"),
        (
            "posetrack",
            lambda c: c["categories"][0].update(predicted_keypoints=["tail"]),
            "tail is not among the keypoints",
        ),
        (
            "mmpose",
            lambda c: c["meta_info"].pop("num_keypoints"),
            "num_keypoints is missing",
        ),
        ("mmpose", lambda c: c["instance_info"][0]["instances"][0].update(bbox=[]), "4 numbers"),
        ("mmpose", lambda c: c["instance_info"][0].pop("frame_id"), "[0]: frame_id is missing"),
    ],
)
def test_what_is_missing_in_json_is_named(
    tmp_path: Path, written: dict[str, Path], kind: str, change: Change, line: str
) -> None:
    content = json.loads(written[kind].read_text(encoding="utf-8"))
    change(content)
    assert line in refusal(save(tmp_path / "a.json", content))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda a: a.pop("scores"), "lacks the array scores, expected offsets, joint_names"),
        (lambda a: a.update(offsets=a["offsets"][1:]), "offsets must be 6 whole numbers"),
        (lambda a: a.update(boxes=a["boxes"][1:]), "boxes: expected (6, 4) of float32, found (5,"),
        (lambda a: a.update(time=a["time"].astype(str)), "time: expected (5,) of float64"),
        (lambda a: a.update(scores=np.array([{}])), "not readable npz (Object arrays cannot be"),
    ],
)
def test_what_is_wrong_in_npz_is_named(
    tmp_path: Path, written: dict[str, Path], change: Change, line: str
) -> None:
    with np.load(written["npz"]) as file:
        arrays = dict(file)
    change(arrays)
    np.savez(tmp_path / "a.npz", **arrays)
    assert refusal(tmp_path / "a.npz").startswith(line)


def test_a_single_array_is_no_npz(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    assert refusal(tmp_path / "a.npz").startswith("not readable npz")


def test_what_is_wrong_in_parquet_is_named(tmp_path: Path, written: dict[str, Path]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(written["parquet"])
    path = tmp_path / "a.parquet"
    parquet.write_table(table.drop_columns(["score"]), path)
    assert refusal(path).startswith("lacks the column score, expected frame, time_s")
    words = table.set_column(4, "x", table.column("joint"))
    parquet.write_table(words, path)
    assert refusal(path) == "x: expected numbers, found a column of string"
    parquet.write_table(table.replace_schema_metadata(None), path)  # as pandas would write it
    assert [poses.image_size for poses in load_poses(path)] == [(0, 0)] * 5


# --------------------------------------------------------------------------------------- the page

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def test_python_of_the_page_runs_on_our_files(
    tmp_path: Path, written: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("pandas", "supervision", "pycocotools"):
        pytest.importorskip(package)
    (tmp_path / "results").mkdir()
    for path in written.values():
        (tmp_path / "results" / path.name.replace("walk", "dance")).symlink_to(path)
    make_video(tmp_path / "dance.mp4", TIMES)
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(compile(block, "formats.md", "exec"), space)
    assert len(space["nose"]) == 1  # of track 1, which is in the first frame alone


def test_the_page_names_every_format_and_every_field(written: dict[str, Path]) -> None:
    for kind in POSE_FORMATS:
        assert f"`{kind}`" in PAGE
    fields: set[str] = set()

    def collect(entry: dict[str, Any]) -> dict[str, Any]:
        fields.update(key for key in entry if not key.isdigit())
        return entry

    for path in written.values():
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"), object_hook=collect)
    fields -= {*clip()[0].joint_names}
    assert not {field for field in fields if f'"{field}"' not in PAGE and f"`{field}`" not in PAGE}


def test_openposes_face_and_hands_are_joints_of_the_whole_body(tmp_path: Path) -> None:
    person = {
        "pose_keypoints_2d": [1.0, 2.0, 0.5] * 25,
        "face_keypoints_2d": [value for at in range(70) for value in (at, at + 0.5, 0.25)],
        "hand_left_keypoints_2d": [value for at in range(21) for value in (at, -at, 1)],
        "hand_right_keypoints_2d": [],
    }
    save(tmp_path / "a_000000000000_keypoints.json", {"people": [person]})
    (poses,) = load_poses(tmp_path)
    assert len(poses.joint_names) == 25 + 68 + 21
    assert poses["face_67"].tolist() == [[67, 67.5]]
    assert poses["left_hand_root"].tolist() == [[0, 0]]
    assert poses["left_pinky_finger4"].tolist() == [[20, -20]]


def test_limbs_of_joints_that_no_set_has_come_from_the_file(tmp_path: Path) -> None:
    category = {"id": 1, "name": "person", "keypoints": ["nose", "left_horn", "hoof"]}
    for skeleton, limbs in ((["odd"], ()), ([[1, 2], [1, 3]], ((0, 1), (0, 2)))):
        content = {
            "images": [{"id": 0, "file_name": "a.jpg"}],
            "annotations": [{"image_id": 0, "category_id": 1, "keypoints": [1, 2, 2] * 3}],
            "categories": [{**category, "skeleton": skeleton}],
        }
        (poses,) = load_poses(save(tmp_path / "a.json", content))
        assert poses.limbs == limbs


def test_track_ids_are_also_read_where_cvat_keeps_them(
    written: dict[str, Path], tmp_path: Path
) -> None:
    content = json.loads(written["coco"].read_text(encoding="utf-8"))
    for person in content["annotations"]:  # as CVAT exports them
        for field in ("track_id", "keypoint_scores", "bbox_score", "keypoints_raw"):
            person.pop(field)
    (tmp_path / "cvat.json").write_text(json.dumps(content), encoding="utf-8")
    for poses, frame in zip(load_poses(tmp_path / "cvat.json"), clip(), strict=True):
        assert poses.track_ids.tolist() == frame.track_ids.tolist()
        assert poses.keypoints == pytest.approx(frame.keypoints, abs=1e-3)
