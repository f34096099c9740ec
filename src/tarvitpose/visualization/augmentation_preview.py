"""A picture of what each transform does to a training clip.   Axes: T frames, J joints."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from torch import Tensor

from tarvitpose.config import ModelConfig, vit_small
from tarvitpose.data.augment import NO_AUGMENTATION
from tarvitpose.data.dataset import ClipDataset, ClipItem
from tarvitpose.data.degrade import DegradeConfig
from tarvitpose.data.records import Record
from tarvitpose.data.stills import MotionConfig
from tarvitpose.drawing import DARK, LIGHT, SIDE_COLOURS, draw_text, text_width
from tarvitpose.errors import DataError
from tarvitpose.formats.contact_sheet import contact_sheet
from tarvitpose.skeleton import POSETRACK_15, JointSet
from tarvitpose.utils.arrays import Float32, UInt8
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.images import write_image

MOVING = MotionConfig(still=0, fast=1, limbs=0)  # shows the order of frames where a still is shown
SPAN = 6  # of drawn offsets


class PreviewRow(NamedTuple):
    """One transform, at its strongest."""

    title: str
    keys: str  # of AugmentConfig
    switched_on: dict[str, Any]
    still: bool = False  # whether the clip is made of one frame, also where there is a video
    draws: int = 4  # of which the one that differs most from the plain crop is shown


def _degraded(**shares: object) -> dict[str, DegradeConfig]:
    return {"degrade": NO_AUGMENTATION.degrade.model_copy(update=shares)}


BLUR = ("motion_blur",)
ROWS = (
    PreviewRow("plain crop", "everything off", {}),
    PreviewRow("half body", "half_body", {"half_body": 1.0}),
    PreviewRow("scale", "scale 0.35", {"scale": 0.35}),
    PreviewRow("rotation", "rotate, rotation 45", {"rotate": 1.0}),
    PreviewRow("shift", "shift 0.2", {"shift": 0.2}),
    PreviewRow("flip", "flip", {"flip": 1.0}),
    PreviewRow("colour", "colour 0.3", {"colour": 0.3}),
    PreviewRow("motion of stills", "motion", {"motion": MotionConfig(still=0, fast=1)}, still=True),
    PreviewRow("random offsets", f"offset_span {SPAN}", {"offset_span": SPAN, "motion": MOVING}),
    PreviewRow("time reversed", "reverse", {"reverse": 1.0, "motion": MOVING}),
    PreviewRow("box jitter", "box_jitter, box_noise 0.1", {"box_jitter": 1.0, "box_noise": 0.1}),
    PreviewRow("cut off by the frame", "truncate", {"truncate": 1.0}, still=True),
    PreviewRow("second person", "crowd", {"crowd": 1.0}),
    PreviewRow("far away", "small", {"small": 1.0}, draws=1),
    PreviewRow("moving occluder", "degrade.occluder", _degraded(occluder=1)),
    PreviewRow("other frames dropped", "degrade.dropped", _degraded(dropped=1), draws=1),
    PreviewRow("other frames blurred", "degrade.blurred", _degraded(blurred=1)),
    PreviewRow("other frames defocused", "degrade.defocused", _degraded(defocused=1)),
    PreviewRow("all frames a little", "degrade.everywhere", _degraded(everywhere=1)),
    PreviewRow(
        "current frame degraded",
        "degrade.current, here motion_blur",
        _degraded(current=1, degradations=BLUR),
    ),
)
COLUMNS, STRIP_WIDTH, TITLE_HEIGHT, GAP, TEXT = 2, 760, 34, 8, 13.0  # pixels
MIDDLE = LIGHT
LARGE_ENOUGH = 256  # pixels, the height of a crop
SEED = 6  # the first clip of this seed has both empty and repeated lost frames
OTHER_PEOPLE = 20  # whose pictures an occluder may be cut from
PAPER, EDGE, NOTE = (24, 24, 24), (90, 90, 90), (150, 150, 150)


def write_preview(records: list[Record], path: Path, joints: JointSet = POSETRACK_15) -> None:
    """Write a PNG with a row for each transform of the augmentation, all of one person.

    Rows show the crops of a window with the joints that are known there. A person in the middle
    of a video is chosen if there is one, with as many joints as possible. Raises DataError
    without records, OutputError where the file cannot be written.
    """
    if not records:
        raise DataError("a preview needs at least one record, found none")
    with atomic_file(path) as temporary:
        sheet = preview_sheet(records, joints)
        write_image(temporary, sheet)


def preview_sheet(records: list[Record], joints: JointSet) -> UInt8:
    """Return the picture that `write_preview` writes, RGB."""
    model = vit_small().model_copy(update={"joint_set": joints.name})
    chosen = max(records, key=_worth)
    people = [chosen, *records[:: max(len(records) // OTHER_PEOPLE, 1)]]
    plain = ClipDataset(people, model, NO_AUGMENTATION)[0]["clip"]
    strips = [_strip(row, _clearest(row, people, model, plain), joints) for row in ROWS]
    strips += [np.full_like(strips[0], PAPER)] * (-len(strips) % COLUMNS)
    below = len(strips) // COLUMNS  # reads down the first column, then the next
    columns = [np.concatenate(strips[at : at + below]) for at in range(0, len(strips), below)]
    sheet = np.concatenate(columns, 1)
    return np.concatenate([_legend(chosen.name, sheet.shape[1]), sheet])


def _worth(record: Record) -> tuple[int, float, float]:
    """Rank records by how well they show what the transforms do."""
    before, after = record.current, len(record.frames) - 1 - record.current
    height = min(record.box[3] - record.box[1], LARGE_ENOUGH)
    return min(before, after, SPAN), float(record.labelled.sum()), height


def _clearest(row: PreviewRow, people: list[Record], model: ModelConfig, plain: Tensor) -> ClipItem:
    """The clip of the first person, of several, that differs most from the plain one."""
    first = people[0]
    if row.still:
        frame = first.frames[first.current]
        first = replace(first, frames=(frame,), current=0)
    config = NO_AUGMENTATION.model_copy(update=row.switched_on)
    clips = ClipDataset([first, *people[1:]], model, config, SEED)
    items = [clips[epoch, 0] for epoch in range(row.draws)]
    return max(items, key=lambda item: float((item["clip"].float() - plain.float()).abs().mean()))


def _strip(row: PreviewRow, item: ClipItem, joints: JointSet) -> UInt8:
    """The crops of one clip side by side under a title."""
    crops, keypoints, known = (
        np.asarray(item[key]) for key in ("clip", "frame_keypoints", "frame_visible")
    )
    images = [_with_joints(*frame, joints) for frame in zip(crops, keypoints, known, strict=True)]
    offsets: list[int] = item["offsets"].tolist()
    captions = [f"t {offset:+d}" if offset else "t, current" for offset in offsets]
    title = np.full((TITLE_HEIGHT, STRIP_WIDTH, 3), PAPER, np.uint8)
    draw_text(title, row.title, (GAP, TITLE_HEIGHT - 6), TEXT, LIGHT)
    left = 2 * GAP + text_width(row.title, TEXT) + GAP
    draw_text(title, row.keys, (left, TITLE_HEIGHT - 6), 0.8 * TEXT, NOTE)
    return np.concatenate([title, contact_sheet(images, captions, len(images), STRIP_WIDTH)])


def _with_joints(crop: UInt8, keypoints: Float32, known: Float32, joints: JointSet) -> UInt8:
    """A copy of a crop (h, w, 3) with its known joints and the limbs between them.

    Joints outside the crop, or cut off by the frame, are left out.
    """
    height, width = crop.shape[:2]
    shown = (known > 0) & ((keypoints >= 0) & (keypoints < (width, height))).all(1)  # (J,)
    image = crop.copy()
    points = [(round(float(x) * 16), round(float(y) * 16)) for x, y in keypoints]
    colours = [SIDE_COLOURS.get(name.partition("_")[0], MIDDLE) for name in joints.joints]
    for a, b in joints.limb_indices:
        if shown[a] and shown[b]:
            colour = colours[a] if colours[a] == colours[b] else MIDDLE
            cv2.line(image, points[a], points[b], DARK, 4, cv2.LINE_AA, 4)
            cv2.line(image, points[a], points[b], colour, 2, cv2.LINE_AA, 4)
    for at in np.flatnonzero(shown):
        for radius, colour in ((4, DARK), (3, colours[at])):
            cv2.circle(image, points[at], radius * 16, colour, cv2.FILLED, cv2.LINE_AA, 4)
    cv2.rectangle(image, (0, 0), (image.shape[1] - 1, len(image) - 1), EDGE, 1)
    return image


def _legend(name: str, width: int) -> UInt8:
    """What the picture shows, and what the colours say."""
    legend = np.full((3 * TITLE_HEIGHT, width, 3), PAPER, np.uint8)
    draw_text(legend, f"What augmentation does to {name}", (GAP, 28), 1.4 * TEXT, LIGHT)
    left = GAP
    for text, colour in {**SIDE_COLOURS, "middle": MIDDLE}.items():
        cv2.circle(legend, (left + 5, 53), 5, colour, cv2.FILLED, cv2.LINE_AA)
        draw_text(legend, text, (left + 16, 58), 0.8 * TEXT, LIGHT)
        left += text_width(text, 0.8 * TEXT) + 5 * GAP
    unknown = "no joints: not labelled in that frame, or the frame is lost"
    draw_text(legend, unknown, (left, 58), 0.8 * TEXT, NOTE)
    note = "each row switches on one transform alone, with probability 1 and at the amount given"
    draw_text(legend, note, (GAP, 88), 0.8 * TEXT, NOTE)
    return legend
