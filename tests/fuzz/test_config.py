"""Configurations and arguments are damaged at random: each is taken, or refused in one line.

`FUZZ_ROUNDS` says how many of each kind are tried; a failure names its seed.
"""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from damage import ROUNDS
from invoke import run

from tarvitpose.ablation.table import load_table
from tarvitpose.cli.defect import of_system
from tarvitpose.config import ModelConfig
from tarvitpose.errors import UserError
from tarvitpose.training.config import load_train_config, model_config
from tarvitpose.weights.files import CONFIG_FILE
from tarvitpose.weights.folder import load_config

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 10**400, -0.5, 1e308, float("inf"), float("nan")),
    *("", " ", "null", "auto", "a" * 5000, "\x1b[31m", "..", "/", "/dev/null", "%s", "{}", "💃"),
    *([], {}, [[]], [None], {"size": "s"}, ["s"], [1, 2, 3], {"a": {"b": [1]}}),
)
SPLICES = (
    *(
        "&a ",
        "*a",
        "!!set ",
        "!!python/object:os.system ",
        "!!binary ",
        "!!timestamp ",
        "2024-01-31",
    ),
    *("<<: ", "? ", ": ", "- ", "\n", "\t", "[", "{", "'", '"', "|", ">", "#", "%", "@", "`", "\0"),
    *(".inf", ".nan", "1:30:00", "0x1F", "9" * 400, "[" * 300, "{a: " * 300, "\ufeff", "\u2028"),
)
VERBS = (
    *("demo", "predict", "train", "evaluate", "benchmark", "ablate", "export", "attention", "plot"),
    *("report", "convert", "models", "data", "data check", "data prepare", "data pack"),
)
ARGUMENTS = (
    *("--json", "--output", "-o", "--weights", "--boxes", "--format", "--offsets=", "--start"),
    *("--end", "--det-every", "--annotations", "--predictions", "--videos", "--device", "--joints"),
    *("--images", "--set", "--base", "--seeds", "--sizes", "--inputs", "--batch", "--max-people"),
    *("--input-size", "--poses", "--time", "--frame", "--track", "--samples", "--bootstrap", "--"),
    *("--log-json", "--quiet", "--preview", "--plot", "--rounds", "--detector", "--person", "-"),
    *("--check", "--max-error", "--heads", "--dataset-index", "--row", "--boxes=gt", "--limit"),
)
TEXTS = (
    *(
        "",
        "-1",
        "0",
        "1e999",
        "nan",
        "9" * 5000,
        "1,2",
        ",",
        "all",
        "x" * 300,
        "\x1b[2J",
        "256x192",
    ),
    *(
        "9999999999x1",
        "-2,-1,1,2",
        "~nobody/x",
        "~",
        "/",
        ".",
        "../..",
        "*",
        "[",
        "a=b",
        "=",
        "run.x",
    ),
    *("folder", "empty", "broken.json", "broken.yaml", "link", "socket", "folder/empty/deeper"),
    *(
        "rtsp://u:p@h/x",
        "file:///etc/passwd",
        "http://",
        "://",
        "0",
        "999999999999",
        "a\nb",
        "\udce9",
    ),
)


def one_line(message: str) -> None:
    assert message.strip()
    assert "\n" not in message.strip()
    assert len(message) < 2000, message[:300]


def refused_in_a_line(work: Callable[[], object]) -> None:
    """Run what may raise a UserError, or an error of the system that the command line tells."""
    try:
        work()
    except UserError as error:
        one_line(str(error))
    except OSError as error:  # such as a name that is too long
        one_line(of_system(error) or "")


def damaged(value: Any, rng: random.Random) -> Any:
    """Return a configuration with one of its values, at any depth, replaced, renamed or lost."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        rest = {name: item for name, item in value.items() if name != key}
        what = rng.random()
        if what < 0.08:
            return rest
        if what < 0.16:
            return {**rest, rng.choice((key[:-1], key.upper(), "a.b", "\x1b")): value[key]}
        return {**value, key: damaged(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], damaged(value[at], rng), *value[at + 1 :]]
    return rng.choice(VALUES)


def spliced(text: str, rng: random.Random) -> bytes:
    """Return a text with pieces put in, cut out, doubled, or bytes changed."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text) + 1)
        to = min(at + rng.choice((0, 0, 1, 8, 200)), len(text))
        text = text[:at] + rng.choice((*SPLICES, text[at:to] * 2)) + text[to:]
    data = bytearray(text.encode())
    for _ in range(rng.choice((0, 0, 0, 1, 3))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def read_experiment(path: Path) -> None:
    """Do what `train` and `ablate` do with a file before they load PyTorch."""
    model_config(load_train_config(path))


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_damaged_training_and_table_files(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    text = rng.choice(CONFIGS).read_text(encoding="utf-8")
    path = tmp_path / "odd.yaml"
    if rng.random() < 0.5:
        content = yaml.safe_load(text)
        for _ in range(rng.randint(1, 3)):
            content = damaged(content, rng)
        path.write_text(yaml.safe_dump(content), encoding="utf-8", errors="backslashreplace")
    else:
        path.write_bytes(spliced(text, rng))
    refused_in_a_line(lambda: read_experiment(path))
    refused_in_a_line(lambda: load_table(path))


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_damaged_overrides(seed: int) -> None:
    rng = random.Random(seed)
    keys = ["run.epochs", "model.size", "model.depth", "data.train", "run", "optim.betas", "init"]
    key = rng.choice((*keys, ".", "a..b", "run.", ".run", "run.epochs.deep"))
    text = rng.choice((*SPLICES, json.dumps(rng.choice(VALUES)), *TEXTS))
    refused_in_a_line(
        lambda: model_config(load_train_config(ROOT / "configs/coco/s.yaml", (f"{key}={text}",)))
    )


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_damaged_model_configs(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    content = ModelConfig(width=24, depth=1, heads=3).model_dump(mode="json")
    for _ in range(rng.randint(1, 3)):
        content = damaged(content, rng)
    (tmp_path / CONFIG_FILE).write_text(json.dumps(content))
    (tmp_path / "model.safetensors").touch()
    refused_in_a_line(lambda: load_config(tmp_path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of things that are not what a verb expects."""
    import socket

    folder = tmp_path_factory.mktemp("odd")
    (folder / "folder" / "empty").mkdir(parents=True)
    (folder / "empty").touch()
    (folder / "broken.json").write_bytes(b'{"a": [1, \xff')
    (folder / "broken.yaml").write_text("a: [1\nb")
    (folder / "link").symlink_to("link")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket"))
    return folder


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_odd_arguments(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TARVITPOSE_OFFLINE", "1")
    rng = random.Random(seed)
    words = [rng.choice((*TEXTS, *ARGUMENTS)) for _ in range(rng.randint(1, 6))]
    result = run(*rng.choice(VERBS).split(), *words)
    assert result.exit_code in (0, 2), (words, result.output, result.exception)
    assert not {"\x1b", "\x07"} & {*result.output}
