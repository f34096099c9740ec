"""Playlists, which name other files, are read only if allowed, with a warning, never for ever."""

from pathlib import Path

import pytest
from video_files import make_video

from tarvitpose.errors import VideoError
from tarvitpose.video.sources import open_source
from tarvitpose.video.writer import VideoWriter

HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"


def variant(name: str) -> str:
    return f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\n{name}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_video(tmp_path / "clip.ts", 20, audio="aac")
    make_video(tmp_path / "clip.mp4", 20)
    texts = {
        "list.m3u8": f"{HEAD}#EXTINF:0.8,\nclip.ts\n#EXT-X-ENDLIST\n",
        "master.m3u8": variant("list.m3u8"),
        "twice.ffconcat": "ffconcat version 1.0\nfile clip.mp4\nfile 'clip.mp4'\n",
        "absolute.ffconcat": f"ffconcat version 1.0\nfile '{tmp_path}/clip.mp4'\n",
        "self.m3u8": f"{HEAD}#EXTINF:2,\nself.m3u8\n#EXT-X-ENDLIST\n",
        "a.m3u8": variant("b.m3u8"),
        "b.m3u8": variant("a.m3u8"),
        "self.ffconcat": "ffconcat version 1.0\nfile self.ffconcat\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", ["list.m3u8", "master.m3u8", "twice.ffconcat", "self.m3u8"])
def test_a_playlist_is_refused_unless_asked_for(folder: Path, name: str) -> None:
    with pytest.raises(VideoError, match=r"which names other files: .* --allow-playlists"):
        open_source(folder / name)


@pytest.mark.parametrize(
    ("name", "count", "named"),
    [
        ("list.m3u8", 20, "clip.ts"),
        ("master.m3u8", 20, "list.m3u8, clip.ts"),
        ("twice.ffconcat", 40, "clip.mp4"),
        ("absolute.ffconcat", 20, "{folder}/clip.mp4"),
    ],
)
def test_who_asks_for_a_playlist_is_told_what_it_names(
    folder: Path, name: str, count: int, named: str
) -> None:
    with open_source(folder / name, allow_playlists=True) as source:
        assert len(list(source)) == count
    named = named.format(folder=folder)
    assert source.warnings == [f"{folder / name}: a playlist, read with what it names: {named}"]


def test_a_playlist_comes_with_its_sound(folder: Path) -> None:
    path = folder / "list.m3u8"
    with (
        open_source(path, allow_playlists=True) as source,
        VideoWriter(
            folder / "out.mp4", (48, 64), 25, audio_from=path, allow_playlists=True
        ) as writer,
    ):
        for frame in source:
            writer.write(frame.image, frame.time)
    with open_source(folder / "out.mp4") as source:
        assert len(list(source)) == 20


@pytest.mark.parametrize("name", ["self.m3u8", "a.m3u8", "self.ffconcat"])
def test_a_playlist_that_names_itself_ends_at_once(folder: Path, name: str) -> None:
    with pytest.raises(VideoError, match="names itself"):
        open_source(folder / name, allow_playlists=True)


def test_a_pattern_of_names_is_no_video(folder: Path) -> None:
    path = folder / "frame%03d.tiff"
    path.write_bytes(b"II*\0 nothing")
    (folder / "frame000.tiff").write_bytes(b"a secret")
    with pytest.raises(VideoError):
        open_source(path)
