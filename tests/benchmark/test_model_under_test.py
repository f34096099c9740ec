"""What speeds are measured on and held against, and the memory that it takes."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import H, J, N, W, h, tiny_config, tiny_model, w
from video_files import make_video

from tarvitpose.benchmark import baselines, memory, model_under_test, run
from tarvitpose.benchmark.cases import CaseKey
from tarvitpose.benchmark.model_under_test import ModelUnderTest, find_models
from tarvitpose.benchmark.soak import Soak, TwoPeople, moving_people, soak, two_boxes
from tarvitpose.errors import ConfigError, VideoError
from tarvitpose.inference.cost import count
from tarvitpose.inference.load import load_engine
from tarvitpose.inference.torch_engine import TorchEngine

CROPS = np.random.default_rng(0).integers(0, 256, (5, H, W, 3), np.uint8)


def test_models_take_the_weights_where_they_fit(tmp_path: Path) -> None:
    models = find_models(["s", "b"], [(256, 192), (384, 288)], "default")
    assert [(model.size, model.input, model.weights) for model in models] == [
        ("s", "256x192", "default"),
        ("s", "384x288", None),
        ("b", "256x192", None),
        ("b", "384x288", None),
    ]
    assert models[3].config.width == 768
    assert models[3].title == "B 384x288, random weights"
    config = tiny_config()
    tiny_model().save_pretrained(tmp_path)
    (alone,) = find_models([], [], str(tmp_path))
    assert (alone.size, alone.config) == ("24x2", config)


@pytest.mark.parametrize(
    ("sizes", "inputs", "message"),
    [
        (["m"], [(256, 192)], "size 'm': expected tiny, s, b, l, h"),
        (["s"], [(250, 192)], "input 250x192: expected a height and width that are multiples"),
    ],
)
def test_other_sizes_and_inputs_are_refused(
    sizes: list[str], inputs: list[tuple[int, int]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        find_models(sizes, inputs, "default")


def test_random_weights_lie_in_a_folder_until_the_end() -> None:
    model = ModelUnderTest("tiny", tiny_config(), None)
    before = torch.random.get_rng_state()
    with model_under_test.weights_of(model) as first, model_under_test.weights_of(model) as second:
        engines = [load_engine(folder, backend="torch") for folder in (first, second)]
        assert engines[0].fingerprint() == engines[1].fingerprint()
        crops = engines[0].encode(CROPS)
    assert not any(bool(crop.visible.any()) for crop in crops)  # as the help says: no mask
    assert not Path(first).exists()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_encoder_alone_is_little_else() -> None:
    model = ModelUnderTest("s", find_models(["s"], [(256, 192)], "default")[0].config, None)
    costs = count(model_under_test.encoder_alone(model).config)
    assert costs["encoder"].gmacs == count(model.config)["encoder"].gmacs
    assert costs["total"].gmacs < 1.03 * costs["encoder"].gmacs


def test_crops_show_one_person_in_frames_in_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_under_test, "load_detector", lambda name: TwoPeople())
    video = make_video(tmp_path / "clip.mp4", 4, size=(180, 320))
    crops = model_under_test.person_crops(video, tiny_config())
    assert crops.shape == (4, H, W, 3)
    assert len(np.unique(crops.mean((1, 2, 3)))) == 4


def test_a_clip_without_people_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="nobody is seen in its first 4 frames"):
        model_under_test.person_crops(make_video(tmp_path / "clip.mp4", 4), tiny_config())


def test_transformers_network_has_the_same_size() -> None:
    pytest.importorskip("transformers")
    config = tiny_config()
    theirs = baselines.VitPoseEngine(config, device="cpu")
    assert theirs.model.config.backbone_config._attn_implementation == "eager"
    assert theirs.single_frame(CROPS).shape == (len(CROPS), J, 4 * h, 4 * w)
    backbone = sum(value.numel() for value in theirs.model.backbone.parameters())
    ours = sum(value.numel() for value in tiny_model().encoder.parameters())
    # Theirs has a place for a class token; ours stores fewer norms or biases by nothing.
    assert abs(backbone - ours) <= (N + 1) * config.width
    with pytest.raises(ValueError, match="single frames only"):
        theirs.encode(CROPS)


def test_products_count_multiplying_and_adding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "LARGE", 20)
    monkeypatch.setattr(baselines, "SMALL", 10)
    for can, names in ((True, ["fp32", "bf16"]), (False, ["fp32", "bf16 emulated"])):
        monkeypatch.setattr(baselines, "has_cpu_bfloat16", lambda can=can: can)
        cases = baselines.product_cases("cpu")
        assert [case.key for case in cases] == names
        assert cases[0].outputs == 2 * 20**3 / 1e9
        assert all(np.isfinite(case.work()) for case in cases)


def test_memory_is_this_process() -> None:
    used, most = memory.megabytes("VmRSS"), memory.megabytes("VmHWM")
    assert 20 < used <= most


def test_without_linux_memory_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "STATUS", tmp_path / "status")
    with pytest.raises(ConfigError, match="--no-memory"):
        memory.megabytes("VmRSS")


def test_soak_answers_both_people_of_every_frame() -> None:
    done = soak(100, "tiny", "torch", "cpu", "fp32")
    assert (done.frames, done.people) == (100, 200)
    assert [frames for frames, _ in done.memory] == [5, *range(10, 101, 10)]
    assert done.facts()["crops_per_second"] == pytest.approx(200 / done.seconds)


def test_growth_is_counted_after_the_warm_up() -> None:
    done = Soak(
        "tiny", "torch", "64x48", 1000, 2000, 10.0, ((50, 300.0), (500, 330.0), (1000, 310.0))
    )
    assert done.growth == 10.0
    assert done.facts()["growth_megabytes"] == 10.0


def test_generated_people_move_inside_the_frame_and_come_back() -> None:
    first, second, last = list(moving_people(61))[::30]
    assert not np.array_equal(first.image, second.image)
    assert np.array_equal(first.image, last.image)
    for index in range(60):
        boxes = two_boxes(index)
        assert (boxes[:, :2] > 0).all()
        assert (boxes[:, 2:] < (320, 180)).all()
        assert boxes[0, 2] < boxes[1, 0]  # they never touch


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads(), os.sched_getaffinity(0)
    with run.limited_threads(1):
        assert torch.get_num_threads() == 1
        assert len(os.sched_getaffinity(0)) == 1
    assert (torch.get_num_threads(), os.sched_getaffinity(0)) == before


@pytest.mark.parametrize("key", [CaseKey("single", "torch", 2), CaseKey("streaming", "torch", 2)])
def test_the_peak_is_found(key: CaseKey) -> None:
    def load() -> TorchEngine:
        return TorchEngine(tiny_model(), device="cpu", precision="fp32")

    assert memory.peak_of(key, load, CROPS, None) > 20


def test_child_processes_raise_what_went_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="size 'm'"):
        memory.in_child(find_models, ["m"], [], "default")
