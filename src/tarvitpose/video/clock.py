"""One clock for a file: strictly increasing times, the same for its video and its audio.

The times in a file are not always right. In streams that were joined byte by byte they start again
at every join; AVI has times of packets in decoding order but not of frames; browsers state the rate
of their clock instead of the frame rate; and some files have no times at all.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from tarvitpose.video.frame_source import DEFAULT_RATE

FALL = Fraction(1, 5)  # seconds; where time stamps fall back by more, streams were joined
FASTEST_STATED = 240.0  # frames/s; a higher rate may be that of a clock, so it is measured
FASTEST = 10_000.0  # frames/s; time stamps that are closer together are not usable
LATEST = 1e9  # seconds; a stamp beyond is none, and float64 counts microseconds up to it
NUDGE = 0.25  # of a frame, added where a frame repeats the time of the one before


class Joins:
    """Follow the packets of one stream, and find where their time stamps fall back.

    >>> joins = Joins(Fraction(1, 25))
    >>> joins.shifts  # seconds to add to the stamps of each piece
    [Fraction(0, 1)]
    """

    def __init__(self, step: Fraction) -> None:
        """`step` is the duration in seconds of packets that state none."""
        self.shifts = [Fraction(0)]
        self._step = step
        self._latest: Fraction | None = None
        self._next = Fraction(0)

    def piece_of(self, packet: Any) -> int:
        """Return the number of the piece that the next packet belongs to, from 0."""
        if packet.dts is None:
            self._next += self._step
        else:
            time = packet.dts * packet.time_base
            if self._latest is not None and time <= self._latest - FALL:
                self.shifts.append(self.shifts[-1] + self._next - time)
            self._latest = time
            self._next = time + ((packet.duration or 0) * packet.time_base or self._step)
        return len(self.shifts) - 1


def shift(packet: Any, seconds: Fraction) -> None:
    """Move the time stamps of a packet."""
    ticks = round(seconds / packet.time_base)
    if ticks and packet.pts is not None:
        packet.pts += ticks
    if ticks and packet.dts is not None:
        packet.dts += ticks


class Clock:
    """Turn the time stamps of frames, in display order, into strictly increasing times.

    >>> clock = Clock(25.0)
    >>> [clock.time(stamp) for stamp in (0.0, 0.04, 0.04, 0.08, None)]
    [0.0, 0.04, 0.05, 0.08, 0.12]
    >>> clock = Clock(25.0, is_usable=False)
    >>> [clock.time(0.0) for _ in range(3)]
    [0.0, 0.04, 0.08]
    """

    def __init__(self, rate: float, *, is_usable: bool = True) -> None:
        """Without usable stamps, the frames follow each other at `rate`, in frames per second."""
        self.rate, self.is_usable = rate, is_usable
        self._frames = 0
        self._last = 0.0  # time, in seconds
        self._regular = 0.0  # the last time that did not have to be moved
        self._step = 1 / rate  # seconds, from one stamp to the next

    def time(self, stamp: float | None) -> float:
        """Return the time in seconds of the next frame."""
        if not self.is_usable:
            stamp = self._frames / self.rate
        elif stamp is None or not 0 <= stamp <= LATEST:
            stamp = self._regular + self._step if self._frames else 0.0
        if self._frames and stamp <= self._last:
            self._last += NUDGE / self.rate
        else:
            self._step = stamp - self._regular if self._frames else self._step
            self._last = self._regular = stamp
        self._frames += 1
        return self._last


def rate_of(stream: Any, stamps: Sequence[int | None]) -> tuple[float, bool]:
    """Return the frame rate of a stream, and whether its time stamps can be used.

    `stamps` are those of its first packets. The rate that the container states is used if it is
    one that cameras have; otherwise it is measured.
    """
    stated = float(stream.average_rate or stream.guessed_rate or 0)
    plausible = stated if 0 < stated <= FASTEST_STATED else 0.0
    present = {at: stamp for at, stamp in enumerate(stamps) if stamp is not None}
    if len(stamps) < 2:
        return plausible or DEFAULT_RATE, True
    ticks = max(present.values()) - min(present.values()) if present else 0
    seconds = ticks * float(stream.time_base)
    measured = (max(present) - min(present)) / seconds if seconds else 0.0
    if not measured or measured > FASTEST:
        return plausible or DEFAULT_RATE, False
    return plausible or measured, True
