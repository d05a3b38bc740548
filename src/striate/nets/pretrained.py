"""Any convolutional network of timm, with weights from a file or from the Hugging Face hub."""

import functools
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from striate.errors import ModelError, UsageError
from striate.nets import RANDOM, NetFamily, multiply_adds
from striate.values import NetCard, NetSettings


class TimmBackbone(nn.Module):
    """A network of timm without its classifier, its stages read on the way through."""

    stage_names: tuple[str, ...]
    stage_channels: tuple[int, ...]

    def __init__(self, net: nn.Module, outline: "Outline") -> None:
        super().__init__()
        self.net = net
        self.stage_names = outline.names
        self.stage_channels = outline.widths
        self.top_dimensions = outline.top_dimensions

    def stages(self, images_NCHW: Tensor) -> list[Tensor]:
        """Maps N x C x H x W from shallow to deep; the last is what the classifier would see."""
        top, maps = self.net.forward_intermediates(images_NCHW, output_fmt="NCHW")  # type: ignore[operator]
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
class Outline:
    """The stages of a network of timm; `top_dimensions` is 4 where its top is a map."""

    names: tuple[str, ...]
    widths: tuple[int, ...]
    top_dimensions: int


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file: `.safetensors`, or `.pt` and `.pth` without any code in it.

    Raises `ModelError` where the file is missing, damaged or wants to run code.
    """
    if not path.is_file():
        raise ModelError(
            f"There is no weights file {path}.", "Check the name after --weights, or leave it out."
        )
    try:
        if path.suffix == ".safetensors":
            return dict(safetensors.torch.load_file(path))
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (safetensors.SafetensorError, OSError, RuntimeError, EOFError, ValueError) as error:
        raise ModelError(
            f"The weights file {path} is damaged: {_first_line(error)}.",
            "Take a copy that is whole.",
        ) from error
    except Exception as error:  # pickle's own errors have no common base but this
        raise ModelError(
            f"The weights file {path} holds more than tensors, which striate does not open.",
            "Save it as .safetensors, or with torch.save(net.state_dict(), FILE).",
        ) from error
    for wrap in ("state_dict_ema", "state_dict", "model_ema", "model"):
        if isinstance(content, dict) and isinstance(content.get(wrap), dict):
            content = content[wrap]
    if not isinstance(content, dict):
        content = {}
    tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
    if not tensors:
        raise ModelError(f"The weights file {path} holds no tensors.", "Name a file of weights.")
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def fit_weights(network: nn.Module, tensors: dict[str, Tensor], source: str) -> None:
    """Loads tensors into a network: by name, or in order where only the names differ.

    Tensors left over at the end, such as another classifier, are passed over. Raises
    `ModelError` naming the first tensors that are missing or of another shape.
    """
    wanted = network.state_dict()
    if not set(wanted) & set(tensors):
        # Other names: the same tensors in the same order are taken to be the same network.
        tensors = dict(zip(wanted, tensors.values(), strict=False))
    faults = [f"{name} is missing" for name in wanted if name not in tensors]
    faults += [
        f"{name} is {_shape(tensors[name])} where the net has {_shape(tensor)}"
        for name, tensor in wanted.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    if faults:
        more = f", and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise ModelError(
            f"The weights in {source} do not fit the network: {'; '.join(faults[:3])}{more}.",
            "Name the net that these weights were trained for with --net.",
        )
    network.load_state_dict({name: tensors[name] for name in wanted})


def _build(name: str, settings: NetSettings, channels: int, weights: str | None) -> nn.Module:
    # Grey images are repeated to three channels, where pretrained weights know what to do.
    channels = 3 if channels in (1, 3) else channels
    net = _create(name, channels, hub=weights is None)
    if weights not in (None, RANDOM):
        assert weights is not None
        tensors = _renamed(net, read_weights(Path(weights)))
        fit_weights(net, tensors, weights)
    return TimmBackbone(net, _outline(name)).eval()


def _create(name: str, channels: int, *, hub: bool, device: str = "cpu") -> nn.Module:
    """The bare timm network; from the hub with `hub`, else as it is born, from a fixed seed."""
    import timm

    config = timm.get_pretrained_cfg(name)
    if hub:
        _reach(name, config)
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(0)
        try:
            net: nn.Module = timm.create_model(
                name, pretrained=hub, num_classes=0, in_chans=channels
            )
        except Exception as error:
            if not hub:
                raise
            raise ModelError(
                f"The pretrained weights of {name} cannot be had: {_first_line(error)}.",
                _without_hub(),
            ) from error
    if not hasattr(net, "forward_intermediates"):
        raise UsageError(
            f"The net {name} does not show its stages, so striate cannot use it.",
            "Type `striate nets` for those at hand.",
        )
    # What comes after the last map is not used, so it shall not be counted or trained.
    net.prune_intermediate_layers(1, prune_norm=False, prune_head=True)  # type: ignore[operator]
    return net


def _reach(name: str, config: Any) -> None:
    """Returns if the weights are in the hub's cache or the hub answers in time, else raises."""
    if config is None or not config.hf_hub_id:
        raise ModelError(f"timm knows no pretrained weights for {name}.", _without_hub())
    if _cached(config.hf_hub_id):
        return
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise ModelError(
            f"The pretrained weights of {name} are not on this machine, and HF_HUB_OFFLINE "
            "forbids to fetch them.",
            _without_hub(),
        )
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if not _answers(f"{hub}/{config.hf_hub_id}/resolve/main/config.json"):
        raise ModelError(
            f"The pretrained weights of {name} are not on this machine, and {hub} did not answer "
            f"within {HUB_SECONDS} seconds.",
            _without_hub(),
        )


def _answers(address: str) -> bool:
    """Whether the address answers in time; looking up a name has no time limit of its own."""
    import urllib.request  # 40 ms that only a fetch shall cost

    answered = threading.Event()

    def ask() -> None:
        try:
            request = urllib.request.Request(address, method="HEAD")
            urllib.request.urlopen(request, timeout=HUB_SECONDS).close()
            answered.set()
        except (OSError, ValueError):
            pass

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_SECONDS)
    return answered.is_set()


def _cached(hub_id: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    names = ("model.safetensors", "pytorch_model.bin")
    return any(isinstance(try_to_load_from_cache(hub_id, name), str) for name in names)


def _renamed(net: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A classifier that the backbone does not have is dropped; timm's own names are kept."""
    return {name: tensor for name, tensor in tensors.items() if name in net.state_dict()} or tensors


@functools.cache
def _outline(name: str) -> Outline:
    """Names and channels of the stages; a last stage that is the top itself is not kept twice.

    Found on the meta device, where a forward pass costs nothing.
    """
    net = _create(name, 3, hub=False, device="meta").eval()
    size = _input_size(name)
    with torch.no_grad():
        images = torch.zeros(1, 3, size, size, device="meta")
        top, maps = net.forward_intermediates(images, output_fmt="NCHW")  # type: ignore[operator]
    dimensions = top.ndim
    top = _as_map(top, dimensions)
    names = [str(info["module"]).replace(".", "_") for info in net.feature_info]  # type: ignore[union-attr]
    if len(names) != len(maps):
        names = [f"stage{k}" for k in range(1, len(maps) + 1)]
    if maps[-1].shape == top.shape:
        maps, names = maps[:-1], names[:-1]
    widths = [int(map_NCHW.shape[1]) for map_NCHW in (*maps, top)]
    return Outline(names=(*names, "top"), widths=tuple(widths), top_dimensions=dimensions)


def _input_size(name: str) -> int:
    import timm

    config = timm.get_pretrained_cfg(name)
    return int(config.input_size[-1]) if config else 224


def _as_map(top: Tensor, dimensions: int) -> Tensor:
    """A vector is a map of one pixel; tokens N x T x C are a map of T x 1 pixels."""
    if dimensions == 2:
        return top[:, :, None, None]
    if dimensions == 3:
        return top.transpose(1, 2)[..., None]
    return top


def _is_sequence(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential | nn.ModuleList)


def _known(name: str) -> bool:
    import timm

    return bool(timm.is_model(name))


@functools.cache
def _card(name: str) -> NetCard:
    import timm

    config = timm.get_pretrained_cfg(name)
    net = _create(name, 3, hub=False, device="meta")
    size = _input_size(name)
    backbone = TimmBackbone(net, _outline(name))
    return NetCard(
        name=name,
        family="pretrained",
        title=f"{name} (timm)",
        parameters=sum(p.numel() for p in net.parameters()),
        multiply_adds=multiply_adds(backbone, size, 3),
        input_size=size,
        mean=tuple(config.mean) if config else (0.5, 0.5, 0.5),
        std=tuple(config.std) if config else (0.5, 0.5, 0.5),
        stages=backbone.stage_names,
        pretrained=(config.tag or "") if config else "",
        weights_at_hand=bool(config and config.hf_hub_id and _cached(config.hf_hub_id)),
        licence=(config.license or "") if config else "",
        source=f"https://huggingface.co/{config.hf_hub_id}" if config and config.hf_hub_id else "",
    )


def _shape(tensor: Tensor) -> str:
    return "x".join(str(n) for n in tensor.shape) or "a number"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _without_hub() -> str:
    return "Give a weights file with --weights FILE, or take --net efficientnet-lite0."


HUB_SECONDS = 10

NET = NetFamily(
    name="pretrained",
    cards=lambda: (),
    matches=_known,
    card=_card,
    build=_build,
)
