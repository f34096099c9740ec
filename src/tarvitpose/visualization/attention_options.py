"""Options of attention maps, checked before PyTorch is loaded."""

from dataclasses import dataclass

from tarvitpose.config import ModelConfig
from tarvitpose.errors import UserError, WeightsError
from tarvitpose.results import Frame

SLACK = 1e-3  # seconds; times are often rounded


@dataclass(frozen=True)
class Moment:
    """A frame of a source: by its time in seconds, or by its number from 0."""

    time: float | None = None
    frame: int | None = None

    def __str__(self) -> str:
        return f"at {self.time:.2f} s" if self.frame is None else f"with the number {self.frame}"

    def has_begun(self, frame: Frame) -> bool:
        """Tell whether a frame is shown before or at this moment."""
        if self.frame is not None:
            return frame.index <= self.frame
        return self.time is not None and frame.time <= self.time + SLACK

    def is_over(self, frame: Frame, seconds: float | None) -> bool:
        """Tell whether a frame has ended before this moment.

        `seconds` is how long the frame is shown, None for one that lasts until the moment.
        """
        if self.frame is not None:
            return frame.index != self.frame
        shown = seconds is None or self.time is None or self.time <= frame.time + seconds + SLACK
        return not shown


def require_attention(config: ModelConfig, weights: str) -> None:
    """Raise WeightsError for weights without joint queries that attend to image tokens."""
    if not config.temporal:
        raise WeightsError(
            f"{weights}: no temporal part, so that no joint attends to other frames; "
            "give --weights that have one"
        )
    if config.aggregation not in ("joints", "regression"):
        raise WeightsError(
            f"{weights}: aggregation {config.aggregation} has no joint queries; give --weights "
            "with aggregation joints"
        )
    if config.layout == "released":
        raise WeightsError(
            f"{weights}: in the layout of the released code a query attends to groups of channels, "
            "not to image tokens, so there is no map to draw; give --weights with layout paper"
        )


def chosen_layer(layer: int | None, config: ModelConfig) -> int:
    """Return a layer of JTA, counted from 1; the last for None. Raises UserError."""
    if layer is not None and not 1 <= layer <= config.jta_layers:
        raise UserError(f"--layer {layer}: these weights have the layers 1 to {config.jta_layers}")
    return config.jta_layers if layer is None else layer
