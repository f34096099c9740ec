"""What the page takes: videos within the limits that hold all they need."""

from pathlib import Path

import pytest
from video_files import make_video

from tarvitpose.errors import VideoError
from tarvitpose.web.limits import Limits

LIMITS = Limits(megabytes=50, seconds=60)


def playlists(secret: Path) -> dict[str, str]:
    """Return uploads that name another film, by their file names."""
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n"
    dash = f'<?xml version="1.0"?>\n<MPD><BaseURL>{secret}</BaseURL></MPD>'
    concat = f"ffconcat version 1.0\nfile '{secret}'\n"
    return {
        "list.m3u8": hls,
        "dance.mp4": hls,  # whatever it is called
        "clip.mpd": dash,
        "script.ffconcat": concat,
        "script.mkv": concat,
        "call.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "own.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nown.m3u8\n",
    }


@pytest.mark.parametrize("name", playlists(Path("x")))
def test_an_upload_opens_no_other_film_of_the_server(tmp_path: Path, name: str) -> None:
    secret = make_video(tmp_path / "secret.ts", 10)
    upload = tmp_path / "uploads" / name
    upload.parent.mkdir()
    upload.write_text(playlists(secret)[name])
    with pytest.raises(VideoError) as caught:
        LIMITS.check(upload)
    text = str(caught.value)
    assert text.startswith(f"{name}: ")
    assert "which names other files" in text
    assert str(tmp_path) not in text


def test_a_video_is_taken(tmp_path: Path) -> None:
    assert LIMITS.check(make_video(tmp_path / "dance.mp4", 25)).seconds == pytest.approx(1)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(megabytes=0.0001, seconds=60), "dance.mp4 has 0 MB, at most 0.0001 MB are taken"),
        (Limits(megabytes=50, seconds=0.5), "dance.mp4 lasts 1 s, at most 0.5 s are taken"),
    ],
)
def test_a_video_above_a_limit_is_refused(tmp_path: Path, limits: Limits, message: str) -> None:
    with pytest.raises(VideoError, match=message):
        limits.check(make_video(tmp_path / "dance.mp4", 25))
