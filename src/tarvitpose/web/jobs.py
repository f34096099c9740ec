"""What a job does: poses by the code of `predict`, and where one joint of a result looked."""

from __future__ import annotations

import shutil
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tarvitpose.config import PredictConfig
from tarvitpose.detection import Detections
from tarvitpose.formats.reading import load_poses
from tarvitpose.formats.writing import ENDINGS
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.results import Frame, FramePoses
from tarvitpose.runs.pipeline import Outcome, Progress, load_estimator, process
from tarvitpose.utils.images import write_image
from tarvitpose.utils.source_names import name_of
from tarvitpose.video.sources import open_source
from tarvitpose.visualization.attention_maps import joint_looks
from tarvitpose.visualization.attention_options import Moment
from tarvitpose.visualization.attention_picture import draw_looks

KEPT = "npz"  # the format that is read again for the attention
FOLDERS = ("openpose",)  # formats that are downloaded as one zip


@dataclass(frozen=True)
class Results:
    """What a job left in the folder `config.output`."""

    source: Path
    config: PredictConfig
    outcome: Outcome
    poses: tuple[FramePoses, ...]  # of every frame
    downloads: tuple[Path, ...]

    @property
    def tracks(self) -> list[int]:
        """The numbers of all people."""
        return sorted({track for frame in self.poses for track in frame.track_ids.tolist()})

    def file(self, kind: str) -> Path:
        """Return where a kind of result is: a format, "overlay" or "compare"."""
        return _file(self.source, self.config, kind)

    def frame_at(self, seconds: float) -> int:
        """Return the place of the frame that is shown at a time."""
        return max(bisect_right([frame.time for frame in self.poses], seconds + 1e-3) - 1, 0)


def find_poses(
    source: Path,
    config: PredictConfig,
    formats: Sequence[str],
    on_progress: Callable[[Progress], None],
) -> Results:
    """Process a video, and return what came out, with `formats` to download. Raises UserError."""
    kinds = (*dict.fromkeys((*formats, KEPT)),)
    config = config.model_copy(update={"formats": kinds})
    outcome = process(str(source), _estimator(_without_files(config)), config, on_progress)
    videos = ["overlay", "compare"] if config.compare else ["overlay"]
    files = [_file(source, config, kind) for kind in (*videos, *formats)]
    return Results(
        source=source,
        config=config,
        outcome=outcome,
        poses=tuple(load_poses(_file(source, config, KEPT))),
        downloads=tuple(zipped(path) if path.is_dir() else path for path in files),
    )


def zipped(folder: Path) -> Path:
    """Return a zip of a folder beside it."""
    return Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))


def look(results: Results, seconds: float, joint: int, track: int | None) -> Path:
    """Draw where a joint looked, in the frame at a time, and return the picture.

    Raises VideoError where that person, or everybody, is absent.
    """
    config = results.config.model_copy(
        update={"backend": "torch", "precision": "fp32", "compare": False}
    )
    estimator = PoseEstimator(
        _estimator(_without_files(config)).predictor, KnownPeople(results.poses)
    )
    place = results.frame_at(seconds)
    offsets = estimator.predictor.offsets
    start = results.poses[max(place + offsets[0], 0)].time
    with open_source(results.source, start=start, end=config.end) as frames:
        moment = Moment(frame=results.poses[place].index)
        looks = joint_looks(estimator, frames, moment, track_id=track)
    picture = draw_looks(looks, [joint], results.source.name)
    path = config.output / f"attention-{place}-{looks.track_id}-{joint}.png"
    write_image(path, picture)
    return path


class KnownPeople:
    """A detector that looks up who is in each frame of a video, and as which track."""

    def __init__(self, poses: Sequence[FramePoses]) -> None:
        self._poses = {frame.index: frame for frame in poses}

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame."""
        poses = self._poses[frame.index]
        return Detections(poses.boxes, poses.box_scores, poses.track_ids)


@lru_cache(maxsize=3)  # with and without `compare`, and for the attention
def _estimator(config: PredictConfig) -> PoseEstimator:
    return load_estimator(config)


def _without_files(config: PredictConfig) -> PredictConfig:
    """Return the part of a configuration that the estimator depends on."""
    same = {"output": Path(), "formats": (), "end": None, "smooth": "none"}
    return config.model_copy(update=same)


def _file(source: Path, config: PredictConfig, kind: str) -> Path:
    return config.output / f"{name_of(str(source))}{ENDINGS[kind]}"
