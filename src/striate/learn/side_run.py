"""Run a side training in its own checkpoint folder."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from striate.learn.context import FitContext, StageCache
from striate.learn.linear.backbones import NETWORKS
from striate.learn.linear.linear_model import FEATURES, SIZES
from striate.store.files import Codec
from striate.store.shelf import CODECS

T = TypeVar("T")


UNLIMITED_SECONDS = 1e9


def side_run(context: FitContext, folder: str) -> FitContext:
    """The context of a side training: it keeps only its checkpoints and has no time limit."""
    port = replace(
        context.port, checkpoints=context.port.checkpoints / folder, publish=_discard_value
    )
    budget = replace(context.budget, seconds_left=lambda: UNLIMITED_SECONDS)
    return replace(context, port=port, budget=budget)


def _discard_value(name: str, value: Any) -> None:
    """Publish nothing: a side training's values are not the run's."""


def scoped_cache(keep: StageCache, folder: str) -> StageCache:
    """A stage cache with a prefix for a fold or a second training; features are shared by all."""

    def kept(name: str, make: Callable[[], T], codec: Codec[T] | None = None, **how: Any) -> T:
        own = name if name.startswith(SHARED_STAGES) else f"{folder}/{name}"
        value: T = keep(own, make, codec or CODECS[name], **how)
        return value

    return kept


SHARED_STAGES = (FEATURES, NETWORKS, SIZES)
