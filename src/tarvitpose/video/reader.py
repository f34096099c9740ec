"""One pass over the video stream of a file or URL: every frame once, its time, and what is damaged.

Time 0 is where the file begins to play: the earliest start of its video and audio streams.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from itertools import chain, islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from tarvitpose.errors import VideoError
from tarvitpose.utils.arrays import UInt8
from tarvitpose.video.clock import FASTEST_STATED, Clock, Joins, rate_of, shift
from tarvitpose.video.containers import FILE, is_cut_riff, open_container, video_stream

TURNS = (  # transpose, flip x, flip y: by 0, 1, 2, 3 quarters counter-clockwise
    (False, False, False),
    (True, False, True),
    (False, True, True),
    (True, True, False),
)
END_SLACK = 0.5  # seconds that a track may end before the length its container states
FIRST_PACKETS = 16  # that show whether a stream has times
MEASURED_PACKETS = 1000  # that its rate is measured by, where it is not stated
LIVE_PACKETS = 50  # the same of a stream that is watched as it comes
INDEX_REACHES = 0.9  # of the length, by which an index is taken for one of the whole file
SETTLED = 4  # packets after a damaged one; where streams were joined, the last ones only seem so


def time_zero(container: Any, video: Any) -> Fraction | None:
    """Return the time stamp in seconds at which the file begins to play, None when unknown.

    Never later than the first video frame, and never before 0: an audio track may start a few
    milliseconds before 0 with samples that no player lets you hear.
    """
    if video.start_time is None:
        return None
    streams = [video, *container.streams.audio]
    starts: list[Fraction] = [
        s.start_time * s.time_base for s in streams if s.start_time is not None
    ]
    return min(max(min(starts), Fraction(0)), starts[0])


class Reading:
    """Yield (time in seconds, frame) of the video stream of one file or URL, from its beginning.

    Without `careful`, frames are decoded in parallel, which loses more frames than it must around
    damage; the reading then stops at the first damage and a careful one should take over.
    """

    def __init__(
        self, address: str, name: str, *, careful: bool, allow_playlists: bool = False
    ) -> None:
        """Open the container; raises VideoError when there is no video stream in it."""
        self.name = name
        self._path = Path(address.removeprefix(FILE)) if address.startswith(FILE) else None
        self.container = open_container(address, name, allow_playlists=allow_playlists)
        try:
            self.stream = video_stream(self.container, name)
        except VideoError:
            self.container.close()
            raise
        # AVI has no times of frames but of packets, which decoding puts into another order; with
        # frames decoded one by one, it is known which packet a frame came out after.
        is_avi = self.container.format.name == "avi"
        self._by_packets = is_avi and bool(self.stream.codec_context.has_b_frames)
        self.careful = careful or self._by_packets
        self.stream.thread_type = "SLICE" if self.careful else "AUTO"
        self.zero = time_zero(self.container, self.stream)
        self.announced = self._announced_by_avi() if is_avi else self._announced()
        self._demuxed = iter(self.container.demux(self.stream))
        self._first, self._error = self._look_ahead()
        self.frame_rate, is_usable = rate_of(self.stream, [p.pts for p in self._first if p.size])
        if is_avi:
            self.frame_rate /= self._ticks_of_a_frame()
        self._clock = Clock(self.frame_rate, is_usable=is_usable)
        self.frames = 0  # delivered so far
        self.time = 0.0  # of the last one, seconds
        self.discarded = 0  # packets that the file's edit list hides
        self.is_finished = False  # every packet has been read
        self.is_cut_off = False
        self.damaged_after = ""  # the last frame before the first damage, in words
        self._frames = self._decode_all()

    def __iter__(self) -> Iterator[tuple[float, Any]]:
        return self._frames

    def close(self) -> None:
        """Stop decoding and free the file."""
        self._frames.close()
        self.container.close()

    @property
    def needs_care(self) -> bool:
        """Tell whether a careful reading may find frames that this one did not."""
        return not self.careful and bool(self.damaged_after or (self.is_finished and self.missing))

    @property
    def missing(self) -> int:
        """Return how many of the announced frames did not come."""
        return max(self.announced - self.discarded - self.frames, 0)

    def estimate_frames(self) -> int | None:
        """Return about how many frames there are, None when the container does not tell."""
        if self.announced:
            return self.announced
        if not self._clock.is_usable:
            return None
        duration = self.container.duration
        return round(duration / av.time_base * self.frame_rate) if duration else None

    def warnings(self) -> list[str]:
        """Say in one line each what was damaged or not known up to here."""
        return [f"{self.name}: {text}" for text in (self._damage(), self._doubt()) if text]

    def _damage(self) -> str:
        ends_early = self.is_finished and (
            self.is_cut_off or self._is_short() or (self.missing > 0 and not self.damaged_after)
        )
        if ends_early:
            return f"cut off or damaged after {self._position()}; poses end there"
        if not self.damaged_after:
            return ""
        lost = self.missing if self.is_finished else 0
        count = f", {lost} frame{'s' * (lost > 1)} missing" if lost else ""
        return f"damaged after {self.damaged_after}{count}; poses may be wrong there"

    def _doubt(self) -> str:
        if self._clock.is_usable:
            return ""
        return (
            "its frames have no usable times; they are taken to follow each other at "
            f"{self.frame_rate:g} frames/s"
        )

    def _announced(self) -> int:
        """Return how many frames the container says it has, 0 when it does not say."""
        frames: int = self.stream.frames
        entries = getattr(self.stream, "index_entries", None)  # older PyAV has none
        if entries and self.container.format.name.startswith("mov"):
            frames = min(frames, len(entries))  # without what an edit list cuts away
        return frames

    def _announced_by_avi(self) -> int:
        """Return the same of an AVI file, whose header counts frames that are left empty as well.

        Its index leaves those out; without one that reaches its end, only a file that is cut off
        lacks something.
        """
        frames: int = self.stream.frames
        if self._path is not None and is_cut_riff(self._path):
            return frames
        entries: Sequence[Any] = getattr(self.stream, "index_entries", ())
        is_whole = len(entries) > 0 and entries[-1].timestamp >= INDEX_REACHES * frames
        return min(frames, len(entries)) if is_whole else 0

    def _ticks_of_a_frame(self) -> float:
        """Return the usual distance of an AVI file's frames, of which its header counts all."""
        entries = islice(getattr(self.stream, "index_entries", ()), MEASURED_PACKETS)
        stamps: list[int] = [entry.timestamp for entry in entries]
        return max(median([b - a for a, b in pairwise(stamps)] or [1]), 1)

    def _look_ahead(self) -> tuple[list[Any], av.FFmpegError | None]:
        """Return the first packets, and the error that reading them ended with."""
        stated = float(self.stream.average_rate or self.stream.guessed_rate or 0)
        count = FIRST_PACKETS
        if not 0 < stated <= FASTEST_STATED:
            count = MEASURED_PACKETS if self._path is not None else LIVE_PACKETS
        packets: list[Any] = []
        try:
            packets.extend(islice(self._demuxed, count))
        except av.FFmpegError as error:
            return packets, error
        return packets, None

    def _decode_all(self) -> Generator[tuple[float, Any]]:
        for packet, is_damaged in self._packets():
            for frame in self._decode(packet, is_damaged):
                self.time = self._clock.time(self._stamp_of(frame))
                self.frames += 1
                yield self.time, frame
            if self.needs_care:
                return
        self.is_finished = True

    def _packets(self) -> Iterator[tuple[Any, bool]]:
        """Yield every packet and whether it is damaged, and at last None.

        That asks the decoder for what it still holds. Where streams were joined, the packets
        before the join seem damaged, because the counter in their heads does not go on.
        """
        packets = self._pieces()
        for packet, piece in packets:
            some = [(packet, piece)]
            some += islice(packets, SETTLED) if packet and packet.is_corrupt else []
            is_join = some[-1][1] != piece
            for other, _ in some:
                if other is None:
                    self._note_damage()
                else:
                    yield other, other.is_corrupt and not is_join
        yield None, False

    def _pieces(self) -> Iterator[tuple[Any, int]]:
        """Yield every packet and which of the joined pieces it is of, its stamps going on.

        Where reading fails, None comes in place of a packet.
        """
        joins = Joins(1 / Fraction(self.frame_rate))
        piece = 0
        try:
            for packet in self._all_packets():
                if packet.size:
                    piece = joins.piece_of(packet)
                    shift(packet, joins.shifts[piece])
                    self.discarded += packet.is_discard
                    yield packet, piece
        except av.FFmpegError:
            yield None, piece

    def _all_packets(self) -> Iterator[Any]:
        first, self._first = self._first, []
        yield from first if self._error else chain(first, self._demuxed)
        if self._error is not None:
            raise self._error

    def _decode(self, packet: Any, is_damaged: bool) -> list[Any]:
        """Return the frames that a packet completes; what cannot be decoded is noted as damage."""
        try:
            frames: list[Any] = self.stream.decode(packet)
        except av.FFmpegError:
            self._note_damage()
            return []
        if is_damaged or any(frame.is_corrupt for frame in frames):
            self._note_damage()
        elif packet:
            self.is_cut_off = False  # the file went on after the damage
        return frames

    def _note_damage(self) -> None:
        self.is_cut_off = True
        self.damaged_after = self.damaged_after or self._position()

    def _position(self) -> str:
        if not self.frames:
            return "its beginning"
        return f"frame {self.frames - 1} ({self.time:.2f} s)"

    def _stamp_of(self, frame: Any) -> float | None:
        """Return the seconds that the file states for a frame, None where it does not."""
        ticks = frame.dts if self._by_packets else frame.pts
        if ticks is None:
            return None
        stamp = Fraction(ticks * self.stream.time_base)
        if self.zero is None:
            self.zero = stamp
        return float(stamp - self.zero)

    def _is_short(self) -> bool:
        """Tell whether a Matroska track ended well before the length that its tags state."""
        hours, _, rest = self.stream.metadata.get("DURATION", "").partition(":")
        minutes, _, seconds = rest.partition(":")
        try:
            stated = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
        except ValueError:
            return False
        return self.time + 1 / self.frame_rate + END_SLACK < stated - float(self.zero or 0)


def upright_rgb(frame: Any, reformatter: VideoReformatter, size: tuple[int, int] | None) -> UInt8:
    """Return a decoded frame as it should be seen, (height, width, 3) RGB, scaled to `size`."""
    width = height = None
    transposed, flip_x, flip_y = _turns(frame)
    if size is not None:
        height, width = size[::-1] if transposed else size
    image = reformatter.reformat(frame, width, height, "rgb24").to_ndarray()
    image = image.transpose(1, 0, 2) if transposed else image
    image = image[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
    return np.ascontiguousarray(image)


def _turns(frame: Any) -> tuple[bool, bool, bool]:
    """Return whether to transpose a frame, then to flip it in x and in y (its display matrix)."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV does not know another side datum of this frame, EXIF for one
        return TURNS[round(frame.rotation / 90) % 4]
    if matrix is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    transposed = abs(b) > abs(a)
    flip_x, flip_y = (c < 0, b < 0) if transposed else (a < 0, d < 0)
    return transposed, flip_x, flip_y
