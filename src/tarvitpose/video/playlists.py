"""Recognise local playlists, and list what they name; no playlist may name itself."""

import re
from collections.abc import Sequence
from pathlib import Path

from tarvitpose.errors import VideoError
from tarvitpose.utils.source_names import printable, shown

LARGEST = 4_000_000  # bytes of a playlist
MAX_SHOWN = 20  # sources that are listed in a message
NAMES = (
    re.compile(r"^(?!#)(?!ffconcat)\s*(\S.*?)\s*$", re.MULTILINE),  # HLS: a whole line
    re.compile(r"""\bURI\s*=\s*["']([^"']+)"""),
    re.compile(r"""^\s*file\s+["']?(.+?)["']?\s*$""", re.MULTILINE),  # a concat script
    re.compile(r"<BaseURL[^>]*>\s*([^<\s]+)"),  # DASH
    re.compile(r"""\b(?:media|initialization|sourceURL)\s*=\s*["']([^"']+)"""),
)
PATTERNS = {"an HLS playlist": NAMES[:2], "a concat script": NAMES[2:3]}
BEGINNINGS = {  # of files that name other files
    b"#EXTM3U": "an HLS playlist",
    b"ffconcat": "a concat script",
    b"v=0": "a session description",
    b"<MPD": "a DASH manifest",
    b"<CompositionPlaylist": "an IMF playlist",
}


def playlist_kind(path: Path) -> str | None:
    """Return which kind of playlist a file is, in words, None for any other file."""
    try:
        with path.open("rb") as file:
            head = file.read(1024).lstrip(b"\xef\xbb\xbf \r\n")
    except OSError:
        return None
    for beginning, kind in BEGINNINGS.items():
        is_xml = beginning.startswith(b"<") and head.startswith(b"<") and beginning in head
        if is_xml or head.startswith(beginning):
            return kind
    return None


def named_sources(path: Path, label: str, above: Sequence[Path] = ()) -> list[str]:
    """Return the sources that a playlist and the playlists in it name, each once.

    Other files name none. Raises VideoError for a playlist that names itself, directly or through
    others, because it would be read for ever.
    """
    kind = playlist_kind(path)
    if kind is None:
        return []
    resolved = path.resolve()
    if resolved in above:
        raise VideoError(f"{label}: names itself (through {printable(path.name)}); correct it")
    text = path.read_bytes()[:LARGEST].decode(errors="replace")
    names: dict[str, None] = {}
    for pattern in PATTERNS.get(kind, NAMES[3:]):
        for name in pattern.findall(text):
            names[name] = None
            nested = path.parent / name.removeprefix("file:")
            if "://" not in name and nested.is_file():
                names.update(dict.fromkeys(named_sources(nested, label, (*above, resolved))))
    return list(names)


def playlist_warnings(label: str, names: Sequence[str]) -> list[str]:
    """Return a line that lists the sources read with a playlist, none without sources."""
    if not names:
        return []
    listed = ", ".join(shown(name) for name in names[:MAX_SHOWN])
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return [f"{label}: a playlist, read with what it names: {listed}{more}"]
