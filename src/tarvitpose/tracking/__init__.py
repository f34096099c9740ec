"""Who is who between frames."""

from __future__ import annotations

from tarvitpose.config import TrackerName
from tarvitpose.tracking.iou import IouTracker
from tarvitpose.tracking.known import KnownTracks
from tarvitpose.tracking.outside import OutsideTracker
from tarvitpose.tracking.track import Carried, Tracker

__all__ = ["Carried", "IouTracker", "KnownTracks", "OutsideTracker", "Tracker", "open_tracker"]


def open_tracker(name: TrackerName, *, start_threshold: float) -> Tracker:
    """Return a tracker that starts tracks at a score of `start_threshold`. Raises UserError."""
    if name == "iou":
        return IouTracker(start_threshold=start_threshold)
    return OutsideTracker(name, start_threshold=start_threshold)
