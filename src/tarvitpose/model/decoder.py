"""The light decoders of ViTPose.   Axes: B batch, C channels, J joints, h w the token grid.

`frozen` makes the classic one half as much work on a processor.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tarvitpose.config import ModelConfig

TOKENS_AT_ONCE = 384  # what a frozen decoder works on at a time; more would not stay in the cache


class ClassicDecoder(nn.Module):
    """Two transposed convolutions and a 1 x 1 convolution."""

    def __init__(self, width: int, joints: int, hidden: int = 256) -> None:
        super().__init__()
        self.deconv1 = nn.ConvTranspose2d(width, hidden, 4, stride=2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(hidden)
        self.deconv2 = nn.ConvTranspose2d(hidden, hidden, 4, stride=2, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(hidden)
        self.final = nn.Conv2d(hidden, joints, kernel_size=1)
        self.apply(_initialise)

    def forward(self, features: Tensor) -> Tensor:
        """Return heatmaps (B, J, 4h, 4w) for features (B, C, h, w)."""
        x = F.relu(self.norm1(self.deconv1(features)))  # (B, hidden, 2h, 2w)
        x = F.relu(self.norm2(self.deconv2(x)))  # (B, hidden, 4h, 4w)
        heatmaps: Tensor = self.final(x)
        return heatmaps


class Averages(nn.Module):
    """Running averages for a ClassicDecoder's BatchNorm, beside those that it has."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(hidden, affine=False)
        self.norm2 = nn.BatchNorm2d(hidden, affine=False)

    def follow(self, decoder: nn.Module) -> None:
        """Take over the averages that a ClassicDecoder has."""
        for name, norm in self.named_children():
            own = decoder.get_submodule(name).state_dict()
            norm.load_state_dict({key: own[key] for key in norm.state_dict()})


def with_averages(decoder: nn.Module, averages: Averages) -> nn.Module:
    """Return a ClassicDecoder with the same weights and other averages; it moves those alone."""
    other = copy.copy(decoder)
    other._modules = dict(decoder._modules)
    for name, own in averages.named_children():
        norm = copy.copy(decoder.get_submodule(name))
        norm._buffers = own._buffers
        other._modules[name] = norm
    return other


class SimpleDecoder(nn.Module):
    """Bilinear enlargement and a 3 x 3 convolution."""

    def __init__(self, width: int, joints: int) -> None:
        super().__init__()
        self.final = nn.Conv2d(width, joints, kernel_size=3, padding=1)
        self.apply(_initialise)

    def forward(self, features: Tensor) -> Tensor:
        """Return heatmaps (B, J, 4h, 4w) for features (B, C, h, w).

        Both steps are linear: the taps of the convolution read the small features, and what they
        read is enlarged, shifted and added in two small products. A tenth of the work.
        """
        height, width = features.shape[-2:]
        read = torch.einsum("bchw,jcyx->bjyhxw", F.relu(features), self.final.weight)
        wide = read.flatten(4) @ shifted_enlargement(width).to(read)  # (B, J, 3, h, 4w)
        heatmaps = shifted_enlargement(height).to(read).T @ wide.flatten(2, 3)  # (B, J, 4h, 4w)
        assert self.final.bias is not None
        return heatmaps + self.final.bias[:, None, None]


def shifted_enlargement(length: int) -> Tensor:
    """Return the matrix (3 length, 4 length) from what three taps read to what they add up to.

    Each tap's part enlarges a row bilinearly and shifts it by -1, 0 or 1, with 0 from outside.
    """
    eye = torch.eye(length)[None]
    large = F.interpolate(eye, scale_factor=4, mode="linear", align_corners=False)[0]
    padded = F.pad(large, (1, 1))  # (length, 4 length + 2)
    return torch.cat([padded[:, tap : tap + 4 * length] for tap in range(3)])


class Enlargement(nn.Module):
    """A transposed convolution (4 taps, stride 2), its normalisation and ReLU, for inference.

    It is four convolutions of 2 x 2 taps, one for each parity of the output's row and column.
    Winograd's F(3, 2) makes three neighbours of two taps from 4 products instead of 6: in both
    directions 16 instead of 36. Exact up to rounding; the factors are 1 and 1/2.
    """

    def __init__(self, deconv: nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()  # (O,)
        of_parity = torch.tensor([[3, 1], [2, 0]])  # each has two of the four taps
        taps = (deconv.weight * scale[:, None, None])[:, :, of_parity][..., of_parity]
        points = taps.new_tensor([[1, 0], [0.5, 0.5], [0.5, -0.5], [0, 1]])
        weight = torch.einsum("copiqj,yi,xj->pyqxco", taps, points, points)
        self.weight = nn.Buffer(weight.flatten(0, 3).contiguous())  # (2 4 2 4, C, O)
        self.bias = nn.Buffer(norm.bias - norm.running_mean * scale)  # (O,)

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
    """Write what is multiplied, (2, 4, n, ...): parities and points, for padded (3 n + 2, ...)."""
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


class FrozenDecoder(nn.Module):
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
        some = max(TOKENS_AT_ONCE // (features.shape[2] * features.shape[3]), 1)
        starts = range(0, len(features), some)
        with torch.no_grad():
            return torch.cat([self._decode(features[at : at + some]) for at in starts])

    def _decode(self, features: Tensor) -> Tensor:
        height, width = features.shape[2:]
        x = self.enlarge1(features.permute(0, 2, 3, 1))[:, : 2 * height, : 2 * width]
        heatmaps = F.linear(self.enlarge2(x), self.weight, self.bias)
        return heatmaps.permute(0, 3, 1, 2)[..., : 4 * height, : 4 * width]  # (B, J, 4h, 4w)


def frozen(decoder: nn.Module) -> nn.Module:
    """Return a copy that decodes with fewer multiplications on a processor, for inference alone.

    What trains or replaces the decoder's weights does not reach the copy. The simple decoder has
    no such form and comes back as it is.
    """
    return FrozenDecoder(decoder) if isinstance(decoder, ClassicDecoder) else decoder


def build_decoder(config: ModelConfig) -> ClassicDecoder | SimpleDecoder:
    """Return the decoder that a configuration names."""
    if config.decoder == "simple":
        return SimpleDecoder(config.width, len(config.joints))
    return ClassicDecoder(config.width, len(config.joints), config.decoder_width)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and not module.weight.is_meta:
        nn.init.normal_(module.weight, std=1e-3)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
