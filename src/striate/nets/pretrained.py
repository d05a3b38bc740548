"""Any convolutional network of timm, with weights from a file or from the Hugging Face hub."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from striate.errors import HubError, ModelError, UsageError
from striate.nets import NetFamily, count_multiply_adds
from striate.values import RANDOM, NetCard, NetSettings, Sentence
from striate.weights.fitting import fit_weights
from striate.weights.hub import fetch_weights, is_cached
from striate.weights.reading import read_weights


class TimmBackbone(nn.Module):
    """A timm network without its classifier, with access to its stages."""

    stage_names: tuple[str, ...]
    stage_channels: tuple[int, ...]

    def __init__(self, net: nn.Module, outline: "StageOutline") -> None:
        super().__init__()
        self.net = net
        self.stage_names = outline.names
        self.stage_channels = outline.widths
        self.top_dimensions = outline.top_dimensions
        self.notes: tuple[Sentence, ...] = ()

    def stages(self, images_NCHW: Tensor) -> list[Tensor]:
        """Maps N x C x H x W from shallow to deep; the last is what the classifier would see."""
        top, maps = _read_maps(self.net, images_NCHW)
        return [*maps[: len(self.stage_names) - 1], _as_map(top, self.top_dimensions)]

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """The top's map."""
        return self.stages(images_NCHW)[-1]

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """A group for each of the network's parts, in the order in which they were made."""
        groups: list[list[nn.Parameter]] = []
        for part in self.net.children():
            inner = list(part.children()) if _is_sequence(part) else [part]
            groups += [list(module.parameters()) for module in inner]
        own = list(self.net.parameters(recurse=False))
        return [group for group in (own, *groups) if group]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOutline:
    """The stages of a timm network; `top_dimensions` is 4 if its top is a feature map."""

    names: tuple[str, ...]
    widths: tuple[int, ...]
    top_dimensions: int


def adapt_channel_statistics(
    card: NetCard, channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel for a pretrained network, C each.

    Repeated in turn, as the filters of its first layer are; grey images use their mean.
    """
    count = len(card.mean) if channels in (1, len(card.mean)) else channels
    turn = [k % len(card.mean) for k in range(count)]
    return tuple(card.mean[k] for k in turn), tuple(card.std[k] for k in turn)


def _build(name: str, settings: NetSettings, channels: int, weights: str | None) -> nn.Module:
    # Grey images are repeated to three channels, where pretrained weights know what to do.
    channels = 3 if channels in (1, 3) else channels
    net = _create_timm_net(name, channels, hub=weights is None)
    backbone = TimmBackbone(net, _read_outline(name)).eval()
    if weights not in (None, RANDOM):
        assert weights is not None
        after = _classifier_tensors(name, net)
        backbone.notes = fit_weights(net, read_weights(Path(weights)), weights, after)
    return backbone


def _create_timm_net(name: str, channels: int, *, hub: bool, device: str = "cpu") -> nn.Module:
    """The bare timm network, with weights from the hub if `hub`, else with fixed random weights."""
    import timm

    _refuse_token_network(name)
    config = timm.get_pretrained_cfg(name)
    if hub:
        if config is None or not config.hf_hub_id:
            raise ModelError(f"timm knows no pretrained weights for {name}.", WITHOUT_HUB)
        own = (config.hf_hub_filename,) if config.hf_hub_filename else ()
        fetch_weights(name, config.hf_hub_id, WITHOUT_HUB, own)
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(0)
        try:
            net: nn.Module = timm.create_model(
                name, pretrained=hub, num_classes=0, in_chans=channels
            )
        except Exception as error:
            if not hub:
                raise
            raise HubError(
                f"The pretrained weights of {name} cannot be had: {_first_line(error)}.",
                WITHOUT_HUB,
            ) from error
    if not hasattr(net, "forward_intermediates"):
        raise UsageError(
            f"The net {name} does not show its stages, so striate cannot use it.",
            "Type `striate nets` for those at hand.",
        )
    # What comes after the last map is not used, so it shall not be counted or trained.
    # timm adds this method to a network of features; nn.Module does not declare it.
    net.prune_intermediate_layers(1, prune_norm=False, prune_head=True)  # type: ignore[operator]
    return net


def _classifier_tensors(name: str, net: nn.Module) -> set[str]:
    """Tensors of timm's whole network that the bare one lacks, such as a classifier's."""
    import timm

    with torch.device("meta"):
        whole: nn.Module = timm.create_model(name)
    return set(whole.state_dict()) - set(net.state_dict())


@functools.cache
def _read_outline(name: str) -> StageOutline:
    """Names and channels of the stages; a last stage equal to the top is listed once.

    Computed on the meta device, where a forward pass costs nothing.
    """
    net = _create_timm_net(name, 3, hub=False, device="meta").eval()
    size = _default_input_size(name)
    with torch.no_grad():
        try:
            for smaller in OTHER_SIZES:
                _read_maps(net, torch.zeros(1, 3, smaller, smaller, device="meta"))
            top, maps = _read_maps(net, torch.zeros(1, 3, size, size, device="meta"))
        except (RuntimeError, AssertionError) as error:
            raise UsageError(
                f"The net {name} takes images of {size} pixels alone, or not of every size.",
                CONVOLUTIONAL_HINT,
            ) from error
    if not isinstance(top, Tensor):
        raise UsageError(
            f"The net {name} ends in several maps; striate reads one.", CONVOLUTIONAL_HINT
        )
    if top.ndim == 3 or top.shape[1] < top.shape[-1]:
        raise _not_convolutional_error(name)
    dimensions = top.ndim
    top = _as_map(top, dimensions)
    # timm adds `feature_info`; nn.Module does not declare it.
    names = [str(info["module"]).replace(".", "_") for info in net.feature_info]  # type: ignore[union-attr]
    if len(names) != len(maps):
        names = [f"stage{k}" for k in range(1, len(maps) + 1)]
    if maps[-1].shape == top.shape:
        maps, names = maps[:-1], names[:-1]
    widths = [int(map_NCHW.shape[1]) for map_NCHW in (*maps, top)]
    return StageOutline(names=(*names, "top"), widths=tuple(widths), top_dimensions=dimensions)


def _read_maps(net: nn.Module, images_NCHW: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The feature maps of the stages and of the top."""
    top, maps = cast(Any, net).forward_intermediates(images_NCHW, output_fmt="NCHW")
    return top, maps


def _default_input_size(name: str) -> int:
    import timm

    config = timm.get_pretrained_cfg(name)
    return int(config.input_size[-1]) if config else 224


def _as_map(top: Tensor, dimensions: int) -> Tensor:
    """A vector as a feature map of one pixel."""
    return top[:, :, None, None] if dimensions == 2 else top


def _is_sequence(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential | nn.ModuleList)


def _is_timm_name(name: str) -> bool:
    """Whether timm knows the name, with the weights named after the dot."""
    import timm

    return bool(timm.is_model_pretrained(name) if "." in name else timm.is_model(name))


def _timm_names() -> tuple[str, ...]:
    import timm

    return (*timm.list_models(), *timm.list_models(pretrained=True))


def _refuse_token_network(name: str) -> None:
    """Raise `UsageError` for a network that reads patches of a fixed image size as tokens."""
    import timm

    config = timm.get_pretrained_cfg(name)
    if config is not None and config.fixed_input_size:
        raise _not_convolutional_error(name)


def _not_convolutional_error(name: str) -> UsageError:
    return UsageError(
        f"The net {name} is no convolutional network: it reads patches of an image, such as a "
        "transformer does, and has no maps at every size.",
        CONVOLUTIONAL_HINT,
    )


@functools.cache
def _card(name: str) -> NetCard:
    import timm

    config = timm.get_pretrained_cfg(name)
    net = _create_timm_net(name, 3, hub=False, device="meta")
    size = _default_input_size(name)
    backbone = TimmBackbone(net, _read_outline(name))
    return NetCard(
        name=name,
        family="pretrained",
        title=f"{name} (timm)",
        parameters=sum(p.numel() for p in net.parameters()),
        multiply_adds=count_multiply_adds(backbone, size, 3),
        input_size=size,
        mean=tuple(config.mean) if config else (0.5, 0.5, 0.5),
        std=tuple(config.std) if config else (0.5, 0.5, 0.5),
        stages=backbone.stage_names,
        pretrained=(config.tag or "") if config else "",
        weights_at_hand=bool(config and config.hf_hub_id and is_cached(config.hf_hub_id)),
        channels="adapted",
        licence=(config.license or "") if config else "",
        source=f"https://huggingface.co/{config.hf_hub_id}" if config and config.hf_hub_id else "",
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


# The smallest sizes at which features are read, and one between them and the usual.
OTHER_SIZES = (96, 160)
CONVOLUTIONAL_HINT = (
    "Take a convolutional one, such as --net resnet18, convnext_atto or efficientnet_b0."
)
WITHOUT_HUB = "Give a weights file with --weights FILE, or take --net efficientnet-lite0."

NET = NetFamily(
    name="pretrained",
    cards=lambda: (),
    matches=_is_timm_name,
    card=_card,
    build=_build,
    names=_timm_names,
)
