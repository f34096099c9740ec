"""The Dockerfile as far as it can be held without Docker: what it copies, installs and runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def lines(instruction: str) -> list[str]:
    return re.findall(rf"^{instruction} (.*)$", DOCKERFILE, flags=re.MULTILINE)


def test_what_it_copies_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    copied = [line.split()[:-1] for line in lines("COPY") if not line.startswith("--from")]
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


def test_what_it_copies_is_what_the_package_is_built_from() -> None:
    assert {PROJECT["readme"], "LICENSE", "constraints.txt", "src"} <= set(
        " ".join(lines("COPY")).split()
    )


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_every_target_installs_with_pinned_versions(target: str) -> None:
    stage = DOCKERFILE.split(f"AS install-{target}\n")[1].split("\nFROM")[0]
    assert "-c constraints.txt" in stage
    default = re.findall(r"ARG EXTRAS=(.*)", stage)
    assert set(default[0].split(",")) <= set(PROJECT["optional-dependencies"])
    assert f"COPY --from=install-{target} " in DOCKERFILE.split(f"AS {target}\n")[1]


def test_it_runs_the_command_without_rights_of_root() -> None:
    assert lines("USER") == ["1000"]
    assert lines("ENTRYPOINT") == ['["tarvitpose"]']
    assert lines("STOPSIGNAL") == ["SIGINT"]  # what ends a run cleanly
    assert DOCKERFILE.index("USER 1000") < DOCKERFILE.index("ENTRYPOINT")


def test_its_python_is_one_of_ours() -> None:
    low, high = re.findall(r"3\.(\d+)", PROJECT["requires-python"])
    [version] = re.findall(r"^ARG PYTHON=3\.(\d+)$", DOCKERFILE, flags=re.MULTILINE)
    assert int(low) <= int(version) < int(high)
