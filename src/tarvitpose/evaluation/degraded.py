"""Held-out people whose current frame is degraded in each of some ways, always alike.

The neighbouring frames stay as they are. Everything follows from the records and a seed.
Axes: n people, K degradations, T frames, J joints, C channels, h w the token grid.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tarvitpose.config import RowMode, window_offsets
from tarvitpose.data.dataset import DRAWING, VALIDATION, ClipItem, validation_clips
from tarvitpose.data.degrade import Degradation
from tarvitpose.data.records import Record
from tarvitpose.data.video_frames import images_digest
from tarvitpose.errors import ConfigError
from tarvitpose.evaluation.clips import (
    answers,
    decoded_joints,
    encode_versions,
    encoding_facts,
)
from tarvitpose.evaluation.feature_cache import FeatureCache
from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.metrics.pck import bootstrap_interval, head_size, hits, pck, torso_size
from tarvitpose.metrics.posetrack_ap import (
    HEAD_SHARE,
    JOINTS,
    Matches,
    PredictedFrame,
    TrueFrame,
    aggregate,
    bootstrap,
    interval,
    match,
)
from tarvitpose.model.mask import seen_regions
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.arrays import Bools, Float32, Float64
from tarvitpose.utils.hashing import content_digest
from tarvitpose.utils.provenance import Facts, as_json, require_same

FRAMES = (NEIGHBOURS, CURRENT) = ("neighbours", "current")
BATCH = 16
FLOAT32 = "32-true"
Window = tuple[Tensor, Tensor | None]


@dataclass(frozen=True)
class EncodedPeople:
    """Encoded clips of n people; `current` has one version of the current frame for each of K."""

    degradations: tuple[Degradation, ...]
    offsets: tuple[int, ...]  # of the neighbouring frames
    neighbours: NDArray[np.float16]  # (n, T - 1, C, h, w)
    current: NDArray[np.float16]  # (n, K, C, h, w)
    keypoints: Float32  # (n, J, 2), pixels of the crop
    visible: Float32  # (n, J)
    neighbours_scores: NDArray[np.float16] | None = None  # (n, T - 1, J, h, w), of tokens
    current_scores: NDArray[np.float16] | None = None  # (n, K, J, h, w)
    facts: Facts = field(default_factory=dict)  # what all of this depends on

    def batches(self, degradation: Degradation, offsets: tuple[int, ...]) -> Iterator[Window]:
        """Yield the windows of a model with these offsets: features (B, T, C, h, w), and the
        scores of their tokens (B, T, J, h, w) where they are stored.

        Raises ConfigError if one of the offsets was not encoded.
        """
        missing = set(offsets) - set(self.offsets)
        if missing:
            raise ConfigError(f"people were encoded at {self.offsets}, not at {sorted(missing)}")
        columns = [self.offsets.index(offset) for offset in offsets]
        middle, version = window_offsets(offsets)[1], self.degradations.index(degradation)
        for start in range(0, len(self.current), BATCH):
            part = slice(start, start + BATCH)

            def window(others: NDArray[Any], current: NDArray[Any], part: slice = part) -> Tensor:
                frames = list(np.moveaxis(others[part, columns], 1, 0))
                frames.insert(middle, current[part, version])
                return torch.from_numpy(np.stack(frames, 1)).float()

            scores = None
            if self.neighbours_scores is not None and self.current_scores is not None:
                scores = window(self.neighbours_scores, self.current_scores)
            yield window(self.neighbours, self.current), scores


def encode_people(
    folder: Path,
    model: TARViTPose,
    records: Sequence[Record],
    degradations: tuple[Degradation, ...],
    report: Callable[[str], None],
    *,
    scores: bool = False,
    precision: str = FLOAT32,
) -> EncodedPeople:
    """Encode people with the model's encoder and window, or read what the folder holds of them.

    With `scores` the decoder's scores of tokens are stored too, for models with the same decoder.
    `precision` is a training's, in which they are encoded, and all predictions for them are made.
    Raises ConfigError if it holds other people or kinds, or of another model, DataError or
    OutputError.
    """
    facts = as_json(
        {
            "kinds": degradations,
            "drawing": DRAWING,
            "augment": VALIDATION.model_dump(mode="json", exclude={"degrade"}),
            "offsets": model.config.offsets,
            "people": _digest_of_people(records),
            "images": images_digest([record.frames[record.current] for record in records]),
            **encoding_facts(model, ("encoder", "decoder") if scores else ("encoder",)),
        }
    )
    if precision != FLOAT32:  # people of before version 0.15 lack it
        facts["precision"] = precision
    cache = FeatureCache(folder)
    cache.require_same(facts, "remove that folder")
    sets = [validation_clips(records, model.config, degradation) for degradation in degradations]
    for start in range(len(cache.names), len(records), BATCH):
        end = min(start + BATCH, len(records))
        with autocast(facts):
            people = [_encoded(model, [clips[at] for clips in sets]) for at in range(start, end)]
            arrays = {name: np.stack([arrays[name] for arrays in people]) for name in people[0]}
            if scores:
                arrays |= {f"{name}_scores": _scored(model, arrays[name]) for name in FRAMES}
        names = [record.name for record in records[start:end]]
        cache.append(arrays, names, length=len(records), facts=facts)
        report(f"held-out people: {end} of {len(records)} encoded")
    return EncodedPeople(degradations, model.config.offsets, **cache.load(), facts=facts)


def autocast(facts: Facts) -> AbstractContextManager[object]:
    """Return the context in which people with these facts are encoded and predicted, on a CPU."""
    low = facts.get("precision") == "bf16-mixed"  # 16-mixed needs cuda
    return torch.autocast("cpu", torch.bfloat16) if low else nullcontext()


def _digest_of_people(records: Sequence[Record]) -> str:
    """Return the SHA-256 of who is encoded: names, boxes and labels."""
    return content_digest(
        repr((record.name, record.box)).encode()
        + record.keypoints.tobytes()
        + record.visible.tobytes()
        for record in records
    )


def for_model(people: EncodedPeople, model: TARViTPose) -> EncodedPeople:
    """Return people as a model may read them: without the scores of another decoder or rule.

    Raises ConfigError where the model would have encoded the crops in another way.
    """
    known = people.facts
    decoder = encoding_facts(model, ("encoder", "decoder"))
    if {key: known.get(key) for key in decoder} == as_json(decoder):
        return people
    encoder = as_json(encoding_facts(model, ("encoder",)))
    before = {
        "model": {key: known["model"].get(key) for key in encoder["model"]},
        "weights": {"encoder": known["weights"]["encoder"]},
    }
    require_same(
        "the encoded people", before, encoder, "rows must share their encoder", ConfigError
    )
    return replace(people, neighbours_scores=None, current_scores=None)


def _encoded(model: TARViTPose, items: Sequence[ClipItem]) -> dict[str, NDArray[Any]]:
    """Encode one person: each neighbouring frame once, the current one in each of its versions."""
    neighbours, current = encode_versions(model, items)
    return {
        NEIGHBOURS: neighbours.half().numpy(),
        CURRENT: current.half().numpy(),
        "keypoints": items[0]["keypoints"].numpy(),
        "visible": items[0]["visible"].numpy(),
    }


def _scored(model: TARViTPose, features: NDArray[np.float16]) -> NDArray[np.float16]:
    """Return the scores of tokens (n, F, J, h, w) of features (n, F, C, h, w)."""
    with torch.inference_mode():
        parts = [
            model.token_scores(torch.from_numpy(features[start : start + BATCH]).float())
            for start in range(0, len(features), BATCH)
        ]
    return torch.cat(parts).half().numpy()


@dataclass(frozen=True)
class PredictedJoints:
    """What a model predicts for all people with one degradation."""

    keypoints: Float32  # (n, J, 2)
    scores: Float32  # (n, J)


def predict_joints(
    model: TARViTPose, people: EncodedPeople, degradation: Degradation, mode: RowMode = "tar"
) -> PredictedJoints:
    """Return the joints of the current frames of encoded people.

    A model without a temporal part has all encoded frames for `mode` to combine.
    """
    offsets = model.config.offsets if mode == "tar" else model.config.offsets or people.offsets
    parts: list[tuple[Float32, Float32]] = []
    with torch.inference_mode(), autocast(people.facts):
        for features, scores in people.batches(degradation, offsets):
            regions = _regions(model, features, scores) if model.config.temporal else None
            heatmaps = answers(model, features, regions, (mode,), offsets)[mode]
            parts.append(decoded_joints(model.config, heatmaps, mode))
    return PredictedJoints(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _regions(model: TARViTPose, features: Tensor, scores: Tensor | None) -> Tensor:
    if scores is None or not model.config.masked:
        return model.regions(features)
    return seen_regions(scores, model.config.mask_rule, model.config.mask_threshold)


def match_people(
    degradations: Sequence[PredictedJoints], truth: Float32, visible: Float32, joints: JointSet
) -> list[Matches]:
    """Match what was predicted for each degradation; all clips of a person are one video, (n,).

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
        people.append(
            match([(labelled, _predicted(poses, person, order, hidden)) for poses in degradations])
        )
    return people


def _predicted(
    poses: PredictedJoints, person: int, order: list[int], hidden: Bools
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
    seeds: Sequence[list[Matches]], baseline: Sequence[list[Matches]] = (), samples: int = 500
) -> Score:
    """Return the mean AP of matched people, or its gain over a baseline's.

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


def _mean_ap(people: list[Matches]) -> float:
    """The mean over the joints with labels: poseval's own counts one without as 0."""
    labelled = np.sum([person.num_gt for person in people], 0) > 0  # (15,)
    return float(np.mean(np.array(list(aggregate(people).joints.values()))[labelled]))


def _drawn_ap(seeds: Sequence[list[Matches]], samples: int) -> Float64:
    draws = [[result.mean for result in bootstrap(people, samples)] for people in seeds]
    return np.asarray(np.mean(draws, 0))  # (samples,)


def correct(
    degradations: Sequence[PredictedJoints],
    truth: Float32,
    visible: Float32,
    joints: JointSet,
    torso_share: float = TORSO_SHARE,
) -> tuple[Bools, Bools]:
    """Return which joints are right, to a share of the torso, and which count, (n, K J) each."""
    torso = torso_size(truth, visible, joints)  # (n,)
    seen = (visible > 0) & np.isfinite(torso)[:, None]
    right = [hits(poses.keypoints, truth, torso, torso_share) for poses in degradations]
    return np.concatenate(right, 1), np.concatenate([seen] * len(degradations), 1)


def pck_score(
    right: ArrayLike,
    seen: Bools,
    baseline: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> Score:
    """Return the PCK of joints (n, K J), or its gain over a baseline's, and its interval.

    `right` is bool, or the share of several trainings that had a joint right. People with the
    same number in `groups`, (n,), are drawn together.
    """
    value = pck(right, seen) - (0.0 if baseline is None else pck(baseline, seen))
    return Score(value, *bootstrap_interval(right, seen, baseline, groups=groups))
