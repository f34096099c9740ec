"""What `tarvitpose evaluate` can be asked, and what goes together."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from tarvitpose.cli import checks
from tarvitpose.errors import BoxesError, ConfigError
from tarvitpose.utils.atomic import check_writable

COMMON = {"weights", "json_file", "device"}
NETWORK = {"flip_test", "precision", "batch_size", "boxes", "box_threshold"}
LABELS = {"annotations", "layout", "images", "limit"}
WAYS = {  # the option that decides what is scored, and all that goes with it
    "predictions": {"predictions", "annotations", "json_file", "samples"},
    "videos": COMMON | NETWORK | {"videos", "end"},
    "degradations": COMMON | LABELS | {"degradations", "reliability"},
    "weights": COMMON
    | NETWORK
    | LABELS
    | {"single_frame", "output", "overwrite", "samples"}
    | {"baselines", "every"},
}
SPELT = {"layout": "--format", "json_file": "--json", "samples": "--bootstrap"}


@dataclass(frozen=True)
class Options:
    """One call of `evaluate`."""

    weights: str | None = None
    predictions: Path | None = None
    annotations: Path | None = None
    layout: str | None = None  # of the annotations; None: guessed
    images: Path | None = None
    boxes: str | None = None
    box_threshold: float | None = None
    single_frame: bool = False
    baselines: bool = False
    every: int = 1
    flip_test: bool = False
    degradations: str | None = None
    reliability: Path | None = None
    videos: tuple[str, ...] = ()
    end: float | None = None  # seconds
    limit: int | None = None
    output: Path | None = None
    overwrite: bool = False
    json_file: Path | None = None
    samples: int | None = None
    device: str = "auto"
    precision: str = "auto"
    batch_size: int = 16

    def way(self) -> str:
        """Return what is scored: a key of WAYS.

        Raises ConfigError where an option is missing or does not go with the others.
        """
        given = {one.name for one in fields(self) if getattr(self, one.name) != one.default}
        way = next((name for name in WAYS if name in given), None)
        if way is None:
            raise ConfigError(
                "evaluate: expected --weights (a model) or --predictions (files of poses)"
            )
        for name in sorted(given - WAYS[way]):
            raise ConfigError(f"evaluate: {spelt(name)} has no meaning with {spelt(way)}")
        needed = ["annotations"] if way == "predictions" else ["weights", "annotations"]
        for name in needed[:1] if way == "videos" else needed:
            if name not in given:
                raise ConfigError(f"evaluate: {spelt(way)} also needs {spelt(name)}")
        if way == "videos" and self.boxes == "gt":
            raise ConfigError("--boxes gt: videos have no labelled boxes; use detector or a file")
        return way


def check_files(options: Options) -> None:
    """Refuse files that are not there or could not be written, before anything slow is loaded.

    Raises UserError.
    """
    for path in (options.predictions, options.annotations, options.images):
        if path is not None:
            checks.existing(path)
    for video in options.videos:
        checks.existing_source(video)
    for path in (options.json_file, options.reliability):
        if path is not None:
            check_writable(path.parent)
    if options.output is not None:
        check_writable(options.output)
    if options.boxes is not None and options.boxes.endswith(".json"):
        checks.existing(options.boxes, BoxesError)
    if options.weights is not None:
        from tarvitpose.inference.graph_folder import local_config

        local_config(options.weights)


def spelt(name: str) -> str:
    """Return an option as it is written on the command line.

    >>> spelt("box_threshold"), spelt("samples")
    ('--box-threshold', '--bootstrap')
    """
    return SPELT.get(name, f"--{name.replace('_', '-')}")
