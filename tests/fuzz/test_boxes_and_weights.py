"""Hostile boxes files, weights and configs: checked values, or an error of one line."""

import json
import math
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import ROUNDS, damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import tiny_model

from tarvitpose.detection import BoxesFile
from tarvitpose.errors import BoxesError, UserError, WeightsError
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.results import Frame
from tarvitpose.weights.files import CONFIG_FILE, WEIGHTS_FILE, save_checkpoint

FUZZ = settings(
    max_examples=ROUNDS,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NUMBERS = st.one_of(
    st.integers(-2, 300),
    st.floats(-1e6, 1e6),
    st.sampled_from([1e17, 1e19, 1e308, 2**63 - 1, 2**63, 2**64, 10**400, -(10**400), 1e-320]),
    st.sampled_from([math.inf, -math.inf, math.nan]),
)
VALUES = st.one_of(
    NUMBERS,
    st.sampled_from([None, True, "", "7", "\ud800", "a\nb", "\x1b[31m", [], {}, [[]]]),
    st.text(max_size=5),
)
ENTRIES = st.fixed_dictionaries(
    {
        "image_id": st.one_of(st.integers(0, 3), VALUES),
        "bbox": st.one_of(st.lists(NUMBERS, min_size=4, max_size=4), VALUES),
        "score": st.one_of(st.floats(0, 1), VALUES),
    },
    optional={
        "image_name": st.one_of(st.just("val/000001_a/000002.jpg"), VALUES),
        "category_id": st.one_of(st.just(1), VALUES),
        "track_id": st.one_of(st.integers(0, 5), VALUES),
        "iscrowd": VALUES,
    },
)
IMAGES = st.fixed_dictionaries(
    {"id": st.one_of(st.integers(0, 3), VALUES)}, optional={"file_name": VALUES}
)
DATA_SETS = st.fixed_dictionaries(
    {"images": st.lists(IMAGES, max_size=3), "annotations": st.lists(ENTRIES, max_size=3)},
    optional={
        "categories": st.lists(st.fixed_dictionaries({"id": VALUES, "name": VALUES}), max_size=2)
    },
)


def check_boxes(path: Path) -> None:
    """Read boxes as `predict` does; whatever is not refused is finite."""
    try:
        boxes = BoxesFile(path)
        for index in range(4):
            name = f"000001_a/{index:06d}.jpg"
            people = boxes.detect(Frame(index, index / 25, np.zeros((4, 4, 3), np.uint8), name))
            assert np.isfinite(people.boxes).all()
            assert ((people.scores >= 0) & (people.scores <= 1)).all()
    except BoxesError as error:
        check_line(error, path)


def check_line(error: UserError, path: Path) -> None:
    """Assert that an error is one line that names the file."""
    assert str(error).startswith(str(path))
    assert "\n" not in str(error)


@FUZZ
@given(content=st.one_of(st.lists(ENTRIES, max_size=4), DATA_SETS, VALUES))
def test_boxes_of_any_content_are_checked(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    check_boxes(path)


def test_boxes_of_damaged_bytes_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    entries = [{"image_id": at, "bbox": [1, 2, 10.5, 20], "score": 0.9} for at in range(3)]
    for seed in range(ROUNDS):
        path.write_bytes(damaged(json.dumps(entries).encode(), random.Random(seed)))
        check_boxes(path)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a weights folder of a tiny network."""
    folder, model = tmp_path_factory.mktemp("weights"), tiny_model()
    save_checkpoint(folder, model.config, model.state_dict())
    return folder


def check_weights(folder: Path) -> None:
    """Load a network; whatever is not refused is finite."""
    try:
        model = TARViTPose.from_pretrained(folder)
    except UserError as error:
        check_line(error, folder)
    else:
        assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


def copied(weights: Path, folder: Path) -> Path:
    """Copy a weights folder."""
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        (folder / name).write_bytes((weights / name).read_bytes())
    return folder


@pytest.mark.parametrize("name", [WEIGHTS_FILE, CONFIG_FILE])
def test_damaged_weights_folders_load_or_are_refused(
    name: str, weights: Path, tmp_path: Path
) -> None:
    folder = copied(weights, tmp_path)
    for seed in range(ROUNDS // 2):
        content = damaged((weights / name).read_bytes(), random.Random(f"{name} {seed}"))
        (folder / name).write_bytes(content)
        check_weights(folder)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_refused(
    value: float, weights: Path, tmp_path: Path
) -> None:
    path = copied(weights, tmp_path) / WEIGHTS_FILE
    content = bytearray(path.read_bytes())
    content[-4:] = struct.pack("<f", value)
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="holds NaN or infinity"):
        TARViTPose.from_pretrained(tmp_path)


@FUZZ
@given(data=st.data())
def test_configs_of_any_values_are_checked(
    data: st.DataObject, weights: Path, tmp_path: Path
) -> None:
    folder = copied(weights, tmp_path)
    values = json.loads((weights / CONFIG_FILE).read_text())
    for key in data.draw(st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=3)):
        values[key] = data.draw(st.one_of(VALUES, st.lists(NUMBERS, max_size=4)))
    (folder / CONFIG_FILE).write_text(json.dumps(values))
    check_weights(folder)


@FUZZ
@given(data=st.data())
def test_headers_of_weights_of_any_values_are_checked(
    data: st.DataObject, weights: Path, tmp_path: Path
) -> None:
    path = copied(weights, tmp_path) / WEIGHTS_FILE
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    for key in data.draw(st.lists(st.sampled_from(sorted(header)), min_size=1, max_size=3)):
        if key != "__metadata__":
            field = data.draw(st.sampled_from(["dtype", "shape", "data_offsets"]))
            types = st.sampled_from(["F16", "BF16", "F64", "I64", "BOOL", "F8_E4M3", "C64"])
            header[key][field] = data.draw(st.one_of(types, VALUES, st.lists(NUMBERS, max_size=4)))
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    check_weights(tmp_path)
