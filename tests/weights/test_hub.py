"""Weights from and to the Hugging Face hub, with a stand-in that stores folders instead."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
import yaml
from error_lines import error_line
from huggingface_hub import errors
from tiny_models import tiny_clip, tiny_model

from tarvitpose.errors import MissingDependencyError, OutputError, WeightsError
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.weights.folder import find_folder

FILES = ["model.safetensors", "config.json", "README.md"]


class Hub:
    """A hub with folders for repositories, and a note of what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.received: dict[str, Any] = {}

    def snapshot_download(self, repo_id: str, **options: Any) -> str:
        self.received = options
        if not (self.folder / repo_id).is_dir():
            raise errors.LocalEntryNotFoundError("not in the cache")
        return str(self.folder / repo_id)

    def HfApi(self, token: str | None) -> Hub:  # noqa: N802 - the library's name
        self.received = {"token": token}
        return self

    def create_repo(self, repo_id: str, **options: Any) -> Any:
        self.received |= options
        (self.folder / repo_id).mkdir(parents=True, exist_ok=True)
        return huggingface_hub.RepoUrl(f"https://huggingface.co/{repo_id}")

    def file_exists(self, repo_id: str, name: str, **options: Any) -> bool:
        return (self.folder / repo_id / name).is_file()

    def upload_folder(self, *, repo_id: str, folder_path: Path, **options: Any) -> str:
        self.received |= options
        shutil.copytree(folder_path, self.folder / repo_id, dirs_exist_ok=True)
        return f"https://huggingface.co/{repo_id}/commit/1"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    fake = Hub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake.snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", fake.HfApi)
    monkeypatch.delenv("TARVITPOSE_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return fake


def refusal(source: str, **options: Any) -> str:
    return error_line(WeightsError, TARViTPose.from_pretrained, source, **options)


def test_what_was_pushed_comes_back(hub: Hub) -> None:
    model = tiny_model()
    address = model.push_to_hub("owner/name", private=True, token="mine", branch="tried")
    assert address == "https://huggingface.co/owner/name/commit/1"
    assert hub.received["private"] is True
    assert hub.received["token"] == "mine"
    assert hub.received["revision"] == "tried"
    loaded = TARViTPose.from_pretrained("owner/name")
    assert loaded.config == model.config
    assert torch.equal(loaded(tiny_clip()), model(tiny_clip()))
    assert sorted(path.name for path in (hub.folder / "owner/name").iterdir()) == sorted(FILES)


def test_half_the_size_can_be_pushed(hub: Hub) -> None:
    tiny_model().push_to_hub("owner/whole")
    tiny_model().push_to_hub("owner/half", half=True)
    whole, half = (
        (hub.folder / name / "model.safetensors").stat().st_size
        for name in ("owner/whole", "owner/half")
    )
    assert half < 0.6 * whole


def test_the_card_tells_the_hub_and_its_readers(hub: Hub) -> None:
    tiny_model().push_to_hub("owner/name", license="cc-by-4.0")
    _, metadata, text = (hub.folder / "owner/name/README.md").read_text("utf-8").split("---\n", 2)
    card_data = yaml.safe_load(metadata)
    assert card_data["license"] == "cc-by-4.0"
    assert card_data["library_name"] == "tarvitpose"
    assert card_data["pipeline_tag"] == "keypoint-detection"
    assert "pose-estimation" in card_data["tags"]
    assert 'PoseEstimator.from_pretrained("owner/name")' in text
    assert "| crops | 64 x 112 (height, width) |" in text
    assert "| frames | the current one and those at -1, 1 |" in text
    assert "left_ankle" in text


def test_a_licence_is_not_made_up(hub: Hub) -> None:
    tiny_model(offsets=()).push_to_hub("owner/name")
    text = (hub.folder / "owner/name/README.md").read_text("utf-8")
    assert "license: unknown\n" in text
    assert "| frames | the current one alone |" in text


def test_a_card_that_somebody_wrote_stays(hub: Hub) -> None:
    (hub.folder / "owner/name").mkdir(parents=True)
    (hub.folder / "owner/name/README.md").write_text("mine")
    tiny_model().push_to_hub("owner/name")
    assert (hub.folder / "owner/name/README.md").read_text() == "mine"


def test_what_the_hub_does_not_take_gets_one_line(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("401 Client Error.\nRequest ID: 7")

    monkeypatch.setattr(hub, "create_repo", refuse)
    with pytest.raises(OutputError) as caught:
        tiny_model().push_to_hub("owner/name")
    assert str(caught.value) == (
        "owner/name: the hub did not accept it (401 Client Error); "
        "check that the name is owner/name, and log in with 'hf auth login'"
    )


def test_options_reach_the_hub(hub: Hub, tmp_path: Path) -> None:
    tiny_model().push_to_hub("owner/name")
    TARViTPose.from_pretrained("owner/name", revision="v1", cache_dir=tmp_path, token=False)
    assert hub.received == {
        "allow_patterns": FILES,
        "revision": "v1",
        "cache_dir": tmp_path,
        "token": False,
        "local_files_only": False,
    }


def test_a_folder_needs_no_hub(hub: Hub, tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path / "weights")
    TARViTPose.from_pretrained(tmp_path / "weights", revision="v1")
    assert hub.received == {}


@pytest.mark.parametrize("variable", ["TARVITPOSE_OFFLINE", "HF_HUB_OFFLINE", None])
def test_offline_only_the_cache_is_read(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    tiny_model().push_to_hub("owner/name")
    if variable is not None:
        monkeypatch.setenv(variable, "1")
    options = {} if variable else {"local_files_only": True}
    TARViTPose.from_pretrained("owner/name", **options)
    assert hub.received["local_files_only"] is True
    assert refusal("owner/other", **options) == (
        "owner/other: no such folder here, and offline it is not in the hub's cache either;"
        " run 'tarvitpose models owner/other --download' once with a network, or copy a weights "
        "folder here"
    )


def test_offline_nothing_is_uploaded(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARVITPOSE_OFFLINE", "yes")
    with pytest.raises(OutputError, match="owner/name: offline mode uploads nothing"):
        tiny_model().push_to_hub("owner/name")


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (errors.RevisionNotFoundError, "it has no revision v9 on the hub"),
        (errors.RepositoryNotFoundError, "the hub has none that you may read; "),
        (OSError, "the hub did not deliver it (no route)"),
    ],
)
def test_what_the_hub_says_gets_one_line(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, kind: type[Exception], line: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        error = kind.__new__(kind)
        error.args = ("no route\nat all",)
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    message = refusal("owner/name", revision="v9")
    assert message.startswith(f"owner/name: no such folder here, and {line}")


@pytest.mark.parametrize(
    ("call", "purpose"),
    [
        (find_folder, "owner/name: no such folder here, and fetching it from the hub"),
        (tiny_model().push_to_hub, "uploading owner/name"),
    ],
)
def test_without_the_library_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[str], object], purpose: str
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert error_line(MissingDependencyError, call, "owner/name") == (
        f"{purpose} needs the package huggingface-hub: pip install 'tarvitpose[torch]'"
    )
