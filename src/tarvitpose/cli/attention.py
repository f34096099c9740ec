"""`tarvitpose attention`: where each joint's query looked, in every frame of a window."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tarvitpose.cli import checks, console
from tarvitpose.cli.options import Quiet, Video, with_options
from tarvitpose.config import PredictConfig
from tarvitpose.errors import ConfigError
from tarvitpose.utils.config_base import MOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tarvitpose.results import TrackedFrame
    from tarvitpose.video.frame_source import FrameSource
    from tarvitpose.visualization.attention_maps import AttentionMaps
    from tarvitpose.visualization.attention_options import Moment

KINDS = (".png", ".jpg")
JOINTS = "right_shoulder,right_elbow,right_wrist"  # the paper's Figure 4


Time = Annotated[
    float | None,
    typer.Option(min=0, max=MOST, metavar="SECONDS", help="Moment of the video to show."),
]
FrameNumber = Annotated[
    int | None,
    typer.Option(min=0, max=MOST, metavar="N", help="Number of the frame to show instead, from 0."),
]
Track = Annotated[
    int | None,
    typer.Option(metavar="ID", help="Person to show; the largest one by default."),
]
Joints = Annotated[str, typer.Option(metavar="NAME,NAME,...", help="Joints to show, or all.")]
Layer = Annotated[
    int | None,
    typer.Option(min=1, max=MOST, metavar="N", help="Layer of JTA; the last one by default."),
]
Picture = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Folder of NAME.attention.png, or a file name that ends in .png or .jpg.",
    ),
]


@with_options(
    PredictConfig,
    *("overwrite", "start", "weights", "offsets", "device", "detector", "boxes"),
    start="Where the search for people begins; track ids are those of predict --start.",
)
def run(
    video: Video,
    *,
    time: Time = None,
    frame: FrameNumber = None,
    track: Track = None,
    joints: Joints = JOINTS,
    layer: Layer = None,
    output: Picture = Path("results"),
    config: PredictConfig,
    quiet: Quiet = False,
) -> None:
    """Draw where the joints of one person look.

    Writes one picture, with and without the mask (Figures 4 and 6 of the paper), and prints how
    much of each joint's attention went to each frame.
    """
    if (time is None) == (frame is None):
        raise ConfigError("attention: give one of --time SECONDS and --frame N")
    config = config.model_copy(update={"backend": "torch", "precision": "fp32"})
    checks.existing_source(video)
    from tarvitpose.video.sources import open_source
    from tarvitpose.visualization.attention_options import Moment, chosen_layer, require_attention
    from tarvitpose.weights.folder import load_config

    network = load_config(config.weights)
    require_attention(network, config.weights)
    layer = chosen_layer(layer, network)
    chosen = checks.joint_indices(joints, network.joints.joints)
    with open_source(video, start=config.start, live=False) as source:
        path = checks.picture_path(output, f"{source.name}.attention.png")
        checks.new_file(path, overwrite=config.overwrite, kinds=KINDS)
        maps = _find(config, source, Moment(time, frame), track, layer, quiet=quiet)
        name = video if source.path is None else source.path.name
    _write(path, maps, chosen, name)
    if not quiet:
        _report(maps, chosen, name)
        console.say(f"  {path}")


def _find(
    config: PredictConfig,
    source: FrameSource,
    moment: Moment,
    track: int | None,
    layer: int,
    *,
    quiet: bool,
) -> AttentionMaps:
    """Load the model, and look at one moment of a source, with a progress bar up to it."""
    from tarvitpose.inference.estimator import PoseEstimator
    from tarvitpose.runs.pipeline import RunProgress
    from tarvitpose.visualization.attention_maps import attention_maps

    with console.notes_shown(quiet=quiet):
        estimator = PoseEstimator.from_config(config)
    with console.progress_bar(source.name, quiet=quiet) as on_progress:
        done = count(1)  # how many frames come up to that moment nobody knows yet

        def show(seen: TrackedFrame) -> None:
            on_progress(RunProgress(next(done), None, len(seen.boxes)))

        return attention_maps(estimator, source, moment, track_id=track, layer=layer, on_frame=show)


def _write(path: Path, maps: AttentionMaps, joints: Sequence[int], name: str) -> None:
    from tarvitpose.utils.atomic import atomic_file
    from tarvitpose.utils.images import write_image
    from tarvitpose.visualization.attention_picture import draw_attention_maps

    with atomic_file(path) as temporary:
        write_image(temporary, draw_attention_maps(maps, joints, name))


def _report(maps: AttentionMaps, joints: Sequence[int], name: str) -> None:
    """Print each joint's attention by frame, and how much of it lies where the mask lets it."""
    from tarvitpose.cli.tables import drawn, plain_table
    from tarvitpose.visualization.attention_picture import region_share, title_of, ways

    names = [f"{frame}" for frame in maps.frames]
    names[maps.current] = f"{names[maps.current]} (now)"
    rows = plain_table(["share of attention", "", *names, "inside mask"], left=2)
    for joint in joints:
        for masked in ways(maps):
            shares = (maps.masked if masked else maps.free)[joint]
            of_frames = [f"{share:.0%}" for share in shares.sum((1, 2))]
            inside = f"{region_share(shares, maps.regions[joint]):.0%}"
            way = "with mask" if masked else "without"
            rows.add_row(maps.joint_names[joint], way, *of_frames, inside)
    console.say(title_of(maps, name), style="bold")
    console.say(drawn(rows))
