"""The light decoders of ViTPose.   Axes: B batch, C channels, J joints, h w the token grid."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tarvitpose.config import ModelConfig


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
            state = decoder.get_submodule(name).state_dict()
            norm.load_state_dict({key: state[key] for key in norm.state_dict()})


def with_averages(decoder: nn.Module, averages: Averages) -> nn.Module:
    """Return a ClassicDecoder with the same weights and other averages; it moves those alone."""
    other = copy.copy(decoder)
    other._modules = dict(decoder._modules)
    for name, averaged in averages.named_children():
        norm = copy.copy(decoder.get_submodule(name))
        norm._buffers = averaged._buffers
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
        across, down = (
            shifted_enlargement(side, read.device).to(read.dtype) for side in (width, height)
        )
        wide = read.flatten(4) @ across  # (B, J, 3, h, 4w)
        heatmaps = down.T @ wide.flatten(2, 3)  # (B, J, 4h, 4w)
        assert self.final.bias is not None
        return heatmaps + self.final.bias[:, None, None]


def shifted_enlargement(length: int, device: torch.device) -> Tensor:
    """Return the matrix (3 length, 4 length) from what three taps read to what they add up to.

    Each tap's part enlarges a row bilinearly and shifts it by -1, 0 or 1, with 0 from outside.
    """
    eye = torch.eye(length, device=device)[None]
    large = F.interpolate(eye, scale_factor=4, mode="linear", align_corners=False)[0]
    padded = F.pad(large, (1, 1))  # (length, 4 length + 2)
    return torch.cat([padded[:, tap : tap + 4 * length] for tap in range(3)])


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
