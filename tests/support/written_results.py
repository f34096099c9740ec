"""Results of every format, written as `predict` writes them."""

from collections.abc import Sequence
from pathlib import Path

from some_poses import TIMES, clip, smoothed
from video_files import make_video

from tarvitpose.config import PredictConfig
from tarvitpose.formats.writing import open_writer, output_paths
from tarvitpose.video.sources import open_source


def written_results(folder: Path, formats: Sequence[str]) -> dict[str, Path]:
    """Write `smoothed(clip())` in some formats, and return the path of each."""
    config = PredictConfig(output=folder / "out", formats=tuple(formats), render=False)
    with open_source(make_video(folder / "walk.mp4", TIMES)) as source:
        paths = output_paths(source, config)
        for kind, path in paths.items():
            with open_writer(kind, path, source, config) as writer:
                for poses in smoothed(clip()):
                    writer.write(poses)
    return paths
