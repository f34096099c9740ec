"""Every layout of labelled people that can be read, by its name."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from tarvitpose.config import AnnotationFormat
from tarvitpose.data import jhmdb
from tarvitpose.data.coco import coco_stills
from tarvitpose.data.posetrack import annotation_files, dcpose_videos, posetrack18_videos
from tarvitpose.data.posetrack17 import posetrack17_videos
from tarvitpose.data.records import Record
from tarvitpose.data.videos import Video, records_of, with_images
from tarvitpose.errors import DataError
from tarvitpose.formats.posetrack_layout import file_name, image_path
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.json_file import Entry, read_entry

IMAGES = "images"  # the folder name
ANNOTATIONS = ("annotations", "posetrack_data")  # folder names; PoseTrack21 has the second
OF_VIDEOS = ("nframes", "vid_id", "frame_id", "is_labeled")  # keys that no still has
FOLDERS_UP = 3  # how far above the annotations the images may lie: annotations/val/clip.json


@dataclass(frozen=True)
class AnnotationFile:
    """One annotation file, which is read once, and how to understand it."""

    path: Path
    content: Entry
    format: AnnotationFormat
    root: Path  # the folder that file names start from
    set_name: str | None = None  # of a file that holds several sets, as JHMDB's may; None: all


def open_annotations(
    path: Path,
    format: AnnotationFormat | None = None,
    images: Path | None = None,
    set_name: str | None = None,
) -> AnnotationFile:
    """Read an annotation file. Raises DataError.

    Its format is recognised by its keys where none is given, and the folder that its file names
    start from is found where no `images` are given.
    """
    if path.suffix == ".mat":
        content = Entry(str(path), {"pos_img": jhmdb.read_matlab(path, "pos_img")})
        return AnnotationFile(path, content, "jhmdb", images or jhmdb.release_root(path), set_name)
    content = read_entry(path)
    layout = format or guess_format(content)
    return AnnotationFile(path, content, layout, images or image_root(path, content), set_name)


def open_all(
    paths: Iterable[Path],
    format: AnnotationFormat | None = None,
    images: Path | None = None,
    set_name: str | None = None,
) -> Iterator[AnnotationFile]:
    """Read the annotation files of a data set, one at a time. Raises DataError.

    Where no format is given, that of the first file is the format of all.
    """
    for path in paths:
        file = open_annotations(path, format, images, set_name)
        format = file.format
        yield file


def open_set(
    annotations: Path,
    format: AnnotationFormat | None = None,
    images: Path | None = None,
    set_name: str | None = None,
) -> Iterator[AnnotationFile]:
    """Read the annotation files to train on or to evaluate, as `open_all` does. Raises DataError.

    Of JHMDB a set has to be chosen: trained on all clips, nothing could be tested any more.
    """
    for file in open_all(set_files(annotations, set_name), format, images, set_name):
        if file.format == "jhmdb" and set_name is None:
            sets = jhmdb.SET_NAMES if file.path.suffix == ".mat" else jhmdb.splits(file.content)
            raise DataError(f"{annotations}: JHMDB has several sets; choose one of {sets}")
        yield file


def label_files(annotations: Path, set_name: str | None) -> list[Path]:
    """Return all files that hold labels of a set: annotations, and the masks of JHMDB's release."""
    files = set_files(annotations, set_name)
    masks = [jhmdb.mask_file(file) for file in files if file.suffix == ".mat"]
    return [*files, *(mask for mask in masks if mask.exists())]


def set_files(annotations: Path, set_name: str | None) -> list[Path]:
    """Return the annotation files to train on or to evaluate. Raises DataError."""
    if set_name is None and not jhmdb.is_release(annotations):
        return annotation_files(annotations)
    return dataset_files(annotations, set_name)


def read_records(
    format: AnnotationFormat | None,
    annotations: Path,
    joints: JointSet,
    images: Path | None = None,
    *,
    box_scale: float | None = None,
    set_name: str | None = None,
) -> list[Record]:
    """Return a record for each labelled person with a visible joint.

    `annotations` is a JSON file or a folder of them, in a `format` that is recognised by default;
    `images` is the folder that the file names in them start from, by default the nearest one above
    the annotations that has the first. With a `set_name` the annotations may be a whole data set,
    of which it is a part, such as "train". `box_scale` times the extent of its joints is the box
    of a person without one, by default 1.2 in PoseTrack17's format and 1.3 in others. Raises
    DataError, also where there is no such person.
    """
    files = open_set(annotations, format, images, set_name)
    records = [record for file in files for record in records_of_file(file, joints, box_scale)]
    if not records:
        raise DataError(
            f"{annotations}: no person with a labelled joint of {joints.name} in it; "
            "'tarvitpose data check' says what was left out"
        )
    return records


def records_of_file(
    file: AnnotationFile, joints: JointSet, box_scale: float | None = None
) -> list[Record]:
    """Return the records of one file. Raises DataError."""
    return [
        record
        for video in read_videos(file)
        for record in records_of(
            video if box_scale is None else replace(video, box_scale=box_scale), file.root, joints
        )
    ]


def dataset_files(dataset: Path, set_name: str | None = None) -> list[Path]:
    """Return the annotation files of a data set: a JSON file, or a folder that holds some.

    Of a folder with `annotations` in it, or of JHMDB's release, these are the files of the set, or
    those of all sets. Raises DataError if there are none.
    """
    if dataset.is_file():
        return [dataset]
    if not dataset.is_dir():
        raise DataError(f"{dataset}: no such file or folder of annotations")
    if jhmdb.is_release(dataset):
        return jhmdb.position_files(dataset, set_name)
    folders = [dataset / name for name in ANNOTATIONS if (dataset / name).is_dir()][:1]
    if not folders:
        return annotation_files(dataset)
    if set_name is not None:
        return annotation_files(_set_folder(folders[0], set_name))
    sets = sorted({path.parent for path in folders[0].glob("*/*.json")})
    return [file for folder in sets or folders for file in annotation_files(folder)]


def _set_folder(folder: Path, set_name: str) -> Path:
    for path in (folder / set_name, folder / f"{set_name}.json"):
        if path.exists():
            return path
    raise DataError(f"{folder}: has neither the folder {set_name} nor {set_name}.json")


def read_videos(file: AnnotationFile) -> Iterator[Video]:
    """Yield the videos of one annotation file, in its order. Raises DataError."""
    if file.format == "coco":
        return coco_stills(file.path, file.content)
    if file.format == "posetrack17":
        return posetrack17_videos(file.path, file.content, file.root)
    if file.format == "jhmdb":
        if file.path.suffix == ".mat":
            return jhmdb.release_video(file.path, file.content, file.root)
        return jhmdb.list_videos(file.path, file.content, file.set_name)
    read = posetrack18_videos if file.format == "posetrack18" else dcpose_videos
    return (with_images(video, file.root) for video in read(file.path, file.content))


def image_root(path: Path, content: Entry) -> Path:
    """Return the folder that the file names of an annotation file start from.

    It is the nearest folder above the file, or folder of images beside these, that holds the
    beginning of the first name, or the file's own folder if none does. Raises DataError.
    """
    names = image_names(content)
    above = list(path.absolute().parents)[:FOLDERS_UP]
    folders = [folder for parent in above for folder in (parent, parent / IMAGES)]
    start = PurePosixPath(names[0]).parts[0] if names else ""
    return next((folder for folder in folders if (folder / start).exists()), path.parent)


def guess_format(content: Entry) -> AnnotationFormat:
    """Return the format of an annotation file, by its keys. Raises DataError."""
    if not isinstance(content.value, dict):
        raise DataError(
            f"{content.where}: expected annotations, found a list; is this a file of boxes?"
        )
    if content.get("annolist"):
        return "posetrack17"
    if content.get("clips"):
        return "jhmdb"
    if not (content.get("images") and content.get("annotations")):
        raise DataError(
            f"{content.where}: has neither annolist (PoseTrack17) nor clips (JHMDB) nor images and"
            " annotations (the others)"
        )
    images = content["images"].items()
    if not any(image.get(key) for image in images for key in OF_VIDEOS):
        return "coco"
    folders = {PurePosixPath(name).parent for name in image_names(content)}
    return "dcpose" if len(folders) > 1 else "posetrack18"


def image_names(content: Entry) -> list[str]:
    """Return the file names of all images of an annotation file."""
    if content.get("annolist"):
        images = [frame["image"].unwrap() for frame in content["annolist"].items()]
        return [image_path(image["name"]) for image in images]
    if content.get("clips"):
        return [image_path(clip["file"]) for clip in content["clips"].items()]
    return [file_name(image) for image in content["images"].items()]
