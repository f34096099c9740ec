"""Optional packages: what is said where they are missing."""

import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from tarvitpose.errors import MissingDependencyError
from tarvitpose.utils.optional import check_installed, is_installed, require


@pytest.mark.parametrize("ask", [require, check_installed])
def test_a_missing_package_is_named_with_its_extra(ask: Callable[..., object]) -> None:
    with pytest.raises(MissingDependencyError) as caught:
        ask("no_such_package", "--no-such-option", "plot")
    assert str(caught.value) == (
        "--no-such-option needs the package no-such-package: pip install 'tarvitpose[plot]'"
    )


def test_a_module_inside_a_missing_package_names_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "xmlrpc", None)
    with pytest.raises(MissingDependencyError, match="the package xmlrpc:"):
        require("xmlrpc.client", "this test", "plot")
    assert not is_installed("xmlrpc")


def test_what_is_installed_is_imported_only_by_require() -> None:
    check_installed("antigravity", "this test", "plot")
    assert "antigravity" not in sys.modules  # which opens a browser where it is imported
    assert isinstance(require("json.decoder", "this test", "plot"), ModuleType)
