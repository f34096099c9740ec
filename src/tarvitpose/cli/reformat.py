"""`tarvitpose reformat`: poses of an earlier run for other programs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from tarvitpose.cli import checks, console
from tarvitpose.cli.options import Folder, Overwrite, Quiet
from tarvitpose.cli.plot import stem_of
from tarvitpose.config import TransferFormat
from tarvitpose.errors import ConfigError, DataError
from tarvitpose.utils.config_base import MOST
from tarvitpose.utils.lists import parse_choices

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tarvitpose.formats.motion import TrackMotion
    from tarvitpose.results import FramePoses

TRANSFER_FORMATS: tuple[TransferFormat, ...] = get_args(TransferFormat)
LEAST_SCORE = 0.3
FRAMES = "/data/local-files/?d=frames/{frame}.jpg"
IN_SPACE, BODIES = ("trc", "bvh"), ("trc", "mot", "bvh")

Result = Annotated[
    Path, typer.Argument(metavar="RESULT", help="What predict wrote, in any format.")
]
Formats = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME,...",
        help="trc: markers for OpenSim and Pose2Sim; mot: joint angles for OpenSim; bvh: an "
        "animation for Blender; label-studio: to correct poses there.",
    ),
]
Height = Annotated[
    float | None,
    typer.Option(
        min=0.3,
        max=2.8,
        metavar="METRES",
        help="For trc and bvh: how tall the person is, of several the one who is seen in most "
        "frames.",
        show_default=False,
    ),
]
PixelsPerMetre = Annotated[
    float | None,
    typer.Option(
        min=1e-3,
        max=MOST,
        metavar="N",
        help="For trc and bvh, instead of a height: what a known length in the picture gives.",
        show_default=False,
    ),
]
BodyTracks = Annotated[
    list[int] | None,
    typer.Option(
        help="For trc, mot and bvh: person to write; repeatable, all by default.",
        show_default=False,
    ),
]
KeypointThreshold = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="For trc, mot and bvh: lowest score of a joint, others are gaps."
    ),
]
Images = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="For label-studio: where the frames are, {frame} standing for the number.",
    ),
]


def run(
    result: Result,
    *,
    formats: Formats,
    height: Height = None,
    pixels_per_metre: PixelsPerMetre = None,
    track: BodyTracks = None,
    keypoint_threshold: KeypointThreshold = LEAST_SCORE,
    images: Images = FRAMES,
    output: Folder = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Write poses of an earlier run for other programs.

    trc, mot and bvh are a file for each person: NAME.track1.trc. trc and bvh are in metres with
    --height or --pixels-per-metre, and in pixels otherwise; mot is in degrees. label-studio is
    NAME.label-studio.json, with its labelling interface in NAME.label-studio.xml; load_poses reads
    what Label Studio exports.
    """
    kinds = parse_choices("--format", formats, TRANSFER_FORMATS)
    if height is not None and pixels_per_metre is not None:
        raise ConfigError("--height and --pixels-per-metre both give the scale: give one")
    for option, is_given, fitting in (
        ("--height", height is not None, IN_SPACE),
        ("--pixels-per-metre", pixels_per_metre is not None, IN_SPACE),
        ("--track", bool(track), BODIES),
        ("--keypoint-threshold", keypoint_threshold != LEAST_SCORE, BODIES),
        ("--images", images != FRAMES, ("label-studio",)),
    ):
        if is_given and not {*fitting} & {*kinds}:
            raise ConfigError(f"{option} is for {', '.join(fitting)}, not for {formats}")
    checks.existing(result)
    from tarvitpose.formats.reading import load_poses
    from tarvitpose.utils.atomic import files_together

    frames = load_poses(result)
    base = (output or result.parent) / stem_of(result)
    people: list[TrackMotion] = []
    if kinds != ("label-studio",):
        try:
            people = _people(frames, height, pixels_per_metre, track, keypoint_threshold)
        except DataError as error:
            raise DataError(f"{result}: {error}") from None
    writers = _writers(base, kinds, people, frames, images=images, threshold=keypoint_threshold)
    for path in writers:
        checks.new_file(path, overwrite=overwrite)
    with files_together():  # some writers refuse what others have written
        for path, write in writers.items():
            write(path)
    if {"trc", "bvh"} & {*kinds} and any(motion.unit == "px" for motion in people):
        console.warn("without --height or --pixels-per-metre coordinates are pixels, not metres")
    if not quiet:
        scales = {person.pixels_per_metre for person in people} - {None}  # to be checked
        lines = [f"1 m is {scale:.1f} pixels" for scale in scales]
        lines += [f"  {path}" for path in writers]
        console.result(lines, files=[str(path) for path in writers])


def _writers(
    base: Path,
    kinds: Sequence[str],
    people: Sequence[TrackMotion],
    frames: Sequence[FramePoses],
    *,
    images: str,
    threshold: float,
) -> dict[Path, Callable[[Path], None]]:
    """Return the files to write, each with what writes it."""
    from tarvitpose.angles.series import joint_angles
    from tarvitpose.formats.bvh import write_bvh
    from tarvitpose.formats.label_studio import labelling_interface, write_label_studio
    from tarvitpose.formats.mot import write_mot
    from tarvitpose.formats.trc import write_trc
    from tarvitpose.utils.atomic import write_text

    writers: dict[Path, Callable[[Path], None]] = {}
    tracks = [motion.track_id for motion in people]
    angles = joint_angles(frames, threshold=threshold, tracks=tracks) if "mot" in kinds else []
    for at, motion in enumerate(people):
        for kind in (kind for kind in kinds if kind in BODIES):
            path = Path(f"{base}.track{motion.track_id}.{kind}")
            if kind == "mot":
                writers[path] = partial(write_mot, motion=motion, series=angles[at])
            else:
                writers[path] = partial(write_trc if kind == "trc" else write_bvh, motion=motion)
    if "label-studio" in kinds:
        tasks = partial(write_label_studio, frames=frames, images=images)
        writers[Path(f"{base}.label-studio.json")] = tasks
        interface = labelling_interface(frames[0].joint_names)
        writers[Path(f"{base}.label-studio.xml")] = partial(write_text, text=interface)
    return writers


def _people(
    frames: Sequence[FramePoses],
    height: float | None,
    pixels_per_metre: float | None,
    tracks: list[int] | None,
    least_score: float,
) -> list[TrackMotion]:
    """Return the chosen people's motions, in metres where a scale is given. Raises DataError."""
    from tarvitpose.formats import motion

    everybody = motion.motions(frames, least_score)
    missing = sorted({*(tracks or ())} - {person.track_id for person in everybody})
    if missing:
        known = ", ".join(str(person.track_id) for person in everybody)
        raise DataError(f"--track {missing[0]}: not in this file; its tracks are: {known}")
    chosen = [person for person in everybody if not tracks or person.track_id in tracks]
    if height is not None:
        longest = max(chosen, key=lambda person: len(person.times))
        pixels_per_metre = motion.pixels_per_metre(longest, height)
    if pixels_per_metre is None:
        return chosen
    return [person.in_metres(pixels_per_metre) for person in chosen]
