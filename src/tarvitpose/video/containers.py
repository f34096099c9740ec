"""Open video and audio files safely: which containers are read, and which files they may open.

A playlist, a script or an image sequence makes FFmpeg open other files and addresses, which its
author chose. So only self-contained formats of a fixed list are read, and FFmpeg may open no other
file, unless playlists are allowed.
"""

from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from tarvitpose.errors import VideoError
from tarvitpose.utils.images import too_large
from tarvitpose.video.playlists import playlist_kind

FILE = "file:"  # before a path, so that a colon in it does not look like a protocol
URL_TIMEOUT = (15.0, 30.0)  # seconds to open a stream, and to wait for its next packet
TEXT_ART = {"ansi", "bintext", "idf", "xbin"}  # what FFmpeg makes of a plain text file
VIDEOS = (
    *("mov", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "ogg", "asf", "mxf", "gxf", "lxf"),
    *("dv", "nut", "wtv", "rm", "ivf", "obu", "gif", "swf", "nsv", "nuv", "pva", "ty", "cine"),
    *("yuv4mpegpipe", "ser", "dhav", "kux", "ifv", "mlv", "fits", "jpegxl_anim", "apng"),
)
BARE = (  # a video stream without a container
    *("h261", "h263", "h264", "hevc", "vvc", "evc", "av1", "avs2", "avs3", "cavsvideo", "dirac"),
    *("dnxhd", "m4v", "mpegvideo", "mjpeg", "mjpeg_2000", "mpjpeg", "vc1", "vc1test"),
)
PICTURES = tuple(
    f"{name}_pipe"
    for name in (
        *("bmp", "dds", "dpx", "exr", "gif", "hdr", "j2k", "jpeg", "jpegls", "jpegxl", "jpegxs"),
        *("pam", "pbm", "pcx", "pgm", "pgmyuv", "png", "ppm", "psd", "qoi", "sgi", "sunrast"),
        *("tiff", "webp", "xbm", "xpm", "xwd"),
    )
)
SOUNDS = (
    *("aac", "ac3", "aiff", "amr", "amrnb", "amrwb", "ape", "au", "caf", "dts", "eac3", "flac"),
    *("mp3", "tta", "w64", "wav", "wv"),
)
TEXTS = ("tty", "bin", "adf", "idf", "xbin")  # recognised only to be refused by name
ADDRESSES = (  # protocols that reach another machine, and no file on this one
    *("ftp", "gopher", "gophers", "http", "httpproxy", "https", "mmsh", "mmst", "rist", "rtmp"),
    *("rtmpe", "rtmps", "rtmpt", "rtmpte", "rtmpts", "rtp", "rtsp", "srt", "srtp", "tcp", "tls"),
    *("udp", "udplite", "unix", "ffrtmphttp", "ffrtmpcrypt"),
)
STREAMS = ("rtsp", "rtp", "sap", "sdp", "live_flv", "mpegtsraw")  # from addresses, not files
MOST_PIXELS = 2**26  # of a frame, 8192 x 8192: about a dozen frames are in memory at once
PLAYLISTS = ("hls", "dash", "concat", "imf", "sdp")  # formats that name other files
CONTAINERS = (*VIDEOS, *BARE, *PICTURES, *SOUNDS, *TEXTS)


def open_container(address: str, name: str, *, allow_playlists: bool = False) -> Any:
    """Open a file ("file:" and its path) or a URL with PyAV.

    Raises VideoError with `name` if that fails, or for playlists unless `allow_playlists`.
    """
    is_file = address.startswith(FILE)
    formats = CONTAINERS if is_file else (*CONTAINERS, *STREAMS)
    protocols: tuple[str, ...] = ("file",) if is_file else ADDRESSES
    if allow_playlists:
        formats, protocols = (*formats, *PLAYLISTS), ("file", "crypto", "data", *ADDRESSES)
    options = {
        "format_whitelist": ",".join(formats),
        "protocol_whitelist": ",".join(protocols),
        "max_pixels": str(MOST_PIXELS),
        **({"safe": "0"} if allow_playlists else {}),
    }
    # Like a stream, a playlist may wait for ever for its next part.
    timeout = None if is_file and not allow_playlists else URL_TIMEOUT
    try:
        return av.open(address, metadata_errors="replace", timeout=timeout, options=options)
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{name}: {_why(address, error, allow_playlists)}") from None


def _why(address: str, error: OSError, allow_playlists: bool) -> str:
    """Return why a container was not opened, and what to do."""
    if not address.startswith(FILE):
        if isinstance(error, av.ArgumentError):
            return (
                "cannot be opened; if it is a playlist (HLS, DASH), which names other addresses, "
                "pass --allow-playlists"
            )
        return f"cannot be opened ({error.strerror})"
    kind = playlist_kind(Path(address.removeprefix(FILE)))
    if kind is not None and not allow_playlists:
        return (
            f"{kind}, which names other files: they are not opened unless "
            "tarvitpose predict gets --allow-playlists; give the video itself"
        )
    if isinstance(error, av.ArgumentError):
        return "not a kind of video that can be read; convert it to mp4 first"
    return f"cut off, damaged or not a video; it cannot be opened ({error.strerror})"


def video_stream(container: Any, name: str) -> Any:
    """Return the first video stream that is no cover picture; raises VideoError without one."""
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        raise VideoError(f"{name}: no video stream (found {_streams_in(container)})")
    stream = videos[0]
    if stream.codec_context is None:
        raise VideoError(f"{name}: no decoder for its video stream; convert it to H.264 first")
    context = stream.codec_context
    if context.width * context.height > MOST_PIXELS:
        raise VideoError(f"{name}: {too_large(context.width, context.height, MOST_PIXELS)}")
    context.options = {"max_pixels": str(MOST_PIXELS)}
    if context.name in TEXT_ART:
        raise VideoError(f"{name}: a text file, expected a video, an image or a folder of frames")
    return stream


def is_cut_riff(path: Path) -> bool:
    """Tell whether an AVI file ends before the length that its RIFF chunks state."""
    size = path.stat().st_size
    end = 0
    with path.open("rb") as file:
        while end + 8 <= size:
            file.seek(end)
            head = file.read(8)
            if head[:4] != b"RIFF":
                return False
            end += 8 + int.from_bytes(head[4:], "little")
            if end > size:
                return True
            end += end % 2
    return False


def _streams_in(container: Any) -> str:
    counts: dict[str, int] = {}
    for stream in container.streams:
        kind = "cover picture" if stream.type == "video" else f"{stream.type} stream"
        counts[kind] = counts.get(kind, 0) + 1
    return ", ".join(f"{n} {kind}{'s' * (n > 1)}" for kind, n in counts.items()) or "no stream"
