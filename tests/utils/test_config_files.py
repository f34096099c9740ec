"""Configurations that come with the package are found by name, and files come first."""

from pathlib import Path

import pytest

from tarvitpose.errors import ConfigError
from tarvitpose.utils.config_files import find_config, read_yaml, shipped_configs


@pytest.mark.parametrize(
    "name", ["posetrack17/s", "posetrack17/s.yaml", "configs/posetrack17/s.yaml"]
)
def test_a_shipped_config_is_found_from_any_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(Path(name)) == shipped_configs() / "posetrack17" / "s.yaml"
    assert read_yaml(Path(name), ["run.epochs=3"])["run"]["epochs"] == 3


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "posetrack17").mkdir()
    (tmp_path / "posetrack17" / "s.yaml").write_text("run: {epochs: 9}")
    assert read_yaml(Path("posetrack17/s.yaml")) == {"run": {"epochs": 9}}


@pytest.mark.parametrize("name", ["posetrack17/xxl", "../configs/posetrack17/s", ".", "configs"])
def test_what_is_not_there_is_named_as_it_was_given(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"^{name}: "):
        read_yaml(Path(name))
