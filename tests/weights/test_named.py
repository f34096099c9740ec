"""Weights by name, by hub id and as files: fetched and converted once from a replica of the hub."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from error_lines import error_line
from foreign_checkpoints import mmpose, vitae_plus
from hub_replica import COMMIT, HubReplica, serving
from invoke import run
from tiny_models import H, W, tiny_clip, tiny_model

from tarvitpose.errors import MissingDependencyError, WeightsError
from tarvitpose.inference.graph_folder import local_config
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.utils import optional
from tarvitpose.weights import converted
from tarvitpose.weights.folder import find_folder, is_remote, load_config
from tarvitpose.weights.named import NAMED, NamedWeights

IMAGES = tiny_clip()[:, 0]
HUB_ID = "usyd-community/tiny"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubReplica]:
    """Yield a replica without repositories, for a user who has fetched nothing yet."""
    monkeypatch.delenv("TARVITPOSE_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    with serving(tmp_path / "served") as replica:
        monkeypatch.setenv("HF_ENDPOINT", replica.address)
        yield replica


def repository(hub: HubReplica, hub_id: str = HUB_ID) -> torch.nn.Module:
    """Write a tiny VitPose of transformers, and return it."""
    pytest.importorskip("transformers")
    from tiny_vitpose import hugging_face

    model = hugging_face(hub.root / hub_id)
    (hub.root / hub_id / "README.md").write_text("---\nlicense: apache-2.0\n---\n# tiny\n")
    return model


def name_it(monkeypatch: pytest.MonkeyPatch, **fields: object) -> NamedWeights:
    entry = replace(
        NamedWeights("vitpose-tiny", "b", "coco17", 1),
        **fields,  # type: ignore[arg-type]
    )
    monkeypatch.setitem(NAMED, entry.name, entry)
    return entry


def published(hub: HubReplica, monkeypatch: pytest.MonkeyPatch) -> tuple[TARViTPose, NamedWeights]:
    """Serve a tiny checkpoint of MMPose at an address of its own, and name it."""
    model = tiny_model(offsets=(), joint_set="coco17", jta_layers=6, heads=12, decoder_width=256)
    file = hub.root / "files" / "tiny.pth"
    file.parent.mkdir(parents=True)
    torch.save({"state_dict": mmpose(model.state_dict())}, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    entry = name_it(monkeypatch, file=f"{hub.address}/files/tiny.pth", sha256=digest[:8])
    # No size of ViTPose is this small, so nothing but options could tell heads and input.
    from tarvitpose.weights import convert as converter

    whole = converter.convert
    monkeypatch.setattr(
        converter, "convert", lambda *a, **k: whole(*a, **k, heads=12, input_size=(H, W))
    )
    return model, entry


def refusal(source: str | Path) -> str:
    """Return why there is no such folder, after which none is left in the cache."""
    cache = converted.weights_cache()
    before = [*cache.iterdir()] if cache.is_dir() else []
    message = error_line(WeightsError, find_folder, source)
    assert ([*cache.iterdir()] if cache.is_dir() else []) == before
    return message


def test_a_name_is_fetched_once_and_works_offline_afterwards(
    hub: HubReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = repository(hub)
    name_it(monkeypatch, hub_id=HUB_ID, revision="a" * 40)
    assert is_remote("vitpose-tiny")
    assert local_config("vitpose-tiny") is None
    ours = TARViTPose.from_pretrained("vitpose-tiny")
    with torch.no_grad():
        expected = theirs(IMAGES).heatmaps
    torch.testing.assert_close(ours.single_frame(IMAGES), expected, rtol=1e-4, atol=1e-4)
    num_requests = len(hub.requests)
    assert any("a" * 40 in path for path in hub.requests)
    shutil.rmtree(hub.root)
    monkeypatch.setenv("TARVITPOSE_OFFLINE", "1")
    again = TARViTPose.from_pretrained("vitpose-tiny")
    assert torch.equal(again.single_frame(IMAGES), ours.single_frame(IMAGES))
    assert len(hub.requests) == num_requests
    assert not is_remote("vitpose-tiny")


def test_what_was_fetched_is_recorded_and_listed(
    hub: HubReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository(hub)
    name_it(monkeypatch, hub_id=HUB_ID)
    before = run("models", "vitpose-tiny")
    assert before.exit_code == 2
    assert "get it with: tarvitpose models vitpose-tiny --download\n" in before.stdout
    assert not hub.requests
    shown = run("models", "vitpose-tiny", "--download").stdout
    assert "  licence        Apache-2.0\n" in shown
    assert f"  source         https://huggingface.co/{HUB_ID}\n" in shown
    about = json.loads((find_folder("vitpose-tiny") / "about.json").read_text())
    files = (hub.root / HUB_ID / name for name in ("config.json", "model.safetensors"))
    digests = "".join(f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files)
    assert about["source_sha256"] == hashlib.sha256(digests.encode()).hexdigest()
    assert f"  source sha256  {about['source_sha256']}\n" in shown
    listed = run("models").stdout
    assert (
        f"vitpose-tiny         ViTPose-B, coco17, here, Apache-2.0, {HUB_ID} on the hub" in listed
    )


def test_a_hub_id_of_transformers_is_converted(hub: HubReplica) -> None:
    repository(hub)
    config = load_config(HUB_ID)
    assert (config.joint_set, config.offsets, config.input_size) == ("coco17", (), (H, W))
    assert "  licence        apache-2.0\n" in run("models", HUB_ID).stdout
    assert any(COMMIT in path for path in hub.requests)


def test_a_folder_of_transformers_is_converted_once_for_its_content(
    hub: HubReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository(hub)
    first = find_folder(hub.root / HUB_ID)
    monkeypatch.setattr(converted, "_convert", None)  # cannot be called again
    assert find_folder(hub.root / HUB_ID) == first
    assert not hub.requests


def test_a_file_of_mmpose_is_converted_from_where_it_lies(
    hub: HubReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = published(hub, monkeypatch)
    ours = TARViTPose.from_pretrained(hub.root / "files" / "tiny.pth")
    assert torch.allclose(ours.single_frame(IMAGES), model.single_frame(IMAGES), atol=1e-5)
    assert not hub.requests


def test_an_address_is_read_once_and_compared_with_its_sha256(
    hub: HubReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, entry = published(hub, monkeypatch)
    ours = TARViTPose.from_pretrained(entry.name)
    assert torch.allclose(ours.single_frame(IMAGES), model.single_frame(IMAGES), atol=1e-5)
    assert hub.requests == ["/files/tiny.pth"]
    assert [path.name for path in converted.weights_cache().iterdir()] == [entry.name]


def test_a_file_with_another_sha256_is_refused(
    hub: HubReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, entry = published(hub, monkeypatch)
    hub.damaged.add("tiny.pth")
    message = refusal(entry.name)
    assert message.startswith(f"vitpose-tiny: the file of {entry.file} has the SHA-256 ")
    assert message.endswith(f", not {entry.sha256}...: it is damaged or not the file that was "
                            "published; try again")  # fmt: skip


def test_a_damaged_file_of_the_hub_is_refused(
    hub: HubReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository(hub)
    hub.damaged.add("model.safetensors")
    assert f"{HUB_ID}: " in refusal(HUB_ID)
    assert "has another SHA-256 than the hub says, it is damaged; delete " in refusal(HUB_ID)


def test_a_file_inside_a_repository_is_fetched_alone(
    hub: HubReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, entry = published(hub, monkeypatch)
    target = hub.root / "owner" / "many" / "torch" / "tiny.pth"
    target.parent.mkdir(parents=True)
    shutil.copy(hub.root / "files" / "tiny.pth", target)
    (target.parent / "other.pth").write_bytes(b"large")
    name_it(monkeypatch, hub_id="owner/many", file="torch/tiny.pth")
    assert load_config(entry.name).joint_set == "coco17"
    assert not [path for path in hub.requests if "other.pth" in path]
    name_it(monkeypatch, name="vitpose-gone", hub_id="owner/many", file="torch/gone.pth")
    message = error_line(WeightsError, find_folder, "vitpose-gone")
    assert message == "owner/many: the hub has no file torch/gone.pth there"
    assert refusal("owner/many") == "owner/many: the hub has no file model.safetensors there"


def test_without_a_network_and_offline(hub: HubReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    name_it(monkeypatch, file="http://127.0.0.1:9/tiny.pth")
    assert refusal("vitpose-tiny").startswith(
        "vitpose-tiny: http://127.0.0.1:9/tiny.pth was not delivered ("
    )
    monkeypatch.setenv("TARVITPOSE_OFFLINE", "1")
    assert refusal("vitpose-tiny") == (
        "vitpose-tiny: offline, and not on this machine yet; run 'tarvitpose models vitpose-tiny "
        "--download' once with a network"
    )


def test_names_that_are_none(hub: HubReplica) -> None:
    assert refusal("vitpose-plus-base").endswith("; did you mean vitpose-plus-b?")
    assert refusal("nothing").endswith("or a hub id such as owner/name")
    assert refusal("gone.pth") == "gone.pth: no such file"
    assert refusal("owner/gone").startswith("owner/gone: no such folder here, and the hub has none")
    message = refusal("tar-vitpose")
    assert "its authors state no licence, so it is not fetched" in message
    assert "https://github.com/zgspose/TARViTPose" in message


def test_without_torch_the_extra_is_named_before_anything_is_fetched(
    hub: HubReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optional, "is_installed", lambda module: module != "torch")
    message = error_line(MissingDependencyError, find_folder, "vitpose-b")
    assert message == (
        "converting vitpose-b needs the package torch: pip install 'tarvitpose[torch]'"
    )
    assert not hub.requests


def test_every_name_says_where_it_is_from() -> None:
    assert {f"vitpose-{size}" for size in "sblh"} < {*NAMED}
    assert {f"vitpose-plus-{size}" for size in "sblh"} < {*NAMED}
    for entry in NAMED.values():
        assert entry.source.startswith("https://")
        assert entry.licence == "Apache-2.0"
        assert entry.hub_id or (len(entry.sha256) == 8 and entry.sha256 in entry.file)
        assert (entry.expert == 0) == ("plus" in entry.name)


def test_an_expert_that_is_merged_already_is_not_merged_again(tmp_path: Path) -> None:
    model = tiny_model(offsets=(), joint_set="coco17", jta_layers=6, decoder_width=256)
    tensors = vitae_plus(model.state_dict(), chosen=1)
    for name in [name for name in tensors if ".mlp.fc2." in name]:
        tensors[name] = model.state_dict()[
            name.replace("backbone", "encoder").replace("mlp.fc2", "fc2")
        ]
    tensors = {
        name.replace("associate_keypoint_heads.0", "keypoint_head"): value
        for name, value in tensors.items()
        if not name.startswith("keypoint_head")
    }
    torch.save(tensors, tmp_path / "split.pth")
    from tarvitpose.weights.convert import convert

    convert(tmp_path / "split.pth", tmp_path / "ours", heads=3, input_size=(H, W))
    ours = TARViTPose.from_pretrained(tmp_path / "ours")
    assert torch.allclose(ours.single_frame(IMAGES), model.single_frame(IMAGES), atol=1e-5)
