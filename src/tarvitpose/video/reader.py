"""Read the video stream of a file or URL once: every frame with its time, and what is damaged.

Time 0 is the earliest start of the video and audio streams, where players begin.
"""

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

TURNS = (  # transpose, flip x, flip y for 0, 1, 2, 3 quarter turns counter-clockwise
    (False, False, False),
    (True, False, True),
    (False, True, True),
    (True, True, False),
)
END_SLACK = 0.5  # seconds that a track may be shorter than its container states
FIRST_PACKETS = 16  # read ahead to see whether a stream has times
MEASURED_PACKETS = 1000  # read ahead to measure a rate that is not stated
LIVE_PACKETS = 50  # the same for a live stream
INDEX_REACHES = 0.9  # of the length; an index that goes further is that of the whole file
SETTLED = 4  # packets after a damaged one in which a join may show, which only looks like damage


def time_zero(container: Any, video: Any) -> Fraction | None:
    """Return the time stamp in seconds at which players begin, None when unknown.

    Never later than the first video frame, and never before 0: an audio track may start a few
    milliseconds before 0 with samples that players skip.
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

    Without `careful`, frames are decoded in parallel, which loses additional frames near damage.
    The reading then stops at the first damage, and a careful one should continue.
    """

    def __init__(
        self, address: str, name: str, *, careful: bool, allow_playlists: bool = False
    ) -> None:
        """Open the container; raises VideoError if it has no video stream."""
        self.name = name
        self._path = Path(address.removeprefix(FILE)) if address.startswith(FILE) else None
        self.container = open_container(address, name, allow_playlists=allow_playlists)
        try:
            self.stream = video_stream(self.container, name)
        except VideoError:
            self.container.close()
            raise
        # AVI has times of packets, not of frames, and decoding changes their order. Decoding frames
        # one by one shows after which packet a frame came.
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
        self.discarded = 0  # packets hidden by the file's edit list
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
        """Whether a careful reading may find frames that this one did not."""
        return not self.careful and bool(self.damaged_after or (self.is_finished and self.missing))

    @property
    def missing(self) -> int:
        """How many of the announced frames are missing."""
        return max(self.announced - self.discarded - self.frames, 0)

    def estimate_frames(self) -> int | None:
        """Return about how many frames there are, None when unknown."""
        if self.announced:
            return self.announced
        if not self._clock.is_usable:
            return None
        duration = self.container.duration
        return round(duration / av.time_base * self.frame_rate) if duration else None

    def warnings(self) -> list[str]:
        """Return what was damaged or unknown up to now, one line each."""
        return [f"{self.name}: {text}" for text in (self._damage(), self._no_times()) if text]

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

    def _no_times(self) -> str:
        if self._clock.is_usable:
            return ""
        return (
            "its frames have no usable times; they are assumed to follow each other at "
            f"{self.frame_rate:g} frames/s"
        )

    def _announced(self) -> int:
        """Return how many frames the container states, 0 if it states none."""
        frames: int = self.stream.frames
        entries = getattr(self.stream, "index_entries", None)  # older versions of PyAV have none
        if entries and self.container.format.name.startswith("mov"):
            frames = min(frames, len(entries))  # without those that an edit list removes
        return frames

    def _announced_by_avi(self) -> int:
        """Return how many frames an AVI file should have, 0 if that is unknown.

        Its header also counts empty frames, which its index leaves out. Without an index that
        reaches the end, the header is used only to tell that a file was cut off.
        """
        frames: int = self.stream.frames
        if self._path is not None and is_cut_riff(self._path):
            return frames
        entries: Sequence[Any] = getattr(self.stream, "index_entries", ())
        is_whole = len(entries) > 0 and entries[-1].timestamp >= INDEX_REACHES * frames
        return min(frames, len(entries)) if is_whole else 0

    def _ticks_of_a_frame(self) -> float:
        """Return the usual distance in ticks between the frames of an AVI file."""
        entries = islice(getattr(self.stream, "index_entries", ()), MEASURED_PACKETS)
        stamps: list[int] = [entry.timestamp for entry in entries]
        return max(median([b - a for a, b in pairwise(stamps)] or [1]), 1)

    def _look_ahead(self) -> tuple[list[Any], av.FFmpegError | None]:
        """Return the first packets, and the error that ended reading them if there was one."""
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
        """Yield every packet and whether it is damaged, and finally None to flush the decoder.

        Where streams were joined, the packets before the join seem damaged, because the counter
        in their headers does not continue.
        """
        packets = self._pieces()
        for packet, piece in packets:
            group = [(packet, piece)]
            group += islice(packets, SETTLED) if packet and packet.is_corrupt else []
            is_join = group[-1][1] != piece
            for member, _ in group:
                if member is None:
                    self._note_damage()
                else:
                    yield member, member.is_corrupt and not is_join
        yield None, False

    def _pieces(self) -> Iterator[tuple[Any, int]]:
        """Yield every packet with continuous time stamps, and the number of its joined piece.

        Where reading fails, None is yielded instead of a packet.
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
        """Return the frames that a packet completes; decoding errors are noted as damage."""
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
        """Return the time stamp of a frame in seconds, None if it has none."""
        ticks = frame.dts if self._by_packets else frame.pts
        if ticks is None:
            return None
        stamp = Fraction(ticks * self.stream.time_base)
        if self.zero is None:
            self.zero = stamp
        return float(stamp - self.zero)

    def _is_short(self) -> bool:
        """Whether a Matroska track ended well before the length that its tags state."""
        hours, _, rest = self.stream.metadata.get("DURATION", "").partition(":")
        minutes, _, seconds = rest.partition(":")
        try:
            stated = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
        except ValueError:
            return False
        return self.time + 1 / self.frame_rate + END_SLACK < stated - float(self.zero or 0)


def upright_rgb(frame: Any, reformatter: VideoReformatter, size: tuple[int, int] | None) -> UInt8:
    """Return a decoded frame upright, (height, width, 3) RGB, scaled to `size`."""
    width = height = None
    transposed, flip_x, flip_y = _turns(frame)
    if size is not None:
        height, width = size[::-1] if transposed else size
    image = reformatter.reformat(frame, width, height, "rgb24").to_ndarray()
    image = image.transpose(1, 0, 2) if transposed else image
    image = image[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
    return np.ascontiguousarray(image)


def _turns(frame: Any) -> tuple[bool, bool, bool]:
    """Return whether to transpose a frame, then to flip it in x and y, by its display matrix."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV does not know some other side data of this frame, such as EXIF
        return TURNS[round(frame.rotation / 90) % 4]
    if matrix is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    transposed = abs(b) > abs(a)
    flip_x, flip_y = (c < 0, b < 0) if transposed else (a < 0, d < 0)
    return transposed, flip_x, flip_y
