"""Joints over time: x, y and score of one or several people, files and joints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.drawing import Colour, colour_of
from tarvitpose.errors import UserError
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import Float32
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.optional import require
from tarvitpose.utils.source_names import printable

WIDTH, HEIGHT = 5.5, 6.0  # inches of a joint's column
DPI, MAX_SIDE = 150, 2**16 - 1  # pixels of an inch, and of the widest picture that can be drawn
ROWS = ("x (pixels)", "y (pixels)", "score")
STYLES = ("-", "--", ":", "-.")  # of files, where a person is in several
WIDTH_OF_LINE, RIM, RIM_COLOUR = 1.6, 0.8, "0.35"  # points; light colours need an edge on paper
RAW = {"color": "0.6", "linewidth": 0.8}  # what was smoothed, behind the rest
Poses = Sequence[FramePoses]


def plot_joints(
    files: Mapping[str, Poses], path: Path, *, joints: Sequence[str], tracks: Sequence[int] = ()
) -> None:
    """Write a picture, .png, .svg or .pdf, with a column for each joint.

    `files` are results by the name that the legend gives them; all of their tracks are drawn, or
    those of `tracks`. What was smoothed has its raw values in grey. A line breaks where the person
    is not there. Raises UserError for a joint or track that is nowhere, and without matplotlib.
    """
    shown = {name: _tracks(poses, tracks) for name, poses in files.items()}
    if not any(shown.values()):
        raise UserError(_nobody(files, tracks))
    matplotlib = require("matplotlib.figure", "tarvitpose plot", "plot")
    figure = matplotlib.Figure((WIDTH * len(joints), HEIGHT), layout="constrained")
    grid = figure.subplots(len(ROWS), len(joints), squeeze=False, sharex=True, sharey="row")
    for column, joint in zip(grid.T, joints, strict=True):
        for number, (name, poses) in enumerate(files.items()):
            for track_id in shown[name]:
                look = rimmed(track_id) | {"linestyle": STYLES[number % len(STYLES)]}
                _draw(column, follow(poses, track_id, joint), look, _label(name, track_id, shown))
                _draw_raw(column, poses, track_id, joint, _label(name, track_id, shown))
        column[0].set_title(joint.replace("_", " "))
        column[-1].set_xlabel(_time_axis(files))
    for row, label in zip(grid, ROWS, strict=True):
        row[0].set_ylabel(label)
    for panel in grid.ravel():
        panel.spines[["top", "right"]].set_visible(False)
    grid[1, 0].invert_yaxis()  # as in the picture: up is up
    grid[2, 0].set_ylim(0, 1)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    save_figure(figure, path, min(DPI, MAX_SIDE / figure.get_figwidth()))


def save_figure(figure: Any, path: Path, dpi: float) -> None:
    """Write a figure of matplotlib, whole or not at all, in the format of the name's ending."""
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower() or "png", dpi=dpi)


def rimmed(colour: Colour | int) -> dict[str, Any]:
    """Return the look of a line in a colour of the drawn video, or in that of a track.

    The palette is made for pictures; a dark edge keeps its light colours visible on paper.
    """
    effects = require("matplotlib.patheffects", "plot", "plot")
    shade = colour_of(colour) if isinstance(colour, int) else colour
    return {
        "color": tuple(value / 255 for value in shade),
        "linewidth": WIDTH_OF_LINE,
        "path_effects": [effects.withStroke(linewidth=WIDTH_OF_LINE + RIM, foreground=RIM_COLOUR)],
    }


def follow(poses: Poses, track_id: int, joint: str, *, raw: bool = False) -> Float32:
    """Return time, x, y and score of one joint, (F, 4), NaN where the person is not there.

    Where a file has no times, the number of the frame stands for it. Raises UserError.
    """
    values = np.full((len(poses), 4), np.nan, np.float32)
    for row, frame in zip(values, poses, strict=True):
        row[0] = frame.index if np.isnan(frame.time) else frame.time
        for person in np.flatnonzero(frame.track_ids == track_id)[:1]:
            at = _joint_index(frame.joint_names, joint)
            points = (
                frame.raw_keypoints if raw and frame.raw_keypoints is not None else frame.keypoints
            )
            row[1:3], row[3] = points[person, at], frame.scores[person, at]
    return values


def _joint_index(names: Sequence[str], joint: str) -> int:
    if joint not in names:
        raise UserError(f"{joint}: no such joint; the file has {', '.join(names)}")
    return names.index(joint)


def _tracks(poses: Poses, wanted: Sequence[int]) -> list[int]:
    """Return the tracks of a file that are drawn, by id."""
    present = sorted({track_id for frame in poses for track_id in frame.track_ids.tolist()})
    return [track_id for track_id in present if not wanted or track_id in wanted]


def _nobody(files: Mapping[str, Poses], wanted: Sequence[int]) -> str:
    present = sorted({track_id for poses in files.values() for track_id in _tracks(poses, ())})
    if not present:
        return f"{', '.join(files)}: nobody is seen in any frame"
    return f"track {wanted[0]}: not there; the tracks are {', '.join(map(str, present))}"


def _label(name: str, track_id: int, shown: Mapping[str, list[int]]) -> str:
    """Return what tells a line from the others."""
    several = len(set().union(*shown.values())) > 1
    # Matplotlib hides labels that begin with an underscore, and sets formulas between dollars.
    name = printable(name).lstrip("_").replace("$", r"\$")
    parts = [name] * (len(shown) > 1) + [f"person {track_id}"] * (several or len(shown) == 1)
    return ", ".join(parts)


def _draw(column: Any, line: Float32, look: dict[str, Any], label: str) -> None:
    for panel, values in zip(column, line.T[1:], strict=True):
        panel.plot(line[:, 0], values, **look, label=label)


def _draw_raw(column: Any, poses: Poses, track_id: int, joint: str, label: str) -> None:
    """Draw what was smoothed behind what came out of it."""
    if any(frame.raw_keypoints is not None for frame in poses):
        before = follow(poses, track_id, joint, raw=True)
        for panel, values in zip(column[:2], before.T[1:3], strict=True):
            panel.plot(before[:, 0], values, **RAW, label=f"{label}, raw", zorder=1)


def _time_axis(files: Mapping[str, Poses]) -> str:
    timed = all(not np.isnan(frame.time) for poses in files.values() for frame in poses)
    return "time (s)" if timed else "frame"
