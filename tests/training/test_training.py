"""The trainer, on a tiny network and generated stills."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tiny_models import H, W, h, tiny_config, tiny_model, w
from tiny_training import PEOPLE, experiment, losses_of, quiet, weights_of

from tarvitpose.errors import ConfigError, WeightsError
from tarvitpose.evaluation.clips import normalise_clip
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.training.checkpoint import load_state, save_state
from tarvitpose.training.config import OptimConfig, load_train_config, model_config
from tarvitpose.training.optim import parameter_groups, rate_factor, set_rate
from tarvitpose.training.step import TrainingStep, heatmap_loss
from tarvitpose.training.warm_start import warm_start

pytest.importorskip("lightning_fabric", reason="the train extra is not installed")
from tarvitpose.training import loop
from tarvitpose.training.batches import read_source


def test_the_loss_is_that_of_equation_6_with_weights_inside_the_square() -> None:
    heatmaps, targets = torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2)
    assert heatmap_loss(heatmaps, targets, torch.tensor([[1.0, 0.0]])) == 0.5
    assert heatmap_loss(heatmaps, targets, torch.tensor([[1.5, 0.5]])) == (1.5**2 + 0.5**2) / 2


def test_training_lowers_the_loss(stills: Path, tmp_path: Path) -> None:
    run = {"epochs": 40, "batch_size": 6, "save_every": 1000}
    still = {"still": 1, "limbs": 0}
    plain = {"half_body": 0, "scale": 0, "rotate": 0, "flip": 0, "colour": 0}
    augment = {**plain, "motion": still, "degrade": {"current": 0, "auxiliary": 0}}
    loop.train(experiment(stills, tmp_path / "run", run=run, data={"augment": augment}), quiet)
    losses = losses_of(tmp_path / "run")
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_a_resumed_run_gives_the_same_weights_as_one_in_one_piece(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = {"drop_path": 0.3}
    whole = loop.train(experiment(stills, tmp_path / "whole", model=model), quiet)
    broken = experiment(stills, tmp_path / "broken", model=model)
    advance = loop.TrainingRun.advance

    def stop_at_five(self: loop.TrainingRun, batches: Any, index: int) -> float:
        if index == 4:
            raise KeyboardInterrupt
        return advance(self, batches, index)

    monkeypatch.setattr(loop.TrainingRun, "advance", stop_at_five)
    with pytest.raises(KeyboardInterrupt):
        loop.train(broken, quiet)
    monkeypatch.undo()
    assert load_state(tmp_path / "broken" / "last.ckpt")["step"] == 3
    resumed = weights_of(loop.train(broken, quiet))
    for name, value in weights_of(whole).items():
        assert torch.equal(value, resumed[name]), name
    assert losses_of(tmp_path / "broken") == losses_of(tmp_path / "whole")


def test_without_resume_a_run_starts_anew(stills: Path, tmp_path: Path) -> None:
    config = experiment(stills, tmp_path / "run")
    loop.train(config, quiet)
    lines: list[str] = []
    loop.train(config, lines.append)
    assert "from step 9" in lines[0]
    lines.clear()
    loop.train(config, lines.append, resume=False)
    assert "from step 0" in lines[0]
    assert len(losses_of(tmp_path / "run")) == 9


def test_frozen_parts_keep_their_weights_and_the_rest_learns(stills: Path, tmp_path: Path) -> None:
    run = {"frozen": ["encoder", "decoder"]}
    trained = weights_of(loop.train(experiment(stills, tmp_path / "run", run=run), quiet))
    for name, value in weights_of(stills.parent / "start").items():
        assert torch.equal(value, trained[name]) == (not name.startswith(("jta.", "gra."))), name


def test_frozen_blocks_keep_their_weights_with_all_that_comes_before(
    stills: Path, tmp_path: Path
) -> None:
    config = experiment(stills, tmp_path / "run", run={"frozen_blocks": 1})
    trained = weights_of(loop.train(config, quiet))
    unchanged = ("encoder.pos_embed", "encoder.patch_embed.", "encoder.blocks.0.")
    for name, value in weights_of(stills.parent / "start").items():
        assert torch.equal(value, trained[name]) == name.startswith(unchanged), name
    config = experiment(stills, tmp_path / "other", run={"frozen_blocks": 99})
    with pytest.raises(ConfigError, match=r"^run\.frozen_blocks: asked for 99, the encoder has"):
        loop.train(config, quiet)


def test_encoded_clips_give_the_features_and_joints_of_the_clips_themselves(
    stills: Path, tmp_path: Path
) -> None:
    run = {"frozen": ["encoder", "decoder"]}
    config = experiment(stills, tmp_path / "run", run=run, source={"cached_clips": 5})
    loop.train(config, quiet)
    from tarvitpose.data.dataset import ClipDataset, KeySampler
    from tarvitpose.training.features import EncodedClips

    encoded = EncodedClips(tmp_path / "run" / "features" / "0", tiny_config())
    assert len(encoded) == 5 * 3  # every frame of a still's clip has joints
    clips = ClipDataset(
        read_source(config.data.train[0], POSETRACK_15), tiny_config(), config.data.augment
    )
    item = clips[next(iter(KeySampler(PEOPLE, config.run.seed)))]
    step = TrainingStep(TARViTPose.from_pretrained(stills.parent / "start"), frozen=("encoder",))
    with torch.inference_mode():
        features, regions = step.encode({"clip": item["clip"][None]})
    clip = encoded[1]  # the middle frame of the first clip is the current one as it was
    assert torch.allclose(clip["features"].float(), features[0], atol=2e-2)
    assert torch.equal(clip["regions"], regions[0])
    assert torch.allclose(clip["targets"], item["targets"], atol=1e-5)
    first = encoded[0]
    assert torch.equal(first["features"][1], clip["features"][0])
    assert torch.equal(first["features"][0], clip["features"][1])
    assert not torch.equal(first["targets"], clip["targets"])


def test_encoding_goes_on_where_it_stopped(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = {"frozen": ["encoder"]}
    config = experiment(stills, tmp_path / "run", run=run, source={"cached_clips": 6})
    features, calls = TrainingStep.features, []

    def stop_at_three(self: TrainingStep, clip: torch.Tensor) -> torch.Tensor:
        calls.append(len(clip))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return features(self, clip)

    monkeypatch.setattr(TrainingStep, "features", stop_at_three)
    with pytest.raises(KeyboardInterrupt):
        loop.train(config, quiet)
    about = tmp_path / "run" / "features" / "0" / "about.json"
    assert len(json.loads(about.read_text())["names"]) == 4
    loop.train(config, quiet)
    assert calls[:4] == [2, 2, 2, 2]  # the fourth is the one that was missing
    assert len(json.loads(about.read_text())["names"]) == 6


def test_validation_scores_both_modes_on_held_out_clips(stills: Path, tmp_path: Path) -> None:
    data = {
        "validation": [{"format": "coco", "annotations": stills}],
        "validation_degradations": ["clean", "dark"],
    }
    loop.train(experiment(stills, tmp_path / "run", data=data, run={"epochs": 1}), quiet)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    scores = [json.loads(line) for line in lines if "val/" in line][-1]
    modes = ("single", "temporal", "mask")
    names = {f"val/{degradation}/{mode}" for degradation in ("clean", "dark") for mode in modes}
    assert names <= scores.keys()
    assert all(0 <= scores[name] <= 100 for name in names)


def test_the_coarse_loss_teaches_the_decoder_without_the_temporal_part() -> None:
    model = tiny_model().train()
    batch = {
        "features": torch.randn(2, 3, 24, h, w),
        "regions": torch.ones(2, 3, 15, h, w, dtype=torch.bool),
        "targets": torch.rand(2, 15, H // 4, W // 4),
        "weights": torch.ones(2, 15),
    }
    plain = TrainingStep(model).train()(batch)
    both = TrainingStep(model, coarse_loss_weight=0.5).train()(batch)
    current = model.decoder(batch["features"][:, 1])
    expected = 0.5 * heatmap_loss(current, batch["targets"], batch["weights"])
    assert torch.allclose(both - plain, expected, rtol=1e-3)


def test_the_clean_loss_draws_towards_what_the_clean_frame_shows() -> None:
    model = tiny_model()
    batch = {
        "features": torch.randn(2, 3, 24, h, w),
        "regions": torch.ones(2, 3, 15, h, w, dtype=torch.bool),
        "targets": torch.rand(2, 15, H // 4, W // 4),
        "weights": torch.ones(2, 15),
        "clean": torch.randint(0, 256, (2, H, W, 3), dtype=torch.uint8),
    }
    plain = TrainingStep(model)(batch)
    both = TrainingStep(model, clean_loss_weight=0.5)(batch)
    shown = model.decoder(model.encoder(normalise_clip(batch["clean"][:, None])[:, 0]))
    heatmaps = model.aggregate(batch["features"], batch["regions"])
    expected = 0.5 * heatmap_loss(heatmaps, shown, batch["weights"])
    assert torch.allclose(both - plain, expected, rtol=1e-3)


def test_clips_are_normalised_as_at_inference() -> None:
    from tarvitpose.geometry import normalise

    clip = np.random.default_rng(0).integers(0, 256, (1, 2, 6, 8, 3), np.uint8)
    expected = torch.from_numpy(normalise(clip[0]))
    assert torch.allclose(normalise_clip(torch.from_numpy(clip))[0], expected, atol=1e-5)


def test_the_encoder_learns_more_slowly_the_deeper_and_vectors_do_not_decay() -> None:
    config = OptimConfig(lr=1.0, encoder_lr_scale=0.5, layer_decay=0.5, weight_decay=0.1)
    model = tiny_model()  # two blocks: layers 0 to 3
    groups = parameter_groups(model, config)
    groups = {
        name: (group["lr"], group["weight_decay"])
        for name, parameter in model.named_parameters()
        for group in groups
        if any(parameter is member for member in group["params"])  # type: ignore[attr-defined]
    }
    assert len(groups) == len(list(model.parameters()))
    assert groups["encoder.patch_embed.weight"] == (0.5 * 0.5**3, 0.1)
    assert groups["encoder.pos_embed"] == (0.5 * 0.5**3, 0.0)
    assert groups["encoder.blocks.1.fc1.weight"] == (0.5 * 0.5, 0.1)
    assert groups["encoder.norm.weight"] == (0.5, 0.0)
    assert groups["jta.query"] == (1.0, 0.0)
    assert groups["decoder.final.weight"] == (1.0, 0.1)


def test_the_paper_halves_the_rate_every_five_epochs() -> None:
    config = OptimConfig()
    factors = [rate_factor(step, 300, 10, config) for step in (0, 49, 50, 100, 299)]
    assert factors == [1, 1, 0.5, 0.25, 0.5**5]


def test_warm_up_rises_and_the_cosine_falls_to_zero() -> None:
    config = OptimConfig(schedule="cosine", warmup_steps=4)
    factors = [rate_factor(step, 104, 10, config) for step in range(104)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[54] == pytest.approx(0.5)
    assert factors[103] < 1e-3
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": [parameter], "lr": 2.0, "base_lr": 2.0}], lr=1)
    set_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_configuration_errors_name_the_file_and_the_key(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text("output: out\ninit: default\ndata: {train: []}\nrun: {batch_sise: 3}\n")
    with pytest.raises(ConfigError, match=r"train.yaml: (data.train|unknown key run.batch_sise)"):
        load_train_config(path)
    source = "{format: coco, annotations: a.json}"
    path.write_text(f"output: o\ninit: default\ndata: {{train: [{source}]}}\n")
    with pytest.raises(ConfigError, match=r"unknown key optim.lr_stpe"):
        load_train_config(path, ("optim.lr_stpe=3",))
    with pytest.raises(ConfigError, match=r"needs run\.frozen to name the encoder"):
        load_train_config(path, (f"data.train=[{source[:-1]}, cached_clips: 3}}]",))
    path.write_text(f"output: o\ndata: {{train: [{source}]}}\n")
    with pytest.raises(
        ConfigError, match=r"model.size is needed without init; one of tiny, s, b, l, h"
    ):
        load_train_config(path)


def test_the_model_starts_from_init_with_changes(stills: Path, tmp_path: Path) -> None:
    config = experiment(stills, tmp_path / "run", model={"gra_layers": 2, "offsets": [-1]})
    assert model_config(config) == tiny_config(gra_layers=2, offsets=(-1,))
    with pytest.raises(ConfigError, match="model: unknown key gra_layer; did you mean gra_layers"):
        model_config(experiment(stills, tmp_path / "run", model={"gra_layer": 2}))
    with pytest.raises(
        ConfigError, match=r"model.size: expected one of tiny, s, b, l, h, got 'xl'"
    ):
        model_config(experiment(stills, tmp_path / "run", model={"size": "xl"}))


def placed_features(channels: int = 48, clips: int = 13) -> torch.Tensor:
    """Return features (clips, 3, C, 8, 6) that tell their place in half of their directions."""
    random = torch.Generator().manual_seed(3)
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(6.0), indexing="ij")
    grid = torch.stack([rows.flatten(), columns.flatten()], -1)  # (N, 2)
    waves = torch.cos(grid @ torch.randn(2, channels, generator=random) * 0.5)
    positions = waves @ torch.randn(channels, channels, generator=random) / 5  # (N, C)
    content = torch.randn(3 * clips, len(grid), channels, generator=random) / 3
    return (positions + content).transpose(1, 2).unflatten(2, (8, 6)).unflatten(0, (clips, 3))


def test_after_a_warm_start_tokens_listen_to_the_joint_seen_where_they_are() -> None:
    torch.manual_seed(0)
    model = tiny_model(width=48, heads=4, temporal_heads=4, position_grid=(8, 6)).train()
    warm_start(model, placed_features())
    features = placed_features().flatten(0, 1)[None]
    layer = model.gra.layers[0]
    tokens = features[0, 0].flatten(1).T[None]  # (1, N, C), of one frame
    elsewhere = features[0, 1:].mean(0).flatten(1).T[None]  # what others show at each position
    q = layer._split_heads(layer.to_query(tokens))
    k = layer._split_heads(layer.to_key_value(elsewhere).chunk(2, dim=-1)[0])
    scores = (q @ k.transpose(-1, -2)).mean(1)[0]  # (N, N), token by position
    best = scores.argmax(1)
    rows, columns = torch.arange(48) // 6, torch.arange(48) % 6
    distance = torch.hypot((best // 6 - rows).float(), (best % 6 - columns).float())
    assert distance.mean() < 1.0  # a position at random is about 3.3 away


def test_after_a_warm_start_a_query_is_the_mean_of_what_it_may_look_at() -> None:
    model = tiny_model().eval()
    features = torch.randn(2, 3, 24, h, w)
    warm_start(model, features)
    layer = model.jta.layers[0].look
    torch.nn.init.zeros_(layer.to_key_value.weight[:24])
    torch.nn.init.zeros_(layer.to_key_value.bias)
    torch.nn.init.zeros_(layer.to_out.bias)
    tokens = torch.randn(2, 3 * h * w, 24)
    visible = torch.zeros(2, 15, 3 * h * w, dtype=torch.bool)
    visible[:, :, 5:9] = True
    query = torch.zeros(2, 15, 24)
    expected = layer.norm(tokens[:, 5:9].mean(1, keepdim=True).expand(-1, 15, -1))
    assert torch.allclose(layer(query, tokens, visible), expected, atol=1e-5)


def test_a_warm_start_keeps_the_mean_and_spread_of_the_features() -> None:
    model = tiny_model(offsets=(-1, 1)).eval()
    features = 2 * torch.randn(2, 3, 24, h, w) + 0.5
    warm_start(model, features)
    restored = model.restore(features, model.regions(features))
    assert restored.std(1, correction=0).mean().item() == pytest.approx(2, rel=0.1)
    assert restored.mean().item() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("aggregation", "layers"),
    [
        ("joints", 1),
        ("all_tokens", 1),
        ("current_to_auxiliary", 1),
        ("current_to_auxiliary", 3),
        ("auxiliary_first", 1),
    ],
)
def test_all_rows_start_as_strong(aggregation: str, layers: int) -> None:
    """What is added to the current frame's tokens has half their norm, whatever the row."""
    torch.manual_seed(0)
    model = tiny_model(
        width=48,
        heads=4,
        temporal_heads=4,
        position_grid=(8, 6),
        aggregation=aggregation,
        jta_layers=layers,
    ).eval()
    features = placed_features()
    warm_start(model, features)
    tokens = aggregation != "joints"
    attention = [each.look for each in model.temporal.layers] if tokens else list(model.gra.layers)
    shares: list[float] = []
    for layer in attention:
        layer.register_forward_pre_hook(
            lambda layer, inputs: shares.append(
                float((layer.attend(*inputs, None).norm(dim=-1) / inputs[0].norm(dim=-1)).mean())
            )
        )
    with torch.no_grad():
        model.restore(features, model.regions(features))
    assert shares == pytest.approx([0.5 / len(attention)] * len(attention), rel=1e-3)


def test_a_warm_start_takes_encoder_and_decoder_of_init_and_a_new_temporal_part(
    stills: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match=r"run\.warm_start needs an init"):
        experiment(
            stills, tmp_path / "run", init=None, model={"size": "s"}, run={"warm_start": True}
        )
    config = experiment(stills, tmp_path / "run", run={"warm_start": True})
    start, model = weights_of(Path(str(config.init))), loop.build_model(config).state_dict()
    for name, value in model.items():
        assert torch.equal(value, start[name]) == name.startswith(("encoder.", "decoder.")), name
    weights = loop.train(config, quiet)
    assert TARViTPose.from_pretrained(weights).config.offsets == (-1, 1)


def test_a_model_without_temporal_part_has_nothing_to_warm(stills: Path, tmp_path: Path) -> None:
    config = experiment(
        stills, tmp_path / "run", model={"offsets": []}, run={"warm_start": True, "epochs": 1}
    )
    assert not TARViTPose.from_pretrained(loop.train(config, quiet)).config.temporal


def test_unreadable_states_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    path.write_bytes(b"not a state")
    with pytest.raises(WeightsError, match=r"last\.ckpt: not readable as a training state"):
        load_state(path)
    save_state(path, {"weights": torch.ones(2)})
    with pytest.raises(WeightsError, match="expected a training state with a step"):
        load_state(path)


def test_states_with_changed_bytes_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    parts = {"model": {"weight": torch.ones(500)}, "optimizer": {}, "precision": {}, "best": {}}
    save_state(path, {"step": 3, **parts})
    content = path.read_bytes()
    start = content.index(np.ones(500, np.float32).tobytes())
    random = np.random.default_rng(0)
    for position in (10, start, start + 1999, *random.integers(len(content), size=40).tolist()):
        damaged = bytearray(content)
        damaged[position] ^= 0x55
        path.write_bytes(damaged)
        is_data = start <= position < start + 2000
        with pytest.raises(WeightsError) if is_data else suppress(WeightsError):
            assert torch.equal(load_state(path)["model"]["weight"], torch.ones(500))
    for count in (0, 100, len(content) // 2):
        path.write_bytes(content[:count])
        with pytest.raises(WeightsError, match=r"last\.ckpt: not readable as a training state"):
            load_state(path)


@pytest.mark.parametrize(
    "changes", [{"step": -1}, {"step": "3"}, {"model": None}, {"optimizer": 5}, {"best": []}]
)
def test_states_without_their_parts_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    parts = {"model": {}, "optimizer": {}, "precision": {}, "best": {}}
    save_state(tmp_path / "last.ckpt", {"step": 3, **parts, **changes})
    with pytest.raises(WeightsError, match=r"last\.ckpt: expected a training state"):
        load_state(tmp_path / "last.ckpt")


def test_a_state_that_does_not_fit_is_refused_in_one_line(stills: Path, tmp_path: Path) -> None:
    config = experiment(stills, tmp_path / "run", run={"epochs": 1})
    loop.train(config, quiet)
    state = load_state(tmp_path / "run" / "last.ckpt")
    for part, wrong in (
        *(("best", {}), ("best", {**state["best"], "score": "x"})),
        *(("optimizer", {"state": {}}), ("model", {})),
        *(("facts", "x"), ("facts", {"run": {(1, 2): 3}})),
    ):
        save_state(tmp_path / "run" / "last.ckpt", {**state, part: wrong})
        with pytest.raises(
            (ConfigError, WeightsError), match=r"last\.ckpt: not readable as .*"
        ) as caught:
            loop.train(config, quiet)
        assert "\n" not in str(caught.value)
