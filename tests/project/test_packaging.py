"""What a package index and a wheel have: links that lead somewhere, configs and examples."""

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
REPOSITORY = "https://example.org/us/tarvitpose"
RELATIVE = re.compile(r"\]\((?!https?:|#)")


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def metadata(hook: ModuleType, repository: str) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    config = {**SETTINGS["tool"]["hatch"]["metadata"]["hooks"]["custom"], "repository": repository}
    hook.CustomMetadataHook(str(ROOT), config).update(filled)
    return filled


@pytest.mark.parametrize("repository", ["", REPOSITORY])
def test_the_long_description_has_no_link_that_leads_nowhere(
    hook: ModuleType, repository: str
) -> None:
    text = metadata(hook, repository)["readme"]["text"]
    assert RELATIVE.search(README)
    assert not RELATIVE.search(text)
    unchanged = [line for line in README.splitlines() if "](" not in line]
    assert {*unchanged} <= {*text.splitlines()}


def test_every_link_into_the_repository_is_to_a_file_of_it(hook: ModuleType) -> None:
    filled = metadata(hook, REPOSITORY)
    links = re.findall(rf"{REPOSITORY}/(?:blob|raw)/main/([^)#]+)", filled["readme"]["text"])
    addresses = [address for address in filled["urls"].values() if "/blob/" in address]
    links += [address.partition("/main/")[2] for address in addresses]
    assert len(links) > 10
    assert not [link for link in links if not (ROOT / link).exists()]


def test_examples_of_the_hook_are_true(hook: ModuleType) -> None:
    link = hook.absolute_links("[a](docs/a.md#b) ![p](p.png) [c](#c)", REPOSITORY)
    assert (
        link == f"[a]({REPOSITORY}/blob/main/docs/a.md#b) ![p]({REPOSITORY}/raw/main/p.png) [c](#c)"
    )
    assert hook.absolute_links("[a](docs/a.md), ![p](p.png)[b](https://b.org)", "") == (
        "a, [b](https://b.org)"
    )


def test_pythons_that_are_named_are_those_that_are_allowed() -> None:
    project = SETTINGS["project"]
    named = [line.rpartition(" :: ")[2] for line in project["classifiers"]]
    versions = [version for version in named if re.fullmatch(r"3\.\d+", version)]
    last = int(versions[-1].partition(".")[2])
    assert project["requires-python"] == f">={versions[0]},<3.{last + 1}"


def test_a_wheel_has_the_configs_and_the_examples() -> None:
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(ROOT))
    included = {file.distribution_path for file in builder.recurse_included_files()}
    for folder in ("configs", "examples"):
        files = [path for path in (ROOT / folder).rglob("*") if path.suffix in (".yaml", ".py")]
        assert files
        names = {f"tarvitpose/{path.relative_to(ROOT).as_posix()}" for path in files}
        assert names <= included
