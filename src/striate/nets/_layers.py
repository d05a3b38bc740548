"""The layers that networks are built of, by the names that settings give them.

The dropout before the head is in `train/head.py`.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from torch import nn

from striate.config.suggestions import did_you_mean
from striate.errors import UsageError
from striate.values import NetSettings

T = TypeVar("T")


def make_activation(name: str) -> nn.Module:
    """An activation by name; raises `UsageError` with similar names if there is none.

    Leaky ReLU passes 0.01 x on for negative x (Maas et al. 2013), ELU exp(x) - 1 (Clevert et
    al. 2016).
    """
    return _look_up(ACTIVATIONS, name, "activation")()


def make_normalisation(name: str, channels: int) -> nn.Module:
    """A normalisation of maps with `channels` channels: batch, group or none.

    Group normalisation has 8 channels per group if that divides them (Wu and He 2018).
    """
    return _look_up(NORMALISATIONS, name, "normalisation")(channels)


def make_pooling(kind: str, size: int) -> nn.Module:
    """Pooling by max or mean over windows of `size` x `size` that do not overlap."""
    return _look_up(POOLINGS, kind, "pooling")(size)


def make_convolution(before: int, after: int, settings: NetSettings, stride: int = 1) -> nn.Conv2d:
    """A convolution with the kernel, dilation and groups of the settings.

    Padding `same` keeps the size (over the stride), `valid` uses whole windows only: the side falls
    by dilation x (kernel - 1). Groups are used if they divide both channel counts.
    """
    if settings.padding not in PADDINGS:
        _look_up(dict.fromkeys(PADDINGS), settings.padding, "padding")
    same = settings.dilation * (settings.kernel_size - 1) // 2 if stride > 1 else "same"
    grouped = before % settings.groups == 0 and after % settings.groups == 0
    return nn.Conv2d(
        before,
        after,
        settings.kernel_size,
        stride,
        padding=same if settings.padding == "same" else 0,
        dilation=settings.dilation,
        groups=settings.groups if grouped else 1,
        bias=settings.normalisation == "none",
    )


def make_spatial_dropout(share: float) -> list[nn.Module]:
    """Dropout of whole feature maps (Tompson et al. 2015); no layer if the share is 0."""
    return [nn.Dropout2d(share)] if share else []


def _look_up(known: Mapping[str, T], name: str, what: str) -> T:
    if name not in known:
        raise UsageError(
            f"There is no {what} {name!r}{did_you_mean(name, list(known))}",
            f"There are: {', '.join(known)}.",
        )
    return known[name]


def _group_norm(channels: int) -> nn.Module:
    groups = max(1, channels // 8)
    return nn.GroupNorm(groups if channels % groups == 0 else 1, channels)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(0.01, inplace=True),
    "elu": lambda: nn.ELU(inplace=True),
    "gelu": nn.GELU,
    "silu": lambda: nn.SiLU(inplace=True),
    "tanh": nn.Tanh,
}
NORMALISATIONS: dict[str, Callable[[int], nn.Module]] = {
    "batch": lambda channels: nn.BatchNorm2d(channels, momentum=0.4, eps=1e-5),
    "group": _group_norm,
    "none": lambda channels: nn.Identity(),
}
POOLINGS: dict[str, Callable[[int], nn.Module]] = {"max": nn.MaxPool2d, "mean": nn.AvgPool2d}
PADDINGS = ("same", "valid")
