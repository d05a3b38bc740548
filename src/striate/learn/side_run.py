"""Work beside the main training: in a folder of its own, out of the way of the run's values."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from striate.learn.context import FitContext, StageCache
from striate.learn.linear.backbones import NETWORKS
from striate.learn.linear.linear_model import FEATURES
from striate.store.files import Codec
from striate.store.shelf import CODECS

T = TypeVar("T")


UNLIMITED_SECONDS = 1e9


def side_run(context: FitContext, folder: str) -> FitContext:
    """The context of a training that leaves nothing but its checkpoints, however long it takes."""
    port = replace(
        context.port, checkpoints=context.port.checkpoints / folder, publish=_discard_value
    )
    budget = replace(context.budget, seconds_left=lambda: UNLIMITED_SECONDS)
    return replace(context, port=port, budget=budget)


def _discard_value(name: str, value: Any) -> None:
    """What a trial leaves is not the run's."""


def scoped_cache(keep: StageCache, folder: str) -> StageCache:
    """The same habit for a fold's own values, or a second training's; features are everybody's."""

    def kept(name: str, make: Callable[[], T], codec: Codec[T] | None = None, **how: Any) -> T:
        own = name if name.startswith(SHARED_STAGES) else f"{folder}/{name}"
        value: T = keep(own, make, codec or CODECS[name], **how)
        return value

    return kept


SHARED_STAGES = (FEATURES, NETWORKS)
