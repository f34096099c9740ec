"""`tarvitpose evaluate --videos`: how much joints tremble, with and without the temporal part."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from tarvitpose.cli import checks, console
from tarvitpose.cli.evaluate_options import EvaluateConfig
from tarvitpose.cli.tables import drawn, plain_table
from tarvitpose.config import EstimatorConfig, NetworkConfig
from tarvitpose.evaluation.boxes import OWN_DETECTOR, is_file_of_boxes
from tarvitpose.evaluation.video_jitter import MIN_SCORE, VideoJitter, compare_jitter
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.predictor import Predictor
from tarvitpose.results import FramePoses
from tarvitpose.runs.pipeline import RunProgress
from tarvitpose.utils.config_files import OPTIONS, parse_config
from tarvitpose.utils.words import counted


def score_videos(options: EvaluateConfig) -> None:
    """Print how much joints tremble in videos, with and without the temporal part."""
    single, temporal = estimators(options)
    jitters: dict[str, VideoJitter] = {}
    for video in options.videos:
        with console.progress_bar(Path(video).name, quiet=False) as show:
            runs = (estimator.stream(video, end=options.end) for estimator in (single, temporal))
            jitters[video] = compare_jitter(*(watched(run, show) for run in runs))
    label = options.boxes or "nanodet"
    title = f"{options.weights} on {counted(len(jitters), 'video')}, boxes: {label}"
    console.say(title, style="bold")
    console.say("Jitter: mean second difference of joints, in pixels and % of the box's height.")
    console.say(
        f"Distance: mean distance of the two modes. Only joints of score {MIN_SCORE:g} or more in "
        "both count."
    )
    console.say(drawn(jitter_table(jitters)))
    content = {"boxes": label, "weights": options.weights}
    rows = {  # `apart` is the mean distance's name of version 0.5
        video: {**asdict(jitter), "apart": jitter.mean_distance}
        for video, jitter in jitters.items()
    }
    checks.save_json(options.json_file, {**content, "videos": rows})


def estimators(options: EvaluateConfig) -> tuple[PoseEstimator, PoseEstimator]:
    """Return the same model and detector without and with other frames. Raises UserError."""
    names = {*NetworkConfig.model_fields, "weights", "temporal", "box_threshold"}
    values = options.model_dump(include=names)
    boxes = options.boxes or OWN_DETECTOR
    if is_file_of_boxes(boxes):
        values["boxes"] = boxes
    elif boxes != OWN_DETECTOR:
        values["detector"] = boxes
    temporal = PoseEstimator.from_config(parse_config(EstimatorConfig, values, OPTIONS))
    single = PoseEstimator(
        Predictor(
            temporal.predictor.engine,
            temporal="none",
            flip_test=options.flip_test,
            batch_size=options.batch_size,
        ),
        temporal.detector,
        EstimatorConfig(box_threshold=temporal.config.start_threshold),
    )
    return single, temporal


def watched(run: Iterable[FramePoses], show: Callable[[RunProgress], None]) -> Iterator[FramePoses]:
    """Yield a run's poses and show how far it is."""
    for poses in run:
        yield poses
        show(RunProgress(poses.index + 1, None, len(poses)))


def jitter_table(jitters: dict[str, VideoJitter]) -> Table:
    """Return a row for each video."""
    headings = ("", "frames", "tracks", "jitter single", "jitter temporal", "distance", "lag")
    rows = plain_table(headings)
    for video, jitter in jitters.items():
        pairs = (jitter.jitter_single, jitter.jitter_temporal, jitter.mean_distance)
        cells = (  # without a joint that both saw in three frames, there is nothing to tell
            "-" if math.isnan(pixels) else f"{pixels:.2f} px {100 * share:.2f}%"
            for pixels, share in pairs
        )
        lag = "-" if jitter.lag is None else counted(jitter.lag, "frame")
        rows.add_row(Path(video).name, str(jitter.frames), str(jitter.tracks), *cells, lag)
    return rows
