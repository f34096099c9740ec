"""What the paper compares JTA and GRA with: Table 4 (a) to (c) and Table 5 (a).

All are built from the layers of JTA. The paper does not print their depth, so it is a config key,
`jta_layers`: Table 4's configuration has 1 and 6, and `ablate --costs` counts both.
Axes: B batch, T frames, N = h w tokens of one frame, J joints, C channels.
"""

import math

import torch
from torch import Tensor, nn

from tarvitpose.config import ModelConfig
from tarvitpose.model.attention import CrossAttention
from tarvitpose.model.jta import FeedForward

COUPLINGS, FLOW_WIDTH = 6, 64
SIGMA = 2.0  # of rendered Gaussians, at 64 x 48


class TokenLayer(nn.Module):
    """Tokens attend to other tokens, then each passes through a perceptron."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.look = CrossAttention(config.width, config.temporal_heads)
        self.feed_forward = FeedForward(config.width)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Return the updated tokens (B, Q, C), which attended to the context (B, K, C)."""
        updated: Tensor = self.feed_forward(self.look(tokens, context))
        return updated


def token_layers(config: ModelConfig) -> nn.ModuleList:
    """Return as many layers as JTA would have."""
    return nn.ModuleList(TokenLayer(config) for _ in range(config.jta_layers))


class AllTokens(nn.Module):
    """Table 4 (a): self-attention over the tokens of all frames."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.first = nn.ModuleList()
        self.layers = token_layers(config)

    def forward(self, tokens: Tensor, current: int) -> Tensor:
        """Return the current frame's tokens (B, N, C) for those of all frames (B, T, N, C)."""
        frames = tokens.shape[1]
        everything = tokens.flatten(1, 2)  # (B, T N, C)
        for layer in self.layers[:-1]:
            everything = layer(everything, everything)
        asking = torch.unflatten(everything, 1, (frames, -1))[:, current]  # (B, N, C)
        updated: Tensor = self.layers[-1](asking, everything)
        return updated


class CurrentToAuxiliary(nn.Module):
    """Table 4 (b), and (c) with self-attention over the auxiliary tokens first (Poseidon's way)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        poseidon = config.aggregation == "auxiliary_first"
        self.first = token_layers(config) if poseidon else nn.ModuleList()
        self.layers = token_layers(config)

    def forward(self, tokens: Tensor, current: int) -> Tensor:
        """Return the current frame's tokens (B, N, C) for those of all frames (B, T, N, C)."""
        others = [t for t in range(tokens.shape[1]) if t != current]
        auxiliary = tokens[:, others].flatten(1, 2)  # (B, (T - 1) N, C)
        for layer in self.first:
            auxiliary = layer(auxiliary, auxiliary)
        asking = tokens[:, current]
        for layer in self.layers:
            asking = layer(asking, auxiliary)
        return asking


class JointRegression(nn.Module):
    """Table 5 (a): coordinates and their uncertainty straight from JTA's queries (DSTA's way)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        height, width = config.input_size
        self.extent = (width - 1, height - 1)
        self.head = nn.Linear(config.width, 4)  # x, y, and the logits of their sigmas
        self.flow = ResidualFlow()
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, joints: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean x, y (B, J, 2) and sigma (B, J, 2) for joint queries (B, J, C).

        In units of the crop's width and height: 0, 0 is its middle, one half its border.
        """
        mean, spread = self.head(joints).chunk(2, dim=-1)
        return mean, spread.sigmoid()

    def normalised(self, keypoints: Tensor) -> Tensor:
        """Return crop pixels (B, J, 2) in the units of `forward`."""
        return keypoints / keypoints.new_tensor(self.extent) - 0.5

    def loss(self, joints: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """Return the residual log-likelihood loss (Li et al., 2021).

        `joints` is (B, J, C), `truth` (B, J, 2) in the units of `forward`, `weights` (B, J).
        """
        mean, sigma = self(joints)
        error = (mean - truth) / sigma  # (B, J, 2)
        laplace = (2 * sigma).log() + error.abs()
        residual = sigma.log().sum(-1) - self.flow.log_likelihood(error)
        likely: Tensor = ((laplace.sum(-1) + residual) * weights).mean()
        return likely


class ResidualFlow(nn.Module):
    """A small RealNVP: how likely errors (..., 2) are, learned by six half-couplings."""

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ModuleList(perceptron(nn.Tanh()) for _ in range(COUPLINGS))
        self.shifts = nn.ModuleList(perceptron(nn.Identity()) for _ in range(COUPLINGS))

    def log_likelihood(self, errors: Tensor) -> Tensor:
        """Return the log-likelihood (...) of errors (..., 2)."""
        base, stretched = errors, torch.zeros_like(errors[..., 0])
        for number, (scale, shift) in enumerate(zip(self.scales, self.shifts, strict=True)):
            fixed = torch.eye(2, dtype=errors.dtype, device=errors.device)[number % 2]
            by = scale(base * fixed) * (1 - fixed)
            base = base * fixed + (1 - fixed) * (base - shift(base * fixed)) * torch.exp(-by)
            stretched = stretched - by.sum(-1)
        normal = -0.5 * (base.square() + math.log(2 * math.pi)).sum(-1)
        likelihood: Tensor = normal + stretched
        return likelihood


def perceptron(end: nn.Module) -> nn.Sequential:
    """Return a network of 2 to 2 numbers."""
    return nn.Sequential(
        nn.Linear(2, FLOW_WIDTH),
        nn.LeakyReLU(),
        nn.Linear(FLOW_WIDTH, FLOW_WIDTH),
        nn.LeakyReLU(),
        nn.Linear(FLOW_WIDTH, 2),
        end,
    )


def render_gaussians(mean: Tensor, sigma: Tensor, size: tuple[int, int]) -> Tensor:
    """Return heatmaps (B, J, h, w) of `size` with a Gaussian at each mean (B, J, 2).

    Their height is the regression's confidence, 1 - sigma (B, J, 2) on average. A heatmap codec
    reads the same coordinates back, so that whatever takes heatmaps takes regressed joints too.
    """
    height, width = size
    x = torch.arange(width, dtype=torch.float32, device=mean.device)
    y = torch.arange(height, dtype=torch.float32, device=mean.device)
    centre = (mean.float() + 0.5) * mean.new_tensor([width - 1, height - 1])
    spread = SIGMA * height / 64
    column = torch.exp(-((x - centre[..., :1]) ** 2) / (2 * spread**2))  # (B, J, w)
    row = torch.exp(-((y - centre[..., 1:]) ** 2) / (2 * spread**2))  # (B, J, h)
    confidence = 1 - sigma.float().mean(-1)  # (B, J)
    return confidence[..., None, None] * row[..., None] * column[..., None, :]


TOKEN_MODELS: dict[str, type[AllTokens] | type[CurrentToAuxiliary]] = {
    "all_tokens": AllTokens,
    "current_to_auxiliary": CurrentToAuxiliary,
    "auxiliary_first": CurrentToAuxiliary,
}
