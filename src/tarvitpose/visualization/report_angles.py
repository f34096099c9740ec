"""What a report says of joint angles, and in plain words of what to distrust."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tarvitpose.angles.cycles import cycles_of
from tarvitpose.angles.definitions import BY_NAME
from tarvitpose.angles.ranges import Range, ranges_of
from tarvitpose.angles.series import AngleSeries, joint_angles
from tarvitpose.drawing import shown_time
from tarvitpose.results import FramePoses, people_by_track
from tarvitpose.utils.arrays import Float64
from tarvitpose.utils.stretches import stretches
from tarvitpose.visualization.report_tables import TIMELINE_WIDTH, longest
from tarvitpose.visualization.tracks import TrackSummary

MAX_PEOPLE = 6  # whose angles are shown
SELDOM = 0.5  # of a person's frames: a joint that is sure less often is named
OFTEN_CUT = 0.1  # of a person's frames, at the border of the picture
BORDER = 2.0  # pixels
JUMP, FASTEST = 40.0, 1000.0  # degrees, and degrees a second: docs/angles.md has how often
CURVE_HEIGHT = 200  # units, beside TIMELINE_WIDTH
MOST_POINTS = 500  # of a line; of longer videos every so many frames are drawn
TICK, LEAST_SPAN = 10, 30  # degrees: curves begin and end at whole tens, and show so many at least


class AngleRow(NamedTuple):
    """One angle of both sides, or of the middle of the body as `left`."""

    label: str
    left: Range | None
    right: Range | None
    has_sides: bool


class Curve(NamedTuple):
    """One angle over time, both sides together, in units of a picture."""

    label: str
    low: int  # degrees at the lower edge
    high: int
    lines: list[tuple[str, str]]  # side ("" for none) and the points of a stretch without a gap


class PersonAngles(NamedTuple):
    """The angles of one person."""

    track_id: int
    faces: str
    rows: list[AngleRow]
    curves: list[Curve]  # of the rows
    repetitions: str  # a sentence, empty where nothing repeats


def angles_of_longest(
    poses: Sequence[FramePoses], tracks: Sequence[TrackSummary], threshold: float
) -> list[AngleSeries]:
    """Return the angles over time of the tracks of most frames, by id."""
    ids = [track.track_id for track in longest(tracks, MAX_PEOPLE)]
    return joint_angles(poses, threshold=threshold, tracks=ids) if ids else []


def people_angles(angles: Sequence[AngleSeries], span: tuple[float, float]) -> list[PersonAngles]:
    """Return what the report shows of each person; curves go over a `span` of seconds."""
    people = [_person(series, span) for series in angles]
    return [person for person in people if person.rows]


def _person(series: AngleSeries, span: tuple[float, float]) -> PersonAngles:
    sides_of: dict[str, dict[str, Range]] = {}  # by title
    for name, limits in ranges_of(series).items():
        angle = BY_NAME[name]
        if not (angle.side and angle.kind == "lean"):
            sides_of.setdefault(angle.title, {})[angle.side] = limits
    rows = [
        AngleRow(title, sides.get("", sides.get("left")), sides.get("right"), "" not in sides)
        for title, sides in sides_of.items()
    ]
    faces = [str(name) for name in dict.fromkeys(series.facing.tolist()) if name]
    return PersonAngles(
        series.track_id,
        ", then ".join(faces),
        rows,
        [_curve(series, row, span) for row in rows],
        _repeats(series),
    )


def _curve(series: AngleSeries, row: AngleRow, span: tuple[float, float]) -> Curve:
    names = [limits.name for limits in (row.left, row.right) if limits]
    values = np.concatenate([series.degrees[name] for name in names])
    low, high = np.nanmin(values) / TICK, np.nanmax(values) / TICK
    bottom = int(np.floor(low)) * TICK
    top = max(int(np.ceil(high)) * TICK, bottom + LEAST_SPAN)
    x = (series.times - span[0]) / (span[1] - span[0]) * TIMELINE_WIDTH
    lines = [
        (BY_NAME[name].side, points)
        for name in names
        for points in _lines(series, x, (top - series.degrees[name]) / (top - bottom))
    ]
    return Curve(row.label, bottom, top, lines)


def _lines(series: AngleSeries, x: Float64, y: Float64) -> list[str]:
    """Return the points of each stretch in which an angle is known; a single one is a dot."""
    known = np.flatnonzero(np.isfinite(y))
    step = -(-len(y) // MOST_POINTS)
    lines = []
    for part in stretches(series.frames[known]):
        chosen = known[[*part[:-1:step], part[-1]]]
        points = [f"{x[at]:.1f},{y[at] * CURVE_HEIGHT:.1f}" for at in chosen]
        lines.append(" ".join(points * 2 if len(points) == 1 else points))
    return lines


def _repeats(series: AngleSeries) -> str:
    cycles = [repeating for repeating in cycles_of(series) if "lean" not in repeating.name][:1]
    if not cycles:
        return ""
    times = ", ".join(f"{peak:.1f}" for peak in cycles[0].peaks)
    return (
        f"{len(cycles[0].peaks)} repetitions, one in {cycles[0].period:.2f} s: "
        f"{BY_NAME[cycles[0].name].label} is largest at {times} s."
    )


def doubts(
    poses: Sequence[FramePoses],
    tracks: Sequence[TrackSummary],
    threshold: float,
    angles: Sequence[AngleSeries],
) -> list[str]:
    """Return what to distrust of the tracks of most frames and their angles, a sentence each."""
    sentences: list[str] = []
    everybody = people_by_track(poses)
    jumps = {series.track_id: _jumps(series) for series in angles}
    for track in longest(tracks, MAX_PEOPLE):
        people = everybody[track.track_id]
        scores = np.stack([frame.scores[at] for frame, at in people])  # (F, J)
        sure = (~(scores < threshold)).mean(0)
        names = people[0][0].joint_names
        seldom = [
            f"{names[joint].replace('_', ' ')} ({sure[joint]:.0%})"
            for joint in np.flatnonzero(sure < SELDOM)
        ]
        if seldom:
            sentences.append(
                f"Person {track.track_id}: hardly to be trusted are {', '.join(seldom)}, which are "
                "seen surely in so few of their frames: hidden, small or blurred."
            )
        if jumps[track.track_id]:
            sentences.append(
                f"Person {track.track_id}: look at {', '.join(jumps[track.track_id])} before you "
                "use the range of motion: an angle jumps where a limb is hidden or points at the "
                "camera."
            )
        cut = np.mean([_is_cut_off(frame, at) for frame, at in people])
        if cut >= OFTEN_CUT:
            sentences.append(
                f"Person {track.track_id} reaches the border of the picture in {cut:.0%} of their "
                "frames: what lies beyond it is a guess."
            )
        if len(track.stretches) > 1:
            times = {1: "once", 2: "twice"}.get(gaps := len(track.stretches) - 1, f"{gaps} times")
            sentences.append(
                f"Person {track.track_id} is lost {times} in between; nothing is filled in."
            )
    return sentences


def _jumps(series: AngleSeries) -> list[str]:
    """Return the joint angles that change faster than limbs bend, with size and time of it."""
    jumps = []
    for name, degrees in series.degrees.items():
        known = np.flatnonzero(np.isfinite(degrees))
        steps, times = np.abs(np.diff(degrees[known])), np.diff(series.times[known])
        steps[(steps < JUMP) | (steps < FASTEST * times)] = 0
        if BY_NAME[name].joint and steps.any():
            when = shown_time(series.times[known[int(steps.argmax()) + 1]])
            jumps.append(f"{BY_NAME[name].label} ({steps.max():.0f}° at {when})")
    return jumps


def _is_cut_off(frame: FramePoses, person: int) -> bool:
    height, width = frame.image_size
    left, top, right, bottom = frame.boxes[person].tolist()
    near = left <= BORDER or top <= BORDER or right >= width - BORDER or bottom >= height - BORDER
    return bool(near and height > 0)
