"""Put a data set into tar files that are small enough to travel, each one complete by itself."""

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tarvitpose.data.sources import AnnotationFile
from tarvitpose.errors import DataError, OutputError
from tarvitpose.formats.posetrack_layout import coco_people, file_name
from tarvitpose.utils.atomic import atomic_folder
from tarvitpose.utils.json_file import Entry
from tarvitpose.utils.reading import file_bytes

MEGABYTE = 10**6
END_OF_TAR = 10_240  # bytes of zeros, at most
BLOCK = tarfile.BLOCKSIZE
OTHERS = 'packs stills (coco) and videos (posetrack18), not {}: "data prepare" makes them one'


class Piece(NamedTuple):
    """What one shard holds whole: a still with its people, or a video."""

    source: Path  # the annotation file
    root: Path  # the folder that file names start from
    rest: dict[str, Any]  # the file's content but for images and annotations
    head: int  # bytes that the rest takes in a tar
    images: list[dict[str, Any]]
    people: list[dict[str, Any]]

    @property
    def names(self) -> list[str]:
        """File names of the images."""
        return [image["file_name"] for image in self.images]


@dataclass(frozen=True)
class Packed:
    """What `pack` wrote."""

    shards: tuple[Path, ...]
    images: int
    people: int
    largest: int  # bytes of a shard


def pack(files: Sequence[AnnotationFile], output: Path, *, set_name: str, limit: int) -> Packed:
    """Write a new folder `output` of `NAME-000.tar` and so on, of at most `limit` bytes each.

    Unpacked into one folder they are a data set of the same layout: `annotations/NAME/*.json`, and
    the images under their names. Stills without people are left out.
    The same data give the same bytes. Raises DataError for an image that is not there or that
    alone is too large, OutputError where `output` exists.
    """
    layout = files[0].format
    if layout not in ("coco", "posetrack18"):
        raise DataError(f"{files[0].path}: {OTHERS.format(layout)}")
    if output.exists():
        raise OutputError(f"{output}: exists; choose a new folder")
    shards = list(_shards(_pieces(files), limit))
    if not shards:
        raise DataError(f"{files[0].path}: no image with people to pack")
    paths = [output / f"{set_name}-{number:03d}.tar" for number in range(len(shards))]
    with atomic_folder(output) as folder:
        for number, (path, pieces) in enumerate(zip(paths, shards, strict=True)):
            mark = f"-{number:03d}" if layout == "coco" else ""  # a video's name is its file's
            _write_shard(folder / path.name, pieces, f"annotations/{set_name}", mark)
    whole = [piece for pieces in shards for piece in pieces]
    return Packed(
        shards=tuple(paths),
        images=sum(len(piece.images) for piece in whole),
        people=sum(len(piece.people) for piece in whole),
        largest=max(path.stat().st_size for path in paths),
    )


def _pieces(files: Sequence[AnnotationFile]) -> Iterator[Piece]:
    for file in files:
        images = coco_people(file.content)
        content = file.content.value.items()
        rest = {key: value for key, value in content if key not in ("images", "annotations")}
        head = _stored(str(file.path), len(_json(rest)) + BLOCK)
        for image, _ in images:
            _check_name(image)
        stills = [[still] for still in images if still[1]]
        for group in stills if file.format == "coco" else [images]:
            people = [person.value for _, entries in group for person in entries]
            records = [{**image.value, "file_name": file_name(image)} for image, _ in group]
            yield Piece(file.path, file.root, rest, head, records, people)


def _check_name(image: Entry) -> None:
    name = file_name(image)
    parts = PurePosixPath(name).parts
    if not parts or parts[0] in ("/", "annotations") or ".." in parts:
        raise DataError(
            f"{image['file_name'].where}: {name} cannot be packed; expected a path below the "
            "images' folder, not in annotations/"
        )


def _shards(pieces: Iterator[Piece], limit: int) -> Iterator[list[Piece]]:
    """Fill one shard after the other, in order."""
    shard: list[Piece] = []
    filled = END_OF_TAR
    for piece in pieces:
        size = len(_json([piece.images, piece.people])) + _images_size(piece)
        alone = size + piece.head
        if alone + END_OF_TAR > limit:
            raise DataError(
                f"{piece.source}: {piece.names[0]} and what belongs to it take "
                f"{alone / MEGABYTE:.1f} MB, a shard has {limit / MEGABYTE:g}; make the "
                "images smaller (data prepare --max-side) or the shards larger (--max-mb)"
            )
        added = size if shard and shard[-1].source == piece.source else alone
        if filled + added > limit:
            yield shard
            shard, filled, added = [], END_OF_TAR, alone
        filled += added
        shard.append(piece)
    if shard:
        yield shard


def _json(content: object) -> bytes:
    return json.dumps(content).encode()


def _stored(name: str, size: int) -> int:
    """How many bytes of a tar a file takes."""
    return len(tarfile.TarInfo(name).tobuf()) + -(-size // BLOCK) * BLOCK


def _images_size(piece: Piece) -> int:
    size = 0
    for name in piece.names:
        try:
            size += _stored(name, (piece.root / name).stat().st_size)
        except OSError as error:
            raise DataError(
                f"{piece.root / name}: cannot be read ({error.strerror}), {piece.source} names it; "
                "see 'tarvitpose data check'"
            ) from None
    return size


def _write_shard(path: Path, pieces: list[Piece], folder: str, mark: str) -> None:
    with tarfile.open(path, "w") as tar:
        for source, same in groupby(pieces, lambda piece: piece.source):
            group = list(same)
            images = [image for piece in group for image in piece.images]
            people = [person for piece in group for person in piece.people]
            content = {**group[0].rest, "images": images, "annotations": people}
            _add(tar, f"{folder}/{source.stem}{mark}.json", _json(content))
        paths = {name: piece.root / name for piece in pieces for name in piece.names}
        for name, image in paths.items():
            _add(tar, name, file_bytes(image))


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file without owner or time, so that the same data give the same bytes."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
