"""Small files that state, or unpack to, much more than they hold are refused before it is taken."""

import json
import math
import os
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from error_lines import error_line
from foreign_checkpoints import vitae
from jhmdb_release import write_release
from tiny_models import tiny_model
from tiny_training import experiment, write_stills

from tarvitpose.data.jhmdb import read_matlab
from tarvitpose.errors import DataError, MissingDependencyError, WeightsError
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.training.checkpoint import LAST, load_state
from tarvitpose.training.loop import train
from tarvitpose.utils.json_file import SMALL
from tarvitpose.weights.convert import convert
from tarvitpose.weights.convert_read import read_checkpoint
from tarvitpose.weights.files import WEIGHTS_FILE, shapes_of
from tarvitpose.weights.folder import load_config

HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<HH", 0x0100, 0x4D49)
CELL, CHARACTERS, DOUBLE, BYTES = 1, 4, 6, 9
PICKLE = b"\x80\x02}X\x01\x00\x00\x00a%ss."


def part(kind: int, content: bytes) -> bytes:
    padding = -len(content) % 8
    return struct.pack("<II", kind, len(content)) + content + bytes(padding)


def matrix(kind: int, shape: tuple[int, ...], content: bytes = b"") -> bytes:
    sizes = struct.pack(f"<{len(shape)}i", *shape)
    head = part(6, struct.pack("<II", kind, 0)) + part(5, sizes) + part(1, b"pos_img")
    return part(14, head + content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (matrix(CELL, (1, 2**29)), "cell of"),
        (matrix(CHARACTERS, (1, 2**29), part(4, b"")), "char of"),
        (matrix(DOUBLE, (0, 15, 2**30), part(9, b"")), "double of"),
        (matrix(BYTES, (0, 0, 2**30), part(2, b"")), "uint8 of"),
    ],
)
def test_arrays_of_matlab_files_that_state_more_than_is_in_them(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "joint_positions.mat"
    path.write_bytes(HEAD + content)
    message = error_line(DataError, read_matlab, path, "pos_img")
    assert f"pos_img: expected numbers, found {reason}" in message


def test_matlab_files_that_unpack_to_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = write_release(tmp_path).glob("joint_positions/wave/*/joint_positions.mat")
    packed = zlib.compress(matrix(BYTES, (10, 100, 3), part(2, bytes(3000))))
    path.write_bytes(HEAD + struct.pack("<II", 15, len(packed)) + packed)
    assert read_matlab(path, "pos_img").shape == (10, 100, 3)
    monkeypatch.setattr("tarvitpose.data.jhmdb.MOST_UNPACKED", 3000)
    assert "unpacks to more than 3,000 bytes" in error_line(DataError, read_matlab, path, "pos_img")


def write_pickle(path: Path, value: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x/data.pkl", PICKLE % value)
        file.writestr("x/version", "3\n")
    return path


@pytest.mark.parametrize("module", ["builtins", "__builtin__"])
def test_pickles_that_ask_for_a_bytearray(module: str, tmp_path: Path) -> None:
    length = b"\x8a\x05" + (2**34).to_bytes(5, "little")
    value = f"c{module}\nbytearray\n(".encode() + length + b"tR"
    path = write_pickle(tmp_path / "a.pth", value)
    assert "holds more than tensors (bytearray)" in error_line(WeightsError, read_checkpoint, path)
    assert "not readable as a training state" in error_line(WeightsError, load_state, path)


def test_arrays_of_numpy_are_passed_over(tmp_path: Path) -> None:
    length = b"\x8a\x06" + (2**42).to_bytes(6, "little")
    path = write_pickle(tmp_path / "a.pth", b"cnumpy\nndarray\n((" + length + b"ttR")
    assert "holds no tensors by name" in error_line(WeightsError, read_checkpoint, path)


@pytest.mark.parametrize("read", [read_checkpoint, load_state])
def test_checkpoints_that_unpack_to_too_much(
    read: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x/data.pkl", bytes(10**6))
    monkeypatch.setattr("tarvitpose.utils.reading.ALWAYS_UNPACKED", 0)
    assert "1,000,000 bytes in a file of" in error_line(WeightsError, read, tmp_path / "a.pth")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(2**17, 2**16),
        torch.zeros(3, device="meta"),
        torch.eye(2).to_sparse(),
        torch.zeros(4, dtype=torch.uint8).view(torch.bits8),
    ],
    ids=["expanded", "meta", "sparse", "bits"],
)
def test_tensors_without_a_number_for_each_element(tensor: Any, tmp_path: Path) -> None:
    torch.save({"encoder.weight": tensor}, tmp_path / "a.pth")
    message = error_line(WeightsError, read_checkpoint, tmp_path / "a.pth")
    assert message.endswith("a.pth: encoder.weight is no plain array of numbers")


def write_stated(path: Path, stated: dict[str, tuple[int, ...]]) -> None:
    """Write a safetensors file of zeros, with holes: on the disk it takes no room."""
    header, at = {}, 0
    for name, shape in stated.items():
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + at)


def test_weights_of_gigabytes_are_refused_by_their_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_file(path: Path) -> None:
        raise AssertionError(f"{path} is read")

    monkeypatch.setattr("safetensors.torch.load_file", load_file)
    model = tiny_model()
    model.save_pretrained(tmp_path)
    shapes = shapes_of(model.state_dict())
    path = tmp_path / WEIGHTS_FILE
    write_stated(path, {**shapes, "jta.query": (1_500_000_000,)})
    with pytest.raises(WeightsError, match=r"jta.query \(1500000000,\) instead of"):
        TARViTPose.from_pretrained(tmp_path)
    write_stated(path, {**shapes, "extra": (1_500_000_000,)})
    with pytest.raises(WeightsError, match="1 surplus: extra"):
        TARViTPose.from_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"6\.0 GB of tensors, more than any ViTPose has"):
        read_checkpoint(path)


def test_a_header_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "vitpose.safetensors"
    path.write_bytes(struct.pack("<Q", 6 * 10**9))
    os.truncate(path, 7 * 10**9)
    with pytest.raises(WeightsError, match="a header of 6000000000 bytes"):
        read_checkpoint(path)


def test_a_config_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    tiny_model(offsets=()).save_pretrained(tmp_path)
    os.truncate(tmp_path / "config.json", 2**40)  # takes no room on the disk
    expected = f"{2**40:,} bytes, {SMALL:,} are the limit"
    assert expected in error_line(WeightsError, load_config, str(tmp_path))


def test_an_earlier_run_stays_where_a_package_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    config = experiment(write_stills(tmp_path), tmp_path / "run", run={"wandb": "project"})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LAST).write_bytes(b"earlier")
    with pytest.raises(MissingDependencyError):
        train(config, print, resume=False)
    assert (tmp_path / "run" / LAST).read_bytes() == b"earlier"


def test_tensors_that_do_not_fit_together(tmp_path: Path) -> None:
    tensors = vitae(tiny_model(offsets=()).state_dict())
    name = next(key for key in tensors if key.endswith("final_layer.bias"))
    torch.save({**tensors, name: tensors[name][:7]}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="its tensors do not fit together"):
        convert(
            tmp_path / "a.pth",
            tmp_path / "new",
            heads=3,
            source_joints="posetrack15",
            joint_set="coco17",
        )
