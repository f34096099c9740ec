"""A model over clips with known joints.   Axes: N clips, T frames, J joints, C channels."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from tarvitpose import heatmaps as codec
from tarvitpose.config import SCORING, ModelConfig, RowMode, window_offsets
from tarvitpose.data.dataset import ClipDataset, ClipItem, single_threaded
from tarvitpose.evaluation.baselines import mean_heatmaps
from tarvitpose.geometry import IMAGE_MEAN, IMAGE_STD
from tarvitpose.inference.pooling import FrameHeatmaps, read_peaks, window_heatmaps
from tarvitpose.inference.predictor import slices
from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.metrics.pck import hits, pck, torso_size
from tarvitpose.model.mask import score_rule
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.utils.arrays import Bools, Float32
from tarvitpose.utils.provenance import Facts
from tarvitpose.weights.files import fingerprint

NOT_OF_CROPS = {  # keys of a model that its encoded crops do not depend on
    *("offsets", "aggregation", "layout", "jta_layers", "temporal_heads", "gra_layers"),
    *("key_positions", "gra_gate"),
    *("mask_rule", "mask_threshold", *SCORING),
    *("drop_path", "decoder"),
}


@dataclass(frozen=True)
class ClipScores:
    """Which joints are right in N clips, with and without the temporal part; all are (N, J)."""

    temporal: Bools
    single: Bools
    visible: Bools  # labelled, and the clip's torso is too
    temporal_scores: Float32  # 0..1, the model's score of each joint
    single_scores: Float32
    mask_shares: Float32  # of its window's tokens that each joint may look at, 0..1

    @property
    def mask_coverage(self) -> float:
        """The share of tokens that a labelled joint may look at, 0..100; nan without joints."""
        shares = self.mask_shares[self.visible]
        return 100 * float(shares.mean()) if len(shares) else float("nan")

    @property
    def temporal_pck(self) -> float:
        """PCK of the whole model, 0..100."""
        return pck(self.temporal, self.visible)

    @property
    def single_pck(self) -> float:
        """PCK of the same weights without their temporal part, 0..100."""
        return pck(self.single, self.visible)


Encoded = tuple[Tensor, Tensor, Tensor, Tensor]  # features, regions, keypoints, visible


def normalise_clip(clip: Tensor) -> Tensor:
    """Turn RGB crops (B, T, h, w, 3) uint8 into what the encoder reads, (B, T, 3, h, w)."""
    mean = torch.from_numpy(np.float32(255) * IMAGE_MEAN).to(clip.device)
    scale = torch.from_numpy(1 / (np.float32(255) * IMAGE_STD)).to(clip.device)
    return ((clip.float() - mean) * scale).movedim(-1, 2)


def encode_crops(model: TARViTPose, clip: Tensor) -> Tensor:
    """Return features (B, T, C, h, w) of crops (B, T, 16h, 16w, 3) uint8."""
    encoded = model.encoder(normalise_clip(clip).flatten(0, 1))  # (B T, C, h, w)
    return torch.unflatten(encoded, 0, clip.shape[:2])


def encode_clip(model: TARViTPose, clip: Tensor) -> tuple[Tensor, Tensor]:
    """Return features (B, T, C, h, w) and regions (B, T, J, h, w) of crops (B, T, 16h, 16w, 3)."""
    features = encode_crops(model, clip)
    return features, model.regions(features)


def encoding_facts(model: TARViTPose, frozen: Collection[str]) -> Facts:
    """Return what stored encoded crops depend on: the encoder, and how crops are cut.

    With a frozen decoder the scores of their tokens are stored too, and its weights and the mask's
    rule count as well; the mask's threshold does not.
    """
    facts: Facts = {"model": model.config.facts(NOT_OF_CROPS)}
    if "decoder" in frozen:
        facts["model"]["mask_rule"] = score_rule(model.config.mask_rule)
    parts = sorted(frozen)
    return {**facts, "weights": {part: fingerprint(getattr(model, part)) for part in parts}}


def encoded_batches(
    model: TARViTPose,
    clips: ClipDataset,
    device: torch.device | str,
    batch_size: int = 8,
    *,
    workers: int = 0,
) -> Iterator[Encoded]:
    """Encode a data set's clips in their order, batch by batch; `workers` processes read them."""
    loader = DataLoader(
        clips, batch_size=batch_size, num_workers=workers, worker_init_fn=single_threaded
    )
    for batch in loader:
        with torch.inference_mode():
            features, regions = encode_clip(model, batch["clip"].to(device))
        yield features, regions, batch["keypoints"], batch["visible"]


def encode_versions(
    model: TARViTPose, items: Sequence[ClipItem], device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Encode clips of one person that differ in their current frame alone, K of them.

    Returns the features of the neighbours (T - 1, C, h, w), and of the current frames (K, C, h, w).
    """
    middle = window_offsets(model.config.offsets)[1]
    clip = items[0]["clip"]  # (T, h, w, 3)
    neighbours = torch.cat([clip[:middle], clip[middle + 1 :]])
    frames = torch.cat([neighbours, *(item["clip"][middle : middle + 1] for item in items)])
    with torch.inference_mode():
        features = encode_crops(model, frames[None].to(device))[0]
    return features[: len(neighbours)], features[len(neighbours) :]


def encoded_versions(
    model: TARViTPose, sets: Sequence[ClipDataset], device: torch.device | str
) -> Iterator[Encoded]:
    """Yield the windows of each person, one of each of K data sets of differently degraded clips.

    The neighbours are encoded once for all of them.
    """
    middle = window_offsets(model.config.offsets)[1]
    for at in range(len(sets[0])):
        items = [clips[at] for clips in sets]
        neighbours, current = encode_versions(model, items, device)
        with torch.inference_mode():
            frames = torch.cat([neighbours, current])
            frame_regions = model.regions(frames[None])[0]  # (T - 1 + K, J, h, w)
        order = torch.tensor(
            [
                [*range(middle), version, *range(middle, len(neighbours))]
                for version in range(len(neighbours), len(frames))
            ],
            device=frames.device,
        )  # (K, T)
        keypoints, visible = (
            torch.stack([item[key] for item in items]) for key in ("keypoints", "visible")
        )
        yield frames[order], frame_regions[order], keypoints, visible


def score_clips(model: TARViTPose, encoded: Iterable[Encoded], mode: RowMode = "tar") -> ClipScores:
    """Return the scores of encoded clips by one mode, as `score_modes` does."""
    return score_modes(model, encoded, (mode,))[mode]


def score_modes(
    model: TARViTPose, encoded: Iterable[Encoded], modes: Sequence[RowMode]
) -> dict[RowMode, ClipScores]:
    """Return PCK@0.2 (torso) of encoded clips by each mode, in the crops' pixels.

    Each item is features (B, T, C, h, w), regions (B, T, J, h, w), true keypoints (B, J, 2) and
    visible (B, J): all modes, and the single frames beside each, read the same features.
    """
    rows: dict[RowMode, list[tuple[NDArray[Any], ...]]] = {mode: [] for mode in modes}
    with torch.inference_mode():
        for features, regions, keypoints, visible in encoded:
            maps = answers(model, features, regions, ("none", *modes), model.config.offsets)
            truth, seen = keypoints.cpu().numpy(), visible.cpu().numpy() > 0
            torso = torso_size(truth, seen, model.config.joints)
            seen = seen & np.isfinite(torso)[:, None]
            shares = regions.bool().float().mean((1, 3, 4)).cpu().numpy()  # (B, J)
            decoded = {mode: decoded_joints(model.config, maps[mode], mode) for mode in maps}
            right = {
                mode: hits(points, truth, torso, TORSO_SHARE)
                for mode, (points, _) in decoded.items()
            }
            for mode in modes:
                scores = (decoded[mode][1], decoded["none"][1])
                rows[mode].append((right[mode], right["none"], seen, *scores, shares))
    return {
        mode: ClipScores(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        for mode, parts in rows.items()
    }


def answers(
    model: TARViTPose,
    features: Tensor,
    regions: Tensor | None,
    modes: Iterable[RowMode],
    offsets: tuple[int, ...],
) -> dict[RowMode, Tensor]:
    """Return each mode's heatmaps (B, J, 4h, 4w) of the current frames of windows (B, T, C, h, w).

    `offsets` are those of the T - 1 others; `regions` are read by the temporal part alone.
    """
    config = model.config
    times, current = window_offsets(offsets)
    every_time = np.tile(np.array(times, np.float64), (len(features), 1))

    @cache
    def temporal() -> Float32:
        assert regions is not None
        return _array(model.aggregate(features, regions))

    @cache
    def alone() -> Float32:
        return _array(model.decoder(features.flatten(0, 1)))  # (B T, J, 4h, 4w)

    @cache
    def windows() -> list[list[FrameHeatmaps]]:
        frames = read_peaks(alone(), config)
        return [frames[part] for part in slices(len(frames), len(times))]

    def answer(mode: RowMode) -> Tensor:
        if mode == "none" or (mode == "tar" and not config.temporal):
            heatmaps: Tensor = model.decoder(features[:, current])
            return heatmaps
        if mode == "mean-heatmaps":
            frames = alone().reshape(len(features), len(times), *alone().shape[1:])
            return torch.from_numpy(mean_heatmaps(mode, frames, current))
        return torch.from_numpy(window_heatmaps(mode, temporal, windows, every_time, config))

    return {mode: answer(mode) for mode in modes}


def _array(heatmaps: Tensor) -> Float32:
    return np.asarray(heatmaps.float().cpu().numpy())


def decoded_joints(
    config: ModelConfig, heatmaps: Tensor, mode: RowMode = "tar"
) -> tuple[Float32, Float32]:
    """Return keypoints (B, J, 2) in crop pixels and scores (B, J) of heatmaps (B, J, 4h, 4w)."""
    points, scores = codec.decode(_array(heatmaps), config.input_size, config.codec)
    return points, codec.calibrate(
        scores, config.curve("none" if mode == "mean-heatmaps" else mode)
    )
