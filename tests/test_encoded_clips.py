"""Encoded clips on disk: which frames make a window, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import C, J, h, tiny_config, w
from tiny_training import experiment, quiet, write_stills

from tarvitpose.errors import ConfigError
from tarvitpose.model.jta import seen_regions
from tarvitpose.training.features import EncodedClips, Together, around

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
    assert around(frame, STORED, offsets) == expected


def test_of_frames_equally_near_the_earlier_comes_first() -> None:
    assert around(1, (-3, 0, 3), (-1,)) == [0, 1]
    assert around(1, (-3, 0, 2), (-1,)) == [2, 1]


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
    middle = [clips[0, index]["features"][1, 0, 0, 0].item() for index in range(len(clips))]
    assert middle == [0, 1, 2, 3, 4, 12, 20, 21, 22, 23, 24]
    assert [clips[0, index]["name"] for index in (0, 5, 6)] == ["a", "b", "c"]
    assert clips[0, 5]["features"][:, 0, 0, 0].tolist() == [11, 12, 13]
    assert "regions" not in clips[0, 0]


def test_stored_scores_become_regions_by_the_models_own_rule(tmp_path: Path) -> None:
    folder = stored(tmp_path / "some", scores=True)
    scores = torch.from_numpy(np.load(folder / "scores.npy"))[0, [1, 2, 3]].float()
    for rule, threshold in (("paper", 0.1), ("paper", 0.05), ("none", 0.1)):
        model = tiny_config(mask_rule=rule, mask_threshold=threshold)
        regions = EncodedClips(folder, model)[0, 2]["regions"]
        assert torch.equal(regions, seen_regions(scores, rule, threshold))  # type: ignore[arg-type]
    assert "regions" not in EncodedClips(folder, tiny_config(), scores=False)[0, 2]


def test_only_the_frame_that_is_known_unspoilt_is_the_current_one(tmp_path: Path) -> None:
    folder = stored(tmp_path / "some", scores=False)
    unspoilt = np.arange(3)[:, None, None, None] * np.ones((C, h, w))
    np.save(folder / "unspoilt.npy", unspoilt.astype(np.float16))
    clips = EncodedClips(folder, tiny_config())
    middle = [clips[0, index]["features"][1, 0, 0, 0].item() for index in range(len(clips))]
    assert middle == [2, 12, 22]
    assert [clips[0, index]["unspoilt"][0, 0, 0].item() for index in range(3)] == [0, 1, 2]


def test_the_unspoilt_frame_is_encoded_where_the_loss_asks_for_it(tmp_path: Path) -> None:
    stills = write_stills(tmp_path)
    for name, weight in (("with", 1.0), ("without", 0.0)):
        run = {"frozen": ["encoder"], "epochs": 0.1, "unspoilt_loss_weight": weight}
        degrade = {"current": 0, "auxiliary": 0}
        config = experiment(
            stills,
            tmp_path / name,
            run=run,
            source={"cached_clips": 2},
            data={"augment": {"degrade": degrade}},
        )
        loop.train(config, quiet)
        folder = tmp_path.joinpath(name, *FEATURES)
        assert (folder / "unspoilt.npy").exists() == (name == "with")
    features, unspoilt = (
        np.load(tmp_path.joinpath("with", *FEATURES, f"{name}.npy"))
        for name in ("features", "unspoilt")
    )
    assert np.allclose(features[:, 1], unspoilt, atol=1e-2)  # nothing spoilt them


def test_several_sets_follow_each_other(tmp_path: Path) -> None:
    parts = [EncodedClips(stored(tmp_path / name, scores=False), tiny_config()) for name in "ab"]
    both = Together(parts)
    assert len(both) == 22
    for index in (0, 10, 11, 21):
        own = parts[index // 11][0, index % 11]
        assert torch.equal(both[0, index]["features"], own["features"])


def test_a_model_that_looks_at_more_frames_is_refused(tmp_path: Path) -> None:
    folder = stored(tmp_path / "some", scores=False)
    with pytest.raises(ConfigError, match=r"holds 5 frames of each clip.*need 6; encode them anew"):
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


def test_clips_of_another_recipe_are_refused(tmp_path: Path) -> None:
    stills = write_stills(tmp_path)
    shared = {"features": tmp_path / "features"}
    for number, augment in enumerate(({}, {"flip": 0.1})):
        config = experiment(
            stills,
            tmp_path / str(number),
            run={"frozen": ["encoder"], "epochs": 0.1},
            source={"cached_clips": 2},
            data={**shared, "augment": augment},
        )
        if number == 0:
            loop.train(config, quiet)
            continue
        with pytest.raises(ConfigError, match=r"\(augment\.flip: 0\.5 -> 0\.1\); remove that folder"):
            loop.train(config, quiet)
