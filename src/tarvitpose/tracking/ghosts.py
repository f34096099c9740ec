"""People whom nobody sees: tracks without joints, and tracks that double another.   Axes: N people.

A detector takes a pole, a bag or half of somebody for a person; the pose network looks closer.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import combinations
from statistics import fmean
from typing import Generic, TypeVar

import numpy as np

from tarvitpose.config.options import BOX_THRESHOLD
from tarvitpose.geometry import box_iou
from tarvitpose.metrics.oks import AREA_OF_BOX, similarity
from tarvitpose.results import FramePoses, joined_boxes
from tarvitpose.skeleton import SIGMAS, JointSet, set_of
from tarvitpose.tracking.evidence import DETECTED, Average, Evidence, person_scores
from tarvitpose.utils.arrays import Float32, Float64

Item = TypeVar("Item")
HELD = 15  # frames that wait to learn more about somebody new
SAME_POSE = 0.5  # mean OKS of two tracks over a period from which they are one person
SURE_BOX = 0.55  # mean score of a track's boxes from which nobody looks closer any more
LEAST_LOOK, SURE_LOOK = 0.35, 0.6  # closer looks and width of a person, and of surely one
MANY_LOOKS = 3  # closer looks that tell a thing
CLEAR = 3  # frames that are enough of who is clearly somebody or clearly nobody
CLEARLY_SEEN, CLEARLY_DETECTED, CLEARLY_NOT = 2.0, 1.5, 0.5  # times what a person must reach
CLEAR_LOOKS = 0.4  # two or more closer looks and width, of somebody clear
SEEN_JOINT = 0.3  # score of a joint that says how wide a pose is
OTHER_SIGMA = 0.079  # of joints that COCO does not know


class GhostFilter(Generic[Item]):
    """Leave out the people whom nobody sees, frame by frame; every frame stays.

    A person is seen where the mean of `person_scores` reaches `least_score`, and that of their
    products with the scores of the boxes DETECTED of it, over the whole track until then or over
    the last second: half hidden people have low boxes but sure joints, shadows neither.

    A pole may have joints. `look` returns how sure a detector is of a box where it looks closer, or
    None: a track of doubtful boxes is looked at in its frames 1, 2, 4, 8 and so on. To the mean is
    added how wide the poses are: a pole's left and right lie on each other. The track is left out
    while the sum is below LEAST_LOOK, and not looked at any more from SURE_LOOK on.

    Of two tracks whose poses are the same for a second the one with less evidence is left out. A
    file's frame waits until everybody in it is known for HELD frames, or has gone, so that who is
    new is judged by what follows, but no longer than CLEAR frames for who is clearly somebody, in a
    pose half as similar to others, or clearly nobody; a live one never waits.

    A box below `faint_below` is no evidence, and shows somebody only in a frame whose joints are
    sure: halfway from `least_score` to 1. Besides the track must have had a box of BOX_THRESHOLD,
    or be surely confirmed by closer looks. The same goes for who has no box, and so a score of 0.
    """

    def __init__(
        self,
        least_score: float,
        *,
        is_live: bool,
        look: Callable[[Item, Float32], float | None] | None = None,
        faint_below: float = 0.0,
    ) -> None:
        self.least_score, self._longest = least_score, 0 if is_live else HELD
        self._look = look
        self._waiting: deque[tuple[Item, FramePoses]] = deque()
        self._frames = 0  # so far
        self._began: dict[int, int] = {}  # the frame in which each track began
        self._evidence = Evidence(faint_below)
        self._wide: dict[int, Average] = {}  # by track, width of the pose
        self._looks: dict[int, list[float]] = {}  # by track, of closer looks
        self._alike: dict[tuple[int, int], Average] = {}  # OKS, by two tracks
        self._surely_boxed: set[int] = set()
        self._shown: set[int] = set()
        self._unseen: set[int] = set()
        self._doubtful: set[int] = set()
        self._things: set[int] = set()
        self._doubles: set[int] = set()

    def without_ghosts(
        self, pairs: Iterable[tuple[Item, FramePoses]]
    ) -> Iterator[tuple[Item, FramePoses]]:
        """Yield the pairs of an item, such as a frame, and its poses, without ghosts."""
        if not self.least_score:
            yield from pairs
            return
        for pair in pairs:
            yield from self.take(*pair)
        yield from self.rest()

    def take(self, item: Item, poses: FramePoses) -> Iterator[tuple[Item, FramePoses]]:
        """Take in the next frame; yield those that are decided now, in order."""
        self._note(poses)
        self._look_closer(item, poses)
        self._waiting.append((item, poses))
        while self._waiting and self._is_decided(self._waiting[0][1]):
            yield self._next()

    def rest(self) -> Iterator[tuple[Item, FramePoses]]:
        """Yield the frames that are left when no more come."""
        while self._waiting:
            yield self._next()

    def is_thing(self, track: int) -> bool:
        """Whether MANY_LOOKS closer looks say that a track is nobody."""
        return len(self._looks.get(track, ())) >= MANY_LOOKS and self._looked(track) < LEAST_LOOK

    def warnings(self) -> Iterator[str]:
        """Yield a line for each kind of tracks that were left out as a whole."""
        for tracks, why in (
            (self._unseen - self._doubles, "in which no joints are seen"),
            (self._doubtful - self._unseen - self._doubles, "of doubtful boxes and joints"),
            (self._things - self._doubles, "that closer looks do not confirm"),
            (self._doubles, "with the pose of somebody else"),
        ):
            hidden = sorted(tracks - self._shown)
            if hidden:
                numbers = ", ".join(map(str, hidden[:20])) + (", ..." if hidden[20:] else "")
                count = "1 track" if len(hidden) == 1 else f"{len(hidden)} tracks"
                yield f"{count} {why} left out ({numbers}); --keep-all keeps all"

    def _note(self, poses: FramePoses) -> None:
        """Learn from a frame how well its people are seen, and how alike their poses are."""
        self._frames += 1
        ids = poses.track_ids.tolist()
        self._began = dict.fromkeys(ids, self._frames) | self._began
        self._evidence.note(poses.time, poses.track_ids, poses.scores, poses.box_scores)
        overlap = box_iou(poses.boxes, poses.boxes)
        for first, second in combinations(range(len(ids)), 2):
            if overlap[first, second] > 0:
                low, high = sorted((ids[first], ids[second]))
                pair = self._alike.setdefault((low, high), Average())
                pair.add(poses.time, pose_similarity(poses, first, second))

    def _look_closer(self, item: Item, poses: FramePoses) -> None:
        """Look closer at people whose boxes are doubtful, less and less often."""
        if self._look is None:
            return
        widths = pose_widths(poses).tolist()
        for person in np.flatnonzero(~self._evidence.is_faint(poses.box_scores)):
            track = int(poses.track_ids[person])
            boxed = self._evidence[track].boxed
            self._wide.setdefault(track, Average()).add(poses.time, widths[person])
            looks = self._looks.setdefault(track, [])
            if boxed.count >= CLEAR and boxed.best >= SURE_BOX:
                self._surely_boxed.add(track)
            is_due = boxed.count.bit_count() == 1  # 1, 2, 4, 8
            if is_due and not self._is_boxed(track) and not (looks and self._is_sure(track)):
                look = self._look(item, poses.boxes[person])
                looks += [] if look is None else [look]

    def _looked(self, track: int) -> float:
        """Return how well closer looks and width confirm a track, 1 where nobody had to look."""
        looks = self._looks.get(track)
        if not looks or self._is_boxed(track):
            return 1.0
        return fmean(looks) + self._wide[track].mean

    def _is_boxed(self, track: int) -> bool:
        """Whether a track's boxes are sure, or were for a while."""
        return track in self._surely_boxed or self._evidence[track].boxed.best >= SURE_BOX

    def _is_sure(self, track: int) -> bool:
        return self._looked(track) >= SURE_LOOK

    def _may_be_faint(self, track: int) -> bool:
        """Whether a track was so surely a person that sure joints show one without a usual box."""
        has_been_sure = self._evidence[track].highest_box >= np.float32(BOX_THRESHOLD)
        return bool(has_been_sure) or self._is_sure(track)

    def _is_decided(self, poses: FramePoses) -> bool:
        """Whether everybody in the oldest frame that waits is known well enough."""
        tracks = poses.track_ids.tolist()
        return len(self._waiting) > self._longest or all(
            self._frames - self._began[track] >= self._longest
            or (self._evidence[track].seen.count >= CLEAR and self._is_clear(track, tracks))
            for track in tracks
        )

    def _is_clear(self, track: int, tracks: list[int]) -> bool:
        """Whether somebody new is so surely a person, and unlike the others, or so surely nobody,
        that waiting is idle.
        """
        evidence, least = self._evidence[track], self.least_score
        if evidence.detected.best < CLEARLY_NOT * DETECTED * least:
            return True
        others = [self._alike.get((min(track, other), max(track, other))) for other in tracks]
        return (
            evidence.seen.now >= CLEARLY_SEEN * least
            and evidence.detected.now >= CLEARLY_DETECTED * DETECTED * least
            and self._looked(track) >= (CLEAR_LOOKS if self._looks_twice(track) else SURE_LOOK)
            and all(alike is None or alike.most < SAME_POSE / 2 for alike in others)
        )

    def _looks_twice(self, track: int) -> bool:
        return len(self._looks.get(track, ())) > 1

    def _next(self) -> tuple[Item, FramePoses]:
        item, poses = self._waiting.popleft()
        tracks = poses.track_ids.tolist()
        least, evidence = self.least_score, self._evidence
        visible = {track for track in tracks if evidence[track].seen.best >= least}
        detected = {track for track in visible if evidence[track].is_detected(least)}
        seen = {track for track in detected if self._looked(track) >= LEAST_LOOK}
        doubles = {
            min(pair, key=lambda track: evidence[track].seen.total)
            for pair in combinations(sorted(seen), 2)
            if pair in self._alike and self._alike[pair].now >= SAME_POSE
        }
        self._unseen |= set(tracks) - visible
        self._doubtful |= visible - detected
        self._things |= detected - seen
        self._doubles |= doubles
        self._shown |= seen - doubles
        is_faint = evidence.is_faint(poses.box_scores)
        is_sure = person_scores(poses.scores) >= (1 + least) / 2
        is_sure &= np.array([self._may_be_faint(track) for track in tracks], bool)
        is_shown = np.isin(poses.track_ids, list(seen - doubles)) & (is_sure | ~is_faint)
        left_out = joined_boxes(poses.left_out, poses.boxes[~is_shown])
        return item, replace(poses.only(is_shown), left_out=left_out)


def pose_similarity(poses: FramePoses, first: int, second: int) -> float:
    """Return the OKS of two people's poses; a joint counts as much as both see it."""
    sigmas = [SIGMAS.get(name, OTHER_SIGMA) for name in poses.joint_names]
    sides = poses.boxes[[first, second], 2:] - poses.boxes[[first, second], :2]
    area = AREA_OF_BOX * float(sides.prod(1).min())
    each = similarity(poses.keypoints[[first]], poses.keypoints[[second]], [area], sigmas)[0]
    weight = poses.scores[first] * poses.scores[second]
    return float((each * weight).sum() / max(float(weight.sum()), 1e-9))


def pose_widths(poses: FramePoses) -> Float64:
    """Return how far the furthest pair of a left and a right joint that are seen is apart, (N,).

    In heights of the pose, or widths where those are more; 1 where no joint has a side.
    """
    names = poses.joint_names
    other_side = list((set_of(names) or JointSet("unknown", names)).flip_order)
    points = poses.keypoints.astype(np.float64)
    if other_side == [*range(len(names))]:
        return np.ones(len(points))
    apart = np.linalg.norm(points - points[:, other_side], axis=-1)
    is_seen = np.minimum(poses.scores, poses.scores[:, other_side]) >= SEEN_JOINT
    apart = np.where(is_seen, apart, 0).max(1)
    return np.asarray(apart / np.maximum(np.ptp(points, axis=1).max(1), 1e-9))
