"""The report on one video: an HTML page that needs nothing beside it, from `templates`."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tarvitpose.drawing import colour_of, is_dotted, shown_time
from tarvitpose.formats.contact_sheet import TILES, spread
from tarvitpose.results import FramePoses
from tarvitpose.utils.words import counted
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.visualization.flagged_frames import LOW_MEAN, FlaggedFrame, flagged_frames
from tarvitpose.visualization.report_angles import (
    CURVE_HEIGHT,
    angles_of_longest,
    doubts,
    people_angles,
)
from tarvitpose.visualization.report_data import ReportData
from tarvitpose.visualization.report_facts import report_facts
from tarvitpose.visualization.report_tables import (
    TIMELINE_WIDTH,
    jitter_table,
    stage_rows,
    track_rows,
)
from tarvitpose.visualization.thumbnails import Subject, Thumbnail, thumbnails
from tarvitpose.visualization.tracks import SURE, tracks_of

SURE_FROM = 0.75  # mean score of a person's joints
TEMPLATES = Path(__file__).with_name("templates")


def report_page(
    source: FrameSource,
    data: ReportData,
    threshold: float,
    *,
    video: str | None = None,
    blur_faces: bool = False,
) -> str:
    """Return the page. Raises UserError where the video does not have the frames of the poses.

    Joints that score below `threshold` are not drawn and make no angles. `video` is the address of
    the drawn video, relative to the page. `blur_faces` hides heads in the pictures.
    """
    poses, tracks = data.poses, tracks_of(data.poses)
    angles = angles_of_longest(poses, tracks, threshold)
    sheet = [poses[position] for position in spread(len(poses), TILES)]
    flagged = flagged_frames(poses, tracks)
    pictures = thumbnails(
        source, _subjects(sheet, poses, flagged), threshold, poses if blur_faces else ()
    )
    return (
        _environment()
        .get_template("report.html")
        .render(
            data=data,
            video=video,
            people=people_angles(angles, data.time_span),
            doubts=doubts(poses, tracks, threshold, angles),
            facts=report_facts(data, len(tracks), datetime.now().astimezone()),
            sheet=[*zip(sheet, pictures)],  # noqa: B905 - the flagged frames' pictures follow
            flagged=_flagged(poses, flagged, pictures[len(sheet) :]),
            tracks=track_rows(data, tracks),
            num_tracks=len(tracks),
            jitter=jitter_table(tracks),
            stages=data.stages and stage_rows(data.stages),
            threshold=threshold,
        )
    )


def _environment() -> Environment:
    """Return what fills in the templates; values are escaped, and an unknown name is an error."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        colour=lambda track_id: "rgb({}, {}, {})".format(*colour_of(track_id)),
        counted=partial(counted, form=","),
        number=number,
        how_sure=how_sure,
        time=shown_time,
    )
    environment.tests["dotted"] = is_dotted
    environment.globals.update(SURE=SURE, TIMELINE_WIDTH=TIMELINE_WIDTH, CURVE_HEIGHT=CURVE_HEIGHT)
    return environment


def _subjects(
    sheet: Sequence[FramePoses], poses: Sequence[FramePoses], flagged: Sequence[FlaggedFrame]
) -> list[Subject]:
    """Return the pictures of the contact sheet, then those of the flagged frames."""
    frames = [Subject(frame, f"Frame {frame.index}: {_people(len(frame))}") for frame in sheet]
    for flag in flagged:
        frame = poses[flag.position]
        alt = f"Person {frame.track_ids[flag.person]}: {flag.why}"
        frames.append(Subject(frame, alt, flag.person, flag.joint))
    return frames


def _flagged(
    poses: Sequence[FramePoses], flagged: Sequence[FlaggedFrame], pictures: Sequence[Thumbnail]
) -> list[tuple[FramePoses, int, str, Thumbnail]]:
    """Return frame, track, reason and picture of each flagged frame."""
    return [
        (poses[flag.position], int(poses[flag.position].track_ids[flag.person]), flag.why, picture)
        for flag, picture in zip(flagged, pictures, strict=True)
    ]


def _people(count: int) -> str:
    return {0: "nobody", 1: "1 person"}.get(count, f"{count} people")


def how_sure(score: float) -> str:
    """Return a mean score in words.

    >>> how_sure(0.9), how_sure(0.6), how_sure(0.3), how_sure(float("nan"))
    ('sure', 'fairly sure', 'unsure', 'not known')
    """
    if not np.isfinite(score):
        return "not known"
    return "sure" if score >= SURE_FROM else "fairly sure" if score >= LOW_MEAN else "unsure"


def number(value: float, form: str) -> str:
    """Return a number, or a dash where it is not known.

    >>> number(0.5, "{:.2f}"), number(float("nan"), "{:.2f}")
    ('0.50', '–')
    """
    return form.format(value) if np.isfinite(value) else "–"
