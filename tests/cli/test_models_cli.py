"""`tarvitpose models`: what it says of what ships, of folders and of hub ids."""

import hashlib
import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from invoke import run
from tiny_models import tiny_model

from tarvitpose.cli import models
from tarvitpose.errors import WeightsError
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.weights.named import NAMED

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the weights of a tiny network."""
    tiny_model().save_pretrained(tmp_path / "weights")
    return tmp_path / "weights"


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that stands for the one inside the package, without the tiny weights."""
    tiny_model().save_pretrained(tmp_path / "assets/default")
    (tmp_path / "assets" / models.DETECTOR).write_bytes(b"abc")
    monkeypatch.setattr(models, "assets_folder", lambda: tmp_path / "assets")
    monkeypatch.setattr(models, "SHIPPED", ("default",))
    return tmp_path / "assets"


@pytest.fixture
def hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand in for a hub that has owner/name, of which nothing is here yet; note what is asked."""
    requests: list[dict[str, Any]] = []

    def snapshot(hub_id: str, **options: Any) -> str:
        requests.append({"id": hub_id, **options})
        if options["local_files_only"] or hub_id != "owner/name":
            raise LocalEntryNotFoundError("not in the cache")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return requests


def test_what_ships_is_listed(assets: Path) -> None:
    weights = assets / "default/model.safetensors"
    millions = sum(value.numel() for value in tiny_model().parameters()) / 1e6
    result = run("models")
    assert result.exit_code == 0
    inside, _, by_name = result.stdout.partition("\n\nby name")
    assert by_name.count("\n  vitpose-") == len(NAMED)
    assert inside.splitlines() == [
        "default: poses (--weights default)",
        "  size     ViTPose-24x2 with temporal part",
        f"  file     {weights.stat().st_size / 1e6:.1f} MB, {millions:.1f} M parameters, F32",
        "  joints   posetrack15 (15), udp heatmaps",
        "  frames   offsets -1,1",
        "  input    64x112",
        "  licence  Apache-2.0, for research: some of the training data are for research only",
        "  origin   DINOv2-small's encoder (Meta, Apache-2.0)",
        "  data     COCO train2017: labels CC BY 4.0, photographs under their Flickr terms",
        *(f"           {line}" for line in models.TRAINING_DATA[1:]),
        f"  sha256   {hashlib.sha256(weights.read_bytes()).hexdigest()}",
        f"  path     {assets / 'default'}",
        "",
        "nanodet: people (--detector nanodet)",
        "  size     NanoDet, people only",
        "  file     0.0 MB",
        "  input    512x288",
        "  licence  Apache-2.0",
        "  sha256   ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",  # of abc
        f"  path     {assets / models.DETECTOR}",
    ]


def test_the_tiny_weights_of_the_package_are_listed_as_what_they_are_put_together_to() -> None:
    default, tiny, _, *_ = json.loads(run("models", "--json").stdout)
    assert (default["option"], tiny["option"]) == ("--weights default", "--weights tiny")
    assert tiny["here"]
    assert tiny["licence"] == models.WEIGHTS_LICENCE
    assert tiny["parameters"] < 0.8 * default["parameters"]
    assert tiny["offsets"] == default["offsets"]
    assert (Path(tiny["path"]) / "model.safetensors").stat().st_size == tiny["bytes"]
    assert json.loads(run("models", "tiny", "--json").stdout) == [tiny]


def test_a_cache_that_is_no_folder_hides_only_the_tiny_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    result = run("models")
    assert result.exit_code == 2
    assert "tiny: not here, put together when first used: " in result.stderr
    assert "default: poses (--weights default)" in result.stdout


def test_every_data_set_of_the_default_weights_is_in_card_notice_and_list() -> None:
    documents = [
        (ROOT / name).read_text(encoding="utf-8")
        for name in ("docs/model-card.md", "src/tarvitpose/assets/NOTICE.md")
    ]
    for name in ("COCO train2017", "JHMDB", "LSPET", "everyday scenes", "clips", "rendered"):
        assert any(name in line for line in models.TRAINING_DATA)
        assert all(name in text for text in documents)
    assert all("DINOv2-small" in text for text in (models.ORIGIN, *documents))


def test_what_takes_long_is_said_before_it_is_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "model.safetensors"
    monkeypatch.setattr(models, "MUCH", file.stat().st_size - 1)
    line = f"{folder}: reading {file.stat().st_size / 1e9:.1f} GB for the checksum\n"
    assert run("models", folder, "--json").stderr == line
    assert run("models", folder, "--json").stderr == ""  # the checksum is known
    damaged = bytearray(file.read_bytes())
    damaged[-1] ^= 1
    file.write_bytes(damaged)  # of the same size
    [facts] = json.loads(run("models", folder, "--json").stdout)
    assert facts["sha256"] == hashlib.sha256(damaged).hexdigest()


def test_json_has_the_same_for_programs(assets: Path) -> None:
    default, detector, *named = json.loads(run("models", "--json").stdout)
    assert [facts["name"] for facts in named] == list(NAMED)
    assert default["here"] is detector["here"] is True
    assert default["parameters"] == sum(value.numel() for value in tiny_model().parameters())
    assert default["joints"] == list(POSETRACK_15.joints)
    assert default["offsets"] == [-1, 1]
    assert default["input"] == [64, 112]
    assert default["training_data"] == list(models.TRAINING_DATA)
    assert "training_data" not in detector
    assert detector["bytes"] == 3


def test_what_is_missing_is_said_and_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "assets_folder", lambda: tmp_path)
    result = run("models")
    assert result.exit_code == 2
    assert result.stdout.count("  missing  install the package again\n") == 3
    assert [facts["here"] for facts in json.loads(run("models", "--json").stdout)][:3] == [
        False
    ] * 3


def test_a_folder_of_ones_own(folder: Path) -> None:
    result = run("models", folder)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{folder}: poses (--weights {folder})\n")
    assert "  licence  not stated in the folder\n" in result.stdout
    (folder / "README.md").write_text("---\ntags:\n- video\nlicense: 'cc-by-4.0'\n---\n# mine\n")
    assert "  licence  cc-by-4.0\n" in run("models", folder).stdout


def test_single_frame_weights_are_shown_as_such(tmp_path: Path) -> None:
    tiny_model(offsets=()).save_pretrained(tmp_path)
    shown = dict(models.lines(models.weights_facts("mine", tmp_path)))
    assert shown["size"] == "ViTPose-24x2"
    assert shown["frames"] == "the current one only"


def test_a_hub_id_is_looked_up_and_downloaded_when_asked(
    hub: list[dict[str, Any]], folder: Path
) -> None:
    result = run("models", "owner/name")
    assert result.exit_code == 2
    assert "  missing  get it with: tarvitpose models owner/name --download\n" in result.stdout
    result = run("models", "owner/name", "--download", "--revision", "v1")
    assert result.exit_code == 0
    assert f"  path     {folder}\n" in result.stdout
    assert [(request["local_files_only"], request["revision"]) for request in hub] == [
        (True, None),
        (False, "v1"),
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["owner/other", "--download"], "owner/other: no such folder here, and the hub did not"),
        (["nothing"], 'nothing: expected "default", "tiny", a name that'),
        (["--download"], "--download: name the weights to get, such as vitpose-b or owner/name"),
    ],
)
def test_what_cannot_be_gets_one_line(
    hub: list[dict[str, Any]], arguments: list[str], line: str
) -> None:
    result = run("models", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {line}")
    assert result.stderr.count("\n") == 1


def test_parameters_are_counted_without_running_statistics(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "a.weight": {"dtype": "F16", "shape": [3, 4], "data_offsets": [0, 24]},
        "a.running_mean": {"dtype": "F16", "shape": [5], "data_offsets": [24, 34]},
    }
    text, file = json.dumps(header).encode(), tmp_path / "model.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text + bytes(34))
    assert models.parameter_count(file) == (12, "F16")
    file.write_bytes(b"\xff" * 20)
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        models.parameter_count(file)
