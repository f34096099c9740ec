"""Predictions into files, files into numbers: with a network that knows the answer, or errs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_files import (
    NAMES,
    dcpose,
    frame17,
    image_dcpose,
    person17,
    person18,
    save,
    save_images,
    video18,
)
from posetrack_scores import average_precision
from tiny_models import tiny_model

from tarvitpose.config import window_offsets
from tarvitpose.errors import DataError, OutputError
from tarvitpose.evaluation.boxes import Boxes, open_boxes
from tarvitpose.evaluation.calibration import CALIBRATION
from tarvitpose.evaluation.comparison import (
    DIFFERENCE,
    SINGLE_FRAME,
    TEMPORAL,
    ModeComparison,
)
from tarvitpose.evaluation.datasets import LabelledVideo, every_nth, read_labelled
from tarvitpose.evaluation.people_scores import BOX, HEAD, JITTER, OKS, TORSO
from tarvitpose.evaluation.posetrack_pairs import paired_files, read_pairs
from tarvitpose.evaluation.run import Evaluation, evaluate, load_predictors
from tarvitpose.evaluation.scores import AP, LIMBS_AP, OKS_AP
from tarvitpose.formats.posetrack_files import read_predictions
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.inference.predictor import Predictor
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.skeleton import BODY, JOINT_SETS, POSETRACK_15
from tarvitpose.utils.arrays import Float32, UInt8

TRUE_BOXES = Boxes("ground truth", None)
MODEL = tiny_model()
Points = dict[str, tuple[float, float]]


class Oracle:
    """Stands for a predictor: knows where everybody is by the box, and may err by some pixels."""

    def __init__(self, videos: list[LabelledVideo], shift: float = 0, **how: Any) -> None:
        model = how.pop("model", MODEL)
        like = Predictor(TorchEngine(model, device="cpu", precision="fp32"), **how)
        self.engine, self.config, self.offsets = like.engine, like.config, like.offsets
        self.batch_size, self.flip_test = like.batch_size, like.flip_test
        self.shift = shift
        self.asked: list[tuple[int, int]] = []  # images in each window, people
        self.answers = {
            tuple(box): pose
            for video in videos
            for frame in video.frames
            for box, pose in zip(frame.people.boxes.tolist(), frame.people.keypoints, strict=True)
        }

    def joints(
        self, frames: Sequence[Sequence[UInt8]], boxes: Sequence[Float32]
    ) -> list[PoseArrays]:
        self.asked += [(len(window), len(some)) for window, some in zip(frames, boxes, strict=True)]
        return [self._answer(some) for some in boxes]

    def _answer(self, boxes: Float32) -> PoseArrays:
        count = len(self.config.joints)
        metrics = [self.answers[tuple(box)] for box in boxes.tolist()]
        points = np.array(metrics, np.float32).reshape(-1, *np.shape(metrics)[1:] or (count, 2))
        scores = np.full((len(boxes), count), 0.5, np.float32)
        return PoseArrays(points[:, :count] + np.float32(self.shift), scores)


def pose(left: float, top: float) -> Points:
    """Return all 15 joints, the torso 20 pixels across, on a grid that no two share."""
    points = {name: (left + 3 * (at % 2), top + at) for at, name in enumerate(BODY)}
    points |= {"nose": (left, top - 3), "head_top": (left, top - 8), "head_bottom": (left, top)}
    points |= {"left_shoulder": (left, top), "right_hip": (left + 12, top + 16)}
    return points | {"right_shoulder": (left + 12, top), "left_hip": (left, top + 16)}


def flat(points: Points) -> list[float]:
    return [value for name in NAMES for value in (*points.get(name, (0, 0)), int(name in points))]


def person(image_id: int, track: int, left: float, **changes: Any) -> dict[str, Any]:
    """Return a person whose head is 6 pixels large: 3 are a hit for PCKh and AP."""
    points = flat(pose(left + image_id / 4, 15))
    box = [left + image_id / 4, 5, 20, 50]
    return person18(image_id, track, keypoints=points, bbox=box, bbox_head=[0, 0, 6, 8], **changes)


def write_videos(root: Path, names: Sequence[str] = ("a", "b")) -> Path:
    """Write videos of four frames, two labelled with two people each, and their images."""
    for name in names:
        folder = f"images/val/{name}"
        people = [person(at, track, 10.0 + 40 * track) for at in (88, 89) for track in (0, 1)]
        save(root / "annotations" / f"{name}.json", video18(people, folder=folder))
        save_images(root, [f"{folder}/{at:06d}.jpg" for at in range(4)])
    return root / "annotations"


def read(annotations: Path, layout: Any = "posetrack18", joints: str = "posetrack15") -> Any:
    return read_labelled(layout, annotations, JOINT_SETS[joints])


def both(videos: list[LabelledVideo], single: float = 2.5, **how: Any) -> dict[str, Any]:
    """Return a single-frame mode that errs, and a temporal one that does not."""
    return {
        SINGLE_FRAME: Oracle(videos, single, temporal="none", **how),
        TEMPORAL: Oracle(videos, **how),
    }


def by_metric(result: Evaluation) -> dict[str, ModeComparison]:
    return {comparison.metric: comparison for comparison in result.comparisons}


def test_the_truth_scores_100_and_an_error_costs_what_it_should(tmp_path: Path) -> None:
    videos = read(write_videos(tmp_path))
    # 2.5 pixels to the right and down are 3.5: more than half of the head's 6, less than 0.2 x 20.
    result = evaluate(both(videos), videos, TRUE_BOXES, samples=50)
    assert (result.boxes, result.videos, result.frames, result.people) == ("ground truth", 2, 4, 8)
    assert result.warnings == ()
    metrics = by_metric(result)
    assert list(metrics) == [AP, TORSO, HEAD, BOX, CALIBRATION]
    assert set(metrics[AP].values[TEMPORAL].values()) == {100}
    assert set(metrics[AP].values[SINGLE_FRAME].values()) == {0}
    assert set(metrics[HEAD].rows[DIFFERENCE].values()) == {100}
    assert set(metrics[TORSO].rows[DIFFERENCE].values()) == {0}
    assert metrics[AP].intervals[DIFFERENCE]["mean"] == (100, 100)
    assert metrics[HEAD].intervals[SINGLE_FRAME]["Wrist"] == (0, 0)
    assert "8 people" in metrics[TORSO].note


def test_windows_are_real_neighbours_and_single_frames_need_none(tmp_path: Path) -> None:
    videos = read(write_videos(tmp_path, ["a"]))
    predictors: Any = both(videos)
    evaluate(predictors, videos, TRUE_BOXES, samples=0)
    length = len(window_offsets(MODEL.config.offsets)[0])
    assert predictors[TEMPORAL].asked == [(length, 2)] * 2
    assert predictors[SINGLE_FRAME].asked == [(1, 2)] * 2


def test_files_are_kept_and_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    annotations, output = write_videos(tmp_path), tmp_path / "made"
    videos = read(annotations)
    first = evaluate(both(videos), videos, TRUE_BOXES, samples=0, output=output)
    files = sorted(str(path.relative_to(output)) for path in output.rglob("*.*"))
    assert files == [
        "evaluation.json",
        *("single-frame/a.json", "single-frame/b.json", "temporal/a.json", "temporal/b.json"),
    ]
    (output / "temporal" / "b.json").unlink()
    predictors: Any = both(videos)
    done: list[tuple[int, int]] = []
    again = evaluate(
        *(predictors, videos, TRUE_BOXES),
        **{"samples": 0, "output": output, "on_frames": lambda *frames: done.append(frames)},
    )
    assert again == first
    assert (len(predictors[TEMPORAL].asked), len(predictors[SINGLE_FRAME].asked)) == (2, 0)
    assert done == [(2, 4)]
    everything: Any = both(videos)
    evaluate(everything, videos, TRUE_BOXES, samples=0, output=output, overwrite=True)
    assert len(everything[SINGLE_FRAME].asked) == 4


def test_the_files_score_the_same_as_a_submission(tmp_path: Path) -> None:
    annotations, output = write_videos(tmp_path), tmp_path / "made"
    videos = read(annotations)
    result = evaluate(both(videos, 2), videos, TRUE_BOXES, samples=0, output=output)
    for mode, values in by_metric(result)[AP].values.items():
        pairs = [read_pairs(*pair) for pair in paired_files(output / mode, annotations)]
        assert average_precision([pair for frames in pairs for pair in frames]).columns == values


def test_a_submission_has_ids_tracks_and_scores(tmp_path: Path) -> None:
    annotations, output = write_videos(tmp_path, ["a"]), tmp_path / "made"
    videos = read(annotations)
    evaluate({SINGLE_FRAME: Oracle(videos)}, videos, TRUE_BOXES, samples=0, output=output)
    content = json.loads((output / SINGLE_FRAME / "a.json").read_text())
    assert [image["id"] for image in content["images"]] == [87, 88, 89, 90]  # the annotations'
    assert [person["image_id"] for person in content["annotations"]] == [88, 88, 89, 89]
    assert [person["track_id"] for person in content["annotations"]] == [1, 2, 1, 2]  # in time
    marks = dict(zip(NAMES, content["annotations"][0]["scores"], strict=True))
    assert (marks["nose"], marks["left_ear"]) == (0.5, 0)


def test_the_score_of_a_joint_is_weighed_with_the_one_of_its_box(tmp_path: Path) -> None:
    annotations, output = write_videos(tmp_path, ["a"]), tmp_path / "made"
    [video] = read(annotations)
    entries = [
        {"image_name": frame.name, "bbox": [*box[:2], 20, 50], "score": 0.8, "category_id": 1}
        for frame in video.frames
        for box in frame.people.boxes.tolist()
    ]
    boxes = open_boxes(str(save(tmp_path / "boxes.json", entries)), None, "cpu")
    result = evaluate(both([video]), [video], boxes, samples=0, output=output)
    assert list(by_metric(result)) == [AP]  # PCK is for labelled boxes
    assert by_metric(result)[AP].values[TEMPORAL]["mean"] == 100
    predicted = read_predictions(output / TEMPORAL / "a.json")
    for frame in video.frames:
        assert predicted[frame.name].scores == pytest.approx(np.full((2, 15), 0.4))


def test_a_truth_of_2017_is_answered_in_both_layouts(tmp_path: Path) -> None:
    frames = [frame17(2, person17(3, pose(10, 15)), person17(4, pose(50, 15))), frame17(3)]
    path = save(tmp_path / "annotations" / "clip.json", {"annolist": frames})
    save_images(tmp_path, [f"images/val/clip/{at:08d}.jpg" for at in (1, 2, 3)])
    videos, output = read(path, "posetrack17"), tmp_path / "made"
    result = evaluate(both(videos), videos, TRUE_BOXES, samples=9, output=output)
    assert by_metric(result)[AP].values[TEMPORAL]["mean"] == 100
    assert not by_metric(result)[AP].intervals  # one video cannot be drawn from
    same = [
        read_predictions(output / f"temporal{end}" / "clip.json") for end in ("", "-posetrack17")
    ]
    for first, other in zip(*(frames.values() for frames in same), strict=True):
        assert np.array_equal(first.keypoints, other.keypoints)


def test_a_merged_file_is_written_video_by_video(tmp_path: Path) -> None:
    names = [f"images/val/{video}/{at:06d}.jpg" for video in "ab" for at in (0, 1)]
    images = [image_dcpose(at, name, 3) for at, name in enumerate(names)]
    path = save(tmp_path / "all.json", dcpose(images, [person(at, 0, 10) for at in range(4)]))
    save_images(tmp_path, names)
    videos, output = read(path, "dcpose"), tmp_path / "made"
    result = evaluate(both(videos), videos, TRUE_BOXES, samples=9, output=output)
    assert sorted(path.name for path in (output / TEMPORAL).iterdir()) == ["a.json", "b.json"]
    assert by_metric(result)[AP].values[TEMPORAL]["mean"] == 100
    [warning] = result.warnings
    assert warning.startswith("2 neighbouring images are missing")  # the third of each video


def test_a_thinned_video_has_its_middle_frames_and_no_jitter(tmp_path: Path) -> None:
    folder = "images/val/a"
    people = [person(90 - at, 0, 10.0) for at in range(6)]
    content = video18(people, numbers=range(6), labelled=range(6), folder=folder)
    save(tmp_path / "annotations" / "a.json", content)
    save_images(tmp_path, [f"{folder}/{at:06d}.jpg" for at in range(6)])
    videos = read(tmp_path / "annotations")
    whole = by_metric(evaluate(both(videos), videos, TRUE_BOXES, samples=0))
    assert whole[JITTER].rows[DIFFERENCE]["mean"] == 0  # both are shifted alike in all frames
    thinned = every_nth(videos, 2)
    assert [frame.current for frame in thinned[0].frames] == [1, 3, 5]
    result = evaluate(both(thinned), thinned, TRUE_BOXES, samples=0)
    assert result.frames == 3
    assert JITTER not in by_metric(result)
    with pytest.raises(DataError, match="no labelled frame is left of one in 13"):
        every_nth(videos, 13)


def test_videos_whose_heads_nobody_labelled_have_no_ap(tmp_path: Path) -> None:
    annotations = write_videos(tmp_path)
    limbs = [at for at, name in enumerate(NAMES) if name.startswith(("left", "right"))]
    for file in annotations.iterdir():  # as JHMDB is converted: limbs, and no head boxes
        content = json.loads(file.read_text())
        content["categories"][0]["keypoints"] = [NAMES[at] for at in limbs]
        for people in content["annotations"]:
            del people["bbox_head"]
            points = np.reshape(people["keypoints"], (-1, 3))[limbs]
            people["keypoints"] = points.ravel().tolist()
        file.write_text(json.dumps(content))
    videos = read(annotations)
    result = evaluate(both(videos, 9), videos, TRUE_BOXES, samples=50)
    assert list(by_metric(result)) == [TORSO, BOX, CALIBRATION]
    box = by_metric(result)[BOX]
    assert (box.values[SINGLE_FRAME]["limbs"], box.values[TEMPORAL]["limbs"]) == (0, 100)
    assert box.intervals[DIFFERENCE]["limbs"] == (100, 100)
    assert result.warnings == (
        "nose, head_bottom, head_top are not labelled here, so there is no PoseTrack AP",
    )


def test_videos_without_head_boxes_have_no_ap(tmp_path: Path) -> None:
    annotations = write_videos(tmp_path)
    for file in annotations.iterdir():  # all joints, as of rendered people
        content = json.loads(file.read_text())
        for labelled in content["annotations"]:
            del labelled["bbox_head"]
        file.write_text(json.dumps(content))
    videos = read(annotations)
    result = evaluate(both(videos, 9), videos, TRUE_BOXES, samples=0)
    assert list(by_metric(result)) == [TORSO, HEAD, BOX, CALIBRATION]
    assert result.warnings == ("head boxes are not labelled here, so there is no PoseTrack AP",)


def write_stills(root: Path, names: Sequence[str], points: Sequence[Points]) -> Path:
    images = [{"id": at, "file_name": f"images/{at:03d}.jpg"} for at in range(1, len(points) + 2)]
    people = [
        person18(
            at,
            0,
            keypoints=[v for name in names for v in (*point.get(name, (0, 0)), int(name in point))],
            bbox=[5 + at, 5, 30, 40],
            area=1600,
        )
        for at, point in enumerate(points, 1)
    ]
    content = {"images": images, "annotations": people}
    categories = [{"id": 1, "name": "person", "keypoints": list(names)}]
    save_images(root, [image["file_name"] for image in images])
    return save(root / "stills.json", {**content, "categories": categories})


@pytest.mark.parametrize("joints", ["posetrack15", "coco17"])
def test_stills_get_cocos_ap(tmp_path: Path, joints: str) -> None:
    pytest.importorskip("faster_coco_eval")
    names, model = JOINT_SETS[joints].joints, tiny_model(joint_set=joints)
    points = [{name: (9.0 + at, 20.0 + i) for i, name in enumerate(names)} for at in range(3)]
    videos = read(write_stills(tmp_path, names, points), "coco", joints)
    result = evaluate(both(videos, 30, model=model), videos, TRUE_BOXES, samples=9)
    metrics = by_metric(result)
    assert (result.frames, result.people) == (4, 3)  # one image has nobody in it
    assert metrics[OKS_AP].values[TEMPORAL]["AP"] == 100
    assert metrics[OKS_AP].values[SINGLE_FRAME]["AP"] == 0
    assert metrics[OKS_AP].intervals[DIFFERENCE]["AP"] == (100, 100)
    assert metrics[LIMBS_AP].values[TEMPORAL]["AP"] == 100
    assert metrics[OKS].values[TEMPORAL]["limbs"] == pytest.approx(100)
    assert metrics[TORSO].rows[DIFFERENCE]["Wrist"] == 100
    assert metrics[TORSO].intervals[DIFFERENCE]["mean"] == (100, 100)  # over the stills
    assert result.warnings == ()


def test_a_model_of_cocos_joints_lacks_some_of_posetracks(tmp_path: Path) -> None:
    videos = read(write_videos(tmp_path))
    oracle = Oracle(videos, temporal="none", model=tiny_model(joint_set="coco17"))
    order = [POSETRACK_15.joints.index(name) if name in POSETRACK_15.joints else 0
             for name in JOINT_SETS["coco17"].joints]  # fmt: skip
    oracle.answers = {box: pose[order] for box, pose in oracle.answers.items()}
    result = evaluate({SINGLE_FRAME: oracle}, videos, TRUE_BOXES, samples=0)
    values = {
        comparison.metric: comparison.values[SINGLE_FRAME] for comparison in result.comparisons
    }
    assert (values[AP]["head_top"], values[AP]["nose"]) == (0, 100)
    assert values[TORSO]["mean"] == 100  # joints it cannot know are not asked for
    assert result.warnings == (
        "the model has no head_bottom and no head_top; PoseTrack counts them as not found",
    )


def test_predictions_are_not_reused_for_other_data_or_another_config(tmp_path: Path) -> None:
    annotations, output = write_videos(tmp_path, ["a"]), tmp_path / "made"
    videos, file = read(annotations), annotations / "a.json"
    boxes = save(tmp_path / "boxes.json", [])

    def run(model: Any = MODEL) -> None:
        chosen = open_boxes(str(boxes), None, "cpu")
        evaluate(both(read(annotations), model=model), videos, chosen, samples=0, output=output)

    run()
    run()
    content = json.loads(file.read_text())
    curve = ((0.0, 0.0), (1.0, 0.9))  # config.json alone, as `calibrate` writes it
    with pytest.raises(
        OutputError, match=r"\(model\.score_curve: none -> .*--overwrite or another"
    ):
        run(tiny_model(score_curve=curve))
    person = {"image_id": 1, "bbox": [10, 5, 20, 50], "score": 0.8, "category_id": 1}
    save(boxes, [person])
    with pytest.raises(
        OutputError, match=r"\(boxes: \w{12}\.\.\., score 0\.2 or more -> \w{12}\.\.\.,"
    ):
        run()
    save(boxes, [])
    save(file, {**content, "annotations": content["annotations"][:-1]})
    with pytest.raises(
        OutputError, match=r"\(videos\.a\.annotations: \w{12}\.\.\. -> \w{12}\.\.\.\)"
    ):
        run()
    save(file, content)
    run()
    image = videos[0].frames[0].frames[videos[0].frames[0].current]
    image.write_bytes(image.read_bytes() + b"changed")
    with pytest.raises(OutputError, match=r"\(videos\.a\.images: \w{12}\.\.\. -> \w{12}\.\.\.\)"):
        run()


def test_boxes_may_move_and_videos_be_added(tmp_path: Path) -> None:
    annotations, output = write_videos(tmp_path, ["a"]), tmp_path / "made"

    def run(boxes: Path, limit: int | None = None) -> int:
        """Evaluate, and return how many frames were asked for."""
        videos = read(annotations)[:limit]
        predictors: Any = both(videos)
        chosen = open_boxes(str(save(boxes, [])), None, "cpu")
        evaluate(predictors, videos, chosen, samples=0, output=output)
        return len(predictors[TEMPORAL].asked)

    assert run(tmp_path / "boxes.json") == 2
    assert run(tmp_path / "moved.json") == 0
    write_videos(tmp_path, ["b"])
    assert run(tmp_path / "moved.json") == 2
    assert run(tmp_path / "moved.json", limit=1) == 0
    assert list(json.loads((output / "evaluation.json").read_text())["videos"]) == ["a", "b"]


def test_more_stills_are_not_what_fewer_were(tmp_path: Path) -> None:
    """All stills of a file are one file of predictions, of those that --limit left."""
    pytest.importorskip("faster_coco_eval")
    names = POSETRACK_15.joints
    points = [{name: (9.0 + at, 20.0 + i) for i, name in enumerate(names)} for at in range(3)]
    path, output = write_stills(tmp_path, names, points), tmp_path / "made"
    boxes = open_boxes(str(save(tmp_path / "boxes.json", [])), None, "cpu")
    for limit in (2, 4):
        videos = read_labelled("coco", path, POSETRACK_15, limit=limit)
        if limit == 2:
            evaluate(both(videos), videos, boxes, samples=0, output=output)
            continue
        with pytest.raises(OutputError, match=r"videos\.stills\.stills: 2 -> 4"):
            evaluate(both(videos), videos, boxes, samples=0, output=output)


def test_a_labelled_image_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    videos = read(write_videos(tmp_path, ["a"]))
    (tmp_path / "images" / "val" / "a" / "000001.jpg").unlink()
    with pytest.raises(DataError, match=r"000001\.jpg"):
        evaluate(both(videos), videos, TRUE_BOXES, samples=0, output=tmp_path / "made")
    assert not (tmp_path / "made" / TEMPORAL).exists()


def test_a_real_network_answers_alike_in_batches_of_any_size(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    MODEL.save_pretrained(weights)
    videos, metrics = read(write_videos(tmp_path)), []
    for size in (1, 3, 64):
        predictors = load_predictors(str(weights), device="cpu", precision="fp32", batch_size=size)
        assert list(predictors) == [SINGLE_FRAME, TEMPORAL]
        output = tmp_path / f"made{size}"
        evaluate(predictors, videos, TRUE_BOXES, samples=0, output=output)
        metrics.append(read_predictions(output / TEMPORAL / "b.json"))
    for name, frame in metrics[0].items():
        for other in metrics[1:]:
            assert np.allclose(frame.keypoints, other[name].keypoints, atol=0.02)
    assert list(load_predictors(str(weights), temporal="none", device="cpu")) == [SINGLE_FRAME]
