"""Read JHMDB (Jhuang et al., ICCV 2013): the official release, or one file with all clips.

The official release is a folder of `joint_positions`, `puppet_mask`, `splits`, `sub_splits` and
`Rename_Images` (or the videos, `ReCompress_Videos`).   Axes: T frames, K joints of the file.
"""

import math
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.data.records import Box
from tarvitpose.data.video_frames import frame_name
from tarvitpose.data.videos import LabelledPerson, Video, VideoFrame, in_time
from tarvitpose.errors import DataError
from tarvitpose.formats.posetrack_layout import image_path
from tarvitpose.skeleton import KNOWN_JOINTS, joint_names
from tarvitpose.utils.arrays import Bools, Float64
from tarvitpose.utils.json_file import Entry
from tarvitpose.utils.numeric import in_range
from tarvitpose.utils.reading import readable, require_file

JOINTS = (  # in the order of joint_positions.mat; the face's middle is taken as the nose
    *("head_bottom", "belly", "nose", "right_shoulder", "left_shoulder", "right_hip", "left_hip"),
    *("right_elbow", "left_elbow", "right_knee", "left_knee"),
    *("right_wrist", "left_wrist", "right_ankle", "left_ankle"),
)
SIZE = (240, 320)  # height, width of all clips
POSITIONS, MASKS = "joint_positions", "puppet_mask"  # folders, and the files below them
IMAGES, VIDEOS = "Rename_Images", "ReCompress_Videos"
LISTS = {"": "splits", "sub-": "sub_splits"}  # folders of the lists of JHMDB and Sub-JHMDB
PARTS = {"train": "1", "test": "2"}  # what stands behind a clip in the lists
MATLAB_PACKED = 15  # the type of a part of a MATLAB file that zlib packed
MATLAB_NUMBERS = r"double|single|logical|u?int\d+"
MOST_UNPACKED = 2 * 10**8  # bytes of a file; a clip's masks are 3 MB
SET_NAMES = "train1, test1, sub-train1, sub-test1 and so on to split 3"


def is_release(path: Path) -> bool:
    """Tell whether a folder holds the official release."""
    return (path / POSITIONS).is_dir()


def position_files(root: Path, set_name: str | None) -> list[Path]:
    """Return the files of joints of a set, or of all clips: one file for each clip.

    Sets are `train1` or `test3`, part and number of a split, or `sub-train1` of Sub-JHMDB. Raises
    DataError.
    """
    if set_name is None:
        files = sorted((root / POSITIONS).glob(f"[!.]*/[!.]*/{POSITIONS}.mat"))
    else:
        folders = [root / POSITIONS / action / clip for action, clip in _listed(root, set_name)]
        files = [folder / f"{POSITIONS}.mat" for folder in folders]
    if not files:
        raise DataError(f"{root}: no clip of {set_name or 'JHMDB'} in it")
    return files


def _listed(root: Path, set_name: str) -> Iterator[tuple[str, str]]:
    """Yield action and clip of a set, as the lists of its split have them."""
    match = re.fullmatch(r"(|sub-)(train|test)([1-3])", set_name)
    if match is None:
        raise DataError(f"{root}: JHMDB has no set {set_name}; its sets are {SET_NAMES}")
    prefix, part, split = match.groups()
    folder = root / LISTS[prefix]
    lists = {
        path: re.fullmatch(rf"(.+)_test_split_?{split}", path.stem)
        for path in sorted(folder.glob("[!.]*.txt"))
    }
    actions = {path: name[1] for path, name in lists.items() if name is not None}
    if not actions:
        raise DataError(f"{folder}: no lists of split {split}, such as catch_test_split{split}.txt")
    for path, action in actions.items():
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            words = line.split()  # clips' names have no spaces
            if words and (len(words) != 2 or words[1] not in PARTS.values()):
                raise DataError(f"{path}: line {number}: expected a clip and 1 or 2")
            if words and words[1] == PARTS[part]:
                yield action, words[0].removesuffix(".avi")


def release_root(positions: Path) -> Path:
    """Return the folder of the release that a file of joints lies in. Raises DataError."""
    folders = positions.absolute().parents
    if len(folders) < 4:
        raise DataError(f"{positions}: expected a file in {POSITIONS}/ACTION/CLIP of a release")
    return folders[3]


def mask_file(positions: Path) -> Path:
    """Return the file of masks that belongs to a file of joints."""
    action, clip = positions.absolute().parts[-3:-1]
    return release_root(positions) / MASKS / action / clip / f"{MASKS}.mat"


def read_matlab(path: Path, name: str) -> Any:
    """Return an array of a MATLAB file. Raises DataError in one line."""
    require_file(path)
    from scipy.io import loadmat, whosmat  # noqa: PLC0415  slow to import, and for this format alone

    with readable(path, "as a MATLAB file"):
        content: Any = BytesIO(_unpacked_matlab(path))  # which the types of SciPy leave out
        for variable, shape, kind in whosmat(content):
            size = math.prod(max(length, 1) for length in shape)
            is_numbers = re.fullmatch(MATLAB_NUMBERS, kind) and size <= len(content.getbuffer())
            if variable == name and not is_numbers:
                raise ValueError(f"{variable}: expected numbers, found {kind} of {shape}")
        values = loadmat(content, variable_names=[name]).get(name)
    if values is None:
        raise DataError(f"{path}: holds no {name}")
    return values


def _unpacked_matlab(path: Path) -> bytes:
    """Return the bytes of a MATLAB file with its packed parts unpacked, and no more than fit.

    SciPy takes the memory that a part states, however small the file. Raises ValueError.
    """
    data = path.read_bytes()
    order = ">" if data[126:128] == b"MI" else "<"
    if data[124:128] not in (b"\x00\x01IM", b"\x01\x00MI"):  # of an older version: never packed
        return data
    parts, at, left = [data[:128]], 128, MOST_UNPACKED
    while at < len(data):
        kind, length = struct.unpack_from(f"{order}II", data, at)
        part = data[at : at + 8 + length]
        if kind == MATLAB_PACKED:
            part = zlib.decompressobj().decompress(part[8:], left + 1)
        left -= len(part)
        if left < 0:
            raise ValueError(f"unpacks to more than {MOST_UNPACKED:,} bytes")
        parts.append(part)
        at += 8 + length
    return b"".join(parts)


def release_video(path: Path, content: Entry, root: Path) -> Iterator[Video]:
    """Yield the clip of a file of joints. Raises DataError.

    A person's box is that of its puppet mask, where there is one.
    """
    where = content["pos_img"].where
    points = _numbers(content["pos_img"].value, where)
    if points.ndim == 2:  # MATLAB leaves out the last axis of a clip of one frame
        points = points[..., None]
    if points.ndim != 3 or points.shape[:2] != (2, len(JOINTS)):
        raise DataError(f"{where}: expected 2 x {len(JOINTS)} x frames, found {points.shape}")
    action, clip = path.absolute().parts[-3:-1]
    boxes: list[Box | None] = []
    size = SIZE
    if mask_file(path).exists():
        masks = _masks(mask_file(path))
        boxes, size = list(map(mask_box, masks)), (masks.shape[1], masks.shape[2])
    names = _image_names(root, action, clip, points.shape[2])
    xy = points.transpose(2, 1, 0) - 1  # (T, K, 2), MATLAB counts pixels from 1
    frames = _frames(names, xy, boxes, size)
    yield Video(f"{action}__{clip}", path, JOINTS, frames)


def _masks(path: Path) -> Bools:
    """Return the masks of a clip, (T, h, w); a clip may have fewer than frames."""
    masks = np.asarray(read_matlab(path, "part_mask"))
    masks = masks[..., None] if masks.ndim == 2 else masks
    if masks.ndim != 3 or masks.dtype.kind not in "buif":
        raise DataError(f"{path}: expected height x width x frames, found {masks.shape}")
    return np.moveaxis(masks > 0, 2, 0)


def mask_box(mask: Bools) -> Box | None:
    """Return the xyxy box of the pixels that a mask (h, w) covers, None where it is empty.

    >>> mask_box(np.eye(4, dtype=bool)[1:])
    (1.0, 0.0, 4.0, 3.0)
    """
    y, x = np.nonzero(mask)
    if not len(x):
        return None
    return float(x.min()), float(y.min()), float(x.max() + 1), float(y.max() + 1)


def _image_names(root: Path, action: str, clip: str, labelled: int) -> list[str]:
    """The images of a clip from the root: all on disk, and those that are labelled."""
    folder, video = f"{IMAGES}/{action}/{clip}", f"{VIDEOS}/{action}/{clip}.avi"
    if not (root / folder).is_dir() and (root / video).is_file():
        return [frame_name(video, number) for number in range(1, labelled + 1)]
    count = max(labelled, len(list((root / folder).glob("[0-9]*.png"))))
    return [f"{folder}/{number:05d}.png" for number in range(1, count + 1)]


def list_videos(path: Path, content: Entry, set_name: str | None) -> Iterator[Video]:
    """Yield the clips of a set, or all, of a file with `joints`, `size` and `clips`.

    Each clip has a `file`, its `split`, and `xy` (T, K, 2) and `boxes` (T, 4) in pixels of the
    frame from 0. Raises DataError that names the file, the entry and the field.
    """
    names = joint_names(tuple(str(joint.value) for joint in content["joints"].items()))
    if not KNOWN_JOINTS.intersection(names):
        raise DataError(f"{content['joints'].where}: no joint is known: {', '.join(names)}")
    width, height = (int(side) for side in content["size"].numbers(2))
    clips = [clip for clip in content["clips"].items() if set_name in (None, _split(clip))]
    if not clips:
        raise DataError(f"{path}: no clip is of the set {set_name}; its sets: {splits(content)}")
    for clip in clips:
        file = image_path(clip["file"])
        xy = _numbers(clip["xy"].value, clip["xy"].where)
        if xy.ndim != 3 or xy.shape[1:] != (len(names), 2):
            raise DataError(
                f"{clip['xy'].where}: expected frames x {len(names)} x 2, found {xy.shape}"
            )
        boxes = [_box(box) for box in clip["boxes"].items()] if clip.get("boxes") else []
        images = [frame_name(file, number) for number in range(1, len(xy) + 1)]
        frames = _frames(images, xy, boxes, (height, width))
        yield Video(Path(file).stem, path, names, frames)


def splits(content: Entry) -> str:
    """Return the names of the sets of a file of clips, as a list with commas. Raises DataError."""
    return ", ".join(sorted({_split(clip) for clip in content["clips"].items()}))


def _split(clip: Entry) -> str:
    return str(clip["split"].value)


def _box(box: Entry) -> Box:
    x1, y1, x2, y2 = box.numbers(4).tolist()
    return x1, y1, x2, y2


def _numbers(value: Any, where: str) -> Float64:
    try:
        values = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{where}: expected numbers, the same of each frame") from None
    if not in_range(values).all():
        raise DataError(f"{where}: a number is missing or not finite, or beyond 1e18")
    return values


def _frames(
    images: Sequence[str], xy: Float64, boxes: Sequence[Box | None], size: tuple[int, int]
) -> tuple[VideoFrame, ...]:
    """The frames of a clip, the first T labelled; joints outside the frame are not labelled."""
    height, width = size
    inside = ((xy >= 0) & (xy <= np.array([width - 1, height - 1]))).all(-1, keepdims=True)
    points = np.concatenate([xy, inside], -1)  # (T, K, 3)
    frames = [VideoFrame(image, size=size) for image in images]
    for at, frame in enumerate(frames[: len(points)]):
        box = boxes[at] if at < len(boxes) else None
        person = LabelledPerson(frame.name, label="0", points=points[at], box=box, track=0)
        frames[at] = replace(frame, labelled=True, people=(person,))
    return in_time(frames)
