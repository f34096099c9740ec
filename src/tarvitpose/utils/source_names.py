"""What a source is called: in file names of results and in messages, where no password belongs."""

import glob
import re
from pathlib import Path

from tarvitpose.utils.hashing import content_digest

LONGEST = 180  # bytes of a name; most file systems take 255, and results add their endings
SHOWN = 60  # characters of a value that a message shows
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+?(?=[:,;.)'\"]*(?:\s|$))")
SECRET = re.compile(
    r"([\w-]*(?:pass|pwd|token|secret|key|auth|sig|cred)[\w-]*=)[^?&;/,\s]*", re.IGNORECASE
)


def without_secrets(text: str) -> str:
    """Return a text whose addresses tell no user, password or key.

    >>> without_secrets("rtsp://admin:p@ss@10.0.0.5:554/cam1?token=abc&channel=2")
    'rtsp://10.0.0.5:554/cam1?token=***&channel=2'
    >>> without_secrets("rtsp://10.0.0.5/user=admin_password=secret_channel=1: cannot be opened")
    'rtsp://10.0.0.5/user=admin_password=***: cannot be opened'
    """
    return ADDRESS.sub(lambda match: _address_without_secrets(match[0]), text)


def printable(text: str) -> str:
    """Return a text that any UTF-8 file can hold, in one line.

    Bytes of a file name that are no UTF-8, and control characters, are written as in addresses.

    >>> printable("caf\\udce9\\n.mp4")
    'caf%E9%0A.mp4'
    """
    return re.sub(
        r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", lambda match: f"%{ord(match[0]) & 0xFF:02X}", text
    )


def shown(source: str) -> str:
    """Return a source as it may be seen by anybody."""
    return printable(without_secrets(source))


def short(text: str, longest: int = SHOWN) -> str:
    """Return the text of a value as a message shows it, no longer than 60 characters.

    >>> short("[1, 2]"), len(short("7" * 400))
    ('[1, 2]', 60)
    """
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def name_of(source: str) -> str:
    """Return the stem of the files that results of a source are written to.

    Two streams have the same name only where their addresses differ in nothing but a password.

    >>> name_of("clips/dance.mp4"), name_of("rtsp://admin:secret@10.0.0.5/cam/1")
    ('dance', '10.0.0.5_cam_1')
    """
    if "://" in source:
        return shortened(_name_of_address(source))
    path = Path(source)
    if _exists(path):
        return shortened(printable(path.resolve().name if path.is_dir() else path.stem))
    if source.isdecimal():
        return f"webcam{source}"
    if glob.has_magic(source):
        plain = [part for part in path.absolute().parts[1:-1] if not glob.has_magic(part)]
        return shortened(printable(plain[-1] if plain else "frames"))
    return shortened(printable(path.stem))


def full_name_of(source: str) -> str:
    """Return the name with the suffix of a file, for those that differ in nothing else."""
    path = Path(source)
    is_file = "://" not in source and _exists(path) and not path.is_dir()
    return shortened(printable(path.name)) if is_file else name_of(source)


def shortened(name: str) -> str:
    """Return a name that file systems take; what is too long ends in a hash of the whole."""
    data = name.encode()
    if len(data) <= LONGEST:
        return name
    return f"{data[: LONGEST - 9].decode(errors='ignore')}-{_digest(name)}"


def _address_without_secrets(address: str) -> str:
    scheme, rest = address.split("://", 1)
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in host:
        rest = host.rpartition("@")[2] + rest[len(host) :]
    elif ":" in host and "@" in rest:  # a password with a slash, a question mark or a hash
        rest = rest.rpartition("@")[2]
    rest = SECRET.sub(r"\1***", rest)
    return f"{scheme}://{rest}"


def _name_of_address(address: str) -> str:
    scheme, _, location = without_secrets(address).partition("://")
    location = location.rstrip("/")
    if scheme.lower() == "file":
        return printable(Path(location).stem)
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", location).strip("._-") or "stream"
    return name if name.replace("_", "/") == location else f"{name}-{_digest(location)}"


def _digest(text: str) -> str:
    return content_digest([text.encode()])[:8]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long for this system, or has a NUL
        return False
