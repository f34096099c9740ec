"""Encoded clips on disk: which frames make a window, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import C, J, h, tiny_config, w
from tiny_training import experiment, quiet, write_stills

from tarvitpose.errors import ConfigError
from tarvitpose.model.mask import seen_regions
from tarvitpose.training.config import TrainConfig
from tarvitpose.training.features import EncodedClips, JoinedClips, window_order

pytest.importorskip("lightning_fabric", reason="the train extra is not installed")
from tarvitpose.training import loop

STORED = (-2, -1, 0, 1, 2)
FEATURES = ("features", "0")


@pytest.mark.parametrize(
    ("frame", "offsets", "expected"),
    [
        (2, (-2, -1, 1, 2), [0, 1, 2, 3, 4]),  # as it was stored
        (2, (-1, 1), [1, 2, 3]),
        (2, (-1,), [1, 2]),
        (2, (), [2]),
        (0, (-2, -1, 1, 2), [1, 2, 0, 3, 4]),  # at an end the others are all on one side
        (4, (-1, 1), [2, 4, 3]),
        (1, (-1, 1), [0, 1, 2]),
    ],
)
def test_a_window_takes_the_nearest_frames(
    frame: int, offsets: tuple[int, ...], expected: list[int]
) -> None:
    assert window_order(frame, STORED, offsets) == expected


def test_of_frames_equally_near_the_earlier_comes_first() -> None:
    assert window_order(1, (-3, 0, 3), (-1,)) == [0, 1]
    assert window_order(1, (-3, 0, 2), (-1,)) == [2, 1]


def stored(folder: Path, *, scores: bool) -> Path:
    """Write three clips of five frames, each frame's features full of its number."""
    folder.mkdir()
    clip, frame = np.mgrid[:3, :5]
    features = (10 * clip + frame)[:, :, None, None, None] * np.ones((C, h, w))
    visible = np.ones((3, 5, J), np.float32)
    visible[1, [0, 1, 3, 4]] = 0  # a labelled frame of a video: the others are not labelled
    np.save(folder / "features.npy", features.astype(np.float16))
    np.save(folder / "frame_keypoints.npy", np.full((3, 5, J, 2), 30, np.float32))
    np.save(folder / "frame_visible.npy", visible)
    if scores:
        values = np.linspace(0, 1, 3 * 5 * J * h * w).reshape(3, 5, J, h, w)
        np.save(folder / "scores.npy", values.astype(np.float16))
    about = {"facts": {"offsets": [-2, -1, 1, 2]}, "names": ["a", "b", "c"]}
    (folder / "about.json").write_text(json.dumps(about))
    return folder


def test_every_labelled_frame_is_once_the_current_one(tmp_path: Path) -> None:
    clips = EncodedClips(stored(tmp_path / "some", scores=False), tiny_config())
    assert len(clips) == 5 + 1 + 5
    middle = [clips[index]["features"][1, 0, 0, 0].item() for index in range(len(clips))]
    assert middle == [0, 1, 2, 3, 4, 12, 20, 21, 22, 23, 24]
    assert [clips[index]["name"] for index in (0, 5, 6)] == ["a", "b", "c"]
    assert clips[5]["features"][:, 0, 0, 0].tolist() == [11, 12, 13]
    assert "regions" not in clips[0]


@pytest.mark.parametrize("name", ["frame_visible", "frame_keypoints"])
def test_labels_that_are_not_finite_are_refused(name: str, tmp_path: Path) -> None:
    path = stored(tmp_path / "some", scores=False) / f"{name}.npy"
    labels = np.load(path)
    labels[2, 1, 0] = np.nan
    np.save(path, labels)
    with pytest.raises(ConfigError, match="some: a label is not finite; remove that folder"):
        EncodedClips(path.parent, tiny_config())


def test_stored_scores_become_regions_by_the_models_own_rule(tmp_path: Path) -> None:
    folder = stored(tmp_path / "some", scores=True)
    scores = torch.from_numpy(np.load(folder / "scores.npy"))[0, [1, 2, 3]].float()
    for rule, threshold in (("paper", 0.1), ("paper", 0.05), ("none", 0.1)):
        model = tiny_config(mask_rule=rule, mask_threshold=threshold)
        regions = EncodedClips(folder, model)[2]["regions"]
        assert torch.equal(regions, seen_regions(scores, rule, threshold))  # type: ignore[arg-type]
    assert "regions" not in EncodedClips(folder, tiny_config(), scores=False)[2]


def test_only_the_frame_that_is_known_clean_is_the_current_one(tmp_path: Path) -> None:
    folder = stored(tmp_path / "some", scores=False)
    clean = np.arange(3)[:, None, None, None] * np.ones((C, h, w))
    np.save(folder / "clean.npy", clean.astype(np.float16))
    np.save(folder / "offsets.npy", np.array([[-3, -1, 0, 2, 3]] * 3))
    clips = EncodedClips(folder, tiny_config())
    middle = [clips[index]["features"][1, 0, 0, 0].item() for index in range(len(clips))]
    assert middle == [2, 12, 22]
    assert [clips[index]["clean"][0, 0, 0].item() for index in range(3)] == [0, 1, 2]
    assert [clips[index]["offsets"].tolist() for index in range(3)] == [[-1, 0, 2]] * 3  # nearest


def test_a_model_that_knows_the_order_of_frames_sees_them_in_order(tmp_path: Path) -> None:
    config = tiny_config(offsets=(-2, -1, 1, 2), key_positions=True)
    clips = EncodedClips(stored(tmp_path / "clips", scores=False), config)
    assert len(clips) == 3
    frames = [[f[0, 0, 0].item() for f in clips[at]["features"]] for at in range(3)]
    assert frames == [[10 * clip + frame for frame in range(5)] for clip in range(3)]


def test_the_clean_frame_is_encoded_where_the_loss_asks_for_it(tmp_path: Path) -> None:
    stills = write_stills(tmp_path)
    for name, weight in (("with", 1.0), ("without", 0.0)):
        run = {"frozen": ["encoder"], "epochs": 0.1, "clean_loss_weight": weight}
        augment = {"degrade": {"current": 0, "auxiliary": 0}, "offset_span": 3}
        config = experiment(
            stills,
            tmp_path / name,
            run=run,
            source={"cached_clips": 2},
            data={"augment": augment},
        )
        loop.train(config, quiet)
        folder = tmp_path.joinpath(name, *FEATURES)
        assert (folder / "clean.npy").exists() == (name == "with")
    features, clean = (
        np.load(tmp_path.joinpath("with", *FEATURES, f"{name}.npy"))
        for name in ("features", "clean")
    )
    assert np.allclose(features[:, 1], clean, atol=1e-2)  # nothing degraded them
    offsets = np.load(tmp_path.joinpath("with", *FEATURES, "offsets.npy"))
    assert (offsets[:, 1] == 0).all()
    assert np.abs(offsets).max() > 1  # as they were drawn, not as configured


def test_several_sets_follow_each_other(tmp_path: Path) -> None:
    parts = [EncodedClips(stored(tmp_path / name, scores=False), tiny_config()) for name in "ab"]
    both = JoinedClips(parts)
    assert len(both) == 22
    for index in (0, 10, 11, 21):
        alone = parts[index // 11][index % 11]
        assert torch.equal(both[0, index]["features"], alone["features"])


def test_a_model_that_looks_at_more_frames_is_refused(tmp_path: Path) -> None:
    folder = stored(tmp_path / "some", scores=False)
    with pytest.raises(
        ConfigError, match=r"holds 5 frames of each clip.*need 6; encode them again"
    ):
        EncodedClips(folder, tiny_config(offsets=(-3, -2, -1, 1, 2)))


def test_scores_are_kept_only_where_the_decoder_is_frozen(tmp_path: Path) -> None:
    """A decoder that learns would make other ones in every step."""
    stills = write_stills(tmp_path)
    for name, frozen in (("both", ["encoder", "decoder"]), ("encoder", ["encoder"])):
        run = {"frozen": frozen, "epochs": 0.1}
        config = experiment(stills, tmp_path / name, run=run, source={"cached_clips": 2})
        loop.train(config, quiet)
        folder = tmp_path.joinpath(name, *FEATURES)
        assert (folder / "scores.npy").exists() == (name == "both")
        assert np.load(folder / "features.npy").shape == (2, 3, C, h, w)


def shared(stills: Path, number: int, **changes: Any) -> TrainConfig:
    """Return one of several runs of a frozen encoder, which share a folder of encoded clips."""
    run = {"frozen": ["encoder", "decoder"], "epochs": 0.1, **changes.pop("run", {})}
    data = {"features": stills.parent / "features", **changes.pop("data", {})}
    output = stills.parent / str(number)
    return experiment(stills, output, run=run, source={"cached_clips": 2}, data=data, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": {"augment": {"flip": 0.1}}}, r"augment\.flip: 0\.5 -> 0\.1"),
        ({"model": {"input_size": [96, 64]}}, r"model\.input_size: 64,112 -> 96,64"),
        ({"model": {"codec": "classic"}}, r"model\.codec: udp -> classic"),
        ({"model": {"mask_rule": "released"}}, r"model\.mask_rule: paper -> released"),
        ({"run": {"precision": "bf16-mixed"}}, r"precision: 32-true -> bf16-mixed"),
        ({"run": {"seed": 3}}, r"seed: 0 -> 3"),
        ({"run": {"clean_loss_weight": 1.0}}, r"clean: false -> clean,offsets"),
        ({"run": {"frozen": ["encoder"]}}, r"weights\.decoder: \w{12}\.\.\. -> not noted"),
        ({"data": {"encoded_offsets": [-1]}}, r"offsets: -1,1 -> -1"),
    ],
    ids=str,
)
def test_clips_that_were_encoded_otherwise_are_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    stills = write_stills(tmp_path)
    loop.train(shared(stills, 0), quiet)
    features = (tmp_path / "features" / "0" / "features.npy").read_bytes()
    with pytest.raises(ConfigError, match=words) as caught:
        loop.train(shared(stills, 1, **changes), quiet)
    assert str(caught.value).startswith(f"{tmp_path / 'features' / '0'}: made with other")
    assert str(caught.value).endswith("remove that folder, or set another data.features")
    assert (tmp_path / "features" / "0" / "features.npy").read_bytes() == features


def test_runs_that_differ_in_their_temporal_part_share_encoded_clips(tmp_path: Path) -> None:
    stills = write_stills(tmp_path)
    window = {"encoded_offsets": [-1, 1], "encoded_seed": 0}
    loop.train(shared(stills, 0, data=window), quiet)
    features = (tmp_path / "features" / "0" / "features.npy").stat().st_mtime_ns
    for number, changes in enumerate(
        (
            {"model": {"mask_threshold": 0.3}},
            {"model": {"mask_rule": "none", "jta_layers": 1}},
            {"model": {"offsets": [-1], "drop_path": 0.5}},
            {"run": {"seed": 3, "batch_size": 1}},
        ),
        1,
    ):
        loop.train(shared(stills, number, data=window, **changes), quiet)
    assert (tmp_path / "features" / "0" / "features.npy").stat().st_mtime_ns == features


def test_a_fresh_start_encodes_the_runs_own_clips_anew(tmp_path: Path) -> None:
    stills = write_stills(tmp_path)
    changes: dict[str, Any] = {"run": {"frozen": ["encoder"], "epochs": 0.1}}
    changes |= {"source": {"cached_clips": 2}}
    loop.train(experiment(stills, tmp_path / "run", **changes), quiet)
    folder = tmp_path.joinpath("run", *FEATURES)
    before = np.load(folder / "features.npy")
    other = experiment(stills, tmp_path / "run", data={"augment": {"colour": 0}}, **changes)
    with pytest.raises(ConfigError, match=r"last\.ckpt: made with other .*--fresh"):
        loop.train(other, quiet)
    (tmp_path / "run" / "last.ckpt").unlink()
    with pytest.raises(ConfigError, match=r"features/0: made with other .*--fresh"):
        loop.train(other, quiet)
    loop.train(other, quiet, resume=False)
    assert not np.array_equal(np.load(folder / "features.npy"), before)


def test_encoding_goes_on_in_batches_of_another_size(tmp_path: Path) -> None:
    stills = write_stills(tmp_path)
    whole = {"run": {"frozen": ["encoder"], "epochs": 0.1}, "source": {"cached_clips": 5}}
    loop.train(experiment(stills, tmp_path / "whole", **whole), quiet)
    folder = tmp_path.joinpath("whole", *FEATURES)
    before = np.load(folder / "features.npy"), np.load(folder / "frame_keypoints.npy")
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps({**about, "names": about["names"][:2]}))
    for name in ("features", "frame_keypoints"):  # the others were not written yet
        values = np.load(folder / f"{name}.npy", mmap_mode="r+")
        values[2:] = 0
        values.flush()
    (tmp_path / "whole" / "last.ckpt").unlink()
    run = {**whole["run"], "batch_size": 3}
    loop.train(experiment(stills, tmp_path / "whole", **{**whole, "run": run}), quiet)
    after = np.load(folder / "features.npy"), np.load(folder / "frame_keypoints.npy")
    np.testing.assert_allclose(after[0], before[0], atol=2e-2)
    np.testing.assert_array_equal(after[1], before[1])
    assert json.loads((folder / "about.json").read_text()) == about


def test_clips_that_were_drawn_in_another_way_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stills = write_stills(tmp_path)
    loop.train(shared(stills, 0), quiet)
    monkeypatch.setattr("tarvitpose.training.facts.DRAWING", 99)
    with pytest.raises(ConfigError, match=r"features/0: .*\(drawing: \d+ -> 99\); remove"):
        loop.train(shared(stills, 1), quiet)


def test_clips_of_an_earlier_version_get_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "features" / "0"
    folder.mkdir(parents=True)
    (folder / "about.json").write_text(json.dumps({"recipe": "", "offsets": [], "names": ["a"]}))
    with pytest.raises(ConfigError, match=r"0: an earlier version made it .*; remove that folder"):
        loop.train(shared(write_stills(tmp_path), 0), quiet)
