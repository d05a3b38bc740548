"""Validation of the requested network settings before any time is spent on training.

Whether a network is too deep for small images is found by a forward pass on torch's meta device,
which computes every shape and no value.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import torch

from striate.config.suggestions import did_you_mean
from striate.data.preprocess import refuse_too_large
from striate.errors import UsageError
from striate.learn.context import FitContext
from striate.nets import Backbone, NetFamily, find_net
from striate.values import RANDOM, NetSettings, Overrides, Plan, TrainingOptions

RESIZE_MODES: tuple[Literal["squash", "crop", "pad"], ...] = ("squash", "crop", "pad")
COMPACT = "compact"
GEOMETRY_SETTINGS = ("kernel_size", "stride", "padding", "dilation", "pool_size", "depth")
MAX_SIZE_TRIED = 1024  # pixels a side


@dataclass(frozen=True, slots=True)
class RequestedFormat:
    """The requested image format of the cache; `channels` None keeps the images' own."""

    channels: int | None = None
    resize: Literal["squash", "crop", "pad"] = "squash"


def requested_format(plan: Plan | None, overrides: Overrides) -> RequestedFormat:
    """Channels and resizing from the given plan, or from `--set` if there is none.

    Raises `UsageError` if a plan names an unknown way of resizing.
    """
    if plan is not None:
        return RequestedFormat(plan.channels.value or None, parse_resize(plan.resize.value))
    asked = overrides.choices
    return RequestedFormat(asked.get("channels"), parse_resize(asked.get("resize", "squash")))


def parse_resize(name: str) -> Literal["squash", "crop", "pad"]:
    """A resize mode by its name. Raises `UsageError` for an unknown name."""
    for known in RESIZE_MODES:
        if name == known:
            return known
    raise UsageError(
        f"There is no way of resizing {name!r}{did_you_mean(name, RESIZE_MODES)}",
        f"There are: {', '.join(RESIZE_MODES)}.",
    )


def check_requested_network(context: FitContext) -> None:
    """Raise `UsageError` if the requested settings cannot work on images of this size or any.

    Only what was requested is checked: the automatic choices always fit.
    """
    options = context.options
    plan, channels = context.given_plan, context.data.cache.channels
    strategy = plan.strategy.value if plan else options.strategy
    overrides = Overrides() if plan else options.overrides
    asked = overrides.choices
    if strategy == "scratch" and asked.get("l2_sp"):
        raise UsageError(
            "--set l2_sp pulls to pretrained weights, and --strategy scratch has none.",
            "Leave l2_sp out, or take --strategy deep.",
        )
    strengths = plan.augment.value if plan else overrides.strengths
    if channels not in (1, 3) and strengths.get("grey"):
        raise UsageError(
            f"The augmentation grey weighs red, green and blue, and these images have {channels} "
            "channels.",
            "Leave it out; colour changes the brightness of all channels alike.",
        )
    if strategy not in ("scratch", "auto"):
        if not plan and lacks_pretrained_weights(options):
            raise UsageError(
                f"The network {options.net} has no pretrained weights, and {strategy} starts from "
                "such.",
                "Add --strategy scratch, name its weights with --weights FILE, or leave --net out.",
            )
        if "preprocess" in asked:
            raise UsageError(
                f"preprocess={asked['preprocess']} is for networks that are trained from scratch; "
                f"what {strategy} starts from keeps the preprocessing that it was trained with.",
                "Add --strategy scratch, or leave preprocess out.",
            )
        return
    if plan:
        net, settings, size = plan.net.value, plan.settings.value, plan.input_size.value
        kind = plan.preprocess.value
    else:
        named = overrides.settings
        net = COMPACT if options.net == "auto" else options.net
        settings, size = NetSettings(**named), asked.get("input_size", context.data.cache.size)
        kind = asked.get("preprocess", "")
        if strategy == "auto" and not named and not kind:
            return
    check_network_fits(net, settings, channels, size)
    refuse_too_large(kind, size, channels)


def lacks_pretrained_weights(options: TrainingOptions) -> bool:
    """Whether the requested network has no pretrained weights: trainable from scratch only."""
    if options.net == "auto" or options.weights is not None:
        return False
    return not find_net(options.net).card(options.net).pretrained


def check_network_fits(net: str, settings: NetSettings, channels: int, size: int) -> None:
    """Raise `UsageError` if a network reduces square images of `size` pixels to nothing.

    The error names the smallest size that fits, its hint a setting that does. Pretrained networks
    have no such settings and are not checked.
    """
    family = find_net(net)
    if family.card(net).pretrained or network_fits(family, net, settings, channels, size):
        return
    least = smallest_input_size(family, net, settings, channels, size)
    odd = {
        name: value
        for name, value in _geometry_settings(settings).items()
        if value != DEFAULT_GEOMETRY[name]
    }
    told = " with " + ", ".join(f"{name}={value}" for name, value in odd.items()) if odd else ""
    needs = f"it needs at least {least}" if least else f"nor of any up to {MAX_SIZE_TRIED:,}"
    tried = [(name, DEFAULT_GEOMETRY[name]) for name in odd] + [("depth", 1)] * (settings.depth > 1)
    mended = [
        f"--set {name}={value}"
        for name, value in tried
        if network_fits(family, net, replace(settings, **{name: value}), channels, size)
    ]
    ways = mended + ([f"--set input_size={least}"] if least else [])
    raise UsageError(
        f"The network {net}{told} leaves nothing of images of {size} pixels; {needs}.",
        f"What fits: {', or '.join(ways)}." if ways else "Change more than one of these settings.",
    )


def network_fits(
    family: NetFamily, net: str, settings: NetSettings, channels: int, size: int
) -> bool:
    """Whether every feature map of the network is non-empty for images of this size."""
    try:
        with torch.device("meta"), torch.no_grad():
            network = family.build(net, settings, channels, RANDOM).eval()
            images = torch.zeros(1, channels, size, size)
            maps = cast(Backbone, network).stages(images)
    except RuntimeError:  # torch says in many words that a kernel is larger than its map
        return False
    return all(0 not in map_NCHW.shape for map_NCHW in maps)


def smallest_input_size(
    family: NetFamily, net: str, settings: NetSettings, channels: int, above: int
) -> int | None:
    """The smallest side in pixels above one that does not fit; None if none up to 1,024 fits."""
    low, high = above, MAX_SIZE_TRIED
    if not network_fits(family, net, settings, channels, high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if network_fits(family, net, settings, channels, middle):
            high = middle
        else:
            low = middle
    return high


def _geometry_settings(settings: NetSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in GEOMETRY_SETTINGS}


DEFAULT_GEOMETRY = _geometry_settings(NetSettings())
