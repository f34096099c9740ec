"""A run that was interrupted, at any moment, goes on to the files of a run in one piece."""

import hashlib
import json
import math
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from processes import command_line, size_of, start
from tiny_models import J, h, modest_model, tiny_config, w
from video_files import decode_fully, make_folder, make_video

from tarvitpose import __version__
from tarvitpose.config import PredictConfig
from tarvitpose.detection import BoxesFile, Detections
from tarvitpose.errors import ConfigError, OutputError
from tarvitpose.inference.engine import EncodedCrop
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.observer import Observer
from tarvitpose.inference.predictor import Predictor
from tarvitpose.results import Frame
from tarvitpose.runs.journal import Journal, JournalObserver
from tarvitpose.runs.manifest import describe
from tarvitpose.runs.pipeline import Outcome, RunProgress, check_source, process
from tarvitpose.utils.arrays import Float32, UInt8
from tarvitpose.utils.config_files import parse_config
from tarvitpose.utils.provenance import differences
from tarvitpose.video.sources import open_source

FRAMES = 40
JOURNAL = ".walk.run/journal"


class InterruptedRunError(Exception):
    """Stands for Ctrl-C and whatever else breaks a run off."""


def person(frame: int, phase: float) -> dict[str, Any]:
    """Walk to and fro, so that anchors move now and then."""
    left = 20 + 15 * math.sin(frame / 5 + phase)
    return {"image_id": frame, "bbox": [left, 6, 18, 36], "score": 0.9, "category_id": 1}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "walk.mp4", FRAMES)


@pytest.fixture
def config(tmp_path: Path) -> PredictConfig:
    modest_model().save_pretrained(tmp_path / "weights")
    boxes = [person(frame, phase) for frame in range(FRAMES) for phase in (0, 2) if frame % 7]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    return PredictConfig(
        weights=str(tmp_path / "weights"),
        boxes=tmp_path / "boxes.json",
        device="cpu",
        backend="torch",
        output=tmp_path / "out",
        formats=("coco", "csv"),
        render=False,
        batch_size=4,
    )


def changed(config: PredictConfig, **values: Any) -> PredictConfig:
    return PredictConfig.model_validate({**config.model_dump(), **values})


def ignore(progress: RunProgress) -> None:
    """Show nothing."""


def run(
    video: Path, config: PredictConfig, *, until: int = 0, estimator: PoseEstimator | None = None
) -> Outcome | None:
    """Process a video, to the end or until a frame is written."""

    def stop(progress: RunProgress) -> None:
        if progress.frame == until:
            raise InterruptedRunError

    try:
        return process(str(video), estimator or estimator_of(config)[0], config, stop)
    except InterruptedRunError:
        return None


def contents(folder: Path) -> dict[str, bytes]:
    """Return what the files of a folder hold, but for the manifest, which tells the time."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.endswith(".run.json")}


class Sensitive:
    """Stands for a network: its numbers show which crops were encoded together, and it counts."""

    precision = "fp32"

    def __init__(self) -> None:
        self.config, self.encoded = tiny_config(), 0

    def fingerprint(self) -> str:
        return "sensitive"

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        self.encoded += len(crops)
        mood = len(crops) + crops.mean(dtype=np.float32)  # another batch gives other numbers
        means = crops.mean((1, 2), np.float32) + mood  # (B, 3)
        return [EncodedCrop(mean, None) for mean in means]

    def decode_window(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        tokens = np.array([[crop.tokens for crop in window] for window in windows])  # (B, T, 3)
        weights = 1 + np.arange(tokens.shape[1], dtype=np.float32)[:, None]
        pace = (tokens * weights).sum((1, 2))[:, None, None, None] / 300
        joints = 1 + np.arange(J, dtype=np.float32)[:, None, None]
        pixels = np.arange(4 * h * 4 * w, dtype=np.float32).reshape(4 * h, 4 * w)
        return np.asarray(np.sin(pixels * pace / joints) / 2 + 0.5, np.float32)

    def decode(self, crops: Sequence[EncodedCrop]) -> Float32:
        return self.decode_window([[crop] for crop in crops], 0)

    def single_frame(self, crops: UInt8) -> Float32:
        return self.decode(self.encode(crops))


def estimator_of(config: PredictConfig) -> tuple[PoseEstimator, Sensitive]:
    engine = Sensitive()
    predictor = Predictor(
        engine,
        offsets=config.offsets,
        temporal=config.temporal,
        flip_test=config.flip_test,
        batch_size=config.batch_size,
        compare=config.compare,
    )
    assert config.boxes is not None
    estimator = PoseEstimator(
        predictor,
        BoxesFile(config.boxes),
        config,
    )
    return estimator, engine


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"flip_test": True, "compare": True},
        {"det_every": 3},
        {"crop_policy": "own"},
        {"crop_policy": "window"},
        {"temporal": "none"},
        {"temporal": "fused", "compare": True},
        {"offsets": (-3, -1), "max_people": 1},
        {"start": 0.2, "end": 1.3, "batch_size": 1},
        {"person_score": 1.0},  # whom nobody sees is not looked at in every frame
    ],
    ids=lambda options: " ".join(options) or "as given",
)
def test_each_mode_goes_on_to_the_same_bytes(
    video: Path, config: PredictConfig, options: dict[str, Any]
) -> None:
    config = changed(config, **options)
    estimator, engine = estimator_of(config)
    assert run(video, config, estimator=estimator)
    whole, cost = contents(config.output), engine.encoded
    for path in config.output.iterdir():
        path.unlink()
    for until in (9, 20):  # interrupted twice
        engine.encoded = 0
        run(video, changed(config, resume=until > 9), until=until, estimator=estimator)
    engine.encoded = 0
    outcome = run(video, changed(config, resume=True), estimator=estimator)
    assert outcome is not None
    assert contents(config.output) == whole
    assert outcome.resumed >= 16  # poses are computed ahead of what is written
    assert engine.encoded < 0.75 * cost  # what was known was not computed again


def test_a_journal_torn_at_any_byte_only_costs_its_last_record(
    video: Path, config: PredictConfig
) -> None:
    estimator, _ = estimator_of(config)
    run(video, config, estimator=estimator)
    whole = contents(config.output)
    run(video, changed(config, overwrite=True), until=30, estimator=estimator)
    journal = config.output / JOURNAL
    noted = journal.read_bytes()
    resumed = []
    for size in (0, 5, len(noted) // 3, len(noted) // 2, len(noted) - 1):
        for damage in (b"", b"\x00" * 50):  # cut off, or blocks that were never written
            folder = config.output.with_name(f"torn{size}{len(damage)}")
            torn = folder / JOURNAL
            torn.parent.mkdir(parents=True)
            manifest = journal.with_name("manifest.json")
            torn.with_name("manifest.json").write_bytes(manifest.read_bytes())
            torn.write_bytes(noted[:size] + damage)
            outcome = run(video, changed(config, output=folder, resume=True), estimator=estimator)
            assert outcome is not None
            assert contents(folder) == whole
            resumed.append(outcome.resumed)
    assert resumed == sorted(resumed)
    assert resumed[0] == 0
    assert resumed[-1] >= 24


def test_a_journal_keeps_the_tracks_that_a_detector_knows(tmp_path: Path) -> None:
    class Known:
        """Asked once for each frame."""

        def __init__(self) -> None:
            self.asked: list[int] = []

        def detect(self, frame: Frame) -> Detections:
            self.asked.append(frame.index)
            boxes = np.ones((frame.index, 4), np.float32)
            return Detections(boxes, boxes[:, 0], 2**40 + np.arange(frame.index))

    known = Known()
    frames = [Frame(index, 0.0, np.zeros((1, 1, 3), np.uint8)) for index in (0, 2)]
    for _ in range(2):
        journal = Journal(tmp_path / "journal")
        observer = JournalObserver(journal, J, Observer())
        tracks = [
            observer.frame_detected(frame, partial(known.detect, frame)).track_ids
            for frame in frames
        ]
        assert [None if ids is None else ids.tolist() for ids in tracks] == [[], [2**40, 2**40 + 1]]
        journal.close()
    assert known.asked == [0, 2]


def test_the_overlay_has_the_same_frames_and_times(video: Path, config: PredictConfig) -> None:
    config = changed(config, render=True, contact_sheet=True)
    run(video, config)
    whole = decode_fully(config.output / "walk.mp4"), contents(config.output)
    for path in config.output.iterdir():
        path.unlink()
    run(video, config, until=25)
    assert [path.name for path in config.output.iterdir()] == [".walk.run"]
    run(video, changed(config, resume=True))
    assert (decode_fully(config.output / "walk.mp4"), contents(config.output)) == whole


def test_a_folder_of_frames_goes_on_as_well(tmp_path: Path, config: PredictConfig) -> None:
    folder = make_folder(tmp_path / "walk", [f"{index}.png" for index in range(12)])
    run(folder, config)
    whole = contents(config.output)
    run(folder, changed(config, overwrite=True), until=8)
    outcome = run(folder, changed(config, resume=True))
    assert outcome is not None
    assert outcome.resumed > 4
    assert contents(config.output) == whole


def test_without_resume_a_run_starts_over(video: Path, config: PredictConfig) -> None:
    run(video, config, until=20)
    outcome = run(video, changed(config, batch_size=3))
    assert outcome is not None
    assert outcome.resumed == 0
    assert not (config.output / ".walk.run").exists()


def test_the_manifest_tells_what_the_results_are_made_of(
    video: Path, config: PredictConfig
) -> None:
    run(video, config)
    about = json.loads((config.output / "walk.run.json").read_text())
    assert about["tarvitpose"] == __version__
    assert about["options"]["batch_size"] == 4
    assert about["source"]["path"] == str(video)
    assert (about["result"]["frames"], about["result"]["tracks"]) == (FRAMES, 2)
    csv, weights = config.output / "walk.csv", Path(config.weights) / "model.safetensors"
    noted = about["source"], about["result"]["files"]["walk.csv"]
    assert [facts["sha256"] for facts in noted] == [sha256(video), sha256(csv)]
    assert about["weights"]["model.safetensors"] == sha256(weights)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_is_done_is_left_alone(video: Path, config: PredictConfig) -> None:
    before = run(video, config)
    times = {path: path.stat().st_mtime_ns for path in config.output.iterdir()}
    again = changed(config, resume=True)
    old = check_source(str(video), again)  # before a model is loaded
    assert before is not None
    assert old == replace(before, is_old=True)
    assert old == process(str(video), object(), again, ignore)  # type: ignore[arg-type]
    assert {path: path.stat().st_mtime_ns for path in config.output.iterdir()} == times
    (config.output / "walk.csv").unlink()
    assert check_source(str(video), again) is None
    assert run(video, again) is not None
    assert (config.output / "walk.csv").exists()


@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"flip_test": True}, "--flip-test: false -> true"),
        ({"offsets": (-2, 1)}, "--offsets: not given -> -2,1"),
        ({"formats": ("csv",)}, "--format: coco,csv -> csv"),
        ({"boxes": None}, "--boxes: SHA-256 .* -> not given"),
    ],
)
def test_other_options_are_named(
    video: Path, config: PredictConfig, changes: dict[str, Any], words: str, is_finished: bool
) -> None:
    run(video, config, until=0 if is_finished else 20)
    folder = config.output if is_finished else config.output / ".walk.run"
    before = contents(folder)
    other = changed(config, resume=True, **changes)
    with pytest.raises(OutputError, match=words) as caught:
        check_source(str(video), other)
    assert str(caught.value).startswith(f"{video}: --resume does not fit the results in ")
    with pytest.raises(OutputError):
        process(str(video), estimator_of(config)[0], other, ignore)
    assert contents(folder) == before


def test_a_changed_video_and_changed_weights_are_refused(
    video: Path, config: PredictConfig
) -> None:
    run(video, config, until=20)
    again = changed(config, resume=True)
    os.utime(video, (1, 1))  # a copy, with the same content
    assert check_source(str(video), again) is None
    modest_model(seed=1).save_pretrained(Path(config.weights))
    with pytest.raises(OutputError, match=r"\(weights\.model\.safetensors: \w{12}\.\.\. -> "):
        check_source(str(video), again)
    modest_model().save_pretrained(Path(config.weights))
    make_video(video, FRAMES + 1)
    with pytest.raises(OutputError, match=r"\(video: \w{12}\.\.\. -> \w{12}\.\.\.\)"):
        run(video, again)


def test_a_detector_that_is_a_folder_counts_by_its_content(
    video: Path, config: PredictConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "detector"
    folder.mkdir()
    facts = []
    for content in ("one", "other", "one"):
        (folder / "model.safetensors").write_text(content)
        options = changed(config, boxes=None, detector=str(folder))
        with open_source(video) as frames:
            facts.append(describe(frames, options).facts)
    (difference,) = differences(facts[0], facts[1])
    assert difference.startswith("--detector: SHA-256 ")
    assert differences(facts[0], facts[2]) == []


def test_results_of_unknown_origin_are_not_replaced(video: Path, config: PredictConfig) -> None:
    run(video, config)
    (config.output / "walk.run.json").unlink()
    with pytest.raises(OutputError, match=r"there already without walk\.run\.json, which"):
        run(video, changed(config, resume=True))


def test_live_sources_cannot_be_resumed(video: Path, config: PredictConfig) -> None:
    with pytest.raises(OutputError, match="--resume is for files"):
        run(video, changed(config, live=True, resume=True))
    outcome = run(video, changed(config, live=True))
    assert outcome is not None
    assert (config.output / "walk.run.json").exists()


def test_resume_and_overwrite_exclude_each_other() -> None:
    with pytest.raises(
        ConfigError, match="resume keeps existing results and overwrite replaces them"
    ):
        parse_config(PredictConfig, {"resume": True, "overwrite": True}, "predict")


def test_a_second_process_is_refused(video: Path, config: PredictConfig) -> None:
    def second(progress: RunProgress) -> None:
        with pytest.raises(OutputError, match=rf"process {os.getpid()} on .* is writing these"):
            process(str(video), estimator_of(config)[0], config, ignore)

    process(str(video), estimator_of(config)[0], config, second)
    with FileLock(config.output / ".walk.run" / "lock"):  # a lock file that was left holds nobody
        pass


@pytest.mark.slow
def test_a_process_that_is_killed_or_stopped_goes_on(video: Path, config: PredictConfig) -> None:
    output = config.output.with_suffix(".txt")
    modest_model(decoder_width=256).save_pretrained(Path(config.weights))  # slow enough to be met
    command = (
        *("predict", str(video), "--weights", config.weights, "--boxes", str(config.boxes)),
        *("--device", "cpu", "--format", "coco,csv,npz", "--batch-size", "4"),
    )

    def predict(folder: Path, *options: str, size: float = math.inf, number: int = 0) -> int | None:
        """Run the command, and send it a signal once its journal has grown by so many bytes.

        Not sooner: a process that has just begun still ignores Ctrl-C, as the server that forks it.
        """
        journal = folder / JOURNAL
        before = size_of(journal)
        process = start(command_line, (*command, "--output", str(folder), *options), output)
        while process.is_alive() and size_of(journal) <= before + size:
            time.sleep(0.002)
        if process.is_alive():
            os.kill(process.pid or 0, number)
        process.join()
        return process.exitcode

    whole, folder = config.output / "whole", config.output / "killed"
    assert predict(whole) == 0, output.read_text()
    assert predict(folder, size=1000, number=signal.SIGKILL) == -signal.SIGKILL
    assert predict(folder, "--resume", size=1, number=signal.SIGKILL) == -signal.SIGKILL
    assert predict(folder, "--resume", size=1, number=signal.SIGINT) == 130
    assert "stopped; the same command with --resume goes on from here" in output.read_text()
    assert predict(folder, "--resume") == 0, output.read_text()
    for name in ("walk.coco.json", "walk.csv", "walk.npz"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    assert decode_fully(folder / "walk.mp4") == decode_fully(whole / "walk.mp4")
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in whole.iterdir())
    assert predict(folder, "--resume") == 0
    assert f"{video}: done before, 40 frames" in output.read_text()
