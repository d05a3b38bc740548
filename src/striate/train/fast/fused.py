"""A convolutional network by oneDNN's fused kernels: convolution, normalisation, activation in one.

Batch normalisation is folded into the weights; activation and the addition of a shortcut are
done while a result is still in the processor's registers. The operators are private to torch,
so what comes out is compared with the plain network before it is used.

Networks that pad as TensorFlow does (at stride 2, on even sizes, at the far end alone) are run
on images turned by 180 degrees, with their kernels turned too. What was the far end is then the
near end, where the kernel's own even padding does the same: exact, and without padded copies.
"""

import copy
import operator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from striate.train.fast.fused_conv import NO_ACTIVATION, Activation, FusedConv, pads_unevenly

MOST_ROUNDING = 1e-3  # relative norm; a wrong kernel is off by far more


def fuse_backbone(backbone: nn.Module) -> fx.GraphModule:
    """A float32 module with fused kernels that maps images to the list of `backbone.stages`.

    For networks with TensorFlow padding the maps come rotated by 180 degrees, which global pooling
    does not see. Raises an exception of any kind if the network cannot be traced or the result
    differs: the caller then keeps the plain network.
    """
    with torch.no_grad():
        root = _Stages(copy.deepcopy(backbone).eval())
        # One such convolution turns the whole network: turning maps back midway would copy them.
        turned = any(pads_unevenly(m) for m in root.modules() if isinstance(m, nn.Conv2d))
        graph = _Tracer().trace(root)
        _drop_identities(root, graph)
        for node in list(graph.nodes):
            if isinstance(_called_module(root, node), nn.Conv2d):
                _fuse_chain(root, graph, node, turned)
        if turned:
            _rotate_input(root, graph)
        fused = fx.GraphModule(root, graph).eval()
        fused.graph.eliminate_dead_code()
        fused.recompile()
        # The operators are private to torch: another version may mean something else by them.
        _check_equivalence(root, fused, turned)
    fused.delete_all_unused_submodules()
    return fused


class _Stages(nn.Module):
    """The stages of a backbone as a forward pass, which is what can be traced."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images_NCHW: Tensor) -> list[Tensor]:
        # Every backbone has `stages`; nn.Module does not declare it.
        stages: list[Tensor] = self.backbone.stages(images_NCHW)  # type: ignore[operator]
        return stages


class _Tracer(fx.Tracer):
    """Traces into every module except convolutions, batch normalisation and torch's own layers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        known = isinstance(m, nn.Conv2d | nn.BatchNorm2d)
        return known or super().is_leaf_module(m, module_qualified_name)


def _drop_identities(root: nn.Module, graph: fx.Graph) -> None:
    """Remove layers that do nothing in inference."""
    for node in list(graph.nodes):
        if isinstance(_called_module(root, node), nn.Identity | nn.Dropout | nn.Dropout2d):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)


def _rotate_input(root: nn.Module, graph: fx.Graph) -> None:
    """Rotate the images by 180 degrees at the input of the graph.

    Raises `ValueError` if an operation is not known to commute with the rotation: pooling of odd
    sizes, for example, drops the other border.
    """
    for node in graph.nodes:
        module = _called_module(root, node)
        known = module is None or isinstance(module, TURNABLE)
        # At stride 2 an evenly padded convolution samples other pixels of a turned map.
        if isinstance(module, FusedConv) and module.stride != (1, 1):
            known = module.uneven
        if node.op in ("call_function", "call_method"):
            known = getattr(node.target, "__name__", node.target) in TURNABLE_FUNCTIONS
        if not known:
            raise ValueError(f"{node.name} is not known to do the same on turned maps")
    images = next(node for node in graph.nodes if node.op == "placeholder")
    users = list(images.users)
    with graph.inserting_after(images):
        turned = graph.call_method("flip", (images, (2, 3)))
    for user in users:
        user.replace_input_with(images, turned)


def _fuse_chain(root: nn.Module, graph: fx.Graph, start: fx.Node, turned: bool) -> None:
    """Replace a convolution and the layers after it, if no other node reads the values between."""
    conv = root.get_submodule(str(start.target))
    if not isinstance(conv, nn.Conv2d) or not _is_supported(conv):
        return
    bias = conv.bias
    if bias is None:
        bias = torch.zeros(len(conv.weight), dtype=conv.weight.dtype, device=conv.weight.device)
    chain = _Chain(last=start, weight=conv.weight, bias=bias)
    # In the order in which the kernel computes: it cannot add after an activation.
    for grow in (_absorb_norm, _absorb_shortcut, _absorb_activation):
        chain = grow(root, chain)
    name = f"fused_{start.name}"
    weight = chain.weight.flip((2, 3)) if turned else chain.weight
    adds = chain.other is not None
    added = FusedConv(conv, weight.detach(), chain.bias.detach(), chain.activation, adds)
    root.add_module(name, added)
    # At the end of the chain, not at its start: the shortcut has to be computed by then.
    with graph.inserting_before(chain.last):
        arguments = start.args if chain.other is None else (*start.args, chain.other)
        node = graph.call_module(name, arguments)
    chain.last.replace_all_uses_with(node)
    for gone in (chain.last, *_nodes_between(start, chain.last)):
        if not gone.users:
            graph.erase_node(gone)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chain:
    """The operations that one fused convolution replaces, up to the node `last`."""

    last: fx.Node
    weight: Tensor
    bias: Tensor
    activation: Activation = NO_ACTIVATION
    other: fx.Node | None = None


def _absorb_norm(root: nn.Module, chain: _Chain) -> _Chain:
    after = _only_user(chain.last)
    norm = _called_module(root, after)
    if after is None or not isinstance(norm, nn.BatchNorm2d) or norm.running_var is None:
        return chain
    activation = _norm_activation(norm)
    if activation is None:
        return chain
    weight, bias = _fold_norm(chain.weight, chain.bias, norm)
    return replace(chain, last=after, weight=weight, bias=bias, activation=activation)


def _absorb_shortcut(root: nn.Module, chain: _Chain) -> _Chain:
    after = _only_user(chain.last)
    other = None if after is None else _shortcut_input(after, chain.last)
    if after is None or other is None or chain.activation != NO_ACTIVATION:
        return chain
    return replace(chain, last=after, other=other)


def _absorb_activation(root: nn.Module, chain: _Chain) -> _Chain:
    after = _only_user(chain.last)
    found = None if after is None else _activation_of(root, after)
    if after is None or found is None or chain.activation != NO_ACTIVATION:
        return chain
    if chain.other is not None and found[0] != "relu":  # the only one after an addition
        return chain
    return replace(chain, last=after, activation=found)


def _nodes_between(start: fx.Node, last: fx.Node) -> list[fx.Node]:
    """The nodes from `last` back to `start` along the chain, `last` left out."""
    chain = [start]
    while chain[-1] is not last:
        following = _only_user(chain[-1])
        if following is None:
            break
        chain.append(following)
    return [node for node in reversed(chain) if node is not last]


def _is_supported(conv: nn.Conv2d) -> bool:
    plain = type(conv) is nn.Conv2d and conv.padding_mode == "zeros"
    even = conv.padding != "same" or all(k % 2 for k in conv.kernel_size)
    return (plain and even) or pads_unevenly(conv)


def _fold_norm(weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weights and bias with the batch normalisation folded in, computed in float64."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    # float64, so that folding adds no rounding of its own to what is compared with the plain net.
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shifted = (bias.double() - norm.running_mean.double()) * scale
    if norm.bias is not None:
        shifted = shifted + norm.bias.double()
    folded = weight.double() * scale[:, None, None, None]
    return folded.to(weight.dtype), shifted.to(weight.dtype)


def _activation_of(root: nn.Module, node: fx.Node) -> Activation | None:
    if node.op == "call_module":
        return _known_activation(root.get_submodule(str(node.target)))
    if node.op == "call_function" and node.target in (F.relu, torch.relu):
        return ("relu", [], "")
    return None


def _known_activation(module: nn.Module) -> Activation | None:
    if isinstance(module, nn.Hardtanh):  # ReLU6 is one
        return ("hardtanh", [float(module.min_val), float(module.max_val)], "")
    if isinstance(module, nn.GELU):
        return ("gelu", [], module.approximate)
    for kind, name in ACTIVATIONS.items():
        if type(module) is kind:
            return (name, [], "")
    return None


def _norm_activation(norm: nn.BatchNorm2d) -> Activation | None:
    """The activation inside timm's BatchNormAct2d; `NO_ACTIVATION` for torch's; None if unknown."""
    if type(norm) is nn.BatchNorm2d:
        return NO_ACTIVATION
    inner = getattr(norm, "act", None)
    if type(norm).__name__ != "BatchNormAct2d" or not isinstance(inner, nn.Module):
        return None
    return NO_ACTIVATION if isinstance(inner, nn.Identity) else _known_activation(inner)


def _shortcut_input(node: fx.Node, branch: fx.Node) -> fx.Node | None:
    """The other operand, if this node adds a feature map to `branch`; else None."""
    if node.op != "call_function" or node.target not in ADDITIONS or len(node.args) != 2:
        return None
    others = [part for part in node.args if part is not branch]
    return others[0] if len(others) == 1 and isinstance(others[0], fx.Node) else None


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _called_module(root: nn.Module, node: fx.Node | None) -> nn.Module | None:
    if node is None or node.op != "call_module":
        return None
    return root.get_submodule(str(node.target))


def _check_equivalence(plain: nn.Module, fused: nn.Module, turned: bool) -> None:
    """Raise `ArithmeticError` if a feature map differs by more than rounding.

    Checked at an even and an odd size, since padding depends on it.
    """
    channels = next(m for m in plain.modules() if isinstance(m, nn.Conv2d)).in_channels
    for size in (64, 75):
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(2, channels, size, size, generator=generator) * 2 - 1
        for right, found in zip(plain(images), fused(images), strict=True):
            upright = found.flip((2, 3)) if turned else found
            # `not <=` rather than `>`: a NaN is a difference too.
            if not torch.linalg.norm(upright - right) <= MOST_ROUNDING * torch.linalg.norm(right):
                raise ArithmeticError("the fused kernels give another result")


TURNABLE = (
    FusedConv,
    nn.BatchNorm2d,
    nn.ReLU,
    nn.Hardtanh,
    nn.SiLU,
    nn.GELU,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Sigmoid,
)
TURNABLE_FUNCTIONS = ("add", "iadd", "mul", "imul", "mean", "relu", "sigmoid")
ADDITIONS = (operator.add, operator.iadd, torch.add)
ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.SiLU: "swish",
    nn.Hardswish: "hardswish",
    nn.Sigmoid: "sigmoid",
    nn.Tanh: "tanh",
}
