"""Networks: one file per family, each ending in NET."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from striate.errors import UsageError
from striate.values import NetCard, NetSettings, catalog


class Backbone(Protocol):
    """The interface of what a family's `build` returns, beside `nn.Module`.

    Stages go from shallow to deep; the last is called `top`.
    """

    stage_names: tuple[str, ...]
    stage_channels: tuple[int, ...]

    def stages(self, images_NCHW: Tensor) -> list[Tensor]:
        """The map N x C x H x W after every stage, in the order of `stage_names`."""
        ...

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """Every parameter once, in groups from shallow to deep."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NetFamily:
    """A family of networks.

    `cards` lists the networks to offer and is cheap; `matches` may accept more names. `build(name,
    settings, channels, weights)` returns a `Backbone`; weights are None for the best available,
    `RANDOM`, or a file. `names` are all names that it accepts, for suggestions; listing them may
    take a second.
    """

    name: str
    cards: Callable[[], tuple[NetCard, ...]]
    matches: Callable[[str], bool]
    card: Callable[[str], NetCard]
    build: Callable[[str, NetSettings, int, str | None], nn.Module]
    names: Callable[[], tuple[str, ...]] = tuple


def find_net(name: str) -> NetFamily:
    """The family that builds the network of this name.

    Raises `UsageError` with the most similar names if there is none.
    """
    families: dict[str, NetFamily] = catalog.collect_constants("nets", "NET")
    listed = {card.name: family for family in families.values() for card in family.cards()}
    if name in listed:
        return listed[name]
    for family in families.values():
        if family.matches(name):
            return family
    every = (*listed, *(known for family in families.values() for known in family.names()))
    near = difflib.get_close_matches(name.lower(), every, n=1, cutoff=0.5)
    guess = f"Did you mean {near[0]}? " if near else ""
    raise UsageError(
        f"There is no network called {name!r}.",
        f"{guess}Type `striate nets` for those at hand; any convolutional network of timm works.",
    )


def build_initialised(make: Callable[[], nn.Module]) -> nn.Module:
    """A network with fixed initial weights; torch's random state is left unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def count_multiply_adds(network: nn.Module, size: int, channels: int) -> int:
    """Multiply-add operations of one image's forward pass.

    Counts convolutions and fully connected layers, on a square image of `size` pixels.
    """
    total = 0

    def count(module: nn.Module, _: Any, output: Any) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d | nn.Linear):
            total += output.numel() * module.weight[0].numel()

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    training = network.training
    try:
        with torch.no_grad():
            parameter = next(network.parameters())
            images = torch.zeros(1, channels, size, size, device=parameter.device)
            network.eval()
            # Every backbone has `stages`; nn.Module does not declare it.
            network.stages(images)  # type: ignore[operator]
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return total
