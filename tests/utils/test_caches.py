"""The folder of the package in the system's cache: where each system wants it."""

import sys
from pathlib import Path

import pytest

from tarvitpose.utils.caches import cache_root

HOME = Path("/home/somebody")


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        ("linux", {}, HOME / ".cache"),
        ("linux", {"XDG_CACHE_HOME": "/scratch"}, Path("/scratch")),
        ("linux", {"XDG_CACHE_HOME": ""}, HOME / ".cache"),  # empty counts as absent
        ("darwin", {"XDG_CACHE_HOME": "/scratch"}, HOME / "Library/Caches"),
        ("win32", {}, HOME / "AppData/Local"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local")),
    ],
)
def test_the_cache_is_where_the_system_has_its_own(
    monkeypatch: pytest.MonkeyPatch, system: str, variables: dict[str, str], expected: Path
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(Path, "home", lambda: HOME)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_root() == expected / "tarvitpose"
