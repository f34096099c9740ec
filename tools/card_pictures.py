"""Make the pictures and count the wrong joints of docs/model-card.md.

    python -m tools.card_pictures --annotations data/lspet/val.json \\
        --clips data/clips --output docs/pictures

`worst.jpg` has the twenty people with most wrong joints: the label on the left, the prediction on
the right, on plain ground unless `--photographs` is given (LSPET has no licence to show them).
`clips.jpg` has three frames of every clip whose licence is known. Prints how many wrong joints are
on the same joint of the other side, near the label, or elsewhere.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from tarvitpose.config import window_offsets
from tarvitpose.data.dataset import ClipDataset, validation_clips
from tarvitpose.data.sources import read_records
from tarvitpose.drawing import draw_poses
from tarvitpose.evaluation.clips import decoded_joints, encode_clip
from tarvitpose.formats.contact_sheet import contact_sheet
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.metrics.pck import hits, torso_size
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.arrays import Bools, Float32, UInt8
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.images import write_image
from tarvitpose.video.sources import open_source

WORST, COLUMNS, WIDTH = 20, 5, 1100
NEAR = 0.5  # torsos
MOMENTS, LEAD_IN = (0.2, 0.5, 0.8), 0.3  # shares of a clip, and seconds predicted before each
QUALITY = 80
BACKGROUND = 60  # grey level
UNLICENSED = ("crowd_above",)  # clips of unknown origin


def poses_of(
    points: Float32, scores: Float32, size: tuple[int, int], joints: JointSet
) -> FramePoses:
    """Return one person's joints (J, 2) in a crop (h, w) as a frame's poses."""
    return FramePoses(
        index=0,
        time=0.0,
        image_size=size,
        keypoints=points[None].astype(np.float32),
        scores=scores[None].astype(np.float32),
        boxes=np.array([[0, 0, size[1], size[0]]], np.float32),
        box_scores=np.ones(1, np.float32),
        track_ids=np.zeros(1, np.int64),
        joint_names=joints.joints,
    )


def predictions(model: TARViTPose, clips: ClipDataset) -> tuple[Float32, Float32]:
    """Return keypoints (N, J, 2) in crop pixels and scores (N, J)."""
    rows = []
    with torch.inference_mode():
        for index in range(len(clips)):
            maps = model.aggregate(*encode_clip(model, clips[index]["clip"][None]))
            rows.append(decoded_joints(model.config, maps))
    points, scores = (np.concatenate(column) for column in zip(*rows, strict=True))
    return points, scores


def count_failures(predicted: Float32, truth: Float32, seen: Bools, joints: JointSet) -> Bools:
    """Print the kinds of wrong joints of N people, and return which are wrong, (N, J)."""
    torso = torso_size(truth, seen, joints)
    seen = seen & np.isfinite(torso)[:, None]
    wrong = seen & ~hits(predicted, truth, torso, TORSO_SHARE)
    order = list(joints.flip_order)
    paired = np.array(order) != np.arange(len(order))
    on_twin = wrong & paired & seen[:, order] & hits(predicted, truth[:, order], torso, TORSO_SHARE)
    near = wrong & ~on_twin & hits(predicted, truth, torso, NEAR)
    elsewhere = wrong & ~on_twin & ~near
    for name, part in (("on the other side", on_twin), ("near", near), ("elsewhere", elsewhere)):
        print(f"{name}: {part.sum()} of {wrong.sum()} wrong joints, {seen.sum()} labelled")
    for at, name in enumerate(joints.joints):
        if seen[:, at].any():
            share = 100 * wrong[:, at].sum() / seen[:, at].sum()
            print(f"  {name}: {share:.0f}% wrong, {on_twin[:, at].sum()} on the other side")
    return wrong


def worst_people(model: TARViTPose, annotations: Path, *, photographs: bool) -> UInt8:
    """Return a contact sheet of the people with most wrong joints."""
    config = model.config
    clips = validation_clips(read_records("coco", annotations, config.joints), config)
    items = [clips[index] for index in range(len(clips))]
    truth = np.stack([item["keypoints"].numpy() for item in items])
    seen = np.stack([item["visible"].numpy() for item in items]) > 0
    predicted, scores = predictions(model, clips)
    wrong = count_failures(predicted, truth, seen, config.joints)
    size, current = config.input_size, window_offsets(config.offsets)[1]
    tiles, captions = [], []
    for person in np.argsort(-wrong.sum(1), kind="stable")[:WORST].tolist():
        crop = items[person]["clip"][current].numpy()
        if not photographs:
            crop = np.full_like(crop, BACKGROUND)
        label = poses_of(truth[person], seen[person].astype(np.float32), size, config.joints)
        prediction = poses_of(predicted[person], scores[person], size, config.joints)
        both = [
            draw_poses(crop, poses, legend=False, labels=False) for poses in (label, prediction)
        ]
        tiles.append(np.concatenate(both, 1))
        captions.append(f"{wrong[person].sum()} of {seen[person].sum()} wrong")
    return contact_sheet(tiles, captions, COLUMNS, WIDTH)


def clip_sheet(clips: Path) -> UInt8:
    """Return a contact sheet with a few frames of each clip."""
    estimator = PoseEstimator.from_pretrained("default", crop_policy="anchored")
    tiles, captions = [], []
    for path in sorted(path for path in clips.glob("*.m*") if path.stem not in UNLICENSED):
        for at, (image, poses) in enumerate(some_frames(estimator, path)):
            tiles.append(draw_poses(image, poses, legend=False))
            captions.append(path.stem if at == 0 else f"{poses.time:.1f} s")
    return contact_sheet(tiles, captions, 2 * len(MOMENTS), WIDTH)


def some_frames(estimator: PoseEstimator, path: Path) -> list[tuple[UInt8, FramePoses]]:
    """Return a few frames of a clip with their poses, each predicted after a short lead-in."""
    with open_source(path) as source:
        times = [frame.time for frame in source]
    moments = [times[round(share * (len(times) - 1))] for share in MOMENTS]
    shown = [
        list(estimator.stream(path, start=max(moment - LEAD_IN, 0), end=moment + 0.01))[-1]
        for moment in moments
    ]
    indices = {poses.index for poses in shown}
    with open_source(path) as source:
        images = {frame.index: frame.image for frame in source if frame.index in indices}
    return [(images[poses.index], poses) for poses in shown]


def write(path: Path, image: UInt8) -> None:
    """Write a JPEG."""
    with atomic_file(path) as temporary:
        write_image(temporary, image, QUALITY)


def main() -> None:
    """Write both pictures."""
    parser = argparse.ArgumentParser(description="The pictures in docs/model-card.md.")
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--photographs", action="store_true", help="show the people too")
    given = parser.parse_args()
    torch.set_num_threads(2)
    given.output.mkdir(parents=True, exist_ok=True)
    model = TARViTPose.from_pretrained("default")
    write(
        given.output / "worst.jpg",
        worst_people(model, given.annotations, photographs=given.photographs),
    )
    write(given.output / "clips.jpg", clip_sheet(given.clips))


if __name__ == "__main__":
    main()
