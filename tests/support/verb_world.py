"""A folder with all that the verbs read, small enough to be copied for each trial."""

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
import yaml
from foreign_checkpoints import vitae
from invoke import run
from label_files import dcpose, image_dcpose, person18, save, save_images
from some_poses import TIMES
from tiny_datasets import VIDEOS, write_data_sets
from tiny_graphs import write
from tiny_models import tiny_model
from tiny_training import experiment, write_experiment, write_stills
from written_results import written_results

from tarvitpose.config import PredictConfig
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.runs.pipeline import RunProgress, process

PREDICT = (
    *("predict", "walk.mp4", "--weights", "weights", "--boxes", "boxes.json", "--device", "cpu"),
    *("--no-render", "--format", "coco,csv", "--backend", "torch"),
)
GRAPHS = tuple({"weights": "graphs", "torch": "onnxruntime"}.get(word, word) for word in PREDICT)
AGAIN = (*PREDICT, "--output", "broken", "--resume")
LABELS_17, LABELS_18 = "data/posetrack17/annotations/val", "data/posetrack18/annotations/val"
SCORE_17 = ("evaluate", "--predictions", "made17", "--annotations", LABELS_17)
SCORE_18 = ("evaluate", "--predictions", "made", "--annotations", LABELS_18)
# A file, and commands that read it.
COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "data/posetrack17/annotations/val/one.json": (
        ("data", "check", "data/posetrack17", "--quick", "--json", "out.json"),
        ("data", "prepare", "data/posetrack17", "prepared"),
        (
            "evaluate",
            "--predictions",
            "made17",
            "--annotations",
            "data/posetrack17/annotations/val",
        ),
    ),
    "data/posetrack18/annotations/val/one.json": (
        ("data", "check", "data/posetrack18", "--quick"),
        ("data", "pack", "data/posetrack18", "packed"),
        SCORE_18,
    ),
    "data/coco/annotations/person_keypoints_val2017.json": (("data", "check", "data/coco"),),
    "data/jhmdb/joint_positions/catch/Torwart_catch_f_cm_np1_ri_med_0/joint_positions.mat": (
        ("data", "check", "data/jhmdb", "--quick"),
    ),
    "data/jhmdb/puppet_mask/catch/Torwart_catch_f_cm_np1_ri_med_0/puppet_mask.mat": (
        ("data", "check", "data/jhmdb", "--quick"),
    ),
    "clips.json": (("data", "check", "clips.json", "--quick"),),
    "dcpose.json": (("data", "check", "dcpose.json", "--quick"),),
    "made/one.json": (SCORE_18,),
    "made17/one.json": (
        (
            "evaluate",
            "--predictions",
            "made17",
            "--annotations",
            "data/posetrack17/annotations/val",
        ),
    ),
    "boxes.json": (PREDICT,),
    "walk.mp4": (PREDICT,),
    "weights/model.safetensors": (PREDICT, ("models", "weights")),
    "weights/config.json": (PREDICT, ("models", "weights")),
    "graphs/frame.onnx": (GRAPHS,),
    "graphs/step.onnx": (GRAPHS,),
    "graphs/export.json": (GRAPHS,),
    "broken/.walk.run/manifest.json": (AGAIN,),
    "broken/.walk.run/journal": (AGAIN,),
    "whole/walk.run.json": ((*PREDICT, "--output", "whole", "--resume"),),
    "vitpose.pth": (("convert", "vitpose.pth", "new", "--heads", "3"),),
    "train.yaml": (("train", "train.yaml"),),
    "stills.json": (("train", "train.yaml"), ("data", "check", "stills.json")),
    "run/last.ckpt": (("train", "train.yaml"),),
    "out/walk.coco.json": (("report", "walk.mp4", "--poses", "out/walk.coco.json"),),
}


def write_world(root: Path) -> None:
    """Write videos, labels, weights, results, and runs that are finished or broken off."""
    write_data_sets(root)
    written_results(root, ["coco"])  # and walk.mp4
    tiny_model().save_pretrained(root / "weights")
    boxes = [{"image_id": at, "bbox": [4, 4, 40, 40], "score": 0.9} for at in range(len(TIMES))]
    save(root / "boxes.json", boxes)
    network = tiny_model(
        input_size=(256, 192), position_grid=(16, 12), offsets=(), decoder_width=256
    )
    torch.save(vitae(network.state_dict()), root / "vitpose.pth")
    (root / "graphs").mkdir()
    write(tiny_model(), root / "graphs")
    _write_predictions(root)
    _write_lists(root)
    _write_training(root)


def _write_predictions(root: Path) -> None:
    """Labels with scores, as predictions."""
    for name, layout in (("made", "posetrack18"), ("made17", "posetrack17")):
        shutil.copytree(root / "data" / layout / "annotations" / "val", root / name)
    for video in VIDEOS:
        content = json.loads((root / "made" / f"{video}.json").read_text())
        for person in content["annotations"]:
            person |= {"scores": [0.5] * 17, "score": 0.5}
        save(root / "made" / f"{video}.json", content)


def _write_lists(root: Path) -> None:
    """A file of clips as JHMDB's, and a merged file of DCPose."""
    xy = [[[x + t, 2 * x] for x in range(15)] for t in range(3)]
    clip = {"file": "clip.avi", "split": "test1", "xy": xy, "boxes": [[0, 0, 30, 30]] * 3}
    names = ["neck", "belly", "nose", "right_shoulder", "left_shoulder", "right_hip", "left_hip"]
    names += ["right_elbow", "left_elbow", "right_knee", "left_knee", "right_wrist", "left_wrist"]
    names += ["right_ankle", "left_ankle"]
    save(root / "clips.json", {"joints": names, "size": [80, 60], "clips": [clip, clip]})
    images = [image_dcpose(at, f"images/v{at % 2}/{at:06d}.jpg", 4) for at in range(4)]
    save_images(root, [image["file_name"] for image in images])
    save(root / "dcpose.json", dcpose(images, [person18(at, 0) for at in range(4)]))


def _write_training(root: Path) -> None:
    """A finished training of three steps, and a predict run that was broken off."""
    changes: dict[str, Any] = {"run": {"epochs": 1}}
    config = experiment(write_stills(root), root / "run", **changes)
    write_experiment(config, root / "train.yaml")
    content = yaml.safe_load((root / "train.yaml").read_text())
    (root / "train.yaml").write_text(yaml.safe_dump(content).replace(f"{root}/", ""))
    before = Path.cwd()
    os.chdir(root)
    try:
        for command in (("train", "train.yaml"), (*PREDICT, "--output", "whole")):
            result = run(*command)
            assert result.exit_code == 0, result.output
        _break_off()
    finally:
        os.chdir(before)


def _break_off() -> None:
    """Break a run of `PREDICT` off after two frames."""
    config = PredictConfig(
        weights="weights",
        boxes=Path("boxes.json"),
        device="cpu",
        backend="torch",
        formats=("coco", "csv"),
        render=False,
        output=Path("broken"),
    )

    def stop(progress: RunProgress) -> None:
        if progress.frame == 2:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        process("walk.mp4", PoseEstimator.from_config(config), config, stop)
