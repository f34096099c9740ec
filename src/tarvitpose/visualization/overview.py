"""The first section of a report: what was looked at, with what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tarvitpose import __version__
from tarvitpose.config import PredictConfig
from tarvitpose.drawing import shown_time
from tarvitpose.utils.config_messages import option_name
from tarvitpose.visualization.html import Html, join, tag
from tarvitpose.visualization.report_data import Material

SAID = {"weights", "crop_policy", "offsets", "single_frame"}  # in lines of their own
HOW = {"formats", "render", "contact_sheet", "keypoint_threshold", "live"}  # not what was found
Fact = tuple[str, str, str]  # name, value, and a sentence about it
CROPS = {
    "anchored": "One box cuts a person's crops while they stay inside of it.",
    "own": "Each frame is cut by the person's box in it.",
    "window": "The current frame's box cuts all frames of its window, as in the paper.",
}


def overview(material: Material, tracks: int, now: datetime) -> Html:
    """Return the facts of the video and of the run."""
    facts = [*_of_video(material, tracks), *_of_run(material)]
    made = f"TAR-ViTPose {__version__}, {now:%Y-%m-%d %H:%M %Z}".strip()
    facts.append(("This page", made, "It is one file and loads nothing from elsewhere."))
    rows = [
        join([tag("dt", name), tag("dd", tag("b", value), " ", tag("span", note, class_="note"))])
        for name, value, note in facts
    ]
    return tag("dl", *rows)


def _of_video(material: Material, tracks: int) -> Iterator[Fact]:
    height, width = material.image_size
    yield "File", f"{material.name}, {shown_size(material.bytes)}", ""
    yield (
        "Picture",
        f"{width} × {height} pixels, {material.frame_rate:.4g} frames/s",
        "As seen upright; the frame rate is the mean.",
    )
    start, end = span(material)
    yield (
        "Part",
        f"{counted(len(material.poses), 'frame')}, {end - start:.2f} s",
        f"From {shown_time(start)} to {shown_time(end)} of the video.",
    )
    most = max(len(one) for one in material.poses)
    yield (
        "People",
        f"at most {most} in a frame, {counted(tracks, 'track')}",
        "Whoever leaves and comes back may get a new number.",
    )


def _of_run(material: Material) -> Iterator[Fact]:
    manifest = material.manifest
    if manifest is None:
        yield "Run", "not known", "No note of the run lies beside the results."
        return
    options = manifest.options
    sums = ", ".join(f"{name} {digest}" for name, digest in manifest.weights.items())
    yield "Weights", str(options.get("weights")), f"SHA-256: {sums}"
    yield "Window", *_window(material, options.get("offsets"), bool(options.get("single_frame")))
    policy = str(options.get("crop_policy"))
    yield "Crops", policy, CROPS.get(policy, "")
    usual = PredictConfig().model_dump(mode="json")
    others = [
        f"{option_name(key)}{_said(value)}"
        for key, value in options.items()
        if key not in SAID | HOW and value != usual.get(key)
    ]
    yield "Other options", " ".join(others) or "none", "All else is as predict does it unasked."
    if manifest.result is not None:
        seconds, frames = manifest.result.seconds, manifest.result.frames
        rate = f"{frames / seconds:.3g} frames/s" if seconds else ""
        yield "Time taken", f"{seconds:.1f} s", f"From opening the video to its results: {rate}."
    if manifest.tarvitpose != __version__:
        yield "Found by", f"TAR-ViTPose {manifest.tarvitpose}", "The results are of that version."


def _window(material: Material, given: object, single_frame: bool) -> tuple[str, str]:
    """Say which frames the network looked at for each."""
    offsets = material.offsets or (given if isinstance(given, list | tuple) else None)
    if single_frame:
        return "single frame", "Each frame was looked at alone (ViTPose)."
    if offsets is None:
        return "the weights' own", "Neighbouring frames that help each frame."
    others = ", ".join(f"{offset:+d}" for offset in offsets if offset).replace("-", "−")
    if not others:
        return "single frame", "These weights look at each frame alone (ViTPose)."
    return f"frames {others}", "Neighbouring frames that help each frame."


def _said(value: object) -> str:
    """Return what stands behind an option, nothing behind a switch."""
    if value is True:
        return ""
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return f" {text.removesuffix('.0')}"


def span(material: Material) -> tuple[float, float]:
    """Return when the first frame begins and the last one ends, in seconds."""
    times = [one.time for one in material.poses]
    return times[0], times[-1] + 1 / material.frame_rate


def shown_size(size: int) -> str:
    """Return a number of bytes in words.

    >>> shown_size(900), shown_size(2_340_000)
    ('900 bytes', '2.3 MB')
    """
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return f"{size} bytes"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "frame"), counted(1200, "frame")
    ('1 frame', '1,200 frames')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
