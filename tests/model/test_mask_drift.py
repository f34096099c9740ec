"""The mask means the same at any step of a training: what BatchNorm's averages follow."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_graphs import BACKENDS, both
from tiny_models import B, C, H, T, W, h, modest_model, tiny_clip, tiny_model, w
from tiny_training import experiment, weights_of, write_stills

from tarvitpose.config import Backend
from tarvitpose.data.dataset import validation_clips
from tarvitpose.data.sources import read_records
from tarvitpose.evaluation.clips import encode_crops, score_clips
from tarvitpose.geometry import normalise
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import POSETRACK_15

pytest.importorskip("lightning_fabric", reason="the train extra is not installed")
from tarvitpose.training import loop


def single_frame_start(folder: Path, stills: Path) -> Path:
    """Write a network without temporal part whose heatmaps the mask's threshold cuts in half."""
    whole, model = modest_model(), tiny_model(offsets=())
    records = read_records("coco", stills, POSETRACK_15)
    clips = validation_clips(records, whole.config)
    crops = torch.stack([clips[at]["clip"] for at in range(len(clips))])
    with torch.no_grad():
        scores = whole.token_scores(encode_crops(whole, crops))
        whole.decoder.final.bias += whole.config.mask_threshold - scores.median()
    state = whole.state_dict()
    model.load_state_dict({name: state[name] for name in model.state_dict()})
    model.save_pretrained(folder)
    return folder


def settled(norm_averages: str) -> tuple[TARViTPose, torch.Tensor]:
    """Return a network whose averages have seen a clip many times, and the clip's features."""
    model = modest_model(norm_averages=norm_averages).train()
    with torch.no_grad():
        features = model.encoder(tiny_clip().flatten(0, 1)).unflatten(0, (B, T))
        for _ in range(60):
            model.aggregate(features, model.regions(features))
    return model, features


def means(decoder: torch.nn.Module) -> torch.Tensor:
    return decoder.state_dict()["norm2.running_mean"]


def test_with_averages_of_their_own_the_mask_of_a_training_is_that_of_its_evaluation() -> None:
    """Shared ones lie between those of features and of restored tokens, and fit neither."""
    away = {}
    for norm_averages in ("own", "shared"):
        model, features = settled(norm_averages)
        in_training = model.token_scores(features)
        in_evaluation = model.eval().token_scores(features)
        away[norm_averages] = float((in_training - in_evaluation).abs().mean())
    assert away["own"] < 0.003
    assert away["shared"] > 10 * away["own"]


def test_the_final_pass_leaves_the_coarse_averages_alone() -> None:
    model = modest_model(norm_averages="own").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    features = torch.randn(B, T, C, h, w)
    regions = torch.ones(B, T, 15, h, w, dtype=torch.bool)
    model.aggregate(features, regions).sum().backward()
    moved = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    names = ("running_mean", "running_var", "num_batches_tracked")
    assert moved == {f"final_averages.norm{n}.{name}" for n in (1, 2) for name in names}
    assert model.decoder.norm1.weight.grad.any()
    model.coarse_heatmaps(features[:, 0])
    assert not torch.equal(model.decoder.norm1.running_mean, before["decoder.norm1.running_mean"])


def test_a_new_model_begins_with_the_averages_of_init(tmp_path: Path) -> None:
    stills = write_stills(tmp_path)
    single = single_frame_start(tmp_path / "single", stills)
    model = {"offsets": [-1, 1], "norm_averages": "own"}
    config = experiment(stills, tmp_path / "run", init=str(single), model=model)
    built = loop.build_model(config)
    state = weights_of(single)
    for name, value in built.final_averages.state_dict().items():
        assert torch.equal(value, state[f"decoder.{name}"])
    built.final_averages.norm1.running_mean += 1
    built.save_pretrained(tmp_path / "mid")
    again = loop.build_model(config.model_copy(update={"init": str(tmp_path / "mid")}))
    assert torch.equal(means(again.final_averages), means(built.final_averages))
    assert torch.equal(
        again.final_averages.norm1.running_mean, built.final_averages.norm1.running_mean
    )


@pytest.mark.parametrize("changes", [{"offsets": ()}, {"decoder": "simple"}])
def test_where_nothing_is_normalised_twice_nothing_is_kept(changes: dict[str, Any]) -> None:
    model = tiny_model(norm_averages="own", **changes)
    assert not any("averages" in name for name in model.state_dict())
    assert model.final_decoder is model.decoder


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_runtime_decodes_with_the_final_averages(backend: Backend) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (T, H, W, 3), np.uint8)
    model = modest_model(norm_averages="own")
    clip = torch.from_numpy(normalise(crops))[None]
    with torch.no_grad():
        expected = model(clip).numpy()
        alone = model.single_frame(clip[0]).numpy()
        plain = model.decoder(model.restore(*features_of(model, clip))).numpy()
    assert np.abs(expected - plain).max() > 1e-2  # else it would not matter
    for engine in both(backend, (("norm_averages", "own"),)):
        encoded = engine.encode(crops)
        assert np.abs(engine.decode_window([encoded], 1) - expected).max() < 1e-4
        assert np.abs(engine.decode(encoded) - alone).max() < 1e-4


def features_of(model: TARViTPose, clip: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    features = model.encoder(clip.flatten(0, 1)).unflatten(0, clip.shape[:2])
    return features, model.regions(features)


def test_mask_coverage_is_the_share_of_a_labelled_joints_tokens() -> None:
    model: TARViTPose = modest_model()
    regions = torch.zeros(B, T, 15, h, w, dtype=torch.bool)
    regions[:, :, 0] = True  # all tokens of the first joint, none of the others
    visible = torch.zeros(B, 15)
    visible[:, [0, 3, 4, 9, 10]] = 1  # with a torso
    keypoints = 40 * torch.rand(B, 15, 2)
    batch = (torch.randn(B, T, C, h, w), regions, keypoints, visible)
    assert score_clips(model, [batch]).mask_coverage == pytest.approx(20)
