"""Which windows go through the network together."""

from collections.abc import Iterable, Iterator

from tarvitpose.results import TrackedFrame

Window = list[TrackedFrame]  # T frames, the ends of a video repeated


def batches(
    windows: Iterable[Window], current: int, crops: int, at_once: int
) -> Iterator[list[Window]]:
    """Gather windows until they have `at_once` new crops, and no more windows than that.

    Each person of frame `current` of a window has `crops` new ones. The first two batches are of
    one crop, the next two of two, and so on: who watches need not wait for a whole one.
    """
    batch: list[Window] = []
    new, enough = 0, 1.0
    for window in windows:
        batch.append(window)
        new += crops * len(window[current].boxes)
        if max(new, len(batch)) >= int(enough):
            yield batch
            batch, new, enough = [], 0, min(enough + 0.5, at_once)
    if batch:
        yield batch
