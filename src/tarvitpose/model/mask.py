"""The mask that guides JTA: where each joint may look (paper, Eq. 3).

Axes: B batch, J joints, h w the token grid.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from tarvitpose.config import MaskRule

SOFTNESS = 2.0  # of mask_rule "soft": the power of a token's score by which attention is weighted
LEAST_SCORE = 0.02  # what a token where nothing is seen of the joint counts there


def score_rule(rule: MaskRule) -> MaskRule:
    """Return the rule for the scores of tokens: "none" and "soft" have those of "paper"."""
    return "released" if rule == "released" else "paper"


def token_scores(heatmaps: Tensor, rule: MaskRule) -> Tensor:
    """Return how likely each token shows each joint, (B, J, h, w), from heatmaps (B, J, 4h, 4w).

    "paper" (Eq. 3): the highest pixel of the token's 4 x 4 cell.
    "released": each heatmap is stretched to 0..1 and shrunk bilinearly.
    """
    if score_rule(rule) == "released":
        lowest, highest = heatmaps.amin((2, 3), keepdim=True), heatmaps.amax((2, 3), keepdim=True)
        stretched = (heatmaps - lowest) / (highest - lowest + 1e-6)
        size = (heatmaps.shape[2] // 4, heatmaps.shape[3] // 4)
        return F.interpolate(stretched, size, mode="bilinear", align_corners=False)
    return F.max_pool2d(heatmaps, 4)


def seen_regions(scores: Tensor, rule: MaskRule, threshold: float) -> Tensor:
    """Return where each joint may attend (bool), from scores of tokens; "none" hides nothing.

    "soft" hides nothing either: it returns what is added to attention's scores (float), so that a
    token counts by its own score, and no joint is blind where nothing passes the threshold.
    """
    if rule == "soft":
        return SOFTNESS * (scores.float().clamp(0, 1) + LEAST_SCORE).log()
    return torch.ones_like(scores, dtype=torch.bool) if rule == "none" else scores >= threshold
