"""A whole evaluation: predictions of every labelled frame into files, and these files scored."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from tarvitpose.config import Backend, TemporalMode
from tarvitpose.data.video_frames import image_exists
from tarvitpose.errors import UserError
from tarvitpose.evaluation.baselines import BaselineEngine, SharedEncodings
from tarvitpose.evaluation.boxes import Boxes
from tarvitpose.evaluation.calibration import Reliability
from tarvitpose.evaluation.comparison import MEANS, MODES, SINGLE_FRAME, ModeComparison
from tarvitpose.evaluation.datasets import LabelledFrame, LabelledVideo
from tarvitpose.evaluation.predictions import PredictionTask, claim, prediction_facts
from tarvitpose.evaluation.scores import AP, compare
from tarvitpose.inference.load import load_engine
from tarvitpose.inference.predictor import Predictor
from tarvitpose.metrics.posetrack_ap import JOINTS
from tarvitpose.utils.provenance import Facts

OnVideo = Callable[[int, int], None]  # called with frames done and frames in all


@dataclass(frozen=True)
class Evaluation:
    """The results of an evaluation, and how much was evaluated."""

    boxes: str  # whose: "ground truth", a detector's name or a file
    are_stills: bool
    videos: int
    frames: int
    people: int  # labelled, with a joint
    comparisons: tuple[ModeComparison, ...]
    reliabilities: dict[str, Reliability] = field(compare=False)  # by mode; none in other boxes
    warnings: tuple[str, ...]


def load_predictors(
    weights: str,
    *,
    temporal: TemporalMode = "tar",
    baselines: bool = False,
    device: str = "auto",
    precision: str = "auto",
    **how: Any,
) -> dict[str, Predictor]:
    """Return the predictors of one model by mode.

    Single frames alone with `temporal` "none", and with "tar" for a model without temporal part;
    with `baselines` also `BASELINES`, which share their encoded crops. `how` is what Predictor
    takes. Raises UserError.
    """
    if baselines and precision == "int8":
        raise UserError("baselines need the decoder alone, which int8 lacks; use --precision auto")
    backend: Backend = "onnxruntime" if precision == "int8" else "torch"
    engine = load_engine(weights, backend=backend, device=device, precision=precision)
    if baselines:
        engine = SharedEncodings(engine)
    predictors = {SINGLE_FRAME: Predictor(engine, temporal="none", **how)}
    if temporal == "none" or (temporal == "tar" and not engine.config.temporal):
        return predictors
    if baselines and engine.config.temporal:
        for mean in MEANS:
            predictors[mean] = Predictor(BaselineEngine(engine, mean), temporal="tar", **how)
        others: tuple[TemporalMode, ...] = ("pooled", "tar")
        for mode in (each for each in others if each != temporal):
            predictors[MODES[mode]] = Predictor(engine, temporal=mode, **how)
    predictors[MODES[temporal]] = Predictor(engine, temporal=temporal, **how)
    return predictors


def evaluate(
    predictors: dict[str, Predictor],
    videos: Sequence[LabelledVideo],
    boxes: Boxes,
    *,
    samples: int,
    output: Path | None = None,
    overwrite: bool = False,
    settings: Facts | None = None,
    on_frames: OnVideo | None = None,
) -> Evaluation:
    """Predict and score a data set.

    The files of predictions are kept in `output`, if given, and a video whose files exist
    is not predicted again. A later run goes on with them if model, boxes, data and the `settings`
    are the same; else it raises OutputError. Raises DataError.
    """
    engine = predictors[SINGLE_FRAME].engine
    done, total = 0, sum(len(video.frames) for video in videos)

    def count(frames: int) -> None:
        nonlocal done
        done += frames
        if on_frames is not None:
            on_frames(done, total)

    storage = TemporaryDirectory(prefix="tarvitpose-") if output is None else nullcontext(output)
    with storage as folder:
        facts = {
            **prediction_facts(boxes, videos),
            "weights": engine.fingerprint(),
            "model": engine.config.model_dump(mode="json"),
            "flip_test": predictors[SINGLE_FRAME].flip_test,
            **(settings or {}),
        }
        task = PredictionTask(predictors, boxes, Path(folder))
        claim(task.output, facts, "pass --overwrite or another --output", overwrite=overwrite)
        for video in videos:
            task.finish(video, count)
        comparisons, reliabilities = compare(task, videos, engine.config.joints, samples)
    return Evaluation(
        boxes=boxes.label,
        are_stills=videos[0].are_stills,
        videos=len(videos),
        frames=total,
        people=sum(len(frame.people.boxes) for video in videos for frame in video.frames),
        comparisons=tuple(comparisons),
        reliabilities=reliabilities,
        warnings=(*boxes.warnings, *_warnings(predictors, videos)),
    )


def _warnings(predictors: dict[str, Predictor], videos: Sequence[LabelledVideo]) -> Iterator[str]:
    renamed = [video for video in videos if _is_renamed(video.frames[0])]
    if renamed and not videos[0].are_stills:
        yield (
            f"the images of {len(renamed)} of {len(videos)} videos have other names than the "
            "annotations and were matched by order; 'tarvitpose data check' shows which"
        )
    missing = sum(missing_images(videos, each.offsets) for each in predictors.values())
    if missing:
        yield (
            f"{missing} neighbouring images are missing; for each, the nearest one towards the "
            "labelled frame was used, so the temporal part saw less than it should"
        )
    unlabelled = dict.fromkeys(name for video in videos for name in video.missing_joints)
    if unlabelled:
        yield f"{', '.join(unlabelled)} are not labelled here, so there is no {AP}"
    known = predictors[SINGLE_FRAME].config.joints.joints
    absent = [name for name in JOINTS if name not in known]
    if absent and not unlabelled and not videos[0].are_stills:
        yield f"the model has no {' and no '.join(absent)}; PoseTrack counts them as not found"


def _is_renamed(frame: LabelledFrame) -> bool:
    return frame.frames[frame.current].name != PurePosixPath(frame.name).name


def missing_images(videos: Sequence[LabelledVideo], offsets: Sequence[int]) -> int:
    """Return how many images of the windows of labelled frames exist, but not on this disk."""
    exists = cache(image_exists)
    frames = [frame for video in videos for frame in video.frames]
    return sum(frame.window(offsets, exists)[1] for frame in frames)
