"""The person detector that comes with the package: NanoDet on ONNX Runtime.

Axes: A anchors, one for each cell of the network's three grids.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.detection.protocol import Detections, clip_to_frame, ranked
from tarvitpose.geometry import box_area, box_iou, shared_area
from tarvitpose.results import Frame
from tarvitpose.utils.arrays import Float32, Float64, UInt8
from tarvitpose.utils.cores import usable_cores

LONGER_SIDE, OF_WIDE = 416, 512  # pixels of the input
WIDE = 1.7  # width by height of a wide frame: 16:9 and more
STRIDES = (8, 16, 32)  # pixels of the input that a cell is wide; a side is whole cells
NMS_IOU = 0.5
INSIDE, HELD = 0.8, 0.4  # shares of a better box, and of one that holds it, that both have
SIZES, LARGE = (0.77, 1.0, 1.23), 640  # of single pictures: times the usual input; its pixels
NOTICED, ENLARGED = 0.15, 0.6  # scores that count in one of them, and in the largest alone
APART, SEEN = 0.3, 0.3  # least overlap (IoU), and score of a box, where somebody is already
JOINED = 0.55  # overlap (IoU) from which boxes of two looks at a picture are one person's
BLACK = 8  # the brightest that the border of a letterboxed video is, as coded
SHARP, STRAIGHT = 3, 0.75  # lines in which a picture begins; share of one that is lit there
CLOSER = (0.3, 0.5, 0.7)  # how much of the input a person is tall in closer looks
LARGEST = 3.0  # times enlarged, from which a closer look shows nothing new
FAINT = 0.05  # the lowest score that counts there
SAME = 0.5  # overlap (IoU) from which a closer look found the same
WEIGHTS = "nanodet_person_416.onnx"
ON_PROCESSOR, ON_CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"  # as ONNX Runtime says it


class Letterbox(NamedTuple):
    """Where a frame lies inside the input, which is no larger than it must be."""

    frame: tuple[int, int]  # width, height of the frame
    input: tuple[int, int]  # width, height of the input
    inside: tuple[int, int]  # width, height it is resized to
    corner: tuple[int, int]  # x, y

    @classmethod
    def of(cls, height: int, width: int, longer: int | None = None) -> Letterbox:
        """Centre a frame of that size: 512 x 288 at 16:9, 416 x 312 at 4:3, 234 x 416 at 9:16."""
        scale = (longer or usual_side(height, width)) / max(height, width)
        inside = (max(1, round(width * scale)), max(1, round(height * scale)))
        across, down = (-(-side // STRIDES[-1]) * STRIDES[-1] for side in inside)
        corner = ((across - inside[0]) // 2, (down - inside[1]) // 2)
        return cls((width, height), (across, down), inside, corner)

    def fill(self, image: UInt8) -> UInt8:
        """Return the input (height, width, 3): the frame resized, black around it."""
        filled = np.zeros((*self.input[::-1], 3), np.uint8)
        (x, y), (width, height) = self.corner, self.inside
        filled[y : y + height, x : x + width] = cv2.resize(image, self.inside)
        return filled

    def to_frame(self, boxes: ArrayLike) -> Float32:
        """Map boxes (N, 4) xyxy from pixels of the input to pixels of the frame.

        >>> Letterbox.of(height=240, width=512).to_frame([[0, 8, 512, 248]]).tolist()
        [[0.0, 0.0, 512.0, 240.0]]
        """
        scale = np.array(self.frame, np.float32) / np.array(self.inside, np.float32)
        corners = np.asarray(boxes, np.float32).reshape(-1, 2, 2) - np.array(
            self.corner, np.float32
        )
        return np.asarray(corners * scale, np.float32).reshape(-1, 4)


def usual_side(height: int, width: int) -> int:
    """Return the longer side of the input for a frame of that size.

    In wide frames people are small, so a wider input finds more of them; where they may be taller
    than in training, it loses some.
    """
    return OF_WIDE if width >= WIDE * height else LONGER_SIDE


@lru_cache(maxsize=8)
def anchors(width: int, height: int) -> dict[str, Float32]:
    """Return the anchors of an input: centres `cx` and `cy` (A,) in its pixels, `stride` (A, 1)."""
    grids = []
    for stride in STRIDES:
        y, x = (np.mgrid[: height // stride, : width // stride] + 0.5) * stride
        grids.append(np.stack([x.ravel(), y.ravel(), np.full(x.size, stride)]))
    x, y, strides = np.concatenate(grids, 1).astype(np.float32)
    return {"cx": x, "cy": y, "stride": strides[:, None]}


class NanoDet:
    """Find people with the embedded NanoDet.

    `threshold` is the lowest score that counts: below 0.4 traffic cones turn up. `threads` is
    how many cores one frame uses at most. On a `device` "cuda..." it runs there if the installed
    onnxruntime can, else on the processor, where a frame takes some tens of milliseconds.
    """

    def __init__(self, threshold: float = 0.4, device: str = "cpu", threads: int = 2) -> None:
        self.threshold, self._looks_again = threshold, False
        self._session = _open_session(device, threads)

    @property
    def device(self) -> str:
        """What it runs on: "cuda" or "cpu", also where CUDA was asked for and does not work."""
        return "cuda" if ON_CUDA in self._session.get_providers() else "cpu"

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame, best first, their boxes cut off at the frame's border.

        Black rows and columns around a picture are no part of it. The detector sees nothing beyond
        the border, so what it says about it is a guess.
        """
        rows, columns = picture_within(frame.image)
        picture = frame.image[rows, columns]
        if self._looks_again:
            seen = self._of_a_picture(picture)
        else:
            seen = self._people(picture, self.threshold)
        people = without_holders(seen)
        corner = np.array([columns.start, rows.start] * 2, np.float32)
        return Detections(people.boxes + corner, people.scores)

    def of_pictures(self) -> Self:
        """Return the same detector for single pictures, which looks seven times.

        What it sees at three sizes, plain and mirrored, is joined, and where that is nobody a
        larger one counts too.
        """
        other = copy.copy(self)
        other._looks_again = True
        return other

    def _people(self, picture: UInt8, least: float, longer: int | None = None) -> Detections:
        """Return the people of a picture that score `least` in an input `longer` pixels long."""
        height, width = picture.shape[:2]
        letterbox = Letterbox.of(height, width, longer)
        seen = suppress(*self._score(letterbox.fill(picture)), least)
        upright = clip_to_frame(letterbox.to_frame(seen.boxes), (height, width))
        is_inside = (upright[:, 2:] > upright[:, :2]).all(1)  # else it lay in the padding
        return Detections(upright[is_inside], seen.scores[is_inside])

    def _of_a_picture(self, picture: UInt8) -> Detections:
        usual = usual_side(*picture.shape[:2])
        looks = [
            look
            for longer in (round(times * usual) for times in SIZES)
            for look in (self._people(picture, NOTICED, longer), self._mirrored(picture, longer))
        ]
        seen = joined(looks)
        people = suppress(seen.boxes, seen.scores, self.threshold)
        large = self._people(picture, ENLARGED, LARGE)
        overlap = box_iou(large.boxes, people.boxes[people.scores >= SEEN]).max(1, initial=0)
        is_new = overlap < APART
        return ranked(
            np.concatenate([people.boxes, large.boxes[is_new]]),
            np.concatenate([people.scores, large.scores[is_new]]),
            self.threshold,
        )

    def _mirrored(self, picture: UInt8, longer: int) -> Detections:
        """Return the people of a picture as its mirror image shows them."""
        seen = self._people(picture[:, ::-1], NOTICED, longer)
        boxes = seen.boxes[:, [2, 1, 0, 3]]
        boxes[:, ::2] = picture.shape[1] - boxes[:, ::2]
        return Detections(boxes, seen.scores)

    def look_closer(self, frame: Frame, box: Float32) -> float | None:
        """Return how sure the detector is of a box (4,) xyxy where it sees that at other sizes.

        That is its mean score, 0 where it finds nothing, over cut-outs of the frame about the
        box; None where the box is too small for any.
        """
        middle, height = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max())
        scales = [share * LONGER_SIDE / height for share in CLOSER]
        scores = []
        for scale in (each for each in scales if each <= LARGEST):
            matrix = np.array([[scale, 0, 0], [0, scale, 0]])
            matrix[:, 2] = LONGER_SIDE / 2 - scale * middle
            cutout = cv2.warpAffine(frame.image, matrix, (LONGER_SIDE, LONGER_SIDE))
            seen = suppress(*self._score(np.asarray(cutout, np.uint8)), FAINT)
            its = LONGER_SIDE / 2 + scale * (box.reshape(1, 2, 2) - middle).reshape(1, 4)
            is_same = box_iou(seen.boxes, its)[:, 0] >= SAME
            scores.append(float(seen.scores[is_same].max(initial=0)))
        return float(np.mean(scores)) if scores else None

    def _score(self, image: UInt8) -> tuple[Float32, Float32]:
        """Return a box (A, 4) xyxy, in pixels of an input (h, w, 3), and a score of each anchor."""
        height, width = image.shape[:2]
        boxes, scores = self._session.run(None, {"image": image[None], **anchors(width, height)})
        return boxes, scores


def picture_within(image: UInt8) -> tuple[slice, slice]:
    """Return the rows and columns of a picture without black around it; all where all is black.

    A border ends in a straight edge: what fades into the dark, with people in it, is the picture.

    >>> picture_within(np.pad(np.full((2, 3, 3), 9, np.uint8), ((1, 2), (0, 4), (0, 0))))
    (slice(1, 3, None), slice(0, 3, None))
    """
    height, width = image.shape[:2]
    border = image[0], image[-1], image[:, 0], image[:, -1]
    if all(line.max() > BLACK for line in border):
        return slice(0, height), slice(0, width)
    is_lit = image.max(2) > BLACK
    rows, columns = np.flatnonzero(is_lit.any(1)), np.flatnonzero(is_lit.any(0))
    if not len(rows):
        return slice(0, height), slice(0, width)
    inside = is_lit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    down = _between_edges(inside.mean(1), int(rows[0]), height)
    return down, _between_edges(inside.mean(0), int(columns[0]), width)


def _between_edges(lit: Float64, first: int, length: int) -> slice:
    """Return which of `length` lines are no border; `lit` is how much of each from `first` is."""
    begins, ends = (lines.max() >= STRAIGHT for lines in (lit[:SHARP], lit[-SHARP:]))
    return slice(first if begins else 0, first + len(lit) if ends else length)


def suppress(boxes: ArrayLike, scores: ArrayLike, threshold: float) -> Detections:
    """Drop low scores, then every box that overlaps a better one by an IoU above 0.5."""
    likely = ranked(boxes, scores, threshold)
    corners = likely.boxes.astype(np.float64)
    xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
    chosen = cv2.dnn.NMSBoxes(xywh.tolist(), likely.scores.tolist(), 0.0, NMS_IOU)
    order = np.sort(np.asarray(chosen, np.int64).reshape(-1))
    return Detections(likely.boxes[order], likely.scores[order])


def joined(looks: Sequence[Detections]) -> Detections:
    """Return the people whom some looks at one picture show, with the mean of boxes and scores.

    Boxes count by their scores; who is not seen in a look has a score of 0 there.

    >>> plain = Detections(np.float32([[0, 0, 10, 20]]), np.float32([0.75]))
    >>> large = Detections(np.float32([[4, 0, 10, 20], [40, 0, 50, 20]]), np.float32([0.25, 0.5]))
    >>> people = joined([plain, large])
    >>> people.boxes[:, 0].tolist(), people.scores.tolist()
    ([1.0, 40.0], [0.5, 0.25])
    """
    boxes = np.concatenate([look.boxes for look in looks])
    scores = np.concatenate([look.scores for look in looks])
    look_of = np.repeat(np.arange(len(looks)), [len(look) for look in looks])
    overlap, left = box_iou(boxes, boxes), np.ones(len(boxes), bool)
    people = []
    for row in np.argsort(-scores, kind="stable"):
        if left[row]:
            near = np.flatnonzero(left & (overlap[row] >= JOINED))
            near = near[np.argsort(-overlap[row, near], kind="stable")]
            same = near[np.unique(look_of[near], return_index=True)[1]]  # the nearest of each look
            left[same] = False
            people.append(np.append(np.average(boxes[same], 0, scores[same]), scores[same].sum()))
    means = np.array(people, np.float32).reshape(-1, 5)
    return Detections(means[:, :4], means[:, 4] / np.float32(len(looks)))


def without_holders(detections: Detections) -> Detections:
    """Drop each box, best first, that holds a better one and is not much larger.

    It is a person together with a shadow or a neighbour, too large for `suppress`.

    >>> boxes = np.float32([[0, 0, 10, 20], [0, 0, 20, 20], [0, 0, 30, 20]])
    >>> without_holders(Detections(boxes, np.float32([0.9, 0.6, 0.5]))).boxes[:, 2].tolist()
    [10.0, 30.0]
    """
    boxes = detections.boxes
    area = np.maximum(box_area(boxes), 1e-9)
    least = np.maximum(INSIDE * area[:, None], HELD * area)  # (N, N): of the better one, the other
    holds = np.triu(shared_area(boxes[:, None], boxes) >= least, 1)
    for row in range(len(boxes)):  # what is dropped itself drops nothing
        if holds[:row, row].any():
            holds[row] = False
    is_alone = ~holds.any(0)
    return Detections(boxes[is_alone], detections.scores[is_alone])


def _open_session(device: str, threads: int) -> Any:
    """Load the weights that the package carries."""
    import onnxruntime  # noqa: PLC0415  slow to import, and not every run detects

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(threads, usable_cores())
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its errors are raised as well
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # share the cores
    providers: list[Any] = [ON_PROCESSOR]
    kind, _, number = device.partition(":")
    if kind == "cuda" and ON_CUDA in onnxruntime.get_available_providers():
        providers.insert(0, (ON_CUDA, {"device_id": int(number or 0)}))
    weights = resources.files("tarvitpose").joinpath("assets", WEIGHTS).read_bytes()
    return onnxruntime.InferenceSession(weights, options, providers=providers)
