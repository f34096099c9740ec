"""Attention maps: equal to the model's attention, of the right moment and person, and drawn."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from attention_layers import context, every_way, queries, random_layer, random_mask
from invoke import refusal, run
from tiny_models import B, C, J, T, all_visible, h, modest_model, tiny_clip, tiny_model, w
from video_files import make_video

from tarvitpose.config import PredictConfig
from tarvitpose.errors import UserError
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.model.jta import JTALayer
from tarvitpose.video.sources import open_source
from tarvitpose.visualization.attention_maps import (
    AttentionMaps,
    Moment,
    attention_maps,
    find_window,
)
from tarvitpose.visualization.attention_picture import (
    NAMES,
    TILE,
    draw_attention_maps,
    region_share,
    wrapped,
)

# ------------------------------------------------------------------------------- the model's own


@every_way
def test_values_weighted_by_the_shares_are_what_forward_finds(keys: int) -> None:
    layer, visible = random_layer(), random_mask(keys)
    for seen in (visible, None):
        shares = layer.attention_weights(queries(), context(keys), seen)  # (B, heads, Q, K)
        torch.testing.assert_close(shares.sum(-1), torch.ones(shares.shape[:3]))
        values = layer.to_key_value(context(keys))[..., C:]  # (B, K, C)
        values = values.unflatten(-1, (layer.heads, -1)).transpose(1, 2)  # (B, heads, K, C / heads)
        attention = layer.to_out((shares @ values).transpose(1, 2).flatten(2))
        expected = layer(queries(), context(keys), seen)
        torch.testing.assert_close(layer.norm(queries() + attention), expected)
    hidden = ~visible[:, None].expand(-1, layer.heads, -1, -1)
    assert (layer.attention_weights(queries(), context(keys), visible)[hidden] == 0).all()


def test_every_layers_shares_are_those_of_the_forward_pass() -> None:
    model = tiny_model()
    features = torch.randn(B, T, C, h, w, generator=torch.Generator().manual_seed(3))
    regions = torch.rand(B, T, J, h, w, generator=torch.Generator().manual_seed(4)) < 0.2
    regions[0, :, 5] = False  # one that may look nowhere looks everywhere
    tokens = features.flatten(3).transpose(2, 3).flatten(1, 2)  # (B, T N, C)
    visible = regions.transpose(1, 2).flatten(2)
    joints = (model.jta.query + model.jta.query_position).expand(B, -1, -1)
    with torch.no_grad():
        for layer, shares in zip(
            model.jta.layers, model.jta.attention_weights(tokens, visible), strict=True
        ):
            assert isinstance(layer, JTALayer)
            values = layer.look.to_key_value(tokens)[..., C:].unflatten(-1, (4, -1)).transpose(1, 2)
            attention = layer.look.to_out((shares @ values).transpose(1, 2).flatten(2))
            joints = layer.look.norm(joints + attention)
            joints = layer.feed_forward(layer.exchange(joints, joints))
        torch.testing.assert_close(joints, model.queries(features, regions))


@torch.no_grad()
def test_attention_lies_where_the_regions_are() -> None:
    model = tiny_model()
    features = torch.randn(B, T, C, h, w, generator=torch.Generator().manual_seed(3))
    regions = torch.zeros(B, T, J, h, w, dtype=torch.bool)
    regions[0, 2, 7, 1, 6] = regions[0, 0, 7, 3, 2] = True
    regions[1, 1, 4, 0, 5] = True
    for layer in (0, 1):
        attention = model.attention(features, regions, layer)
        assert attention.shape == (B, J, T, h, w)
        torch.testing.assert_close(attention.sum((2, 3, 4)), torch.ones(B, J))
        assert attention[1, 4, 1, 0, 5] == pytest.approx(1)
        assert attention[0, 7, 2, 1, 6] + attention[0, 7, 0, 3, 2] == pytest.approx(1)
        assert (attention[0, 3] > 0).all()  # its mask hides everything


def test_without_the_mask_it_is_what_a_model_without_one_does() -> None:
    model, free = tiny_model(), tiny_model(mask_rule="none")
    with torch.no_grad():
        features = model.encoder(tiny_clip().flatten(0, 1)).unflatten(0, (B, T))
        attention = model.attention(features, all_visible())
        torch.testing.assert_close(attention, free.attention(features, free.regions(features)))


@pytest.mark.parametrize(
    "changes",
    [
        {"offsets": ()},
        {"aggregation": "all_tokens"},
        {"layout": "released", "mask_rule": "released", "joint_set": "posetrack17"},
    ],
)
def test_what_has_no_joint_queries_at_places_is_refused(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    model = tiny_model(**changes)
    with pytest.raises(ValueError, match="attention maps need joint queries"):
        model.attention(torch.zeros(B, T, C, h, w), all_visible())
    model.save_pretrained(tmp_path / "weights")
    video = make_video(tmp_path / "x.mp4", 1)
    line = refusal("attention", video, "--frame", "1", "--weights", tmp_path / "weights")
    assert "give --weights" in line
    assert line.startswith(str(tmp_path / "weights"))


# ---------------------------------------------------------------------------- moment and person


TIMES = (0.0, 0.04, 0.08, 0.16, 0.2, 0.24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a video, weights, and boxes of two people, the second in frames 2-4."""
    folder = tmp_path_factory.mktemp("walk")
    make_video(folder / "walk.mp4", TIMES)
    modest_model(mask_threshold=0.45).save_pretrained(folder / "weights")
    boxes = [(i, [4, 4, 14, 24]) for i in range(5)] + [(i, [30, 2, 30, 44]) for i in (2, 3, 4)]
    entries = [{"image_id": i, "bbox": b, "score": 0.9, "category_id": 1} for i, b in boxes]
    (folder / "boxes.json").write_text(json.dumps(entries))
    return folder


@pytest.fixture(scope="module")
def estimator(folder: Path) -> PoseEstimator:
    return PoseEstimator.from_config(
        PredictConfig(
            weights=str(folder / "weights"),
            boxes=folder / "boxes.json",
            backend="torch",
            device="cpu",
            precision="fp32",  # bfloat16 rounds a crop in another way in another batch
        )
    )


def maps_of(
    estimator: PoseEstimator, folder: Path, moment: Moment, **options: Any
) -> AttentionMaps:
    with open_source(folder / "walk.mp4") as source:
        return attention_maps(estimator, source, moment, **options)


@pytest.mark.parametrize(
    ("moment", "frames"),
    [
        (Moment(time=0.0), (0, 0, 1)),
        (Moment(time=0.08), (1, 2, 3)),
        (Moment(time=0.15), (1, 2, 3)),  # still on the screen
        (Moment(time=0.16), (2, 3, 4)),
        (Moment(time=0.27), (4, 5, 5)),
        (Moment(frame=3), (2, 3, 4)),
    ],
)
def test_a_moment_is_the_frame_that_a_player_shows(
    estimator: PoseEstimator, folder: Path, moment: Moment, frames: tuple[int, ...]
) -> None:
    with open_source(folder / "walk.mp4") as source:
        window = find_window(estimator, source, moment)
    assert tuple(seen.frame.index for seen in window) == frames


def test_reading_ends_with_the_window(estimator: PoseEstimator, folder: Path) -> None:
    read: list[int] = []
    with open_source(folder / "walk.mp4") as source:
        find_window(estimator, source, Moment(frame=1), lambda seen: read.append(seen.frame.index))
    assert read == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("moment", "options", "message"),
    [
        (Moment(time=9.0), {}, r"no frame at 9\.00 s; the last is frame 5 at 0\.24 s"),
        (Moment(frame=9), {}, r"no frame with the number 9; the last is frame 5"),
        (Moment(frame=5), {}, r"nobody is seen in frame 5 at 0\.24 s"),
        (Moment(frame=3), {"track_id": 8}, r"no track 8 in frame 3 at 0\.16 s; .* are: 1, 2"),
        (Moment(frame=3), {"layer": 3}, r"--layer 3: these weights have the layers 1 to 2"),
    ],
)
def test_what_is_not_there_is_named(
    estimator: PoseEstimator, folder: Path, moment: Moment, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        maps_of(estimator, folder, moment, **options)


def test_looks_are_of_the_largest_person_or_the_chosen_one(
    estimator: PoseEstimator, folder: Path
) -> None:
    largest = maps_of(estimator, folder, Moment(frame=3))
    chosen = maps_of(estimator, folder, Moment(frame=3), track_id=1)
    assert (largest.track_id, chosen.track_id) == (2, 1)
    assert maps_of(estimator, folder, Moment(frame=1)).track_id == 1
    assert largest.crops.shape == (3, 64, 112, 3)
    assert not np.array_equal(largest.crops, chosen.crops)
    assert largest.times == pytest.approx((0.08, 0.16, 0.2))


def test_looks_are_the_models_answer_to_the_crops(estimator: PoseEstimator, folder: Path) -> None:
    maps = maps_of(estimator, folder, Moment(frame=3), layer=1)
    encoded = estimator.predictor.engine.encode(maps.crops)
    visible = np.stack([single.visible.numpy() for single in encoded], 1)  # (J, T, N)
    assert np.array_equal(maps.regions.reshape(visible.shape), visible)
    assert 0 < maps.regions.mean() < 1
    for shares in (maps.masked, maps.free):
        assert shares.shape == (J, T, h, w)
        assert np.allclose(shares.sum((1, 2, 3)), 1, atol=1e-5)
    seeing = maps.regions.any((1, 2, 3))
    for joint in np.flatnonzero(seeing):
        assert region_share(maps.masked[joint], maps.regions[joint]) == pytest.approx(1)
        assert region_share(maps.free[joint], maps.regions[joint]) < 1
    heatmaps = estimator.predictor.engine.decode_window([encoded], 1)
    assert np.allclose(maps.scores, heatmaps[0].max((1, 2)).clip(0, 1), atol=0.1)
    assert (maps.layer, maps.layers, maps.has_mask) == (1, 2, True)


# ----------------------------------------------------------------------------------- the picture


def test_the_picture_has_two_rows_for_a_joint_and_a_column_for_a_frame(
    estimator: PoseEstimator, folder: Path
) -> None:
    maps = maps_of(estimator, folder, Moment(frame=3))
    single, three = (draw_attention_maps(maps, joints, "walk.mp4") for joints in ([4], [4, 6, 8]))
    assert single.shape[1] == three.shape[1] > NAMES + 3 * TILE
    row = (len(three) - len(single)) / 4
    assert row == pytest.approx(TILE * 64 / 112 + 37, abs=6)


def test_heat_is_brightest_where_the_attention_maps_most(
    estimator: PoseEstimator, folder: Path
) -> None:
    maps = maps_of(estimator, folder, Moment(frame=3))
    maps.free[:] = 0
    maps.free[4, 0, 1, 5] = 1
    maps.regions[4] = False
    without = draw_attention_maps(maps, [4], "walk.mp4").astype(int)
    maps.free[:] = 0
    maps.free[4, 2, 3, 0] = 1
    changed = np.abs(draw_attention_maps(maps, [4], "walk.mp4").astype(int) - without).sum(-1) > 60
    columns = np.flatnonzero(changed[250:355].any(0)) - NAMES  # in the row without the mask
    tile = TILE + 8
    first, last = columns[columns < TILE], columns[columns >= 2 * tile] - 2 * tile
    assert first.mean() == pytest.approx((5 + 0.5) / w * TILE, abs=10)
    assert last.min() <= 2
    assert last.max() < 2 * TILE / w


@pytest.mark.parametrize("width", [60, 200, 900])
def test_lines_are_no_wider_than_the_picture(width: int) -> None:
    from tarvitpose.drawing import text_width
    from tarvitpose.visualization.attention_picture import HOW_TO_READ, TEXT

    lines = wrapped(HOW_TO_READ, width)
    assert " ".join(lines) == HOW_TO_READ
    assert all(text_width(line, TEXT) <= width or " " not in line for line in lines)


# ------------------------------------------------------------------------------ the command line


def command(folder: Path, *more: str | Path) -> tuple[str | Path, ...]:
    boxes, weights = folder / "boxes.json", folder / "weights"
    return ("attention", folder / "walk.mp4", "--boxes", boxes, "--weights", weights, *more)


def test_a_picture_is_written_and_the_shares_are_printed(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "look.png"
    result = run(*command(folder, "--time", "0.16", "-o", path, "--joints", "nose,left_knee"))
    assert result.exit_code == 0, result.output
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.std() > 20
    lines = result.stdout.splitlines()
    assert lines[0] == "Where the joints look: walk.mp4, person 2, 0:00.16 (frame 3)"
    rows = [line.split() for line in lines if "without" in line]
    assert [row[0] for row in rows] == ["nose", "left_knee"]
    shares = [int(cell.rstrip("%")) for cell in rows[0][2:5]]
    assert sum(shares) == pytest.approx(100, abs=2)
    assert lines[-1].strip() == str(path)
    assert "there already; pass --overwrite" in refusal(
        *command(folder, "--frame", "1", "-o", path)
    )


def test_the_picture_lies_where_predict_writes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for target, more in (("results", ()), ("poses", ("--output", "poses"))):
        result = run(*command(folder, "--frame", "2", *more))
        assert result.exit_code == 0, result.output
        picture = Path(target) / "walk.attention.png"
        assert picture.is_file()
        assert result.stdout.splitlines()[-1].strip() == str(picture)


def test_weights_without_a_mask_have_one_row_for_a_joint(folder: Path, tmp_path: Path) -> None:
    modest_model(mask_rule="none").save_pretrained(tmp_path / "free")
    path = tmp_path / "look.jpg"
    weights = ("--weights", tmp_path / "free", "--joints", "all")
    result = run(*command(folder, "--frame", "2", "-o", path, *weights))
    assert result.exit_code == 0, result.output
    assert "with mask" not in result.stdout
    assert sum("without  " in line for line in result.stdout.splitlines()) == J


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "give one of --time SECONDS and --frame N"),
        (("--time", "1", "--frame", "1"), "give one of --time SECONDS and --frame N"),
        (
            ("--frame", "1", "-o", "look.gif"),
            "a folder, or a name that ends in .png or .jpg",
        ),
        (("--frame", "1", "--offsets", "0,1"), "must be sorted, distinct and without 0"),
    ],
)
def test_bad_input_is_one_line(folder: Path, more: tuple[str, ...], message: str) -> None:
    assert message in refusal(*command(folder, *more))
