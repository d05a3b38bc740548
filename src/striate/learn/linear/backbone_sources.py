"""The pretrained networks at hand: the bundled one, a weights file, the hub's downloads."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from striate.errors import ModelError, UsageError
from striate.learn.linear.linear_model import PRETRAINED
from striate.nets import find_net
from striate.nets.foreign import read_foreign, remember_foreign
from striate.toolboxes.graph import ToolboxError
from striate.values import NetSettings
from striate.weights.hub import list_cached_models
from striate.weights.reading import open_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneSource:
    """A network by name and its weights: a file, or None for those at hand under its name."""

    net: str
    weights: str | None = None

    @property
    def title(self) -> str:
        """The name shown to people."""
        return f"{self.net} ({Path(self.weights).name})" if self.weights else self.net


def available_backbones() -> tuple[BackboneSource, ...]:
    """The bundled network and those whose weights the hub has downloaded here, sorted."""
    known = find_net(PRETRAINED)
    fetched = [name for name in list_cached_models() if not known.matches(name.partition(".")[0])]
    return (
        BackboneSource(net=PRETRAINED),
        *(BackboneSource(net=name) for name in fetched if _is_usable(name)),
    )


def backbone_from_file(weights: str) -> BackboneSource:
    """The network of a weights file: named in the file, by the file's name, or by its shapes.

    Raises `ModelError` if it fits no known network.
    """
    path = Path(weights)
    foreign = foreign_backbone(weights)
    if foreign is not None:
        return foreign
    named = open_weights(path).net
    stems = (path.stem, path.stem.partition("-")[0], path.stem.partition(".")[0])
    tried = dict.fromkeys(name for name in (named, *stems) if name and _is_usable(name))
    for name in (*tried, PRETRAINED):
        with suppress(ModelError):
            find_net(name).build(name, NetSettings(), 3, weights)
            return BackboneSource(net=name, weights=weights)
    name = next(iter(tried), PRETRAINED)
    find_net(name).build(name, NetSettings(), 3, weights)
    raise AssertionError("a file that fitted no network fitted one")


def foreign_backbone(weights: str) -> BackboneSource | None:
    """The network in another toolbox's file; None where it is a file of tensors of torch.

    Raises `ModelError` if the file is damaged, or its network takes no images.
    """
    path = Path(weights)
    if not path.is_file():
        return None
    try:
        graph = read_foreign(path)
    except ToolboxError:
        if path.suffix.lower() in TORCH_ENDINGS:
            return None  # what is wrong with it is told where tensors are read
        raise
    if graph is None:
        return None
    return BackboneSource(net=remember_foreign(path, graph), weights=weights)


def _is_usable(name: str) -> bool:
    """Whether it is a pretrained network with accessible stages."""
    try:
        return bool(find_net(name).card(name).pretrained)
    except (UsageError, ModelError):
        return False


TORCH_ENDINGS = (".safetensors", ".pt", ".pth", ".bin", "")
