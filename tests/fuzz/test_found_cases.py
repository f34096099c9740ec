"""Files that once brought a traceback or a hang; each is now an error of one line, or read."""

import json
import os
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from error_lines import error_line
from invoke import refusal, run
from jhmdb_release import write_release
from label_files import dcpose, image_dcpose, person18, save
from tiny_models import tiny_model
from tiny_training import write_stills
from video_files import make_video
from written_results import written_results

from tarvitpose.cli import console
from tarvitpose.data.check import check_data
from tarvitpose.data.posetrack import video_name
from tarvitpose.data.records import read_image
from tarvitpose.errors import ConfigError, DataError, OutputError, WeightsError
from tarvitpose.evaluation.feature_cache import FeatureCache
from tarvitpose.formats.reading import load_poses
from tarvitpose.runs.journal import Journal
from tarvitpose.training.logs import RunLog
from tarvitpose.weights.convert_read import read_checkpoint

JOINTS = ["nose", "left_hip"]
OBJECTS = np.array([{}], object)


def clips(**changes: Any) -> dict[str, Any]:
    clip = {"file": "clip.avi", "split": "test1", "xy": [[[1, 2], [3, 4]]], **changes}
    return {"joints": JOINTS, "size": [80, 60], "clips": [clip]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (clips(xy=[[[10**400, 2], [3, 4]]]), "xy: expected numbers"),
        (clips(file=""), "file: expected a file name, found ''"),
        ({"annolist": [{"image": [{"name": ".."}]}]}, "name: expected a file name, found '..'"),
        (
            {"annolist": [{"image": [{"name": "a\0b"}]}]},
            "name: expected a file name, found 'a\\x00b'",
        ),
        ({"annolist": [{"image": [{"name": {"a": 1}}]}]}, "expected a file name, found {'a': 1}"),
        (
            dcpose([image_dcpose(at, f"v{at}/000001.jpg", 2**62) for at in range(2)], []),
            f"nframes: expected 0 to 1,000,000, found {2**62}",
        ),
        (
            dcpose([image_dcpose(0, "v/000000.jpg", 1)], [person18(0, 0, id=3e38)]),
            "id: expected a whole number, found 3e+38",
        ),
    ],
)
def test_values_of_labels(content: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = save(tmp_path / "labels.json", {"annotations": [{}], **content})
    if "images" in content:
        names = [{"id": 1, "name": "person", "keypoints": ["nose", "left_hip"]}]
        people = content["annotations"] or [person18(0, 0)]
        people = [{**person, "keypoints": [1, 2, 1, 3, 4, 1]} for person in people]
        save(path, {**content, "categories": names, "annotations": people})
    assert message in refusal("data", "check", path, "--quick")


def test_frames_whose_numbers_are_far_apart_are_checked_at_once(tmp_path: Path) -> None:
    images = [
        {"id": at, "file_name": f"clip/{name}.jpg", "is_labeled": True}
        for at, name in enumerate(("000000000000", "999999999999"))
    ]
    people = [person18(at, 0, keypoints=[1, 2, 1, 3, 4, 1]) for at in range(2)]
    categories = [{"id": 1, "name": "person", "keypoints": JOINTS}]
    content = {"images": images, "annotations": people, "categories": categories}
    report = check_data(
        [save(tmp_path / "clip.json", content)],
        None,
        tmp_path,
        quick=True,
        progress=lambda *_: None,
    )
    assert "missing image" in report.by_kind()


def test_joints_of_jhmdb_outside_a_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = write_release(tmp_path).glob("joint_positions/wave/*/joint_positions.mat")
    monkeypatch.chdir(file.parent)
    assert run("data", "check", file.name, "--quick").exit_code == 0


@pytest.mark.parametrize("verb", ["train", "ablate"])
def test_a_pipe_is_not_waited_for(verb: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train.yaml")
    assert refusal(verb, tmp_path / "train.yaml").endswith(
        "is a pipe, a socket or a device, expected a file"
    )


def test_a_file_that_is_nested_too_deeply(tmp_path: Path) -> None:
    deep: Any = 0
    for _ in range(880):  # what Python's JSON still reads
        deep = {"a": deep}
    path = tmp_path / "clip.json"
    path.write_text(json.dumps({"images": [{"id": deep}], "annotations": [{"image_id": deep}]}))
    result = run("data", "check", path, "--quick")
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("line", [b"\xff\xfe", b"[]", b"{}", b"7", b'{"step": "x"}'])
def test_damaged_lines_of_a_log_are_left_out(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 9}\n')
    with RunLog(tmp_path, resumed_at=3):
        pass
    assert path.read_text() == '{"step": 1}\n'


@pytest.mark.parametrize(
    "content",
    [b"P6 99999 99999 255\n", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 30000\n"],
    ids=["ppm", "hdr"],
)
def test_images_of_any_kind_that_claim_to_be_huge_take_no_memory(
    content: bytes, tmp_path: Path
) -> None:
    """OpenCV looks at the content of a file, not at the end of its name."""
    (tmp_path / "a.png").write_bytes(content)
    # A process of its own, in which OpenCV is loaded after the package.
    code = f"from tarvitpose.video.sources import open_source; open_source({str(tmp_path)!r})"
    ended = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert "states more than 268,435,456 pixels; scale it down" in ended.stderr.splitlines()[-1]


def test_an_image_of_a_data_set_that_claims_to_be_huge(tmp_path: Path) -> None:
    stills, image = write_stills(tmp_path), tmp_path / "0.png"
    content = bytearray(image.read_bytes())
    content[16:24] = struct.pack(">II", 99_999, 99_999)
    image.write_bytes(content)
    result = run("data", "check", stills)
    assert result.exit_code == 1
    assert "states pictures of 99999 x 99999 pixels" in result.stdout


def test_a_frame_of_a_video_has_a_number_for_a_name(tmp_path: Path) -> None:
    make_video(tmp_path / "walk.mp4", 2)
    image = {"id": 0, "file_name": "walk.mp4/first.jpg", "is_labeled": True}
    people = [person18(0, 0, keypoints=[1, 2, 1, 3, 4, 1])]
    categories = [{"id": 1, "name": "person", "keypoints": JOINTS}]
    content = {"images": [image], "annotations": people, "categories": categories}
    result = run("data", "check", save(tmp_path / "clip.json", content))
    assert result.exit_code == 1
    assert "missing image" in result.stdout


def test_weights_that_are_not_here_are_named_in_the_error(tmp_path: Path) -> None:
    result = run("models", tmp_path)
    assert result.exit_code == 2
    expected = f"error: {tmp_path}: not here, expected a folder with config.json"
    assert result.stderr.startswith(expected)


def test_file_names_are_no_patterns(tmp_path: Path) -> None:
    images = [image_dcpose(at, f"v/{at:06d}.**", 2) for at in range(2)]
    path = save(tmp_path / "clip.json", dcpose(images, [person18(0, 0)]))
    assert run("data", "check", path).exit_code == 1


@pytest.mark.parametrize(
    "change",
    [{"shape": [[2], 3]}, {"dtype": ["F32"]}, {"data_offsets": [8, 2]}, {"shape": [1.5]}, None],
)
def test_headers_of_safetensors_files(change: dict[str, Any] | None, tmp_path: Path) -> None:
    tiny_model(offsets=()).save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["encoder.norm.weight"] = change and {**header["encoder.norm.weight"], **change}
    new = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(new)) + new + content[8 + length :])
    assert f"{path}: not a readable safetensors file" in refusal("models", tmp_path)


@pytest.mark.parametrize("folder", ["", "..", "a/.."])
def test_a_video_whose_folder_has_no_name_is_called_as_its_file(folder: str) -> None:
    folders = [PurePosixPath(folder), PurePosixPath("other")]
    assert video_name(Path("clip.json"), folders[0], folders) == "clip"
    assert video_name(Path("clip.json"), folders[1], folders) == "other"


@pytest.mark.parametrize("kind", ["npz", "parquet"])
def test_packed_results_that_state_a_huge_content(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    result = written_results(tmp_path, [kind])[kind]
    monkeypatch.setattr("tarvitpose.utils.reading.ALWAYS_UNPACKED", 0)
    assert load_poses(result)
    monkeypatch.setattr("tarvitpose.utils.reading.MOST_PACKED", 0.01)
    assert " bytes in a file of " in error_line(DataError, load_poses, result)


def test_what_a_killed_writer_of_weights_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".tmpLl6zEL").touch()
    tiny_model(offsets=()).save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (
            lambda path: np.savez(path, scores=np.array([{}], object)),
            "Object arrays cannot be loaded",
        ),
        (lambda path: path.write_bytes(array_bytes(np.zeros(3))), "File is not a zip file"),
    ],
)
def test_poses_in_npz_that_hold_something_else(
    write: Callable[[Path], object], reason: str, tmp_path: Path
) -> None:
    write(path := tmp_path / "poses.npz")
    assert error_line(DataError, load_poses, path) == f"{path}: not readable npz ({reason})"


def array_bytes(array: Any) -> bytes:
    np.save(stream := BytesIO(), array)
    return stream.getvalue()


def test_what_is_no_name_is_shortened_in_messages(tmp_path: Path) -> None:
    names = [{"id": 1, "name": "person", "keypoints": JOINTS}]
    person = {**person18(0, 0, keypoints=[1, 2, 1, 3, 4, 1]), "image_id": "y" * 9999}
    images = [image_dcpose(0, "v/000000.jpg", 1)]
    content = dcpose(images, [person]) | {"categories": names}
    line = refusal("data", "check", save(tmp_path / "clip.json", content))
    assert f"image_id {'y' * 200}...{'y' * 100} is not among the images" in line


@pytest.mark.parametrize("name", ["poses.csv", "picture.png", "model.safetensors"])
def test_files_of_holes_take_no_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.touch()
    os.truncate(path, 3 * 2**30)
    tracemalloc.start()
    if name == "poses.csv":
        line = error_line(DataError, load_poses, path)
        assert line == f"{path}: not readable CSV (a line of more than 1,000,000 characters)"
    elif name == "picture.png":
        line = error_line(DataError, lambda file: read_image(file, "person 1"), path)
        assert "(has 3,221,225,472 bytes, 536,870,912 are the limit)" in line
    else:
        assert "not a readable safetensors file" in error_line(WeightsError, read_checkpoint, path)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are POSIX's")
def test_a_pipe_among_the_arrays_of_a_store_is_not_waited_for(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "features")
    cache.append({"tokens": np.zeros((1, 2))}, ["a"], length=1, facts={})
    (tmp_path / "features/tokens.npy").unlink()
    os.mkfifo(tmp_path / "features/tokens.npy")
    line = error_line(ConfigError, lambda folder: FeatureCache(folder).load(), cache.folder)
    assert "tokens.npy: is a pipe, a socket or a device, expected a file" in line


def test_a_date_that_is_none_in_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text("run: !!timestamp 2001-01-0150\n")
    line = refusal("train", tmp_path / "train.yaml")
    assert line.endswith("train.yaml: not readable YAML (its content is damaged)")


def test_lists_that_never_end_are_shortened_in_messages(capsys: pytest.CaptureFixture[str]) -> None:
    names = ", ".join(f"decoder.norm{number}.bias" for number in range(500))
    console.fail(f"a/model.safetensors does not fit its config: 500 missing: {names}; use others")
    line = capsys.readouterr().err
    assert line.startswith("error: a/model.safetensors does not fit its config: 500 missing: ")
    assert " ... " in line
    assert line.endswith("; use others\n")
    assert len(line) < 600


def test_a_frame_before_the_beginning(tmp_path: Path) -> None:
    path = written_results(tmp_path, ["coco"])["coco"]
    content = json.loads(path.read_text())
    content["images"][0]["time"] = -1
    save(path, content)
    with pytest.raises(DataError, match="frame 0: expected a time from 0 on, found -1 s"):
        load_poses(path)


def test_a_pipe_in_place_of_a_journal_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "journal")
    with pytest.raises(OutputError, match="a pipe, a socket or a device, expected a file"):
        Journal(tmp_path / "journal")
