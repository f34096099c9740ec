"""Score trackers on generated scenes in which people of JHMDB meet, cross and hide one another.

    python -m tools.track_crossings data/jhmdb --first 24 --scenes 96
    python -m tools.track_crossings data/jhmdb --first 24 --scenes 36 --kind pan

Every scene follows from its number and kind (`tools.crossing_scenes`).   Axes: V scenes.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tarvitpose.config import BOX_THRESHOLD, TrackerName
from tarvitpose.errors import UserError
from tarvitpose.geometry import box_iou
from tarvitpose.metrics.mot import (
    THRESHOLD,
    FrameIdentities,
    TrackingCounts,
    count_tracks,
    tracking_scores,
)
from tarvitpose.metrics.posetrack_ap import interval, video_draws
from tarvitpose.tracking import open_tracker
from tarvitpose.utils.arrays import Float64
from tools.crossing_scenes import KINDS, Clips, SceneFrame, scene

BLIND = "body, motion alone"
TRACKERS: dict[str, TrackerName] = {"body": "body", BLIND: "body", "iou": "iou"}
TRACKERS |= {"bytetrack": "bytetrack", "ocsort": "ocsort"}
SHOWN = ("id switches", "shared ids", "IDF1", "HOTA", "MOTA")
FRAMES_OF_ONE = 3  # in which an id is on a person, to be that one's


@dataclass(frozen=True, eq=False)
class SceneCounts:
    """What a scene adds to the measures."""

    tracks: TrackingCounts
    shared: int  # how often an id was given to one more person


def score_scene(frames: Iterator[SceneFrame], names: Sequence[str]) -> dict[str, SceneCounts]:
    """Return what each tracker does with the same boxes of a scene."""
    trackers = {name: open_tracker(TRACKERS[name], start_threshold=BOX_THRESHOLD) for name in names}
    identities: dict[str, list[FrameIdentities]] = {name: [] for name in names}
    for frame in frames:
        alike = box_iou(frame.true_boxes, frame.boxes).astype(np.float64)  # (K, N)
        for name, tracker in trackers.items():
            image = None if name == BLIND else frame.image
            ids = tracker.update(frame.boxes, frame.scores, frame.index, frame.time, image)
            tracked = ids > 0
            identities[name].append(
                FrameIdentities(frame.true_ids, ids[tracked], alike[:, tracked])
            )
    return {
        name: SceneCounts(count_tracks(rows), shared_ids(rows)) for name, rows in identities.items()
    }


def shared_ids(frames: Sequence[FrameIdentities]) -> int:
    """Return to how many people ids were given that had been somebody else's."""
    frames_of = Counter(
        (int(track), int(frame.true_ids[person]))
        for frame in frames
        for track, alike in zip(frame.predicted_ids, frame.similarity.T, strict=True)
        if alike.max(initial=0) >= THRESHOLD
        for person in [alike.argmax()]
    )
    people = Counter(track for (track, _), count in frames_of.items() if count >= FRAMES_OF_ONE)
    return sum(count - 1 for count in people.values())


def per_scene(counts: Sequence[SceneCounts], weights: Float64) -> dict[str, float]:
    """Return the measures shown, counts for each scene, scenes counted by weights (V,)."""
    scores = tracking_scores([each.tracks for each in counts], weights)
    shared = float(weights @ [each.shared for each in counts])
    scenes = float(weights.sum())
    return {**scores, "id switches": scores["id switches"] / scenes, "shared ids": shared / scenes}


def table(counts: Mapping[str, Sequence[SceneCounts]], samples: int) -> list[str]:
    """Return rows of every tracker, and of the first less each other: value, 95% interval.

    Intervals are over draws of scenes, the same ones for all trackers.
    """
    first, scenes = next(iter(counts)), len(next(iter(counts.values())))
    weights = [np.ones(scenes), *video_draws(scenes, samples)]  # what was measured, then the draws
    scores = {name: [per_scene(each, row) for row in weights] for name, each in counts.items()}
    rows = [f"| tracker | {' | '.join(SHOWN)} |", "|--" * (len(SHOWN) + 1) + "|"]
    rows += [f"| {name} | {_cells(each, '')} |" for name, each in scores.items()]
    for name in [*scores][1:]:
        less = [
            {key: mine[key] - theirs[key] for key in SHOWN}
            for mine, theirs in zip(scores[first], scores[name], strict=True)
        ]
        rows.append(f"| {first} less {name} | {_cells(less, '+')} |")
    return rows


def _cells(scores: Sequence[dict[str, float]], sign: str) -> str:
    """Return the first score of each measure and the interval of the others."""
    cells = []
    for key in SHOWN:
        low, high = interval(row[key] for row in scores[1:])
        cells.append(f"{scores[0][key]:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})")
    return " | ".join(cells)


def main() -> None:
    """Print the scores of trackers on the same scenes."""
    parser = argparse.ArgumentParser(description="Score trackers on generated crossings.")
    parser.add_argument("annotations", type=Path, help="JHMDB: the release, or a file of clips")
    parser.add_argument("--first", type=int, default=0, help="number of the first scene")
    parser.add_argument("--scenes", type=int, default=48, help="how many")
    parser.add_argument("--kind", choices=KINDS, default="plain", help="what makes them harder")
    parser.add_argument("--trackers", nargs="+", choices=TRACKERS, default=list(TRACKERS))
    parser.add_argument("--bootstrap", type=int, default=1000, help="draws of scenes")
    given = parser.parse_args()
    counts: dict[str, list[SceneCounts]] = {name: [] for name in given.trackers}
    try:
        clips = Clips.open(given.annotations)
        for number in range(given.first, given.first + given.scenes):
            for name, scores in score_scene(
                scene(clips, number, given.kind), given.trackers
            ).items():
                counts[name].append(scores)
    except UserError as error:
        raise SystemExit(str(error)) from None
    print("\n".join(table(counts, given.bootstrap)))


if __name__ == "__main__":
    main()
