"""Score weights beside the teachers on people whom people labelled, in their labelled boxes.

    python -m tools.score_people default .work/runs/stage1/weights --teachers ../shared/weights

Three sets that no training reads: COCO photographs (mean OKS, 0 to 100), JHMDB's clips (PCK@0.2 of
the box's longer side, every fourth frame) and LSPET (PCK@0.2 of the torso); 12 limb joints, which
all networks know. With a temporal part JHMDB is scored with and without it, and beside the mean
of the five frames' heatmaps, which nothing has learned. Intervals (95%) are over images and clips.
Axes: N people, J joints.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tarvitpose.config import ModelConfig, window_offsets
from tarvitpose.data.records import Record, read_image
from tarvitpose.data.sources import read_records
from tarvitpose.data.windows import window_clip
from tarvitpose.geometry import centre_and_size, crop_matrices, invert, normalise, transform_points
from tarvitpose.heatmaps import decode
from tarvitpose.metrics.pck import torso_size
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import POSETRACK_15, SIGMAS
from tarvitpose.utils.arrays import Float32, Float64, UInt8
from tools.teachers import MoveNet, TinyPose

LIMBS = slice(3, 15)  # shoulders to ankles
NAMES = POSETRACK_15.joints[LIMBS]
SPREAD = np.array([SIGMAS[name] for name in NAMES])  # (12,), as COCO's evaluator has it
SHARE = 0.2
EVERY = 4  # frames of a JHMDB clip
BATCH = 32
DRAWS = 2000

Answers = dict[str, Float32]  # joints (N, J, 2) in pixels of the frames, by mode


@dataclass(frozen=True)
class People:
    """One set of labelled people, and how a joint's distance becomes a number."""

    records: list[Record]
    closeness: Callable[[Float64], Float64]  # of distances (N, 12): 0 to 1
    groups: NDArray[np.str_]  # (N,): those of one image or clip are drawn together
    is_video: bool = False

    def score(self, joints: Float32) -> tuple[float, tuple[float, float], Float64]:
        """Return the mean over people, its interval, and the means of joints (12,), 0 to 100."""
        truth = np.stack([record.keypoints[LIMBS] for record in self.records])
        seen = np.stack([record.visible[LIMBS] > 0 for record in self.records])
        close = self.closeness(np.linalg.norm(joints[:, LIMBS] - truth, axis=-1)) * seen
        known = seen.any(1) & np.isfinite(close).all(1)
        close, seen = close[known], seen[known]
        of_people = close.sum(1) / seen.sum(1)
        return (
            100 * float(of_people.mean()),
            interval(of_people, self.groups[known]),
            np.divide(
                100 * close.sum(0), seen.sum(0), out=np.full(len(NAMES), np.nan), where=seen.any(0)
            ),
        )


def interval(values: Float64, groups: NDArray[np.str_]) -> tuple[float, float]:
    """Return the 95% interval of a mean, 0 to 100, over draws of whole groups."""
    units = np.unique(groups, return_inverse=True)[1]
    total, count = np.bincount(units, values), np.bincount(units)
    draws = np.random.default_rng(0).integers(len(total), size=(DRAWS, len(total)))
    low, high = np.percentile(100 * total[draws].sum(1) / count[draws].sum(1), [2.5, 97.5])
    return float(low), float(high)


def photographs(annotations: Path, images: Path) -> People:
    """Read COCO photographs; the area is the annotation's."""
    records = read_records("coco", annotations, POSETRACK_15, images)
    content = json.loads(annotations.read_text(encoding="utf-8"))
    areas = {str(person["id"]): person["area"] for person in content["annotations"]}
    area = np.array([areas[record.name.partition("#")[2]] for record in records])

    def oks(distance: Float64) -> Float64:
        return np.asarray(np.exp(-(distance**2) / (8 * area[:, None] * SPREAD**2)))

    return People(records, oks, images_of(records))


def jhmdb(annotations: Path, images: Path) -> People:
    """Read every fourth frame of JHMDB's validation clips."""
    records = read_records("posetrack18", annotations, POSETRACK_15, images)
    records = [record for record in records if record.current % EVERY == EVERY // 2]
    boxes = np.array([record.box for record in records])
    size = (boxes[:, 2:] - boxes[:, :2]).max(1)
    clips = np.array([str(record.frames[0].parent) for record in records])
    return People(records, within(SHARE * size), clips, is_video=True)


def lspet(annotations: Path, images: Path) -> People:
    """Read LSPET's validation people; those without a labelled torso are not counted."""
    records = read_records("coco", annotations, POSETRACK_15, images)
    truth = np.stack([record.keypoints for record in records])
    visible = np.stack([record.visible for record in records])
    return People(
        records, within(SHARE * torso_size(truth, visible, POSETRACK_15)), images_of(records)
    )


def within(limits: NDArray[np.floating]) -> Callable[[Float64], Float64]:
    """Return what tells which distances (N, 12) lie within limits (N,); NaN without a limit."""

    def close(distance: Float64) -> Float64:
        limit = np.asarray(limits, np.float64)[:, None]
        return np.where(np.isnan(limit), np.nan, distance <= limit)

    return close


def images_of(records: list[Record]) -> NDArray[np.str_]:
    """Return the image of each person, (N,)."""
    return np.array([str(record.frames[record.current]) for record in records])


def answers(model: TARViTPose, people: People) -> Answers:
    """Return a model's joints, of videos also those of the temporal part and of mean heatmaps."""
    parts: dict[str, list[Float32]] = {}
    temporal = people.is_video and model.config.temporal
    for clips, matrices in batches(people.records, model.config, temporal):
        for mode, maps in heatmaps(model, clips, temporal).items():
            points, _ = decode(maps, model.config.input_size, model.config.codec)
            parts.setdefault(mode, []).append(transform_points(invert(matrices), points))
    return {mode: np.concatenate(some) for mode, some in parts.items()}


def batches(
    records: list[Record], config: ModelConfig, temporal: bool
) -> Iterator[tuple[UInt8, Float32]]:
    """Yield clips (B, T, h, w, 3) and what made their crops of the frames, (B, 2, 3)."""
    offsets = window_offsets(config.offsets)[0] if temporal else (0,)
    for start in range(0, len(records), BATCH):
        some = records[start : start + BATCH]
        boxes = np.array([record.box for record in some], np.float32)
        matrices = crop_matrices(
            *centre_and_size(boxes, config.input_size), config.input_size, config.codec
        )
        clips = [
            window_clip(record, matrix.astype(np.float64), offsets, config.input_size)
            for record, matrix in zip(some, matrices, strict=True)
        ]
        yield np.stack(clips), matrices


@torch.no_grad()
def heatmaps(model: TARViTPose, crops: UInt8, temporal: bool) -> dict[str, Float32]:
    """Return heatmaps (B, J, h, w) of clips (B, T, H, W, 3), by mode."""
    ready = torch.from_numpy(normalise(crops.reshape(-1, *crops.shape[2:])))
    clips = torch.unflatten(ready, 0, crops.shape[:2])  # (B, T, 3, H, W)
    current = clips.shape[1] // 2
    with torch.autocast("cpu", torch.bfloat16):
        each = torch.stack([model.single_frame(clip) for clip in clips.unbind(1)], 1)
        modes = {"single-frame": each[:, current]}
        if temporal:
            modes |= {"TAR": model(clips), "mean of heatmaps": each.float().mean(1)}
    return {mode: maps.float().numpy() for mode, maps in modes.items()}


def say(who: str, name: str, people: People, joints: Float32) -> None:
    """Print one row."""
    mean, (low, high), each = people.score(joints)
    by_joint = ", ".join(f"{one} {value:.0f}" for one, value in zip(NAMES, each, strict=True))
    print(f"{name:12} {who:40} {mean:5.1f} ({low:.1f} to {high:.1f})  {by_joint}", flush=True)


def main() -> None:
    """Score all given weights on all sets."""
    parser = argparse.ArgumentParser(description="Score weights on people labelled by people.")
    parser.add_argument("weights", nargs="*")
    parser.add_argument("--teachers", type=Path, help="folder of the teachers' graphs")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--prepared", type=Path, default=Path(".work/data"))
    given = parser.parse_args()
    clips = given.prepared / "jhmdb"
    sets = {
        "photographs": photographs(
            given.prepared / "photographs_val.json", given.data / "coco_kpt"
        ),
        "JHMDB": jhmdb(clips / "annotations" / "val", clips),
        "LSPET": lspet(given.data / "lspet" / "val.json", given.data / "lspet"),
    }
    for name, people in sets.items():
        print(f"{name}: {len(people.records)} people", flush=True)
        if given.teachers is not None:
            for who in (
                TinyPose(given.teachers / "tinypose_256x192.onnx", views=1),
                MoveNet(given.teachers / "movenet_thunder_256.onnx", views=1),
            ):
                points = [
                    who.predict(
                        read_image(record.frames[record.current], record.name),
                        np.array(record.box, np.float32),
                    ).points
                    for record in people.records
                ]
                say(type(who).__name__, name, people, np.stack(points))
        for weights in given.weights:
            model = TARViTPose.from_pretrained(weights).eval()
            for mode, joints in answers(model, people).items():
                say(f"{weights} {mode}", name, people, joints)


if __name__ == "__main__":
    main()
