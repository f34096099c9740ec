"""The report on one video: a page of HTML that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tarvitpose.drawing import shown_time
from tarvitpose.formats.contact_sheet import TILES, spread
from tarvitpose.results import FramePoses
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.visualization.flagged_frames import FlaggedFrame, flagged_frames
from tarvitpose.visualization.html import Html, join, tag
from tarvitpose.visualization.overview import overview
from tarvitpose.visualization.report_data import Material
from tarvitpose.visualization.sections import chip, jitter_rows, speed_rows, track_rows
from tarvitpose.visualization.thumbnails import Shot, take
from tarvitpose.visualization.tracks import tracks_of

STYLE = Path(__file__).with_name("style.css")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
Section = tuple[str, Html]  # title and content


def report_page(source: FrameSource, material: Material, threshold: float) -> str:
    """Return the page. Raises UserError where the video does not have the frames of the poses.

    Joints that score below `threshold` are not drawn.
    """
    poses = material.poses
    tracks = tracks_of(poses)
    worst = flagged_frames(poses, tracks)
    places = spread(len(poses), TILES)
    sheet = [Shot(poses[at], f"Frame {poses[at].index}: {_people(poses[at])}") for at in places]
    near = [Shot(poses[one.at], _who(poses, one), one.person, one.joint) for one in worst]
    pictures = take(source, [*sheet, *near], threshold)
    return _page(
        material.name,
        [
            ("Overview", overview(material, len(tracks), datetime.now().astimezone())),
            ("Warnings", _warnings(material.notes)),
            ("Contact sheet", _sheet(material, places, pictures[: len(sheet)], threshold)),
            ("Tracks over time", track_rows(material, tracks)),
            ("Jitter", jitter_rows(tracks)),
            ("Worst frames", _worst(poses, worst, pictures[len(sheet) :])),
            ("Speed by stage", speed_rows(material.stages)),
        ],
    )


def _page(name: str, sections: Sequence[Section]) -> str:
    title = f"{name}: poses by TAR-ViTPose"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(STYLE.read_text(encoding="utf-8"))),
    )
    links = [tag("a", title, href=f"#{_place(title)}") for title, _ in sections]
    parts = [
        tag("section", tag("h2", title), content, id=_place(title)) for title, content in sections
    ]
    body = tag("body", tag("h1", name), tag("nav", *links), tag("main", *parts))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _place(title: str) -> str:
    return title.lower().replace(" ", "-")


def _warnings(notes: Sequence[str]) -> Html:
    if not notes:
        return tag("p", "None.")
    return tag("ul", *(tag("li", note) for note in notes))


def _sheet(
    material: Material, places: Sequence[int], pictures: Sequence[Html], threshold: float
) -> Html:
    """Return the frames at evenly spaced places; upright ones stand closer."""
    shown = [material.poses[at] for at in places]
    tiles = [
        _figure(picture, f"{shown_time(poses.time)}, frame {poses.index}")
        for poses, picture in zip(shown, pictures, strict=True)
    ]
    height, width = material.image_size
    text = f"Evenly spaced frames. Joints that score below {threshold:g} are not drawn."
    kind = "sheet tall" if height > width else "sheet"
    return join([tag("p", text), tag("div", *tiles, class_=kind)])


def _worst(
    poses: Sequence[FramePoses], worst: Sequence[FlaggedFrame], pictures: Sequence[Html]
) -> Html:
    """Return where to look first, and why."""
    if not worst:
        return tag("p", "Nobody was seen, so there is nothing to doubt.")
    tiles = []
    for one, picture in zip(worst, pictures, strict=True):
        frame = poses[one.at]
        time = f"{shown_time(frame.time)}, frame {frame.index} "
        track_id = int(frame.track_ids[one.person])
        who = chip(track_id) if track_id >= 0 else Html()
        tiles.append(_figure(picture, join([time, who, tag("p", one.why)])))
    text = (
        "The lowest scores and the largest jumps, spread over the video: worst within it, which "
        "need not be bad. A jump is the jitter of one joint at one moment; a ring marks the joint."
    )
    return join([tag("p", text), tag("div", *tiles, class_="sheet large")])


def _figure(picture: Html, caption: str) -> Html:
    return tag("figure", picture, tag("figcaption", caption))


def _people(poses: FramePoses) -> str:
    return "nobody" if not len(poses) else "1 person" if len(poses) == 1 else f"{len(poses)} people"


def _who(poses: Sequence[FramePoses], doubt: FlaggedFrame) -> str:
    return f"Person {poses[doubt.at].track_ids[doubt.person]}: {doubt.why}"
