"""Annotated frames and what was predicted for each: by file, by folder and by frame.

Frames belong together by their names, as PoseTrack21's kit has them by their ids. Where the names
of a video's frames differ and their number does not, they belong together by their order, which
is all that poseval compares.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TypeVar

from tarvitpose.errors import DataError
from tarvitpose.formats.posetrack_files import read_predictions, read_truth
from tarvitpose.metrics.posetrack_ap import FramePair, PredictedFrame, TrueFrame

OF_PREDICT = ".posetrack.json"  # ends the names of what `predict` writes
MOST_NAMED = 10  # file names in one error

Warn = Callable[[str], None]
Frame = TypeVar("Frame")


def read_videos(
    predictions: Path, annotations: Path, warn: Warn | None = None, *, tracks: bool = False
) -> Iterator[list[FramePair]]:
    """Yield the annotated frames of each video with what was predicted for each.

    `annotations` is a folder with a file for each video, and `predictions` has the same files; or
    it is a file with one video or many, and `predictions` a file or a folder of any. `warn` is
    called with a line for each video whose frames are matched by order; `tracks` as for
    `read_truth`. Raises DataError.
    """
    if not annotations.is_file():
        for predicted, annotated in paired_files(predictions, annotations):
            yield read_pairs(predicted, annotated, warn, tracks=tracks)
        return
    files = [predictions]
    if not predictions.is_file():
        files = sorted(_predicted(predictions).values())
    predicted_frames: dict[str, PredictedFrame] = {}
    for file in files:
        frames = read_predictions(file, tracks=tracks)
        repeated = next((name for name in frames if name in predicted_frames), None)
        if repeated is not None:
            raise DataError(f"{file}: has the frame {repeated}, which another file has too")
        predicted_frames |= frames
    truth = read_truth(annotations, tracks=tracks)
    yield from _paired_videos(truth, predicted_frames, predictions, annotations, warn)


def paired_files(predictions: Path, annotations: Path) -> list[tuple[Path, Path]]:
    """Return the (prediction, annotation) files of two folders, matched and sorted by name.

    A folder that `predict --format posetrack` wrote has NAME.posetrack.json for NAME.json, and may
    hold other results. Raises DataError naming the prediction files that are missing or have no
    annotations.
    """
    files, expected = _predicted(predictions), _json_names(annotations)
    actual = set(files)
    problems = [
        f"{word} {_listed(names)}"
        for word, names in (
            ("lacks", expected - actual),
            ("has but should not", actual - expected),
        )
        if names
    ]
    if problems:
        raise DataError(
            f"{predictions}: {'; '.join(problems)} (one file for each of {annotations})"
        )
    return [(files[name], annotations / name) for name in sorted(expected)]


def read_pairs(
    predictions: Path, annotations: Path, warn: Warn | None = None, *, tracks: bool = False
) -> list[FramePair]:
    """Return the annotated frames of one file with what was predicted for each.

    Frames without labelled people need no prediction, and are left out. Folders of frames count
    only where a file holds several videos. `warn` is called with a line for each video whose
    frames are matched by order. Raises DataError.
    """
    truth = read_truth(annotations, tracks=tracks)
    predicted = read_predictions(predictions, tracks=tracks)
    videos = _paired_videos(truth, predicted, predictions, annotations, warn)
    return [pair for pairs in videos for pair in pairs]


def _paired_videos(
    truth: Mapping[str, TrueFrame],
    predicted: Mapping[str, PredictedFrame],
    predictions: Path,
    annotations: Path,
    warn: Warn | None,
) -> Iterator[list[FramePair]]:
    folders, candidates_of = _by_folder(truth), _by_folder(predicted)
    single = len(folders) == len(candidates_of) == 1
    for folder, frames in folders.items():
        candidates = predicted if single else _same_video(folder, candidates_of)
        partners = _partners(frames, candidates)
        labelled = [name for name, frame in frames.items() if len(frame.keypoints)]
        missing = [name for name in labelled if name not in partners]
        if missing:
            raise DataError(
                f"{predictions}: lacks {len(missing)} of the {len(labelled)} frames with people in"
                f" {annotations}, the first is {missing[0]}"
            )
        renamed = [name for name in partners if _file_name(name) != _file_name(partners[name])]
        if renamed and warn is not None:
            warn(f"{renamed[0]} is {partners[renamed[0]]} in {predictions}")
        yield [(frames[name], candidates[partners[name]]) for name in labelled]


def _same_video(folder: str, candidates: Mapping[str, dict[str, Frame]]) -> dict[str, Frame]:
    """Return the frames of a folder, which may start from another root; {} where there is none."""
    name = _file_name(folder)
    same = [frames for other, frames in candidates.items() if _file_name(other) == name]
    return candidates.get(folder) or (same[0] if len(same) == 1 else {})


def _partners(truth: Mapping[str, object], predicted: Mapping[str, object]) -> dict[str, str]:
    """Return the name of the predicted frame for each annotated one that has one."""
    by_name = {_file_name(name): name for name in predicted}
    expected = {name: _file_name(name) for name in truth}
    if set(expected.values()) != set(by_name) and len(truth) == len(predicted):
        return dict(zip(truth, predicted, strict=True))
    return {name: by_name[key] for name, key in expected.items() if key in by_name}


def _by_folder(frames: Mapping[str, Frame]) -> dict[str, dict[str, Frame]]:
    folders: dict[str, dict[str, Frame]] = defaultdict(dict)
    for name, frame in frames.items():
        folders[str(PurePosixPath(name).parent)][name] = frame
    return folders


def _file_name(name: str) -> str:
    return PurePosixPath(name).name


def _predicted(folder: Path) -> dict[str, Path]:
    """Return the files of predictions by the names of their annotations."""
    names = _json_names(folder)
    written = {name for name in names if name.endswith(OF_PREDICT)}
    return {name.replace(OF_PREDICT, ".json"): folder / name for name in written or names}


def _json_names(folder: Path) -> set[str]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of PoseTrack JSON files")
    names = {path.name for path in folder.glob("*.json") if not path.name.startswith(".")}
    if not names:
        raise DataError(f"{folder}: no JSON files in this folder, expected one for each video")
    return names


def _listed(names: set[str]) -> str:
    """Return names in order, shortened where there are many.

    >>> _listed({"b.json", "a.json"})
    'a.json, b.json'
    """
    more = len(names) - MOST_NAMED
    return ", ".join(sorted(names)[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
