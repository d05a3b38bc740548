"""A fused network in bfloat16 that stays near its float32 features.

Most of the error has two sources, and both are corrected. (1) Rounding in the first stage
propagates through all later ones, so the first stage stays in float32. (2) A rounded weight has
the same error at every pixel of every image; the mean of that error is added to the bias (Nagel
et al. 2019, Data-Free Quantization, section 4.2).
"""

import copy
import functools

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from striate.train.fast.fused_conv import FusedConv
from striate.values.seeds import seed_for

CALIBRATION_IMAGES = 2  # images
CALIBRATION_SIZE = 128  # pixels a side: only channel means are taken from it


def to_bf16(fused: fx.GraphModule, channels: int) -> fx.GraphModule:
    """Convert a module made by `fuse_backbone` to bfloat16 in place; it still takes float32 images.

    `channels` is that of the images. Raises `ValueError` if the network has no separate first
    stage.
    """
    first = _first_stage_node(fused)
    kept = [str(node.target) for node in _ancestor_nodes(first) if node.op == "call_module"]
    # Measured before anything is rounded: the means are to be those of the float32 network.
    means = _mean_inputs(fused, channels)
    for name, conv in _convs(fused).items():
        if name not in kept:
            conv.bias += _rounding_loss(conv, means[name])
    exact = {name: copy.deepcopy(fused.get_submodule(name)) for name in kept}
    # Kept aside, since `to` would round them too, and with them the correction just added.
    biases = {name: conv.bias.clone() for name, conv in _convs(fused).items()}
    fused.to(torch.bfloat16)
    for name, conv in _convs(fused).items():
        if not conv.adds:  # The kernel that adds a shortcut wants its bias in bfloat16 too.
            conv.bias = biases[name]
    for name, module in exact.items():
        fused.set_submodule(name, module)
    _cast_after(fused, first)
    return fused


def _first_stage_node(fused: fx.GraphModule) -> fx.Node:
    """The node of the first stage's feature map, on which all deeper ones depend."""
    output = next(node for node in fused.graph.nodes if node.op == "output")
    first = output.args[0][0]
    inside = _ancestor_nodes(first)
    passed = [node for node in inside if node is not first and set(node.users) - inside]
    if passed or len(inside) + 1 >= len(fused.graph.nodes):
        raise ValueError("the first stage is not a stage of its own")
    # torch.fx types the arguments of a node as Any.
    return first  # type: ignore[no-any-return]


def _ancestor_nodes(node: fx.Node) -> set[fx.Node]:
    """The node and all nodes that it depends on."""
    found, waiting = {node}, [node]
    while waiting:
        for before in waiting.pop().all_input_nodes:
            if before not in found:
                found.add(before)
                waiting.append(before)
    return found


def _mean_inputs(fused: fx.GraphModule, channels: int) -> dict[str, Tensor]:
    """Mean input of each convolution per channel, over synthetic images."""
    means: dict[str, Tensor] = {}

    def note(name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        means[name] = inputs[0].mean(dim=(0, 2, 3))

    hooks = [
        conv.register_forward_pre_hook(functools.partial(note, name))
        for name, conv in _convs(fused).items()
    ]
    try:
        fused(synthetic_images(CALIBRATION_IMAGES, channels, CALIBRATION_SIZE))
    finally:
        for hook in hooks:
            hook.remove()
    return means


def _rounding_loss(conv: FusedConv, mean_C: Tensor) -> Tensor:
    """Mean error per output channel that rounding the weights to bfloat16 causes."""
    # A sum over the kernel's window: the mean of a channel is taken as the same at every pixel.
    lost_OI = (conv.weight - conv.weight.to(torch.bfloat16).float()).sum(dim=(2, 3))
    lost_GOI = lost_OI.view(conv.groups, -1, lost_OI.shape[1])
    return (lost_GOI * mean_C.view(conv.groups, 1, -1)).sum(dim=2).flatten()


def _convs(fused: fx.GraphModule) -> dict[str, FusedConv]:
    return {name: m for name, m in fused.named_modules() if isinstance(m, FusedConv)}


def _cast_after(fused: fx.GraphModule, first: fx.Node) -> None:
    """Cast the first feature map to bfloat16 for what reads it; the map itself stays float32."""
    # The output is left out: the first stage's features are read in float32.
    users = [user for user in first.users if user.op != "output"]
    with fused.graph.inserting_after(first):
        cast = fused.graph.call_method("to", (first, torch.bfloat16))
    for user in users:
        user.replace_input_with(first, cast)
    fused.recompile()


def synthetic_images(count: int, channels: int, size: int) -> Tensor:
    """Images N x C x S x S in [-1, 1], always the same.

    Noise of every scale, its amplitude falling as the frequency rises (Field 1987, Relations
    between the statistics of natural images), most of it shared by the channels.
    """
    generator = torch.Generator().manual_seed(seed_for(0, "made images"))
    images = torch.zeros(count, channels, size, size)
    grain = 2
    while grain <= size:
        shared = torch.randn(count, 1, grain, grain, generator=generator)
        own = torch.randn(count, channels, grain, grain, generator=generator)
        images += F.interpolate(shared + own, size=(size, size), mode="bilinear") / grain**0.5
        grain *= 2
    return (images / images.std() / 2).clamp(-1, 1)
