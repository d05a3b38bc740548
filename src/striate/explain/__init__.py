"""Views into the network: one file a method, each ending in METHOD."""

from collections.abc import Callable
from dataclasses import dataclass

from striate.train.head import Network
from striate.values import Cache, Explanation, Values
from striate.values.catalog import collect_constants


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationMethod:
    """One way to look into a network; returns None if there is nothing to show."""

    name: str
    title: str
    run: Callable[[Network, Values, Cache], Explanation | None]


def explain_network(network: Network, values: Values, cache: Cache) -> tuple[Explanation, ...]:
    """What every method shows, from the first layer to the last."""
    methods: dict[str, ExplanationMethod] = collect_constants("explain", "METHOD")
    order = sorted(methods.values(), key=lambda method: ORDER.get(method.name, len(ORDER)))
    shown = (method.run(network, values, cache) for method in order)
    return tuple(explanation for explanation in shown if explanation is not None)


ORDER = {"filters": 0, "feature_maps": 1}
