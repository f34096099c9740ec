"""The files that commands are given: what is wrong is said before anything slow is imported."""

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path

from tarvitpose.errors import (
    ConfigError,
    DataError,
    OutputError,
    UserError,
    VideoError,
    WeightsError,
)
from tarvitpose.utils.atomic import check_writable
from tarvitpose.utils.lists import parse_choices


def refuse_unused(options: Mapping[str, bool], reason: str) -> None:
    """Raise ConfigError for the first option that was given, for nothing would read it."""
    for option, is_given in options.items():
        if is_given:
            raise ConfigError(f"{option}: {reason}")


def existing_source(source: str) -> None:
    """Raise VideoError for a file or folder of frames that is not there.

    Webcams, addresses and patterns pass: their reader says what is wrong with them.
    """
    if "://" in source or source.isdecimal() or glob.has_magic(source):
        return
    existing(source, VideoError)


def existing(path: str | Path, error: type[UserError] = DataError) -> None:
    """Raise `error` for a file or folder that is not there."""
    try:
        Path(path).stat()
    except PermissionError:  # whoever reads it says so
        return
    except (OSError, ValueError):  # also a name that no file can have
        raise error(f"{path}: no such file or folder") from None


def new_file(path: Path, *, overwrite: bool, kinds: Sequence[str] = ()) -> None:
    """Raise OutputError for a result that is there, that cannot be written, or of no known kind.

    `kinds` are the endings that it may have, any if there are none.
    """
    if kinds and path.suffix.lower() not in kinds:
        known = f"{', '.join(kinds[:-1])} or {kinds[-1]}"
        raise OutputError(f"--output {path}: expected a folder, or a name that ends in {known}")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: there already; pass --overwrite or another --output")
    check_writable(path.parent)


def writable_files(*paths: Path | None) -> None:
    """Raise OutputError for a file that could not be written; None stands for one not asked for."""
    for path in filter(None, paths):
        if path.is_dir():
            raise OutputError(f"{path}: a folder stands where the file should be written")
        check_writable(path.parent)


def save_json(path: Path | None, content: object) -> None:
    """Write a JSON file if one is asked for. Raises OutputError."""
    if path is not None:
        from tarvitpose.utils.json_file import write_json

        write_json(path, content)


def local_weights(weights: str) -> None:
    """Raise WeightsError for weights that are no hub id and are not here."""
    from tarvitpose.inference.graph_folder import local_config

    local_config(weights)


def checkpoint(source: str) -> None:
    """Raise WeightsError for a checkpoint's file that is not there, or what is nothing to fetch."""
    from tarvitpose.weights.files import CHECKPOINTS
    from tarvitpose.weights.folder import find_folder, is_remote

    path = Path(source).expanduser()
    if path.suffix in CHECKPOINTS:
        existing(path, WeightsError)
    elif not path.exists() and not is_remote(source):
        find_folder(source)  # which says what was expected


def picture_path(output: Path, name: str) -> Path:
    """Return where a picture goes: `output` if it is called like a file, else NAME in that folder.

    >>> picture_path(Path("results"), "dance.plot.png").as_posix()
    'results/dance.plot.png'
    >>> picture_path(Path("wrist.svg"), "dance.plot.png").as_posix()
    'wrist.svg'
    """
    return output if output.suffix and not output.is_dir() else output / name


def joint_indices(text: str, known: Sequence[str]) -> list[int]:
    """Return the indices of joints named in --joints, or of all. Raises ConfigError.

    >>> joint_indices("nose, left_knee", ["head_top", "left_knee", "nose"])
    [2, 1]
    """
    return [known.index(name) for name in parse_choices("--joints", text, known, allow_all=True)]
