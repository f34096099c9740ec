"""Saving and loading, and what the errors say."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from error_lines import error_line
from safetensors.torch import load_file, save_file
from tiny_models import tiny_clip, tiny_config, tiny_model

from tarvitpose.errors import ConfigError, OutputError, WeightsError
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.weights.files import fingerprint
from tarvitpose.weights.folder import default_folder

Damage = Callable[[dict[str, torch.Tensor]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_model().save_pretrained(tmp_path / "weights")
    return tmp_path / "weights"


def refusal(source: str | Path) -> str:
    return error_line(WeightsError, TARViTPose.from_pretrained, source)


def damaged(folder: Path, damage: Damage) -> str:
    tensors = load_file(folder / "model.safetensors")
    damage(tensors)
    save_file(tensors, folder / "model.safetensors")
    return refusal(folder)


@pytest.mark.parametrize("changes", [{}, {"offsets": ()}, {"decoder": "simple", "gra_layers": 3}])
def test_float32_comes_back_exactly(tmp_path: Path, changes: dict[str, object]) -> None:
    model = tiny_model(**changes)
    model.save_pretrained(tmp_path / "new" / "folder")
    loaded = TARViTPose.from_pretrained(tmp_path / "new" / "folder")
    assert loaded.config == model.config
    assert not loaded.training
    state = loaded.state_dict()
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    image = tiny_clip()[:, 0]
    assert torch.equal(loaded.single_frame(image), model.single_frame(image))


def test_float16_comes_back_closely(tmp_path: Path) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path / "half", half=True)
    model.save_pretrained(tmp_path / "whole")
    sizes = [(tmp_path / kind / "model.safetensors").stat().st_size for kind in ("half", "whole")]
    assert sizes[0] < 0.6 * sizes[1]
    loaded = TARViTPose.from_pretrained(tmp_path / "half")
    assert {value.dtype for value in loaded.parameters()} == {torch.float32}
    for name, value in loaded.state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name], rtol=1e-3, atol=1e-6)


def test_a_loaded_model_can_be_trained_and_saved_again(folder: Path, tmp_path: Path) -> None:
    model = TARViTPose.from_pretrained(folder)
    assert all(p.requires_grad and not p.is_meta for p in model.parameters())
    model.train()(tiny_clip()).sum().backward()
    model.save_pretrained(tmp_path / "again")
    assert TARViTPose.from_pretrained(tmp_path / "again").config == model.config


def test_saving_replaces_what_was_there(folder: Path) -> None:
    model = tiny_model(seed=9)
    model.save_pretrained(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert torch.equal(TARViTPose.from_pretrained(folder).jta.query, model.jta.query)


def test_too_large_for_float16(tmp_path: Path) -> None:
    model = tiny_model()
    model.encoder.pos_embed.data[0, 0, 0] = 1e6
    with pytest.raises(OutputError, match="too large for float16; save them in float32"):
        model.save_pretrained(tmp_path, half=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_folder_is_missing(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "no model.safetensors" in refusal(folder)
    (folder / "config.json").unlink()
    assert refusal(folder).startswith(f"{folder}: no config.json")


def test_the_config_is_not_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    assert "config.json: not readable JSON" in refusal(folder)
    (folder / "config.json").write_text("[1]")
    assert "config.json: expected an object, found a list" in refusal(folder)


def test_the_config_has_an_unknown_key(folder: Path) -> None:
    values = json.loads((folder / "config.json").read_text()) | {"head": 3}
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=r"config\.json: unknown key head; did you mean heads\?"):
        TARViTPose.from_pretrained(folder)


def test_every_missing_surplus_and_misshapen_key_is_named_at_once(folder: Path) -> None:
    def damage(tensors: dict[str, torch.Tensor]) -> None:
        del tensors["encoder.norm.weight"], tensors["jta.query"]
        tensors["encoder.nrom.weight"] = torch.zeros(2)
        tensors["decoder.final.bias"] = torch.zeros(17)

    assert damaged(folder, damage) == (
        f"{folder / 'model.safetensors'} does not fit its config: "
        "2 missing: encoder.norm.weight, jta.query; 1 surplus: encoder.nrom.weight; "
        "1 misshapen: decoder.final.bias (17,) instead of (15,)"
    )


def test_the_file_is_cut_short(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert refusal(folder).startswith(f"{path}: not a readable safetensors file (")
    path.write_bytes(b"not weights")
    assert refusal(folder).startswith(f"{path}: not a readable safetensors file (")


@pytest.mark.parametrize("source", ["nowhere", "./no/where", "a/b/c", "~/no/such/folder", "/a/b"])
def test_an_unknown_folder(source: str) -> None:
    message = refusal(source)
    assert message.startswith(f'{source}: expected "default", "tiny", a name that')
    assert "tarvitpose models" in message


def test_default_is_a_folder_of_the_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_folder().parts[-3:] == ("tarvitpose", "assets", "default")
    monkeypatch.setattr("tarvitpose.weights.folder.default_folder", lambda: folder)
    assert TARViTPose.from_pretrained("default").config == tiny_config()


def test_saved_weights_can_be_read_by_others(tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path)
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert len(modes) == 1
    assert modes.pop() & 0o044


def test_a_fingerprint_tells_weights_apart() -> None:
    model = tiny_model()
    assert fingerprint(model) == fingerprint(tiny_model())
    assert fingerprint(model) != fingerprint(tiny_model(seed=1))
    with torch.no_grad():
        model.jta.query[0, 0] += 1e-6
    assert fingerprint(model) != fingerprint(tiny_model())
