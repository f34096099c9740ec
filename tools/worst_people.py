"""Draw the people whom weights get most wrong, and count their wrong joints by kind.

    tarvitpose evaluate --weights default --annotations data/lspet/val.json --temporal none \\
        --output scored
    python -m tools.worst_people scored/single-frame --annotations data/lspet/val.json \\
        --output docs/pictures/worst.jpg --people 20 --plain --width 1100

The worst are those of the lowest mean OKS of their labelled limbs, of each video one. On the left
is the label, on the right the prediction; with `--plain` on grey ground, where the photographs may
not be shown. Prints how many of all wrong joints are on the same joint of the other side, near the
label, or elsewhere.
"""

import argparse
from pathlib import Path

import numpy as np

from tarvitpose.data.records import read_image
from tarvitpose.drawing import draw_poses
from tarvitpose.evaluation.boxes import open_boxes
from tarvitpose.evaluation.datasets import every_nth, read_labelled
from tarvitpose.evaluation.people_scores import LabelledJoints, labelled_joints
from tarvitpose.evaluation.predictions import PredictionTask
from tarvitpose.evaluation.scores import predicted_joints
from tarvitpose.formats.contact_sheet import contact_sheet
from tarvitpose.geometry import centre_and_size, crop_matrices, transform_points, warp
from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.metrics.oks import similarity
from tarvitpose.metrics.pck import hits, torso_size
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import BODY, POSETRACK_15, SIGMAS, JointSet
from tarvitpose.utils.arrays import Bools, Float32, Float64, UInt8
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.images import write_image

COLUMNS, TILE = 5, (256, 192)
NEAR = 0.5  # torsos
BACKGROUND = 60  # grey level
QUALITY = 80


def poses_of(points: Float32, scores: Float32, joints: JointSet) -> FramePoses:
    """Return one person's joints (J, 2) in a tile as a frame's poses."""
    height, width = TILE
    return FramePoses(
        index=0,
        time=0.0,
        image_size=TILE,
        keypoints=points[None].astype(np.float32),
        scores=scores[None].astype(np.float32),
        boxes=np.array([[0, 0, width, height]], np.float32),
        box_scores=np.ones(1, np.float32),
        track_ids=np.zeros(1, np.int64),
        joint_names=joints.joints,
    )


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


def limb_similarity(predicted: Float32, truth: LabelledJoints) -> Float64:
    """Return the mean OKS of each person's labelled limbs, (N,), NaN without any."""
    sigmas = [SIGMAS[name] for name in truth.joints.joints]
    near = similarity(predicted, truth.keypoints, truth.areas, sigmas)
    limbs = truth.visible & np.isin(truth.joints.joints, BODY)
    number = limbs.sum(1)
    return np.where(number > 0, (near * limbs).sum(1) / np.maximum(number, 1), np.nan)


def worst_first(near: Float64, truth: LabelledJoints) -> list[int]:
    """Return the people from the worst on, of each video one."""
    order = [at for at in np.argsort(near, kind="stable").tolist() if np.isfinite(near[at])]
    if truth.are_stills:
        return order
    first = {int(truth.units[at]): at for at in reversed(order)}
    return [at for at in order if first[int(truth.units[at])] == at]


def tile(image: UInt8, box: Float32, both: list[tuple[Float32, Float32]], *, plain: bool) -> UInt8:
    """Draw label and prediction, keypoints (J, 2) and scores (J,) each, beside each other."""
    matrix = crop_matrices(*centre_and_size(box[None], TILE), TILE, "udp")
    crop = warp(image, matrix[0], TILE)
    if plain:
        crop = np.full_like(crop, BACKGROUND)
    drawn = [
        draw_poses(
            crop,
            poses_of(transform_points(matrix, points[None])[0], scores, POSETRACK_15),
            legend=False,
            labels=False,
            colors="side",
        )
        for points, scores in both
    ]
    return np.concatenate(drawn, 1)


def main() -> None:
    """Draw the worst people of a data set, and print what is wrong."""
    parser = argparse.ArgumentParser(description="Pictures of the worst people.")
    parser.add_argument("predictions", type=Path, help="a mode's folder of evaluate --output")
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--every", type=int, default=1, help="as evaluate had it")
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--width", type=int, default=2 * COLUMNS * TILE[1], help="in pixels")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--plain", action="store_true", help="leave the photographs out")
    given = parser.parse_args()
    videos = read_labelled(None, given.annotations, POSETRACK_15, images=given.images)
    if given.every > 1:
        videos = every_nth(videos, given.every)
    truth = labelled_joints(videos, POSETRACK_15, POSETRACK_15.joints)
    task = PredictionTask({}, open_boxes("gt", None, "cpu"), given.predictions.parent)
    predicted = predicted_joints(task, given.predictions.name, videos, POSETRACK_15)
    count_failures(predicted[..., :2], truth.keypoints, truth.visible, POSETRACK_15)
    near = limb_similarity(predicted[..., :2], truth)
    paths = [
        frame.frames[frame.current]
        for video in videos
        for frame in video.frames
        for _ in frame.people.boxes
    ]
    tiles, captions = [], []
    for at in worst_first(near, truth)[: given.people]:
        label = (truth.keypoints[at], truth.visible[at].astype(np.float32))
        prediction = (predicted[at, :, :2], predicted[at, :, 2])
        image = read_image(paths[at], str(given.annotations))
        tiles.append(tile(image, truth.boxes[at], [label, prediction], plain=given.plain))
        captions.append(f"OKS {100 * near[at]:.0f}")
    sheet = contact_sheet(tiles, captions, COLUMNS, given.width)
    with atomic_file(given.output) as path:
        write_image(path, sheet, QUALITY)


if __name__ == "__main__":
    main()
