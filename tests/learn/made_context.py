"""Contexts of a fit that never runs: whole ones, and stand-ins that hold what a test needs."""

from dataclasses import fields
from types import SimpleNamespace
from typing import Any

from striate.learn.context import Budget, FitContext, FitData, RunPort
from striate.values import TrainingOptions


def whole_context(**values: Any) -> FitContext:
    """A context of the fields of its parts; the seed is that of the options unless it is given."""
    values.setdefault("seed", values["options"].seed)
    parts = {
        name: kind(**{f.name: values.pop(f.name) for f in fields(kind) if f.name in values})
        for name, kind in (("data", FitData), ("budget", Budget), ("port", RunPort))
    }
    return FitContext(**parts, **values)


def some_context(**values: Any) -> Any:
    """A stand-in with these fields, in whichever part they are looked for."""
    values.setdefault("seed", values.get("options", TrainingOptions()).seed)
    context = SimpleNamespace(**values)
    context.data = context.budget = context.port = context
    return context
