"""Write frames as an H.264 video with the times and the audio of the source."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from tarvitpose.errors import OutputError
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_file, cannot_write
from tarvitpose.utils.finished import FinishedOnExit
from tarvitpose.video.audio import AudioTrack

CLOCK = 90_000  # ticks per second; fine enough for every common frame rate
LONGEST_STEP = 3600 * CLOCK  # ticks; mp4 has 31 bits for how long a frame is shown
# With x264's macroblock tree, equal frames give different bytes from run to run on AVX-512.
CODEC_OPTIONS = {"crf": "20", "preset": "veryfast", "mbtree": "0"}
BT709 = 1  # FFmpeg's number for this colour matrix, its primaries and its transfer


class VideoWriter(FinishedOnExit):
    """Write an mp4 file, which appears under its name only when it is complete.

    `image_size` is (height, width); where one is odd, the last row or column is repeated, because
    H.264 needs even sizes. The audio of `audio_from` stays in time with the frames of
    `open_source`: its packets are copied, or encoded to AAC if mp4 cannot hold them. With the
    `start` and `end` of the source (seconds), the video begins at 0 and has that part alone.
    """

    def __init__(
        self,
        path: Path,
        image_size: tuple[int, int],
        frame_rate: float,
        *,
        audio_from: Path | None = None,
        start: float | None = None,
        end: float | None = None,
        allow_playlists: bool = False,
    ) -> None:
        super().__init__()
        self.path = path
        self.image_size = image_size
        self.frame_rate = frame_rate
        self.audio_from = audio_from
        self.start, self.end = start, end
        self.allow_playlists = allow_playlists  # for the file with the audio
        self._audio: AudioTrack | None = None
        self._last_tick: int | None = None
        self.is_cut = False  # whether the rest of the source is not wanted: sound ends as well
        self._gaps, self._cut = 0, 0  # gaps longer than the file can show, ticks cut from them
        self._reformatter = VideoReformatter()

    def _start(self, stack: ExitStack) -> None:
        temporary = stack.enter_context(atomic_file(self.path))
        options = {"movflags": "+faststart"}
        self._output = stack.enter_context(
            av.open(f"file:{temporary}", "w", format="mp4", options=options)
        )
        self._video = self._add_video()
        if self.audio_from is not None and self.audio_from.is_file():
            self._audio = AudioTrack(
                self.audio_from,
                self._output,
                self.start,
                self.end,
                allow_playlists=self.allow_playlists,
            )
            stack.enter_context(closing(self._audio))
        with self._writing():
            self._output.start_encoding()

    @property
    def warnings(self) -> list[str]:
        """Return what could not be carried over, a line each; complete once the file is."""
        gaps = f"{self.path}: gaps between frames are cut to an hour each ({self._gaps} of them)"
        audio = [] if self._audio is None else self._audio.warnings
        return [*audio, *([gaps] if self._gaps else [])]

    def write(self, image: UInt8, time: float) -> None:
        """Append one RGB image (height, width, 3), shown from `time` in seconds of the source."""
        if image.shape != (*self.image_size, 3):
            raise ValueError(f"expected an image {(*self.image_size, 3)}, got {image.shape}")
        time -= self.start or 0.0
        tick = round(time * CLOCK) - self._cut
        if self._last_tick is not None:
            tick = max(tick, self._last_tick + 1)  # H.264 needs increasing times
            excess = tick - self._last_tick - LONGEST_STEP
            if excess > 0:
                tick, self._cut, self._gaps = tick - excess, self._cut + excess, self._gaps + 1
        self._last_tick = tick
        with self._writing():
            self._mux_audio_until(time)
            self._output.mux(self._video.encode(self._to_frame(image, tick)))

    def _add_video(self) -> Any:
        rate = Fraction(self.frame_rate).limit_denominator(100_000)
        stream = self._output.add_stream("libx264", rate, options=CODEC_OPTIONS)
        stream.height, stream.width = (side + side % 2 for side in self.image_size)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, CLOCK)
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = ColorRange.MPEG
        return stream

    def _to_frame(self, image: UInt8, tick: int) -> Any:
        height, width = self.image_size
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        rgb = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), "rgb24")
        frame = self._reformatter.reformat(
            rgb, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        frame.pts, frame.time_base = tick, Fraction(1, CLOCK)
        return frame

    def _finish(self) -> None:
        if self._last_tick is None:
            raise OutputError(f"{self.path}: not written, because there was no frame to write")
        with self._writing():
            self._output.mux(self._video.encode(None))
            last = (self._last_tick + self._cut) / CLOCK + 1 / self.frame_rate
            self._mux_audio_until(last if self.is_cut else math.inf)
            self._output.close()

    def _mux_audio_until(self, time: float) -> None:
        # Both streams advance together; otherwise the container would hold one of them in memory.
        if self._audio is not None:
            self._output.mux(self._audio.until(time))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except av.FFmpegError as error:
            raise cannot_write(self.path, error) from error
