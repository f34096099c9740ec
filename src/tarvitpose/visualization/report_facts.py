"""The facts at the top of a report: the video, the run, and how the poses were found."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from tarvitpose import __version__
from tarvitpose.config import PredictConfig
from tarvitpose.drawing import shown_time
from tarvitpose.utils.config_messages import option_name
from tarvitpose.utils.words import counted
from tarvitpose.visualization.report_data import ReportData

OWN_FACTS = {"weights", "crop_policy", "offsets", "single_frame"}  # shown as facts of their own
OUTPUT_OPTIONS = {"formats", "render", "contact_sheet", "keypoint_threshold", "colors", "live"}
OUTPUT_OPTIONS |= {"angles", "blur_faces"}
CROPS = {
    "anchored": "One box cuts a person's crops while they stay inside of it.",
    "own": "Each frame is cut by the person's box in it.",
    "window": "The current frame's box cuts all frames of its window, as in the paper.",
}


class Fact(NamedTuple):
    """One line of the overview."""

    name: str
    value: str
    note: str = ""  # a sentence that explains the value


def report_facts(data: ReportData, num_tracks: int, now: datetime) -> list[Fact]:
    """Return the facts of the video and of the run."""
    version = f"TAR-ViTPose {__version__}, {now:%Y-%m-%d %H:%M %Z}".strip()
    page = Fact("This page", version, "It is one file and loads nothing from elsewhere.")
    return [*_video_facts(data, num_tracks), *_run_facts(data), page]


def _video_facts(data: ReportData, num_tracks: int) -> Iterator[Fact]:
    height, width = data.image_size
    yield Fact("File", f"{data.name}, {shown_size(data.bytes)}")
    yield Fact(
        "Picture",
        f"{width} × {height} pixels, {data.frame_rate:.4g} frames/s",
        "As seen upright; the frame rate is the mean.",
    )
    start, end = data.time_span
    yield Fact(
        "Part",
        f"{counted(len(data.poses), 'frame', form=',')}, {end - start:.2f} s",
        f"From {shown_time(start)} to {shown_time(end)} of the video.",
    )
    most = max(len(frame) for frame in data.poses)
    yield Fact(
        "People",
        f"at most {most} in a frame, {counted(num_tracks, 'track', form=',')}",
        "Whoever leaves and comes back may get a new number.",
    )


def _run_facts(data: ReportData) -> Iterator[Fact]:
    manifest = data.manifest
    if manifest is None:
        yield Fact("Run", "not known", "No note of the run lies beside the results.")
        return
    options = manifest.options
    sums = ", ".join(f"{name} {digest}" for name, digest in manifest.weights.items())
    yield Fact("Weights", str(options.get("weights")), f"SHA-256: {sums}")
    is_single = options.get("temporal") == "none" or bool(options.get("single_frame"))  # until 0.7
    yield _window_fact(data, options.get("offsets"), is_single)
    policy = str(options.get("crop_policy"))
    yield Fact("Crops", policy, CROPS.get(policy, ""))
    defaults = PredictConfig().model_dump(mode="json")
    changed = [
        f"{option_name(key)}{_option_value(value)}"
        for key, value in options.items()
        if key not in OWN_FACTS | OUTPUT_OPTIONS and value != defaults.get(key)
    ]
    yield Fact("Other options", " ".join(changed) or "none", "All others have their defaults.")
    if manifest.result is not None:
        seconds, frames = manifest.result.seconds, manifest.result.frames
        rate = f"{frames / seconds:.3g} frames/s" if seconds else ""
        note = f"From opening the video to its results: {rate}."
        yield Fact("Time taken", f"{seconds:.1f} s", note)
    if manifest.tarvitpose != __version__:
        version = f"TAR-ViTPose {manifest.tarvitpose}"
        yield Fact("Found by", version, "The results are of that version.")


def _window_fact(data: ReportData, option: object, single_frame: bool) -> Fact:
    """Name the neighbouring frames that the network sees beside each frame."""
    offsets = data.offsets or (option if isinstance(option, list | tuple) else None)
    if single_frame:
        return Fact("Window", "single frame", "The network sees each frame alone (ViTPose).")
    if offsets is None:
        return Fact("Window", "the weights' own", "Neighbouring frames that help each frame.")
    others = ", ".join(f"{offset:+d}" for offset in offsets if offset).replace("-", "−")
    if not others:
        return Fact("Window", "single frame", "These weights see each frame alone (ViTPose).")
    return Fact("Window", f"frames {others}", "Neighbouring frames that help each frame.")


def _option_value(value: object) -> str:
    """Return what stands behind an option on a command line, nothing behind a switch."""
    if value is True:
        return ""
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return f" {text.removesuffix('.0')}"


def shown_size(size: int) -> str:
    """Return a number of bytes in words.

    >>> shown_size(900), shown_size(2_340_000)
    ('900 bytes', '2.3 MB')
    """
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return f"{size} bytes"
