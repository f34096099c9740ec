"""Who is who between frames."""

from tarvitpose.config import TrackerName
from tarvitpose.tracking.body import BodyTracker
from tarvitpose.tracking.ghosts import GhostFilter
from tarvitpose.tracking.iou import IouTracker
from tarvitpose.tracking.known import KnownTracks
from tarvitpose.tracking.outside import OutsideTracker
from tarvitpose.tracking.track import Carried, Tracker

__all__ = [
    "BodyTracker",
    "Carried",
    "GhostFilter",
    "IouTracker",
    "KnownTracks",
    "OutsideTracker",
    "Tracker",
    "open_tracker",
]


def open_tracker(
    name: TrackerName,
    *,
    start_threshold: float,
    reidentify: float = 0.0,
    continue_threshold: float = 0.0,
    looks_on: bool = False,
) -> Tracker:
    """Return a tracker that starts tracks at a score of `start_threshold`. Raises UserError.

    The rest is for "body": for how many seconds somebody lost may be recognised, the score below
    which boxes are faint, and whether people without any box are there for a moment.
    """
    if name == "body":
        return BodyTracker(start_threshold, reidentify, continue_threshold, looks_on=looks_on)
    if name == "iou":
        return IouTracker(start_threshold=start_threshold)
    return OutsideTracker(name, start_threshold=start_threshold)
