"""Packages that only some purposes need, and that may be missing."""

from importlib import import_module, util
from typing import Any

from tarvitpose.errors import MissingDependencyError


def is_installed(module: str) -> bool:
    """Tell whether a module can be found, without importing it."""
    return util.find_spec(module) is not None


def require(module: str, purpose: str, extra: str) -> Any:
    """Import and return a module. Raises MissingDependencyError with the extra that brings it."""
    try:
        return import_module(module)
    except ImportError:
        raise missing(module, purpose, extra) from None


def check_installed(module: str, purpose: str, extra: str) -> None:
    """Raise MissingDependencyError as `require` does, without importing the module."""
    if not is_installed(module):
        raise missing(module, purpose, extra)


def missing(module: str, purpose: str, extra: str) -> MissingDependencyError:
    """Return the error that names the package of a module and how to get it."""
    package = module.partition(".")[0].replace("_", "-")
    return MissingDependencyError(package, purpose, extra)
