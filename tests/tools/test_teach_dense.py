"""Training on teachers' heatmaps beside labels."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import H, W, h, w
from tiny_training import experiment, losses_of, write_stills
from video_files import DATA

from tarvitpose.data.records import read_image
from tarvitpose.evaluation.clips import encode_crops
from tarvitpose.geometry import centre_and_size, crop_matrices, warp
from tarvitpose.heatmaps import STRIDE, decode, flip_back
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.training.config import TrainConfig
from tarvitpose.utils.arrays import Float32, UInt8
from tools.teach_dense import DenseStep, mixed_targets, teach
from tools.teachers import KNOWN, TinyPose

TINYPOSE = DATA.parent / "weights" / "tinypose_256x192.onnx"
SIZE = (256, 192)


class StubTinyPose:
    """A teacher whose heatmaps are the same everywhere."""

    def heatmaps_of_crops(self, crops: UInt8) -> Float32:
        return np.full((len(crops), 15, 4 * h, 4 * w), 0.5, np.float32)


def single_frames(folder: Path) -> TrainConfig:
    changes = {"model": {"offsets": []}, "optim": {"lr": 3e-3}}
    return experiment(write_stills(folder), folder / "run", **changes)


def test_a_label_is_half_of_its_joints_target_and_nothing_without_trust() -> None:
    taught = torch.full((1, 3, 2, 2), 0.2)
    labels = torch.tensor([1.0, 1.0, 0.0]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    targets = mixed_targets(taught, labels, torch.tensor([[1.0, 0.5, 0.0]]))
    torch.testing.assert_close(targets[0, :, 0, 0], torch.tensor([0.6, 0.4, 0.2]))


def test_both_teachers_count_alike_but_for_joints_that_coco_lacks(tmp_path: Path) -> None:
    step = DenseStep(single_frames(tmp_path), StubTinyPose())
    crops = torch.randint(0, 256, (2, H, W, 3), dtype=torch.uint8)
    with torch.no_grad():
        taught = step.taught(crops)
        own = step.teacher.decoder(encode_crops(step.teacher, crops[:, None])[:, 0])
    torch.testing.assert_close(taught[:, ~KNOWN], own[:, ~KNOWN])
    torch.testing.assert_close(taught[:, KNOWN], (own[:, KNOWN] + 0.5) / 2)


def test_a_network_comes_closer_to_what_teachers_and_labels_say(tmp_path: Path) -> None:
    teach(single_frames(tmp_path), StubTinyPose(), print)
    losses = losses_of(tmp_path / "run")
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.skipif(not TINYPOSE.exists(), reason=f"needs PP-TinyPose's graph, {TINYPOSE}")
def test_heatmaps_of_the_second_teacher_peak_where_its_joints_are() -> None:
    people = json.loads((DATA / "people" / "train.json").read_text())
    person = people["annotations"][0]
    (name,) = [i["file_name"] for i in people["images"] if i["id"] == person["image_id"]]
    left, top, width, height = person["bbox"]
    box = np.array([left, top, left + width, top + height], np.float32)
    matrices = crop_matrices(*centre_and_size(box, SIZE), SIZE, "udp")
    crop = warp(read_image(DATA / "people" / name, name), matrices[0], SIZE)
    teacher = TinyPose(TINYPOSE)
    points, scores = teacher.joints_of_crop(crop)
    peaks, _ = decode(teacher.heatmaps_of_crops(crop[None]), SIZE, "udp")
    sure = scores > 0.5
    assert sure.sum() > 8
    apart = np.linalg.norm(peaks[0] - points, axis=1)[sure]  # the mirror image moves them a little
    assert np.median(apart) < STRIDE / 2
    assert apart.max() < STRIDE


@pytest.mark.skipif(not TINYPOSE.exists(), reason=f"needs PP-TinyPose's graph, {TINYPOSE}")
def test_heatmaps_of_the_second_teacher_do_not_know_left_from_right() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (1, *SIZE, 3), np.uint8)
    teacher = TinyPose(TINYPOSE)
    mirrored = teacher.heatmaps_of_crops(np.ascontiguousarray(crops[:, :, ::-1]))
    back = flip_back(mirrored, POSETRACK_15.flip_order, "udp")
    np.testing.assert_allclose(teacher.heatmaps_of_crops(crops), back, atol=1e-5)
