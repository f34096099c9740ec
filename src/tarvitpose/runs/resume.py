"""Runs that go on where they were interrupted: one video's lock, journal and manifest.

While it runs, a hidden folder beside the results holds all three; a finished run leaves the
manifest alone, as NAME.run.json.
"""

import os
import shutil
import socket
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from tarvitpose.config import PredictConfig
from tarvitpose.errors import OutputError
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.observer import Observer
from tarvitpose.results import Frame, FramePoses
from tarvitpose.runs.journal import Journal, JournalObserver
from tarvitpose.runs.manifest import (
    Manifest,
    RunResult,
    describe,
    read_manifest,
    source_files,
    write_manifest,
)
from tarvitpose.utils.atomic import cannot_write
from tarvitpose.utils.provenance import require_same
from tarvitpose.video.frame_source import FrameSource

ENDING = ".run.json"
MANIFEST, JOURNAL, LOCK, OWNER = "manifest.json", "journal", "lock", "owner"
Files = dict[str, Path]  # what a run writes, by kind


@dataclass(frozen=True)
class EarlierRun:
    """The remains of an earlier run of the same video with the same options."""

    result: RunResult | None = None  # of a finished run whose files all exist
    is_ours: bool = False  # whether it wrote the existing results, which may be replaced


class VideoRun:
    """One video that is being processed, or was finished before."""

    def __init__(self, manifest: Manifest, path: Path, journal: Journal | None = None) -> None:
        self.manifest, self._path, self._journal = manifest, path, journal
        self.is_finished = False
        self.resumed = 0  # frames whose poses were in the journal

    def poses(
        self, estimator: PoseEstimator, frames: FrameSource, observer: Observer | None = None
    ) -> Generator[tuple[Frame, FramePoses]]:
        """Yield every frame with its poses; what the journal knows is not computed again."""
        journal, observer = self._journal, observer or Observer()
        if journal is not None:
            observer = JournalObserver(journal, len(estimator.joint_names), observer)
        with closing(estimator.run(frames, observer)) as results:
            for frame, poses in results:
                self.resumed += journal is not None and journal.is_recalling
                yield frame, poses

    def finish(self, result: RunResult) -> None:
        """Write the final manifest, now that all files are complete. Raises OutputError."""
        write_manifest(self._path, self.manifest.model_copy(update={"result": result}))
        self.is_finished = True


def look_back(frames: FrameSource, files: Files, config: PredictConfig) -> EarlierRun:
    """Return the earlier run that `config.resume` goes on with.

    Raises OutputError where the earlier run differs from this one, naming the differences, and
    where results exist that may not be replaced.
    """
    earlier = _earlier(frames, files, config) if config.resume else EarlierRun()
    existing = [path for path in files.values() if path.exists()]
    if existing and not (config.overwrite or earlier.is_ours):
        why = f" without {frames.name}{ENDING}, which --resume needs" if config.resume else ""
        raise OutputError(
            f"{existing[0]}: there already{why}; pass --overwrite or another --output"
        )
    return earlier


def _earlier(frames: FrameSource, files: Files, config: PredictConfig) -> EarlierRun:
    if not _can_be_read_again(frames):
        raise OutputError(f"{frames.source}: --resume is for files; this cannot be read again")
    finished, folder = manifest_path(frames, config), _run_folder(frames, config)
    if finished.exists():
        before = _same_run(finished, frames, config)
        is_whole = all(path.exists() for path in files.values())
        return EarlierRun(result=before.result if is_whole else None, is_ours=True)
    if (folder / MANIFEST).exists():
        _same_run(folder / MANIFEST, frames, config)
        return EarlierRun(is_ours=True)
    return EarlierRun()


def _same_run(path: Path, frames: FrameSource, config: PredictConfig) -> Manifest:
    before = read_manifest(path)
    require_same(
        f"{frames.source}: --resume does not fit the results in {config.output}",
        before.facts,
        describe(frames, config, before.source).facts,
        "repeat their command, or start over with --overwrite instead of --resume",
    )
    return before


@contextmanager
def open_run(frames: FrameSource, files: Files, config: PredictConfig) -> Iterator[VideoRun]:
    """Yield a run that only this process may write; its journal has what was computed before.

    A run that is finished leaves its manifest, an interrupted one its journal. Raises OutputError
    where another process writes the same results, and as `look_back`.
    """
    path, folder = manifest_path(frames, config), _run_folder(frames, config)
    if not _can_be_read_again(frames):
        look_back(frames, files, config)
        yield VideoRun(describe(frames, config), path)
        return
    with _locked(folder):
        if look_back(frames, files, config).result is not None:
            yield VideoRun(read_manifest(path), path)
            return
        with closing(_begin(folder, frames, config)) as journal:
            path.unlink(missing_ok=True)  # from now on it is not true any more
            run = VideoRun(read_manifest(folder / MANIFEST), path, journal)
            try:
                yield run
            finally:
                if run.is_finished or journal.is_empty:
                    journal.path.unlink()


def _begin(folder: Path, frames: FrameSource, config: PredictConfig) -> Journal:
    """Return the journal to go on with, or a new one where there is nothing to resume."""
    if not (config.resume and (folder / MANIFEST).exists()):
        (folder / JOURNAL).unlink(missing_ok=True)
        write_manifest(folder / MANIFEST, describe(frames, config))
    return Journal(folder / JOURNAL)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder, which the system takes from a process that dies."""
    owner = folder / OWNER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = FileLock(folder / LOCK).acquire(timeout=0)
        owner.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
    except Timeout:
        who = owner.read_text("utf-8", "replace") if owner.exists() else "another process"
        raise OutputError(f"{folder}: {who} is writing these results; wait for it") from None
    except OSError as error:
        raise cannot_write(folder, error) from error
    with held:
        try:
            yield
        finally:
            if not (folder / JOURNAL).exists():  # nothing to go on with
                shutil.rmtree(folder, ignore_errors=True)


def manifest_path(frames: FrameSource, config: PredictConfig) -> Path:
    """Return where a finished run writes its manifest."""
    return config.output / f"{frames.name}{ENDING}"


def _run_folder(frames: FrameSource, config: PredictConfig) -> Path:
    return config.output / f".{frames.name}.run"


def _can_be_read_again(frames: FrameSource) -> bool:
    return not frames.is_live and bool(source_files(frames))
