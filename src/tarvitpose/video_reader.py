"""One pass over the video stream of a file or URL: every frame once, its time, and what is damaged.

Time 0 is where the file begins to play: the earliest start of its video and audio streams.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from tarvitpose.errors import VideoError
from tarvitpose.frame_source import DEFAULT_RATE, UInt8

URL_TIMEOUT = (15.0, 30.0)  # seconds to open a stream, and to wait for its next packet
TEXT_ART = {"ansi", "bintext", "idf", "xbin"}  # what FFmpeg makes of a plain text file
TURNS = (  # transpose, flip x, flip y: by 0, 1, 2, 3 quarters counter-clockwise
    (False, False, False),
    (True, False, True),
    (False, True, True),
    (True, True, False),
)
END_SLACK = 0.5  # seconds that a track may end before the length its container states


def open_container(address: str, name: str) -> Any:
    """Open a file or URL with PyAV; raises VideoError with `name` where that fails."""
    try:
        timeout = URL_TIMEOUT if "://" in address else None
        return av.open(address, metadata_errors="replace", timeout=timeout)
    except av.FFmpegError as error:
        if "://" in address:
            raise VideoError(f"{name}: cannot be opened ({error.strerror})") from error
        raise VideoError(
            f"{name}: cut off, damaged or not a video; it cannot be opened ({error.strerror})"
        ) from error


def video_stream(container: Any, name: str) -> Any:
    """Return the first video stream that is no cover picture; raises VideoError without one."""
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        raise VideoError(f"{name}: no video stream (found {_streams_found(container)})")
    stream = videos[0]
    if stream.codec_context is None:
        raise VideoError(f"{name}: no decoder for its video stream; convert it to H.264 first")
    if stream.codec_context.name in TEXT_ART:
        raise VideoError(f"{name}: a text file, expected a video, an image or a folder of frames")
    return stream


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

    def __init__(self, address: str, name: str, *, careful: bool) -> None:
        """Open the container; raises VideoError when there is no video stream in it."""
        self.name = name
        self.careful = careful
        self.container = open_container(address, name)
        try:
            self.stream = video_stream(self.container, name)
        except VideoError:
            self.container.close()
            raise
        self.stream.thread_type = "SLICE" if careful else "AUTO"
        self.zero = time_zero(self.container, self.stream)
        self.frame_rate = float(self.stream.average_rate or self.stream.guessed_rate or 0)
        self.frame_rate = self.frame_rate or DEFAULT_RATE
        self.announced = self._announced()
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
        duration = self.container.duration
        return round(duration / av.time_base * self.frame_rate) if duration else None

    def warnings(self) -> list[str]:
        """Say in one line each what was damaged up to here."""
        ends_early = self.is_finished and (
            self.is_cut_off or self._is_short() or (self.missing > 0 and not self.damaged_after)
        )
        if ends_early:
            return [f"{self.name}: cut off or damaged after {self._position()}; poses end there"]
        if not self.damaged_after:
            return []
        lost = self.missing if self.is_finished else 0
        count = f", {lost} frame{'s' * (lost > 1)} missing" if lost else ""
        return [f"{self.name}: damaged after {self.damaged_after}{count}; poses may be wrong there"]

    def _announced(self) -> int:
        """Return how many frames the container says it has, 0 when it does not say."""
        frames: int = self.stream.frames
        entries = getattr(self.stream, "index_entries", None)  # older PyAV has none
        if entries and self.container.format.name.startswith("mov"):
            frames = min(frames, len(entries))  # without what an edit list cuts away
        return frames

    def _decode_all(self) -> Generator[tuple[float, Any]]:
        for packet in self._packets():
            for frame in self._decode(packet):
                self.time = self._time_of(frame)
                self.frames += 1
                yield self.time, frame
            if self.needs_care:
                return
        self.is_finished = True

    def _packets(self) -> Iterator[Any]:
        """Yield every packet and at last None, which asks the decoder for what it still holds."""
        try:
            for packet in self.container.demux(self.stream):
                if packet.size:
                    self.discarded += packet.is_discard
                    yield packet
        except av.FFmpegError:
            self._note_damage()
        yield None

    def _decode(self, packet: Any) -> list[Any]:
        """Return the frames that a packet completes; what cannot be decoded is noted as damage."""
        try:
            frames: list[Any] = self.stream.decode(packet)
        except av.FFmpegError:
            self._note_damage()
            return []
        if any(frame.is_corrupt for frame in frames) or (packet and packet.is_corrupt):
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

    def _time_of(self, frame: Any) -> float:
        if frame.pts is None:
            return self.time + 1 / self.frame_rate if self.frames else 0.0
        stamp = Fraction(frame.pts * self.stream.time_base)
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


def _streams_found(container: Any) -> str:
    counts: dict[str, int] = {}
    for stream in container.streams:
        kind = "cover picture" if stream.type == "video" else f"{stream.type} stream"
        counts[kind] = counts.get(kind, 0) + 1
    return ", ".join(f"{n} {kind}{'s' * (n > 1)}" for kind, n in counts.items()) or "no stream"
