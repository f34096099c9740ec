"""What local playlists name: told to whoever allowed them, and no playlist may name itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tarvitpose.errors import VideoError
from tarvitpose.utils.source_names import printable, shown
from tarvitpose.video.containers import playlist_kind

LARGEST = 4_000_000  # bytes of a playlist
SHOWN = 20  # sources that are named in a message
NAMES = (
    re.compile(r"^(?!#)(?!ffconcat)\s*(\S.*?)\s*$", re.MULTILINE),  # HLS: a line of its own
    re.compile(r"""\bURI\s*=\s*["']([^"']+)"""),
    re.compile(r"""^\s*file\s+["']?(.+?)["']?\s*$""", re.MULTILINE),  # a concat script
    re.compile(r"<BaseURL[^>]*>\s*([^<\s]+)"),  # DASH
    re.compile(r"""\b(?:media|initialization|sourceURL)\s*=\s*["']([^"']+)"""),
)
PATTERNS = {"an HLS playlist": NAMES[:2], "a concat script": NAMES[2:3]}


def named_by(path: Path, label: str, above: Sequence[Path] = ()) -> list[str]:
    """Return all that a playlist names, and what those name that are playlists too, each once.

    Nothing for other files. Raises VideoError for a playlist that names itself, over whatever
    detours, which would be read for ever.
    """
    kind = playlist_kind(path)
    if kind is None:
        return []
    here = path.resolve()
    if here in above:
        raise VideoError(f"{label}: names itself (through {printable(path.name)}); mend it")
    text = path.read_bytes()[:LARGEST].decode(errors="replace")
    found: dict[str, None] = {}
    for pattern in PATTERNS.get(kind, NAMES[3:]):
        for name in pattern.findall(text):
            found[name] = None
            nested = path.parent / name.removeprefix("file:")
            if "://" not in name and nested.is_file():
                found.update(dict.fromkeys(named_by(nested, label, (*above, here))))
    return list(found)


def told(label: str, named: Sequence[str]) -> list[str]:
    """Return the line that says what is read with a playlist, none where it names nothing."""
    if not named:
        return []
    names = [shown(name) for name in named[:SHOWN]]
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return [f"{label}: a playlist, read with what it names: {', '.join(names)}{more}"]
