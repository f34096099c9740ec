"""One clock for a file: times that rise strictly, the same for its pictures and its sound.

Files do not always keep what they promise. Streams that were joined byte by byte begin anew at
every join; AVI holds no times of frames, only of packets in the order of decoding; browsers state
the rate of their clock instead of the frames'; and some files have no times at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from tarvitpose.video.frame_source import DEFAULT_RATE

FALL = Fraction(1, 5)  # seconds that stamps must fall back by where streams were joined
FASTEST_STATED = 240.0  # frames a second; a higher rate is measured, it may be that of a clock
FASTEST = 10_000.0  # frames a second; stamps that are closer together are no times
NUDGE = 0.25  # of a frame, by which a frame comes after the one whose time it repeats


class Joins:
    """Follows the packets of one stream, and finds where their stamps fall back.

    >>> joins = Joins(Fraction(1, 25))
    >>> joins.shifts  # in seconds, of each piece
    [Fraction(0, 1)]
    """

    def __init__(self, step: Fraction) -> None:
        """`step` is how long a packet lasts, in seconds, that does not tell."""
        self.shifts = [Fraction(0)]
        self._step = step
        self._latest: Fraction | None = None
        self._due = Fraction(0)

    def piece_of(self, packet: Any) -> int:
        """Return which piece the next packet belongs to, counted from 0."""
        if packet.dts is None:
            self._due += self._step
        else:
            time = packet.dts * packet.time_base
            if self._latest is not None and time <= self._latest - FALL:
                self.shifts.append(self.shifts[-1] + self._due - time)
            self._latest = time
            self._due = time + ((packet.duration or 0) * packet.time_base or self._step)
        return len(self.shifts) - 1


def shift(packet: Any, seconds: Fraction) -> None:
    """Move the stamps of a packet."""
    ticks = round(seconds / packet.time_base)
    if ticks and packet.pts is not None:
        packet.pts += ticks
    if ticks and packet.dts is not None:
        packet.dts += ticks


class Clock:
    """Turns the stamps of frames, in the order in which they are shown, into times that rise.

    >>> clock = Clock(25.0)
    >>> [clock.time(stamp) for stamp in (0.0, 0.04, 0.04, 0.08, None)]
    [0.0, 0.04, 0.05, 0.08, 0.12]
    >>> clock = Clock(25.0, is_usable=False)
    >>> [clock.time(0.0) for _ in range(3)]
    [0.0, 0.04, 0.08]
    """

    def __init__(self, rate: float, *, is_usable: bool = True) -> None:
        """Without usable stamps, frames follow each other at `rate`, in frames a second."""
        self.rate, self.is_usable = rate, is_usable
        self._frames = 0
        self._last = 0.0  # time, in seconds
        self._regular = 0.0  # the last time that did not have to be moved
        self._step = 1 / rate  # seconds, from one stamp to the next

    def time(self, stamp: float | None) -> float:
        """Return the time in seconds of the next frame."""
        if not self.is_usable:
            stamp = self._frames / self.rate
        elif stamp is None:
            stamp = self._regular + self._step if self._frames else 0.0
        if self._frames and stamp <= self._last:
            self._last += NUDGE / self.rate
        else:
            self._step = stamp - self._regular if self._frames else self._step
            self._last = self._regular = stamp
        self._frames += 1
        return self._last


def rate_of(stream: Any, stamps: Sequence[int | None]) -> tuple[float, bool]:
    """Return the frames a second of a stream, and whether its time stamps can be used.

    `stamps` are those of its first packets. What the container states is believed where it is a
    rate that cameras have, and measured where it is not.
    """
    stated = float(stream.average_rate or stream.guessed_rate or 0)
    believed = stated if 0 < stated <= FASTEST_STATED else 0.0
    known = {at: stamp for at, stamp in enumerate(stamps) if stamp is not None}
    if len(stamps) < 2:
        return believed or DEFAULT_RATE, True
    ticks = max(known.values()) - min(known.values()) if known else 0
    seconds = ticks * float(stream.time_base)
    measured = (max(known) - min(known)) / seconds if seconds else 0.0
    if not measured or measured > FASTEST:
        return believed or DEFAULT_RATE, False
    return believed or measured, True
