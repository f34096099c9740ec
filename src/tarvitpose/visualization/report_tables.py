"""The rows of a report's tables: tracks over time, jitter, speed by stage."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tarvitpose.benchmark.stages import Stages
from tarvitpose.drawing import shown_time
from tarvitpose.visualization.report_data import ReportData
from tarvitpose.visualization.tracks import TrackSummary

MAX_ROWS = 40  # tracks that are shown
TIMELINE_WIDTH = 1000  # units; a gap shorter than one of them is counted but not drawn
STAGES = {
    "decode": "reading frames, in a thread beside all others",
    "detect": "finding people",
    "warp": "cutting out their crops",
    "encode": "the network's encoder",
    "temporal": "what joins the frames of a window, and the decoder",
    "heatmaps": "reading joints off heatmaps",
    "write": "smoothing, drawing, writing files",
    "rest": "tracking, checksums, waiting",
}


class TrackRow(NamedTuple):
    """When a person is seen, and how sure the network is of them."""

    track_id: int
    label: str
    bars: list[tuple[float, float]]  # left and width, in units of the time line
    num_frames: int
    num_gaps: int
    score: float  # NaN where the file has none


class JitterRow(NamedTuple):
    """How steady a person is, smoothed, raw and from single frames, as far as these are known."""

    track_id: int
    values: list[float]  # shares of the person's height, NaN where unknown
    bar: float  # the first value as a share of the largest of all


class StageRow(NamedTuple):
    """How long one stage takes for each frame."""

    name: str
    milliseconds: float
    bar: float  # as a share of the longest stage
    meaning: str


@dataclass(frozen=True)
class JitterTable:
    """The jitter of those tracks that are long enough."""

    columns: list[str]
    rows: list[JitterRow]
    num_left_out: int


def longest(tracks: Sequence[TrackSummary], num_rows: int = MAX_ROWS) -> list[TrackSummary]:
    """Return the tracks of most frames, by id."""
    chosen = sorted(tracks, key=lambda track: -len(track.frames))[:num_rows]
    return sorted(chosen, key=lambda track: track.track_id)


def track_rows(data: ReportData, tracks: Sequence[TrackSummary]) -> list[TrackRow]:
    """Return a row for each of the longest tracks."""
    return [_track_row(data, track) for track in longest(tracks)]


def _track_row(data: ReportData, track: TrackSummary) -> TrackRow:
    times = f"{shown_time(float(track.times[0]))} to {shown_time(float(track.times[-1]))}"
    return TrackRow(
        track_id=track.track_id,
        label=f"Person {track.track_id}: {times}",
        bars=_timeline_bars(data, track),
        num_frames=len(track.frames),
        num_gaps=len(track.stretches) - 1,
        score=track.score,
    )


def _timeline_bars(data: ReportData, track: TrackSummary) -> list[tuple[float, float]]:
    """Return when a person is seen, as left and width of bars on the time line."""
    start, end = data.time_span
    scale = TIMELINE_WIDTH / (end - start)
    ends: list[list[float]] = []
    for first, last in track.stretches:
        left = (track.times[first] - start) * scale
        right = (track.times[last] + 1 / data.frame_rate - start) * scale
        if ends and left - ends[-1][1] < 1:
            ends[-1][1] = right
        else:
            ends.append([left, right])
    return [(left, max(right - left, 1)) for left, right in ends]


def jitter_table(tracks: Sequence[TrackSummary]) -> JitterTable | None:
    """Return how steady the longest tracks are; None where no jitter is known."""
    known = [track for track in tracks if np.isfinite([*track.jitter.values()]).any()]
    if not known:
        return None
    shown = longest(known)
    columns = [*shown[0].jitter]
    values = np.array([[track.jitter[name] for name in columns] for track in shown])
    bars = np.nan_to_num(values[:, 0] / (np.nanmax(values) or 1.0))
    rows = [
        JitterRow(track.track_id, row.tolist(), float(bar))
        for track, row, bar in zip(shown, values, bars, strict=True)
    ]
    return JitterTable([name.capitalize() for name in columns], rows, len(known) - len(shown))


def stage_rows(stages: Stages) -> list[StageRow]:
    """Return where the time of the run went."""
    most = max(stages.milliseconds.values()) or 1.0
    return [
        StageRow(name, value, value / most, STAGES[name])
        for name, value in stages.milliseconds.items()
    ]
