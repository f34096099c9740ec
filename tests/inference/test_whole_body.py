"""133 joints all the way: a random network predicts, its poses are drawn, written and read back."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from invoke import run
from tiny_models import tiny_model
from video_files import make_video

from tarvitpose import load_poses
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import JOINT_SETS, limbs_of

WHOLE_BODY = JOINT_SETS["wholebody133"]
TAIL = {
    "name": "tailed4",
    "joints": ["nose", "left_ear", "right_ear", "tail"],
    "limbs": [["nose", "left_ear"], ["nose", "tail"]],
}


def predict(tmp_path: Path, model: TARViTPose, formats: str) -> Path:
    """Run `predict` on three frames with one person, and return the folder of results."""
    model.save_pretrained(tmp_path / "weights")
    video = make_video(tmp_path / "a.mp4", [0, 1 / 30, 2 / 30], size=(96, 128))
    boxes = [{"image_id": i, "bbox": [10, 5, 60, 80], "score": 1.0} for i in range(3)]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    result = run(
        *("predict", video, "--weights", tmp_path / "weights", "--boxes", tmp_path / "boxes.json"),
        *("--output", tmp_path / "out", "--format", formats, "--keypoint-threshold", "0"),
        *("--device", "cpu", "--backend", "torch", "--keep-all", "--colors", "joints"),
    )
    assert result.exit_code == 0, result.output
    return tmp_path / "out"


def test_queries_and_heatmaps_follow_the_joint_set() -> None:
    model = tiny_model(joint_set="wholebody133")
    assert model.jta.query.shape == (133, 24)
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 3, 64, 112)).shape == (1, 133, 16, 28)


def test_a_whole_body_is_predicted_drawn_written_and_read_back(tmp_path: Path) -> None:
    model = tiny_model(joint_set="wholebody133")
    out = predict(tmp_path, model, "npz,coco,mmpose,csv,openpose")
    files = ("a.npz", "a.coco.json", "a.mmpose.json", "a.csv", "a.openpose")
    exact, *others = (load_poses(out / name) for name in files)
    assert len(exact) == 3
    assert len(exact[0]) == 1
    assert exact[0].joint_names == WHOLE_BODY.joints
    for frames in others:
        for expected, poses in zip(exact, frames, strict=True):
            assert poses.joint_names == expected.joint_names
            assert np.allclose(poses.keypoints, expected.keypoints, atol=0.01)
            assert np.allclose(poses.scores, expected.scores, atol=0.001)
    content = json.loads((out / "a.coco.json").read_text())["categories"][0]
    assert len(content["skeleton"]) == len(WHOLE_BODY.limbs)
    assert content["sigmas"][91] == WHOLE_BODY.sigmas["left_hand_root"]
    assert (out / "a.mp4").is_file()


def test_a_set_of_others_comes_with_its_weights_and_limbs(tmp_path: Path) -> None:
    out = predict(tmp_path, tiny_model(joint_set=TAIL), "coco,mmpose")
    content = json.loads((out / "a.coco.json").read_text())["categories"][0]
    assert content["keypoints"] == TAIL["joints"]
    assert content["skeleton"] == [[1, 2], [1, 4]]
    assert "sigmas" not in content  # nobody says that of a tail
    (poses, *_) = load_poses(out / "a.mmpose.json")
    assert poses.limbs == limbs_of(tuple(TAIL["joints"])) == ((0, 1), (0, 3))
    listed = run("models", tmp_path / "weights").stdout
    assert "  joints   tailed4 (4), udp heatmaps\n" in listed


@pytest.mark.parametrize("joint_set", ["halpe26", "coco25", "body25"])
def test_feet_have_queries_too(joint_set: str) -> None:
    model = tiny_model(joint_set=joint_set)
    assert len(model.jta.query) == len(JOINT_SETS[joint_set])
    assert model.config.joints.joints[-1] == "right_heel"
