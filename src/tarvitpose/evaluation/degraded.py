"""A fixed benchmark: held-out people whose current frame is degraded in each of some ways.

The frames around the current one stay as they are. All follows from the records and a seed.
Axes: n people, K kinds, T frames, J joints, C channels, h w the token grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tarvitpose.config import window_offsets
from tarvitpose.data.dataset import validation_clips
from tarvitpose.data.degrade import Degradation
from tarvitpose.data.records import Record
from tarvitpose.errors import ConfigError
from tarvitpose.evaluation.clips import THRESHOLD, encode_crops, encoding_facts, found_joints
from tarvitpose.metrics.pck import bootstrap_interval, head_size, hits, pck, torso_size
from tarvitpose.metrics.posetrack_ap import (
    HEAD_SHARE,
    JOINTS,
    Judged,
    PredictedFrame,
    TrueFrame,
    bootstrap,
    interval,
    judge,
    pooled,
)
from tarvitpose.model.jta import seen_regions
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.arrays import Float32
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.hashing import content_digest, sample_digest
from tarvitpose.utils.json_file import write_json
from tarvitpose.utils.provenance import Facts, as_json, read_facts, require_same

FRAMES = ("around", "current")
ARRAYS = (*FRAMES, "keypoints", "visible")
BATCH = 16
ABOUT = "about.json"


Window = tuple[Tensor, Tensor | None]


@dataclass(frozen=True)
class Benchmark:
    """Encoded clips of n people; `current` has one version of the current frame for each kind."""

    kinds: tuple[Degradation, ...]
    offsets: tuple[int, ...]  # of the frames around the current one
    around: NDArray[np.float16]  # (n, T - 1, C, h, w)
    current: NDArray[np.float16]  # (n, K, C, h, w)
    keypoints: Float32  # (n, J, 2), pixels of the crop
    visible: Float32  # (n, J)
    around_scores: NDArray[np.float16] | None = None  # (n, T - 1, J, h, w), of tokens, for masks
    current_scores: NDArray[np.float16] | None = None  # (n, K, J, h, w)
    facts: Facts = field(default_factory=dict)  # what all that depends on

    def batches(self, kind: Degradation, offsets: tuple[int, ...]) -> Iterator[Window]:
        """Yield the windows of a model with these offsets: features (B, T, C, h, w), and the
        scores of their tokens (B, T, J, h, w) where they are stored.

        Raises ConfigError if the benchmark lacks one of the offsets.
        """
        missing = set(offsets) - set(self.offsets)
        if missing:
            raise ConfigError(f"the benchmark has offsets {self.offsets}, not {sorted(missing)}")
        places = [self.offsets.index(offset) for offset in offsets]
        at, column = window_offsets(offsets)[1], self.kinds.index(kind)
        for start in range(0, len(self.current), BATCH):
            part = slice(start, start + BATCH)

            def window(around: NDArray[Any], current: NDArray[Any], part: slice = part) -> Tensor:
                frames = list(np.moveaxis(around[part, places], 1, 0))
                frames.insert(at, current[part, column])
                return torch.from_numpy(np.stack(frames, 1)).float()

            scores = None
            if self.around_scores is not None and self.current_scores is not None:
                scores = window(self.around_scores, self.current_scores)
            yield window(self.around, self.current), scores


def encode_benchmark(
    folder: Path,
    model: TARViTPose,
    records: Sequence[Record],
    kinds: tuple[Degradation, ...],
    report: Callable[[str], None],
    *,
    scores: bool = False,
) -> Benchmark:
    """Encode people with the model's encoder and window, or read what the folder holds of them.

    With `scores` the decoder's scores of tokens are kept too, for models with the same decoder.
    Raises ConfigError if it holds other people or kinds, or of another model, DataError or
    OutputError.
    """
    facts = as_json(
        {
            "kinds": kinds,
            "offsets": model.config.offsets,
            "people": _digest_of_people(records),
            "images": sample_digest([record.frames[record.current] for record in records]),
            **encoding_facts(model, ("encoder", "decoder") if scores else ("encoder",)),
        }
    )
    if (folder / ABOUT).exists():
        require_same(folder, read_facts(folder / ABOUT), facts, "remove that folder", ConfigError)
    else:
        arrays = _encoded(model, records, kinds, report)
        if scores:
            arrays |= {f"{name}_scores": _scored(model, arrays[name]) for name in FRAMES}
        for name, values in arrays.items():
            with atomic_file(folder / f"{name}.npy") as path:
                np.save(path, values)
        write_json(folder / ABOUT, facts)
    names = [*ARRAYS, *((f"{name}_scores" for name in FRAMES) if scores else ())]
    loaded = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
    return Benchmark(kinds, model.config.offsets, **loaded, facts=facts)


def _digest_of_people(records: Sequence[Record]) -> str:
    """Return the SHA-256 of who is encoded: names, boxes and labels."""
    return content_digest(
        repr((record.name, record.box)).encode()
        + record.keypoints.tobytes()
        + record.visible.tobytes()
        for record in records
    )


def for_model(benchmark: Benchmark, model: TARViTPose) -> Benchmark:
    """Return a benchmark as a model may read it: without the scores of another decoder or rule.

    Raises ConfigError where the model would have encoded the crops in another way.
    """
    known = benchmark.facts
    decoder = encoding_facts(model, ("encoder", "decoder"))
    if {key: known.get(key) for key in decoder} == as_json(decoder):
        return benchmark
    encoder = as_json(encoding_facts(model, ("encoder",)))
    before = {
        "model": {key: known["model"].get(key) for key in encoder["model"]},
        "weights": {"encoder": known["weights"]["encoder"]},
    }
    require_same(
        "the encoded people", before, encoder, "rows must share their encoder", ConfigError
    )
    return replace(benchmark, around_scores=None, current_scores=None)


def _encoded(
    model: TARViTPose,
    records: Sequence[Record],
    kinds: tuple[Degradation, ...],
    report: Callable[[str], None],
) -> dict[str, NDArray[Any]]:
    """Encode each frame around the current one once, and the current one once for each kind."""
    sets = [validation_clips(records, model.config, kind) for kind in kinds]
    middle = window_offsets(model.config.offsets)[1]
    rows: dict[str, list[NDArray[Any]]] = {name: [] for name in ARRAYS}
    for index in range(len(records)):
        items = [clips[index] for clips in sets]
        clip = items[0]["clip"]  # (T, h, w, 3)
        others = torch.cat([clip[:middle], clip[middle + 1 :]])
        frames = torch.cat([others, *(item["clip"][middle : middle + 1] for item in items)])
        with torch.inference_mode():
            features = encode_crops(model, frames[None])[0].half().numpy()
        rows["around"].append(features[: len(others)])
        rows["current"].append(features[len(others) :])
        rows["keypoints"].append(items[0]["keypoints"].numpy())
        rows["visible"].append(items[0]["visible"].numpy())
        if (index + 1) % 50 == 0:
            report(f"benchmark: {index + 1} of {len(records)} people encoded")
    return {name: np.stack(values) for name, values in rows.items()}


def _scored(model: TARViTPose, features: NDArray[np.float16]) -> NDArray[np.float16]:
    """Return the scores of tokens (n, F, J, h, w) of features (n, F, C, h, w)."""
    with torch.inference_mode():
        parts = [
            model.token_scores(torch.from_numpy(features[start : start + BATCH]).float())
            for start in range(0, len(features), BATCH)
        ]
    return torch.cat(parts).half().numpy()


@dataclass(frozen=True)
class Poses:
    """What a model found in the clips of one kind."""

    keypoints: Float32  # (n, J, 2)
    scores: Float32  # (n, J)


def find(model: TARViTPose, batches: Iterator[Window]) -> Poses:
    """Return the joints of the current frames of encoded windows (B, T, C, h, w)."""
    current = window_offsets(model.config.offsets)[1]
    found: list[tuple[Float32, Float32]] = []
    with torch.inference_mode():
        for features, scores in batches:
            if not model.config.temporal:
                heatmaps = model.decoder(features[:, current])
            else:
                heatmaps = model.aggregate(features, _regions(model, features, scores))
            found.append(found_joints(model.config, heatmaps))
    return Poses(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _regions(model: TARViTPose, features: Tensor, scores: Tensor | None) -> Tensor:
    if scores is None or not model.config.masked:
        return model.regions(features)
    return seen_regions(scores, model.config.mask_rule, model.config.mask_threshold)


def judged_people(
    kinds: Sequence[Poses], truth: Float32, visible: Float32, joints: JointSet
) -> list[Judged]:
    """Judge what was found in each kind of clip; all clips of a person are one video, (n,).

    A frame holds one person. The head size is the distance from head_bottom to head_top; people
    without these labels are left out, and predictions of joints without label do not count.
    Raises ConfigError where the joint set lacks one of PoseTrack's.
    """
    order = joint_order(joints)
    heads = head_size(truth, visible, joints)  # (n,)
    seen = visible[:, order] > 0  # (n, 15)
    people = []
    for person in np.flatnonzero(np.isfinite(heads)).tolist():
        hidden = ~seen[person][:, None]
        points = np.where(hidden, np.nan, truth[person, order])[None]
        side = heads[person] / HEAD_SHARE / np.sqrt(2)  # of a square with the diagonal that fits
        labelled = TrueFrame(points, np.array([[0, 0, side, side]]))
        people.append(judge([(labelled, _predicted(one, person, order, hidden)) for one in kinds]))
    return people


def _predicted(
    poses: Poses, person: int, order: list[int], hidden: NDArray[np.bool_]
) -> PredictedFrame:
    points = np.where(hidden, np.nan, poses.keypoints[person, order])
    scores = poses.scores[person, order][None].astype(np.float64)
    return PredictedFrame(points[None].astype(np.float64), scores)


def joint_order(joints: JointSet) -> list[int]:
    """Return where each of PoseTrack's 15 joints stands in a joint set. Raises ConfigError."""
    missing = [name for name in JOINTS if name not in joints.joints]
    if missing:
        raise ConfigError(f"PoseTrack AP needs {', '.join(missing)}, which {joints.name} lacks")
    return [joints.joints.index(name) for name in JOINTS]


@dataclass(frozen=True)
class Score:
    """A number with what 95% of draws of people lie between; all 0..100."""

    value: float
    low: float
    high: float


def ap_score(
    seeds: Sequence[list[Judged]], baseline: Sequence[list[Judged]] = (), samples: int = 500
) -> Score:
    """Return the mean AP of judged people, or its gain over a baseline's.

    Of several trainings of one thing (`seeds`) it is their mean; the interval is over people, and
    NaN for one alone. A joint that nobody has a label of is left out.
    """
    value = float(np.mean([_mean_ap(people) for people in seeds]))
    if baseline:
        value -= float(np.mean([_mean_ap(people) for people in baseline]))
    if len(seeds[0]) < 2:
        return Score(value, float("nan"), float("nan"))
    drawn = _drawn_ap(seeds, samples)
    if baseline:  # the same random numbers draw the same people
        drawn = drawn - _drawn_ap(baseline, samples)
    return Score(value, *interval(drawn.tolist()))


def _mean_ap(people: list[Judged]) -> float:
    """The mean over the joints with labels: poseval's own counts one without as 0."""
    labelled = np.sum([one.truths for one in people], 0) > 0  # (15,)
    return float(np.mean(np.array(list(pooled(people).joints.values()))[labelled]))


def _drawn_ap(seeds: Sequence[list[Judged]], samples: int) -> NDArray[np.float64]:
    every = [[result.mean for result in bootstrap(people, samples)] for people in seeds]
    return np.asarray(np.mean(every, 0))  # (samples,)


def correct(
    kinds: Sequence[Poses], truth: Float32, visible: Float32, joints: JointSet
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which joints are right by PCK@0.2 and which count, (n, K J) each."""
    torso = torso_size(truth, visible, joints)  # (n,)
    seen = (visible > 0) & np.isfinite(torso)[:, None]
    right = [hits(one.keypoints, truth, torso, THRESHOLD) for one in kinds]
    return np.concatenate(right, 1), np.concatenate([seen] * len(kinds), 1)


def pck_score(
    right: ArrayLike, seen: NDArray[np.bool_], baseline: ArrayLike | None = None
) -> Score:
    """Return the PCK of joints (n, K J), or its gain over a baseline's, and its interval.

    `right` is bool, or the share of several trainings that had a joint right.
    """
    value = pck(right, seen) - (0.0 if baseline is None else pck(baseline, seen))
    return Score(value, *bootstrap_interval(right, seen, baseline))
