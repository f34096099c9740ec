"""Attention maps of the joint queries in one person's window, with and without the mask.

Axes: J joints, T frames, h w the token grid, H W a crop's pixels.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch

from tarvitpose import heatmaps as codec
from tarvitpose.errors import UserError, VideoError
from tarvitpose.geometry import normalise
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.predictor import windows
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.results import Frame, TrackedFrame
from tarvitpose.utils.arrays import Bools, Float32, UInt8
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.visualization.attention_options import Moment, chosen_layer, require_attention


@dataclass(frozen=True)
class AttentionMaps:
    """The attention of each joint's query in one person's window."""

    track_id: int
    frames: tuple[int, ...]  # (T,) their numbers
    times: tuple[float, ...]  # (T,) seconds
    current: int  # position of the current frame
    layer: int  # of JTA, from 1
    layers: int
    has_mask: bool  # else these weights attend everywhere, and `masked` is `free`
    crops: UInt8  # (T, H, W, 3) RGB
    regions: Bools  # (J, T, h, w) where the mask lets a joint look
    masked: Float32  # (J, T, h, w) attention weights, which sum to 1 for each joint
    free: Float32  # the same without the mask
    points: Float32  # (J, 2) the decoded joints, in pixels of the current crop
    scores: Float32  # (J,)
    joint_names: tuple[str, ...]


def attention_maps(
    estimator: PoseEstimator,
    source: FrameSource,
    moment: Moment,
    *,
    track_id: int | None = None,
    layer: int | None = None,
    on_frame: Callable[[TrackedFrame], None] = lambda _: None,
) -> AttentionMaps:
    """Return the attention maps of a person's joints at a moment of a source.

    All frames are cut by the current frame's box, as in the paper. Track ids are those of
    `predict` over the same source; by default the person with the largest box is taken. `layer`
    counts JTA's from 1, by default it is the last. The estimator must run on PyTorch. Raises
    UserError in one line for a moment, a track or a layer that does not exist.
    """
    config = estimator.predictor.config
    require_attention(config, "these weights")
    layer = chosen_layer(layer, config)
    window = find_window(estimator, source, moment, on_frame)
    now = window[estimator.predictor.current]
    person = _person(now, track_id, source.source)
    boxes = now.boxes[person, None].repeat(len(window), 0)
    crops = estimator.predictor.crops([tracked.frame.image for tracked in window], boxes)
    attention = _attention(_model(estimator), crops, estimator.predictor.current, layer)
    return AttentionMaps(
        track_id=int(now.track_ids[person]),
        frames=tuple(tracked.frame.index for tracked in window),
        times=tuple(tracked.frame.time for tracked in window),
        current=estimator.predictor.current,
        layer=layer,
        layers=config.jta_layers,
        has_mask=config.masked,
        crops=crops,
        joint_names=config.joints.joints,
        **attention._asdict(),
    )


def find_window(
    estimator: PoseEstimator,
    source: FrameSource,
    moment: Moment,
    on_frame: Callable[[TrackedFrame], None] = lambda _: None,
) -> list[TrackedFrame]:
    """Return the frames of the window at a moment, with their people; reads up to its end.

    Raises VideoError where the source has no frame at that moment.
    """
    current = estimator.predictor.current
    chosen: list[TrackedFrame] | None = None  # the last window that begins before the moment
    after: Frame | None = None
    frames = _with_callback(estimator.person_tracker().find(source), on_frame)
    for window in windows(frames, estimator.predictor.offsets):
        if not moment.has_begun(window[current].frame):
            after = window[current].frame
            break
        chosen = window
    if chosen is None:
        assert after is not None  # a source without frames is an error of its own
        raise VideoError(f"{source.source}: no frame {moment}; the first is {_named(after)}")
    last = chosen[current].frame
    if moment.is_over(last, None if after else 1 / source.frame_rate):
        neighbour = "before it" if after else "the last"
        raise VideoError(f"{source.source}: no frame {moment}; {neighbour} is {_named(last)}")
    return chosen


def _with_callback(
    frames: Iterable[TrackedFrame], on_frame: Callable[[TrackedFrame], None]
) -> Iterator[TrackedFrame]:
    for frame in frames:
        on_frame(frame)
        yield frame


def _named(frame: Frame) -> str:
    return f"frame {frame.index} at {frame.time:.2f} s"


def _person(now: TrackedFrame, track_id: int | None, source: str) -> int:
    """Return the position of a track, or of the largest person. Raises VideoError."""
    ids = now.track_ids.tolist()
    if not ids:
        raise VideoError(f"{source}: nobody is seen in {_named(now.frame)}; choose another moment")
    if track_id is None:
        sides = now.boxes[:, 2:] - now.boxes[:, :2]
        return int(sides.prod(1).argmax())
    if track_id not in ids:
        present = ", ".join(map(str, sorted(ids)))
        raise VideoError(
            f"{source}: no track {track_id} in {_named(now.frame)}; the tracks are: {present}"
        )
    return int(ids.index(track_id))


def _model(estimator: PoseEstimator) -> TARViTPose:
    engine = estimator.predictor.engine
    if not isinstance(engine, TorchEngine):
        raise UserError("attention maps need backend torch")
    return engine.model


class _ModelAttention(NamedTuple):
    """What the network adds to `AttentionMaps`, by the names of its fields."""

    regions: Bools
    masked: Float32
    free: Float32
    points: Float32
    scores: Float32


@torch.inference_mode()
def _attention(model: TARViTPose, crops: UInt8, current: int, layer: int) -> _ModelAttention:
    """Run the model on a window of crops (T, H, W, 3)."""
    device = next(model.parameters()).device
    features = model.encoder(torch.from_numpy(normalise(crops)).to(device))[None]  # (1, T, C, h, w)
    regions = model.regions(features)  # (1, T, J, h, w)
    everywhere = torch.ones_like(regions)
    heatmaps = model.aggregate(features, regions, current).cpu().numpy()
    points, scores = codec.decode(heatmaps, model.config.input_size, model.config.codec)
    return _ModelAttention(
        regions=regions[0].bool().transpose(0, 1).cpu().numpy(),
        masked=model.attention(features, regions, layer - 1)[0].cpu().numpy(),
        free=model.attention(features, everywhere, layer - 1)[0].cpu().numpy(),
        points=points[0],
        scores=codec.calibrate(scores, model.config.score_curve)[0],
    )
