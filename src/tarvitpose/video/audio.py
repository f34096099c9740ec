"""Copy the audio of one file into another."""

from collections import deque
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from tarvitpose.errors import VideoError
from tarvitpose.video.clock import Joins, shift
from tarvitpose.video.containers import FILE, open_container, video_stream
from tarvitpose.video.reader import time_zero

COPIED = {
    "aac",
    "ac3",
    "alac",
    "eac3",
    "flac",
    "mp2",
    "mp3",
    "opus",
}  # that players know in mp4
STEADY = ("mov", "avi")  # prefixes of container names whose times cannot fall back
MAX_WAITING = 1000  # audio packets that wait for the video to reach the same join
AAC_RATES = (44_100, 48_000, 32_000, 24_000, 22_050, 16_000)  # hertz


class AudioTrack:
    """The packets of a file's first audio stream, in time with the frames of `open_source`.

    They are copied, or encoded to AAC if mp4 cannot hold the codec. Time 0 of the output is `start`
    of the source, and the audio stops at `end` (seconds).
    """

    def __init__(
        self,
        path: Path,
        output: Any,
        start: float | None,
        end: float | None,
        *,
        allow_playlists: bool = False,
    ) -> None:
        """Open the file and add a stream to `output` if there is audio."""
        self.path = path
        self.warnings: list[str] = []
        self._container = open_container(
            f"{FILE}{path}", str(path), allow_playlists=allow_playlists
        )
        self._begin = None if start is None else 0.0
        self._end = None if end is None else end - (start or 0.0)
        self._video = self._find_video()
        zero = None if self._video is None else time_zero(self._container, self._video)
        self._zero = (zero or Fraction(0)) + Fraction(start or 0)
        self._packets = self._open(output)
        self._waiting: tuple[float, Any] | None = None

    def close(self) -> None:
        """Free the file."""
        self._packets.close()
        self._container.close()

    def until(self, time: float) -> Iterator[Any]:
        """Yield the next packets that begin before `time`, in seconds of the output."""
        self._waiting = self._waiting or next(self._packets, None)
        while self._waiting is not None and self._waiting[0] < time:
            yield self._waiting[1]
            self._waiting = next(self._packets, None)

    def _find_video(self) -> Any:
        try:
            return video_stream(self._container, str(self.path))
        except VideoError:  # an audio file beside a folder of frames
            return None

    def _open(self, output: Any) -> Generator[tuple[float, Any]]:
        source = next(iter(self._container.streams.audio), None)
        if source is None:
            return self._nothing()
        if source.codec_context is None:
            self.warnings.append(f"{self.path}: no decoder for its audio, which is left out")
            return self._nothing()
        if source.codec_context.codec.canonical_name in COPIED:
            return self._copied(source, output.add_stream_from_template(source))
        rate = source.codec_context.sample_rate
        encoder = output.add_stream("aac", rate if rate in AAC_RATES else AAC_RATES[0])
        encoder.layout = "mono" if source.codec_context.layout.nb_channels == 1 else "stereo"
        return self._encoded(source, encoder)

    def _nothing(self) -> Generator[tuple[float, Any]]:
        yield from ()

    def _copied(self, source: Any, target: Any) -> Generator[tuple[float, Any]]:
        last = None
        for packet in self._demuxed(source):
            if packet.pts is None or packet.dts is None:  # the last packet is empty
                continue
            shift(packet, -self._zero)
            if last is not None and packet.dts <= last:  # audio of joined streams may overlap
                continue
            last, packet.stream = packet.dts, target
            time = float(packet.pts * source.time_base)
            if self._is_after_end(time):
                return
            if self._begin is None or time >= self._begin:
                yield time, packet

    def _encoded(self, source: Any, encoder: Any) -> Generator[tuple[float, Any]]:
        zero = round(self._zero / source.time_base)
        for frame in self._decoded(source):
            frame.pts -= zero
            time = float(frame.pts * source.time_base)
            if self._is_after_end(time):
                break
            if time >= 0:
                yield from ((time, packet) for packet in encoder.encode(frame))
        yield from ((time, packet) for packet in encoder.encode(None))

    def _decoded(self, source: Any) -> Iterator[Any]:
        for packet in self._demuxed(source):
            try:
                frames = source.decode(packet)
            except av.FFmpegError:
                continue  # damaged audio becomes silence
            yield from (frame for frame in frames if frame.pts is not None)

    def _demuxed(self, source: Any) -> Iterator[Any]:
        try:
            if self._video is None or self._container.format.name.startswith(STEADY):
                yield from self._container.demux(source)
            else:
                yield from self._joined(source)
        except av.FFmpegError as error:
            self.warnings.append(f"{self.path}: its audio is cut off ({error.strerror})")

    def _joined(self, source: Any) -> Iterator[Any]:
        """Yield packets with continuous times across joins, shifted as much as the video."""
        video, audio = (Joins(_step(stream)) for stream in (self._video, source))
        waiting: deque[tuple[Any, int]] = deque()
        for packet in self._container.demux(self._video, source):
            if packet.stream.index == self._video.index:
                video.piece_of(packet)
            elif packet.size:
                waiting.append((packet, audio.piece_of(packet)))
            while waiting and (waiting[0][1] < len(video.shifts) or len(waiting) > MAX_WAITING):
                yield _moved(*waiting.popleft(), video, audio)
        for packet, piece in waiting:
            yield _moved(packet, piece, video, audio)

    def _is_after_end(self, time: float) -> bool:
        return self._end is not None and time >= self._end


def _moved(packet: Any, piece: int, video: Joins, audio: Joins) -> Any:
    joins = video if piece < len(video.shifts) else audio
    shift(packet, joins.shifts[piece])
    return packet


def _step(stream: Any) -> Fraction:
    """Return the duration in seconds to assume for packets that state none."""
    rate = getattr(stream, "average_rate", None)
    return 1 / Fraction(rate) if rate else Fraction(1, 50)
