"""Collects the constant that each file of a room ends with, so that adding a file adds a thing."""

import importlib
import pkgutil
from functools import cache
from typing import Any


@cache
def collect_constants(room: str, constant: str) -> dict[str, Any]:
    """The constant of every module in the package `striate.ROOM`, by module name, sorted.

    A module whose name begins with an underscore is a part of others and is passed over.

    Raises `AttributeError` naming the module that lacks its constant.
    """
    package = importlib.import_module(f"striate.{room}")
    found: dict[str, Any] = {}
    for entry in sorted(pkgutil.iter_modules(package.__path__), key=lambda entry: entry.name):
        if entry.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{entry.name}")
        if not hasattr(module, constant):
            raise AttributeError(f"{module.__name__} does not end in {constant} = ...")
        found[entry.name] = getattr(module, constant)
    return found
