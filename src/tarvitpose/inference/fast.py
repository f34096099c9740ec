"""Cheaper ways to the numbers of `tarvitpose.model`, for inference on a processor.

Attention is folded, the decoder's transposed convolutions become Winograd products, and JTA reads
only the tokens that some joint may attend to.
Axes: B batch, T frames, J joints, K tokens of a window, C channels in,
O channels out, h w the token grid.
"""

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tarvitpose.model.attention import CrossAttention, masked, unmask_empty_rows
from tarvitpose.model.decoder import ClassicDecoder
from tarvitpose.model.jta import JTA
from tarvitpose.model.tarvitpose import TARViTPose

TOKENS_AT_ONCE = 384  # what the decoder works on at a time; more would not stay in the cache
WORTH_PICKING = 0.75  # visible tokens are picked out where they are at most this share of all
Network = TypeVar("Network", bound=nn.Module)


class FoldedAttention(CrossAttention):
    """The same attention, in whichever of three forms is the least work.

    There are few joints and many tokens: tokens need not be projected, where the projection is
    folded into the joints instead.
    """

    def __init__(self, layer: CrossAttention) -> None:
        """Share all weights with a layer."""
        nn.Module.__init__(self)
        self.__dict__ |= layer.__dict__

    def attend(self, query: Tensor, context: Tensor, visible: Tensor | None) -> Tensor:
        """Return what `CrossAttention.attend` does, (B, Q, C)."""
        queries, keys, width = query.shape[1], context.shape[1], query.shape[2]
        # Multiply-adds of the three forms, over 2 C.
        scored = self.heads * queries * keys
        plain = (queries + keys) * width + scored // self.heads
        few_queries, few_keys = 2 * queries * width + scored, 2 * keys * width + scored
        if plain <= min(few_queries, few_keys):
            return super().attend(query, context, visible)
        folded = self._few_queries if few_queries <= few_keys else self._few_keys
        return folded(query, context, visible)

    def _few_queries(self, query: Tensor, context: Tensor, visible: Tensor | None) -> Tensor:
        """Fold W_k into the queries, and apply W_v after pooling.

        The keys' bias adds the same to all scores of a query, which softmax does not see.
        """
        w_k, w_v = torch.unflatten(self.to_key_value.weight, 0, (2, self.heads, -1))
        b_v = self.to_key_value.bias[context.shape[-1] :]
        q = torch.unflatten(self.to_query(query), -1, (self.heads, -1))  # (B, Q, heads, C / heads)
        folded = torch.einsum("bqhd,hdc->bhqc", q * q.shape[-1] ** -0.5, w_k)  # (B, heads, Q, C)
        scores = folded.flatten(1, 2) @ context.transpose(1, 2)  # (B, heads Q, K)
        scores = torch.unflatten(scores, 1, (self.heads, -1))  # (B, heads, Q, K)
        if visible is not None:
            scores = masked(scores, visible.unsqueeze(1))
        pooled = scores.softmax(-1).flatten(1, 2) @ context  # (B, heads Q, C)
        pooled = torch.unflatten(pooled, 1, (self.heads, -1))  # (B, heads, Q, C)
        values = torch.einsum("bhqc,hdc->bqhd", pooled, w_v).flatten(2) + b_v  # (B, Q, C)
        out: Tensor = self.to_out(values)
        return out

    def _few_keys(self, query: Tensor, context: Tensor, visible: Tensor | None) -> Tensor:
        """Fold W_q into the keys and W_o into the values."""
        k, v = torch.unflatten(self.to_key_value(context), -1, (2, self.heads, -1)).unbind(2)
        k = k * k.shape[-1] ** -0.5  # (B, K, heads, C / heads)
        w_q = torch.unflatten(self.to_query.weight, 0, (self.heads, -1))  # (heads, C / heads, C)
        b_q = torch.unflatten(self.to_query.bias, 0, (self.heads, -1))
        w_o = torch.unflatten(self.to_out.weight, 1, (self.heads, -1))  # (C, heads, C / heads)
        folded = torch.einsum("bkhd,hdc->bhkc", k, w_q).flatten(1, 2)  # (B, heads K, C)
        always = torch.einsum("bkhd,hd->bhk", k, b_q).flatten(1)  # (B, heads K)
        scores = torch.baddbmm(
            always.unsqueeze(1), query, folded.transpose(-2, -1)
        )  # (B, Q, heads K)
        scores = torch.unflatten(scores, 2, (self.heads, -1))  # (B, Q, heads, K)
        if visible is not None:
            scores = masked(scores, visible.unsqueeze(2))
        weights = scores.softmax(-1).flatten(2)  # (B, Q, heads K)
        values = torch.einsum("bkhd,chd->bhkc", v, w_o).flatten(1, 2)  # (B, heads K, C)
        return weights @ values + self.to_out.bias  # (B, Q, C)


def fold_attention(model: Network) -> Network:
    """Let all attention of JTA and GRA take the least work, and return the model itself.

    Training profits as well. The weights stay where they are.
    """
    for parent in list(model.modules()):
        for name, layer in parent.named_children():
            if type(layer) is CrossAttention:
                parent.add_module(name, FoldedAttention(layer))
    return model


class PickingJTA(nn.Module):
    """What a JTA gives, from the visible tokens alone; not for training or tracing."""

    def __init__(self, jta: JTA) -> None:
        super().__init__()
        self.jta = jta

    def forward(self, tokens: Tensor, visible: Tensor) -> Tensor:
        """Return joint queries (B, J, C) for tokens (B, K, C) and a mask (B, J, K)."""
        tokens = self.jta.with_positions(tokens)
        return self.jta.gather(*visible_tokens(tokens, unmask_empty_rows(visible)))


def visible_tokens(tokens: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Return the tokens (B, K', C) that some joint may attend to, and which joints (B, J, K').

    `tokens` is (B, K, C), `visible` (B, J, K) with something for each joint (`unmask_empty_rows`).
    K' is the largest number of a sample; the others are filled up with tokens that are hidden from
    all of their joints. Both are returned unchanged where picking would hardly save anything, and
    where a float mask hides nothing.
    """
    if visible.dtype != torch.bool:
        return tokens, visible
    is_visible = visible.any(1)  # (B, K)
    most = int(is_visible.sum(1).max())
    if most > WORTH_PICKING * is_visible.shape[1]:
        return tokens, visible
    visible_first = is_visible.to(torch.uint8).argsort(dim=1, descending=True, stable=True)
    order = visible_first[:, :most]  # (B, K')
    sample = torch.arange(len(tokens), device=tokens.device).unsqueeze(1)  # (B, 1)
    of_each_joint = order.unsqueeze(1).expand(-1, visible.shape[1], -1)  # (B, J, K')
    return tokens[sample, order], visible.gather(2, of_each_joint)


def with_modules(model: TARViTPose, **modules: nn.Module) -> TARViTPose:
    """Return a model that shares all parts with another, but for the `modules`, by name."""
    other = copy.copy(model)
    other._modules = {**model._modules, **modules}
    return other


# What Winograd's F(3, 2) makes of a transposed convolution's four taps along an axis: four points
# for the two taps of the even outputs, then four for those of the odd ones, (8, 4).
TAPS_TO_POINTS = (
    *((0, 0, 0, 1), (0, 0.5, 0, 0.5), (0, -0.5, 0, 0.5), (0, 1, 0, 0)),
    *((0, 0, 1, 0), (0.5, 0, 0.5, 0), (-0.5, 0, 0.5, 0), (1, 0, 0, 0)),
)


def winograd_weights(deconv: nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> Tensor:
    """Return the weights of `Enlargement`, (C, O, 8 points of a row, 8 points of a column).

    They include the scale of the normalisation.
    """
    to_points = deconv.weight.new_tensor(TAPS_TO_POINTS).T  # (4, 8)
    taps = deconv.weight * _scale(norm)[:, None, None]  # (C, O, 4, 4), row by row
    return (taps @ to_points).transpose(2, 3) @ to_points


def folded_bias(norm: nn.BatchNorm2d) -> Tensor:
    """Return what a normalisation of running averages adds, (O,)."""
    assert norm.running_mean is not None
    return norm.bias - norm.running_mean * _scale(norm)


def _scale(norm: nn.BatchNorm2d) -> Tensor:
    assert norm.running_var is not None
    return norm.weight / (norm.running_var + norm.eps).sqrt()  # (O,)


class Enlargement(nn.Module):
    """A transposed convolution (4 taps, stride 2), its normalisation and ReLU, for inference.

    It is four convolutions of 2 x 2 taps, one for each parity of the output's row and column.
    Winograd's F(3, 2) makes three neighbours of two taps from 4 products instead of 6: in both
    directions 16 instead of 36. Exact up to rounding; the factors are 1 and 1/2.
    """

    def __init__(self, deconv: nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        points = winograd_weights(deconv, norm)  # (C, O, 8, 8)
        self.weight = nn.Buffer(points.permute(3, 2, 0, 1).flatten(0, 1).contiguous())  # (64, C, O)
        self.bias = nn.Buffer(folded_bias(norm))  # (O,)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 2h, 2w, O) for (B, h, w, C), both rounded up to whole threes of h and w."""
        batch, height, width, channels = x.shape
        tall, wide = -(-height // 3), -(-width // 3)
        x = F.pad(x, (0, 0, 1, 3 * wide - width + 1, 1, 3 * tall - height + 1))
        rows = x.new_empty(2, 4, tall, batch, 3 * wide + 2, channels)
        _to_points(x.transpose(0, 1), rows)
        points = x.new_empty(2, 4, 2, 4, tall, batch, wide, channels)
        _to_points(rows.movedim(4, 0), points.permute(2, 3, 6, 0, 1, 4, 5, 7))
        products = points.flatten(4, 6).flatten(0, 3) @ self.weight  # (2 4 2 4, tall B wide, O)
        products = products.view(2, 4, 2, 4, tall, batch, wide, -1)
        products[:, 1, :, 1] += self.bias  # this point is once in each of the nine sums
        columns = x.new_empty(2, 4, tall, batch, wide, 3, 2, products.shape[-1])
        _from_points(products.movedim(3, 0), columns.permute(5, 0, 1, 6, 2, 3, 4, 7))
        large = x.new_empty(batch, tall, 3, 2, 6 * wide, products.shape[-1])
        _from_points(columns.flatten(4, 6).movedim(1, 0), large.permute(2, 3, 1, 0, 4, 5))
        return large.flatten(1, 3).relu_()


def _to_points(x: Tensor, out: Tensor) -> None:
    """Write the factors, (2, 4, n, ...): parities and points, for padded (3 n + 2, ...)."""
    for parity in (0, 1):
        a, b, c, d = (x[parity + k :][: 3 * out.shape[2] - 2 : 3] for k in range(4))
        torch.sub(a, c, out=out[parity, 0])
        torch.add(b, c, out=out[parity, 1])
        torch.sub(c, b, out=out[parity, 2])
        torch.sub(d, b, out=out[parity, 3])


def _from_points(products: Tensor, out: Tensor) -> None:
    """Write the three neighbours (3, ...) that four products (4, ...) add up to."""
    a, b, c, d = products
    both = b + c
    torch.add(a, both, out=out[0])
    torch.sub(b, c, out=out[1])
    torch.add(both, d, out=out[2])


class WinogradDecoder(nn.Module):
    """What a ClassicDecoder gives in evaluation, in float32; its weights are a copy."""

    def __init__(self, decoder: ClassicDecoder) -> None:
        super().__init__()
        with torch.no_grad():
            self.enlarge1 = Enlargement(decoder.deconv1, decoder.norm1)
            self.enlarge2 = Enlargement(decoder.deconv2, decoder.norm2)
            self.weight = nn.Buffer(decoder.final.weight.flatten(1).clone())  # (J, hidden)
            assert decoder.final.bias is not None
            self.bias = nn.Buffer(decoder.final.bias.clone())

    def forward(self, features: Tensor) -> Tensor:
        """Return heatmaps (B, J, 4h, 4w) for features (B, C, h, w), without gradient."""
        at_once = max(TOKENS_AT_ONCE // (features.shape[2] * features.shape[3]), 1)
        starts = range(0, len(features), at_once)
        with torch.no_grad():
            return torch.cat([self._decode(features[at : at + at_once]) for at in starts])

    def _decode(self, features: Tensor) -> Tensor:
        height, width = features.shape[2:]
        x = self.enlarge1(features.permute(0, 2, 3, 1))[:, : 2 * height, : 2 * width]
        heatmaps = F.linear(self.enlarge2(x), self.weight, self.bias)
        return heatmaps.permute(0, 3, 1, 2)[..., : 4 * height, : 4 * width]  # (B, J, 4h, 4w)


def fast_decoder(decoder: nn.Module) -> nn.Module:
    """Return a copy that decodes with fewer multiplications on a processor, for inference alone.

    What trains or replaces the decoder's weights does not reach the copy. The simple decoder has
    no such form and comes back as it is.
    """
    return WinogradDecoder(decoder) if isinstance(decoder, ClassicDecoder) else decoder
