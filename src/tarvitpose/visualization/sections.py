"""The sections of a report that show numbers: tracks, jitter, speed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tarvitpose.benchmark.stages import Stages
from tarvitpose.drawing import colour_of, is_dotted, shown_time
from tarvitpose.visualization.html import Html, bar, drawing, join, table, tag
from tarvitpose.visualization.overview import counted, span
from tarvitpose.visualization.report_data import Material
from tarvitpose.visualization.tracks import SURE, Track

ROWS = 40  # tracks that are shown
WIDTH = 1000  # of the time line; a gap shorter than a thousandth is told, not drawn
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


def longest(tracks: Sequence[Track], rows: int = ROWS) -> list[Track]:
    """Return the tracks of most frames, by id."""
    chosen = sorted(tracks, key=lambda one: -len(one.frames))[:rows]
    return sorted(chosen, key=lambda one: one.track_id)


def track_rows(material: Material, tracks: Sequence[Track]) -> Html:
    """Return a row for each track: when it is there, and how sure."""
    if not tracks:
        return tag("p", "Nobody was followed in this video.")
    shown = longest(tracks)
    start, end = span(material)
    rows = [
        (
            chip(one.track_id),
            tag("span", _time_line(one, start, end, 1 / material.frame_rate), class_="time"),
            f"{len(one.frames):,}",
            f"{len(one.stretches) - 1}",
            number(one.score, "{:.2f}"),
        )
        for one in shown
    ]
    line = f"{shown_time(start)} to {shown_time(end)}"
    head = ("Person", line, "Frames", "Gaps", "Mean score")
    return join(
        [
            tag(
                "p",
                "When each person is there, in the colour of the drawing. A gap is a time without "
                "them; the score, 0 to 1, is how sure the network is of the joints.",
            ),
            table(head, rows),
            _left_out(tracks, shown),
        ]
    )


def _left_out(tracks: Sequence[Track], shown: Sequence[Track]) -> Html:
    rest = len(tracks) - len(shown)
    return tag("p", f"{counted(rest, 'track')} of fewer frames left out.") if rest else Html()


def chip(track_id: int) -> Html:
    """Return a person's number in their colour."""
    ground = "rgb({}, {}, {})".format(*colour_of(track_id))
    kind = "chip dotted" if is_dotted(track_id) else "chip"
    return tag("span", f"{track_id}", class_=kind, style=f"background: {ground}")


def _time_line(track: Track, start: float, end: float, frame: float) -> Html:
    """Draw when a person is there; `frame` is how long one lasts, in seconds."""
    scale = WIDTH / (end - start)
    parts: list[list[float]] = []
    for first, last in track.stretches:
        left, right = (track.times[first] - start) * scale, track.times[last] + frame - start
        if parts and left - parts[-1][1] < 1:
            parts[-1][1] = right * scale
        else:
            parts.append([left, right * scale])
    colour = "rgb({}, {}, {})".format(*colour_of(track.track_id))
    shapes = [tag("rect", width=WIDTH, height=16, class_="ground")]
    for left, right in parts:
        place = {"x": f"{left:.1f}", "width": f"{max(right - left, 1):.1f}"}
        shapes.append(tag("rect", **place, height=16, fill=colour, class_="there"))
        if is_dotted(track.track_id):
            shapes.append(tag("rect", **place, y=7, height=2, class_="line"))
    times = f"{shown_time(float(track.times[0]))} to {shown_time(float(track.times[-1]))}"
    label = f"Person {track.track_id}: {times}"
    return drawing(*shapes, width=WIDTH, height=16, label=label, stretched=True)


def jitter_rows(tracks: Sequence[Track]) -> Html:
    """Return how steady each track is."""
    known = [one for one in tracks if np.isfinite([*one.jitter.values()]).any()]
    if not known:
        return tag("p", "Nobody was seen surely in three frames in a row, which this needs.")
    shown = longest(known)
    ways = [*shown[0].jitter]
    most = max(max(_finite(one)) for one in shown) or 1.0
    rows = []
    for one in shown:
        values = [one.jitter[way] for way in ways]
        label = f"Person {one.track_id}: {values[0]:.2%}"
        bars = tag("span", bar(_or_zero(values[0]) / most, label), class_="bar")
        rows.append((chip(one.track_id), bars, *(number(100 * one, "{:.2f}%") for one in values)))
    head = ("Person", "", *(f"{way[0].upper()}{way[1:]}" for way in ways))
    return join(
        [
            tag(
                "p",
                "How far a joint lands from where steady motion would put it (the second "
                "difference of three frames in a row), in per cent of the height of the person's "
                f"box: the mean over joints that score {SURE} or more. Little is steady; fast "
                "true motion counts as well, so compare ways, not people.",
            ),
            table(head, rows),
            _left_out(known, shown),
        ]
    )


def _finite(track: Track) -> list[float]:
    return [value for value in track.jitter.values() if np.isfinite(value)]


def _or_zero(value: float) -> float:
    return value if np.isfinite(value) else 0.0


def speed_rows(stages: Stages | None) -> Html:
    """Return where the time of the run went."""
    if stages is None:
        return tag(
            "p",
            "Not measured: these poses were there before. Leave --poses out to measure them anew.",
        )
    most = max(stages.milliseconds.values()) or 1.0
    rows = [
        (
            name,
            tag("span", bar(value / most, f"{name}: {value:.1f} ms"), class_="bar"),
            f"{value:.1f} ms",
            STAGES[name],
        )
        for name, value in stages.milliseconds.items()
    ]
    return join(
        [
            tag(
                "p",
                tag("b", f"{stages.frame_rate:.3g} frames/s"),
                f": {counted(stages.frames, 'frame')} in {stages.seconds:.1f} s, files included, "
                "loading of the network not. Milliseconds for each frame:",
            ),
            table(("Stage", "", "For each frame", "What it is"), rows),
        ]
    )


def number(value: float, form: str) -> str:
    """Return a number, or a dash where it is not known.

    >>> number(0.5, "{:.2f}"), number(float("nan"), "{:.2f}")
    ('0.50', '–')
    """
    return form.format(value) if np.isfinite(value) else "–"
