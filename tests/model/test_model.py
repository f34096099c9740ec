"""The network: sizes, axes, masks, and what must not change its answer."""

import pytest
import torch
import torch.nn.functional as F
from tiny_models import B, C, H, J, N, T, W, all_visible, h, tiny_clip, tiny_config, tiny_model, w

from tarvitpose.config import SIZES
from tarvitpose.model.encoder import Encoder, SelfAttention
from tarvitpose.model.layout import released_regions, to_features, to_tokens
from tarvitpose.model.mask import MaskRule, seen_regions, token_scores
from tarvitpose.model.tarvitpose import TARViTPose

# Million parameters: encoder, decoder, JTA, GRA and all, at 17 joints.
MILLIONS = {
    "tiny": (5.523, 0.658, 2.680, 0.149, 9.010),
    "s": (21.663, 2.627, 10.669, 0.592, 35.551),
    "b": (85.794, 4.200, 42.572, 2.364, 134.929),
    "l": (303.295, 5.248, 75.637, 4.200, 388.381),
    "h": (630.911, 6.297, 118.139, 6.561, 761.908),
}


@pytest.mark.parametrize("size", SIZES)
def test_parameter_counts(size: str) -> None:
    with torch.device("meta"):
        model = TARViTPose(SIZES[size](joint_set="posetrack17"))
    parts = (model.encoder, model.decoder, model.jta, model.gra, model)
    counts = tuple(round(sum(p.numel() for p in part.parameters()) / 1e6, 3) for part in parts)
    assert counts == MILLIONS[size]


def joint_regions(heatmaps: torch.Tensor, rule: MaskRule, threshold: float) -> torch.Tensor:
    """Return where each joint may look, as the model finds it from coarse heatmaps."""
    return seen_regions(token_scores(heatmaps, rule), rule, threshold)


def test_the_simple_decoder_is_a_3x3_convolution_of_the_enlarged_features() -> None:
    model = tiny_model(decoder="simple")
    features = torch.randn(B, C, h, w)
    large = F.interpolate(features.clamp(min=0), scale_factor=4, mode="bilinear")
    expected = F.conv2d(large, model.decoder.final.weight, model.decoder.final.bias, padding=1)
    torch.testing.assert_close(model.decoder(features), expected)
    assert expected.shape == (B, J, 4 * h, 4 * w)


def test_heatmaps_have_a_quarter_of_the_crops_size() -> None:
    model = tiny_model()
    assert model(tiny_clip()).shape == (B, J, H // 4, W // 4)
    assert model.single_frame(tiny_clip()[:, 0]).shape == (B, J, H // 4, W // 4)


def test_a_batch_equals_its_items() -> None:
    model, clip = tiny_model().double(), tiny_clip().double()
    one_by_one = torch.cat([model(item[None]) for item in clip])
    torch.testing.assert_close(model(clip), one_by_one)
    images = clip[:, 1]
    one_by_one = torch.cat([model.single_frame(item[None]) for item in images])
    torch.testing.assert_close(model.single_frame(images), one_by_one)


def test_a_token_is_one_place_of_one_frame() -> None:
    features = torch.randn(B, T, C, h, w)
    tokens = to_tokens(features, "paper").flatten(1, 2)  # (B, T N, C)
    t, y, x = 1, 2, 3
    assert torch.equal(tokens[:, (t * h + y) * w + x], features[:, t, :, y, x])


def test_a_released_token_is_a_run_of_memory() -> None:
    features = torch.arange(B * T * C * N, dtype=torch.float32).reshape(B, T, C, h, w)
    tokens = to_tokens(features, "released")
    assert tokens.shape == (B, T, N, C)
    assert torch.equal(tokens[1, 2, 3], features[1, 2].flatten()[3 * C : 4 * C])


@pytest.mark.parametrize("layout", ["paper", "released"])
def test_features_come_back_from_tokens(layout: str) -> None:
    features = torch.randn(B, T, C, h, w)
    tokens = to_tokens(features, layout)  # type: ignore[arg-type]
    assert torch.equal(to_features(tokens[:, 1], (h, w), layout), features[:, 1])  # type: ignore[arg-type]


def test_released_regions_are_read_joint_by_frame() -> None:
    regions = torch.arange(B * T * J * N).reshape(B, T, J, h, w)
    mixed = released_regions(regions)
    as_viewed = regions.reshape(B, J, T, h, w)
    assert mixed.shape == regions.shape
    assert torch.equal(mixed[1, 2, 5], as_viewed[1, 5, 2])


def test_hidden_tokens_change_nothing() -> None:
    model = tiny_model()
    features = torch.randn(B, T, C, h, w)
    regions = all_visible()
    regions[:, 0, :, 2, 3] = False  # hidden from every joint, in a frame that is not current
    changed = features.clone()
    changed[:, 0, :, 2, 3] = 1e3
    expected = model.aggregate(features, regions)
    torch.testing.assert_close(model.aggregate(changed, regions), expected)
    assert not torch.allclose(model.aggregate(changed, all_visible()), expected, atol=1e-4)


def test_a_region_is_of_its_own_joint_and_frame() -> None:
    model = tiny_model()
    features = torch.randn(B, T, C, h, w)
    joint, frame, y, x = 4, 2, 1, 5
    regions = torch.zeros(B, T, J, h, w, dtype=torch.bool)
    regions[:, frame, joint, y, x] = True
    seen = []
    model.jta.layers[0].look.register_forward_hook(lambda _, args, __: seen.append(args[1:]))
    model.restore(features, regions)
    ((tokens, visible),) = seen
    assert torch.equal(tokens[:, visible[0, joint]], features[:, frame, :, y, x][:, None])


def test_joints_with_nothing_visible_attend_everywhere() -> None:
    model = tiny_model()
    features = torch.randn(B, T, C, h, w)
    nowhere = model.aggregate(features, ~all_visible())
    assert nowhere.isfinite().all()
    torch.testing.assert_close(nowhere, model.aggregate(features, all_visible()))


def test_only_the_current_frame_is_restored() -> None:
    model, clip = tiny_model(), tiny_clip()
    features = model.encoder(clip.flatten(0, 1)).unflatten(0, (B, T))
    everywhere = all_visible()
    by_default = model.aggregate(features, everywhere)
    torch.testing.assert_close(model.aggregate(features, everywhere, current=1), by_default)
    assert not torch.allclose(model.aggregate(features, everywhere, current=0), by_default)
    joints = model.jta(to_tokens(features, "paper").flatten(1, 2))
    restored = model.gra(to_tokens(features, "paper")[:, 1], joints)
    expected = model.decoder(to_features(restored, (h, w), "paper"))
    torch.testing.assert_close(by_default, expected)


@pytest.mark.parametrize(
    ("offsets", "current"),
    [((-1,), 1), ((1,), 0), ((-1, 1), 1), ((-2, -1, 1, 2), 2), ((-9, -4, 3), 2)],
)
def test_offsets_tell_the_current_frame(offsets: tuple[int, ...], current: int) -> None:
    model, clip = tiny_model(offsets=offsets), tiny_clip(len(offsets) + 1)
    torch.testing.assert_close(model(clip), model(clip, current=current))
    others = [model(clip, current=index) for index in range(len(offsets) + 1) if index != current]
    assert not any(torch.allclose(model(clip), other) for other in others)


def test_the_order_of_the_other_frames_does_not_matter() -> None:
    model, clip = tiny_model(), tiny_clip(5)
    moved = clip[:, [4, 2, 0, 3, 1]]
    torch.testing.assert_close(
        model(clip, current=4), model(moved, current=0), atol=1e-4, rtol=1e-4
    )


def test_a_clip_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a clip of 5 frames came, the offsets \(-1, 1\) make 3"):
        tiny_model()(tiny_clip(5))


def test_single_frame_equals_a_model_without_offsets() -> None:
    model = tiny_model()
    plain = TARViTPose(tiny_config(offsets=())).eval()
    assert not hasattr(plain, "jta")
    plain.load_state_dict(
        {
            name: value
            for name, value in model.state_dict().items()
            if name[:3] not in ("jta", "gra")
        }
    )
    images = tiny_clip()[:, 1]
    assert torch.equal(plain.single_frame(images), model.single_frame(images))
    with pytest.raises(ValueError, match="no temporal part: use single_frame"):
        plain(tiny_clip())


def test_other_input_sizes() -> None:
    model = tiny_model()
    clip = torch.randn(1, T, 3, 96, 80)
    assert model(clip).shape == (1, J, 24, 20)


def test_the_position_embedding_is_resized_bicubically() -> None:
    encoder = tiny_model().encoder
    assert encoder.position((h, w)) is encoder.pos_embed
    grid = encoder.pos_embed.reshape(1, h, w, C).permute(0, 3, 1, 2)
    expected = F.interpolate(grid, size=(6, 5), mode="bicubic", align_corners=False)
    torch.testing.assert_close(
        encoder.position((6, 5)), expected.permute(0, 2, 3, 1).reshape(1, 30, C)
    )


def test_the_encoder_reads_row_by_row() -> None:
    encoder = Encoder(tiny_config(depth=1, offsets=())).eval()
    block = encoder.blocks[0]
    for layer in (block.attention.proj, block.fc2):
        torch.nn.init.zeros_(layer.weight)
    images = torch.randn(B, 3, H, W)
    patches = encoder.patch_embed(images)  # (B, C, h, w)
    tokens = patches + encoder.pos_embed.reshape(h, w, C).permute(2, 0, 1)
    expected = encoder.norm(tokens.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(encoder(images), expected)


def test_attention_in_training_is_that_of_inference() -> None:
    """With a gradient a processor takes plain products instead of PyTorch's fused kernel."""
    attention = SelfAttention(24, 4)
    x = torch.randn(2, 7, 24)
    with torch.no_grad():
        expected = attention(x)
    actual = attention(x)
    torch.testing.assert_close(actual, expected)
    (gradient,) = torch.autograd.grad(actual.sum(), attention.qkv.weight)
    q, k, v = torch.unflatten(attention.qkv(x), -1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
    fused = F.scaled_dot_product_attention(q, k, v)
    out = attention.proj(fused.transpose(1, 2).flatten(2))
    torch.testing.assert_close(gradient, torch.autograd.grad(out.sum(), attention.qkv.weight)[0])


def test_drop_path_grows_with_depth() -> None:
    blocks = Encoder(tiny_config(depth=5, drop_path=0.4)).blocks
    assert [block.drop_path.probability for block in blocks] == pytest.approx(
        [0, 0.1, 0.2, 0.3, 0.4]
    )


def test_the_coarse_pass_moves_batch_norm_in_training_alone() -> None:
    """As the released code does: averages of restored tokens alone would not fit the features."""
    model = tiny_model()
    features = torch.randn(B, T, C, h, w, requires_grad=True)
    before = {name: value.clone() for name, value in model.decoder.state_dict().items()}
    assert not model.regions(features).requires_grad
    after = model.decoder.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    model.train().regions(features)
    assert model.decoder.norm1.num_batches_tracked == before["norm1.num_batches_tracked"] + 1
    raw = model.decoder.deconv1(features.flatten(0, 1))  # (B T, 256, 2h, 2w)
    expected = 0.9 * before["norm1.running_mean"] + 0.1 * raw.mean((0, 2, 3))
    torch.testing.assert_close(model.decoder.norm1.running_mean, expected)
    model(tiny_clip())
    assert model.decoder.norm1.num_batches_tracked == before["norm1.num_batches_tracked"] + 3


def test_the_coarse_pass_carries_no_gradient() -> None:
    model = tiny_model(mask_threshold=0.0)
    clip = tiny_clip()
    model(clip).square().mean().backward()
    by_forward = model.decoder.deconv1.weight.grad.clone()
    model.zero_grad()
    features = model.encoder(clip.flatten(0, 1)).unflatten(0, (B, T))
    regions = model.regions(features).clone()
    model.aggregate(features, regions).square().mean().backward()
    torch.testing.assert_close(by_forward, model.decoder.deconv1.weight.grad)


def test_every_parameter_learns() -> None:
    model = tiny_model().train()
    model(tiny_clip()).square().mean().backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_the_papers_mask_rule() -> None:
    heatmaps = torch.full((1, 2, 8, 12), -0.5)
    heatmaps[0, 0, 3, 4] = 0.2  # the last row of the first cells, the first column of the second
    heatmaps[0, 1, 7, 11] = 0.19
    seen = joint_regions(heatmaps, "paper", 0.2)
    assert seen[0, 0].tolist() == [[False, True, False], [False, False, False]]
    assert not seen[0, 1].any()


def test_the_released_mask_rule() -> None:
    heatmaps = torch.zeros(1, 1, 4, 12)
    heatmaps[0, 0, :, 0] = -1.0
    heatmaps[0, 0, 1:3, 5:7] = 4.0  # the middle of the second cell, where the resize reads
    heatmaps[0, 0, 0, 8] = 4.0  # a corner of the third, which it does not read
    # Stretched: the ground 0 becomes 0.2 (less one millionth), the peak 1, column 0 becomes 0.
    seen = joint_regions(heatmaps, "released", 0.19)
    assert seen.flatten().tolist() == [True, True, True]
    seen = joint_regions(heatmaps, "released", 0.2)
    assert seen.flatten().tolist() == [False, True, False]


def test_a_flat_heatmap_hides_everything_by_the_released_rule() -> None:
    assert not joint_regions(torch.full((1, J, 4 * h, 4 * w), 0.7), "released", 0.2).any()


def test_the_mask_threshold_is_used() -> None:
    clip = tiny_clip()
    features = tiny_model().encoder(clip.flatten(0, 1)).unflatten(0, (B, T))
    shares = [
        tiny_model(mask_threshold=threshold).regions(features).float().mean().item()
        for threshold in (0.0, 0.2, 0.9)
    ]
    assert shares[0] > shares[1] > shares[2]


def test_regions_are_those_of_each_frame_alone() -> None:
    model = tiny_model()
    features = torch.randn(B, T, C, h, w)
    expected = joint_regions(model.decoder(features[1, 2][None]), "paper", 0.2)[0]
    assert torch.equal(model.regions(features)[1, 2], expected)
