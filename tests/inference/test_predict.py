"""Windowed prediction: the exact oracle that streaming is compared with."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tiny_models import H, W, modest_model, tiny_model

from tarvitpose import heatmaps as codec
from tarvitpose.errors import UserError
from tarvitpose.geometry import (
    centre_and_size,
    crop_matrices,
    invert,
    normalise,
    transform_points,
    warp,
)
from tarvitpose.inference.devices import choose_device
from tarvitpose.inference.predictor import Predictor, windows
from tarvitpose.inference.torch_engine import TorchEngine, choose_precision
from tarvitpose.model.tarvitpose import TARViTPose

rng = np.random.default_rng(0)
IMAGES = [rng.integers(0, 256, (90, 160, 3), np.uint8) for _ in range(3)]
BOXES = np.float32([[10, 5, 60, 80], [70, -20, 170, 60], [100, 40, 130, 85]])


def cpu(model: TARViTPose, precision: str = "fp32") -> TorchEngine:
    return TorchEngine(model, device="cpu", precision=precision)


def predictor(**changes: object) -> Predictor:
    return Predictor(cpu(modest_model()), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [1, 2, 3, 8])
@pytest.mark.parametrize("offsets", [(-1, 0), (0, 3), (-2, -1, 0, 1, 2), (0,), (-4, 0, 1)])
def test_every_item_is_the_current_one_once_and_the_ends_are_repeated(
    length: int, offsets: tuple[int, ...]
) -> None:
    expected = [[min(max(i + o, 0), length - 1) for o in offsets] for i in range(length)]
    assert list(windows(range(length), offsets)) == expected


def test_no_items_make_no_windows() -> None:
    assert list(windows([], (-1, 0, 1))) == []


def test_windows_reads_no_further_ahead_than_its_offsets() -> None:
    read = []

    def items() -> Iterator[int]:
        for item in itertools.count():
            read.append(item)
            yield item

    stream = windows(items(), (-2, 0, 1))
    assert [next(stream) for _ in range(3)] == [[0, 0, 1], [0, 1, 2], [0, 2, 3]]
    assert read == [0, 1, 2, 3]


@pytest.mark.parametrize("padding", [1.25, 1.1])
def test_joints_are_those_of_the_model_on_crops_by_the_current_box(padding: float) -> None:
    padded = Predictor(cpu(modest_model(box_padding=padding)))
    [poses] = padded.joints([IMAGES], [BOXES])
    for person, box in enumerate(BOXES):
        matrix = crop_matrices(*centre_and_size(box, (H, W), padding), (H, W), "udp")
        crops = np.stack([warp(image, matrix[0], (H, W)) for image in IMAGES])
        with torch.inference_mode():
            maps = modest_model()(torch.from_numpy(normalise(crops))[None]).numpy()
        points, expected = codec.decode(maps, (H, W), "udp")
        assert np.allclose(poses.scores[person], expected[0], atol=1e-5)
        in_frame = transform_points(invert(matrix), points)[0]
        assert np.allclose(poses.keypoints[person], in_frame, atol=1e-2)


def test_people_and_windows_do_not_influence_each_other() -> None:
    ours, other = predictor(), [IMAGES[1], IMAGES[0], IMAGES[2]]
    together = ours.joints([IMAGES, other, IMAGES], [BOXES, BOXES[:1], BOXES[:0]])
    assert [len(poses.keypoints) for poses in together] == [3, 1, 0]
    for index, box in enumerate(BOXES):
        alone = ours.joints([IMAGES], [box[None]])[0]
        assert np.allclose(alone.keypoints[0], together[0].keypoints[index], atol=1e-2)
        assert np.allclose(alone.scores[0], together[0].scores[index], atol=1e-5)
    assert not np.allclose(together[1].scores[0], together[0].scores[0], atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_the_batch_size_changes_nothing(batch_size: int) -> None:
    expected = predictor().joints([IMAGES], [BOXES])[0]
    poses = predictor(batch_size=batch_size).joints([IMAGES], [BOXES])[0]
    assert np.allclose(expected.keypoints, poses.keypoints, atol=1e-2)
    assert np.allclose(expected.scores, poses.scores, atol=1e-5)


def test_nobody_gives_empty_arrays() -> None:
    [poses] = predictor().joints([IMAGES], [BOXES[:0]])
    assert poses.keypoints.shape == (0, 15, 2)
    assert poses.scores.shape == (0, 15)
    assert poses.keypoints.dtype == poses.scores.dtype == np.float32


def test_single_frame_reads_one_image_and_ignores_the_temporal_part() -> None:
    single = predictor(temporal="none")
    assert single.offsets == (0,)
    scores = single.joints([[IMAGES[1]]], [BOXES])[0].scores
    alone, state = tiny_model(offsets=()), modest_model().state_dict()
    alone.load_state_dict({name: state[name] for name in alone.state_dict()})
    plain = Predictor(cpu(alone))
    assert np.array_equal(scores, plain.joints([[IMAGES[1]]], [BOXES])[0].scores)


def test_offsets_of_the_user_replace_those_of_the_weights() -> None:
    causal = predictor(offsets=(-1,))
    assert (causal.offsets, causal.current) == ((-1, 0), 1)
    assert causal.joints([IMAGES[:2]], [BOXES])[0].keypoints.shape == (3, 15, 2)


def test_flip_test_of_a_mirrored_image_is_the_mirrored_result() -> None:
    flipping = predictor(flip_test=True)
    centred = np.float32([[30, 10, 129, 79]])  # symmetric about the middle, 79.5
    scores = flipping.joints([IMAGES], [centred])[0].scores
    mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in IMAGES]
    found_scores = flipping.joints([mirrored], [centred])[0].scores
    order = list(flipping.config.joints.flip_order)
    sure = scores[0] > 0.05
    assert sure.any()
    assert np.allclose(found_scores[0][order], scores[0], atol=2e-2)


def test_unknown_devices_and_precisions_are_refused_in_one_line() -> None:
    with pytest.raises(UserError, match=r"device 'gpu': expected auto, cpu, cuda"):
        choose_device("gpu")
    with pytest.raises(UserError, match=r"device 'cuda:99' is not on this machine"):
        choose_device("cuda:99")
    with pytest.raises(UserError, match=r"precision 'int4': expected auto, fp32, bf16, fp16"):
        choose_precision("int4", "cpu")


def test_bfloat16_is_chosen_only_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for has_it, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(
            "tarvitpose.inference.torch_engine.has_cpu_bfloat16", lambda has_it=has_it: has_it
        )
        assert choose_precision("auto", "cpu") == expected


def test_bfloat16_stays_close_to_float32() -> None:
    expected = predictor().joints([IMAGES], [BOXES])[0].scores
    low = Predictor(cpu(modest_model(), "bf16"))
    assert np.abs(low.joints([IMAGES], [BOXES])[0].scores - expected).max() < 0.05
