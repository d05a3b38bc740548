"""Weight initialisation: patch whitening, identity and standard schemes, data-dependent scaling."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.config.suggestions import did_you_mean
from striate.errors import UsageError
from striate.train.head import Network
from striate.values import LayerMoments

HEAD_LENGTH = 4.0
CALIBRATION_IMAGES = 256  # images
DATA_DEPENDENT = ("lsuv", "calibrated")
MOST_ROUNDS = 10  # rounds a layer
TOLERANCE = 0.02
LEAST_VARIANCE = 1e-12


def initialise_network(
    network: Network,
    images_NCHW: Tensor,
    generator: torch.Generator,
    method: str = "identity",
) -> None:
    """Initialise a network trained from scratch by a method of `METHODS`.

    `images_NCHW` are some training images as the network receives them; a convolution called
    `whiten` is fitted to them, after the preprocessing, whatever the method. `lsuv` and
    `calibrated` use them too. Raises `UsageError` for an unknown method.
    """
    if method not in METHODS:
        raise UsageError(
            f"There is no initialisation {method!r}{did_you_mean(method, METHODS)}",
            f"There are: {', '.join(METHODS)}.",
        )
    with torch.no_grad():
        seen_NCHW = network.preprocess(images_NCHW)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and name.endswith("whiten"):
            whiten_filters(module, seen_NCHW)
        elif isinstance(module, nn.Conv2d):
            METHODS[method](module, generator)
        elif isinstance(module, nn.Linear):
            init_kaiming(module, generator)
    if method in DATA_DEPENDENT:
        some_NCHW = seen_NCHW[:CALIBRATION_IMAGES]
        calibrate_variances(network.backbone, some_NCHW, "unit" if method == "lsuv" else "input")
    scale_features(network, images_NCHW)


def whiten_filters(convolution: nn.Conv2d, images_NCHW: Tensor, eps: float = 5e-4) -> None:
    """Set filters to the eigenvectors of the images' patches over the root of their variance.

    The strongest half as many as the layer has channels, then their negatives; zero bias. `eps` is
    a share of the mean variance, so that weak directions are not amplified to noise.
    """
    patches_ND = _extract_patches(images_NCHW.float(), convolution)
    dimensions = patches_ND.shape[1]
    covariance_DD = (patches_ND.T.double() @ patches_ND.double()) / len(patches_ND)
    variance_D, vectors_DD = torch.linalg.eigh(covariance_DD)
    floor = eps * float(variance_D.mean()) + 1e-12
    scaled_DD = vectors_DD / (variance_D + floor).sqrt()
    filters = convolution.out_channels // 2
    kept_FD = _fix_signs(scaled_DD.T.flip(0)[:filters])
    missing = filters - dimensions
    if missing > 0:
        kept_FD = F.pad(kept_FD, (0, 0, 0, missing))
    weight = torch.cat([kept_FD, -kept_FD]).view(convolution.weight.shape)
    with torch.no_grad():
        convolution.weight.copy_(weight)
        if convolution.bias is not None:
            convolution.bias.zero_()


def scale_features(network: Network, images_NCHW: Tensor) -> None:
    """Scale the head's input to a norm of about 4, so that one learning rate suits any width.

    A gradient step on a linear layer overshoots if rate times squared norm exceeds about 2.
    """
    network.train()
    with torch.no_grad():
        features_ND = network.pooled(images_NCHW)
    length = float(features_ND.square().sum(dim=1).mean().sqrt())
    network.shift.zero_()
    network.scale.fill_(max(length, 1e-6) / HEAD_LENGTH)


def init_passthrough(convolution: nn.Conv2d, generator: torch.Generator) -> None:
    """Torch's default weights; where possible the first channels are the identity."""
    init_kaiming(convolution, generator)
    if convolution.kernel_size[0] % 2 and convolution.groups == 1:
        init_identity(convolution)


def init_he(convolution: nn.Conv2d, generator: torch.Generator) -> None:
    """Normal weights of variance 2 / fan-in, for ReLU (He et al. 2015, equation 10)."""
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu", generator=generator)
    _zero_bias(convolution)


def init_xavier(convolution: nn.Conv2d, generator: torch.Generator) -> None:
    """Uniform weights of variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010, equation 16)."""
    nn.init.xavier_uniform_(convolution.weight, generator=generator)
    _zero_bias(convolution)


def init_orthogonal(convolution: nn.Conv2d, generator: torch.Generator) -> None:
    """Filters as rows of an orthogonal matrix (Saxe et al. 2014)."""
    # Torch fills only weights that lie row by row, which those with channels last do not.
    rows = torch.empty(convolution.weight.shape)
    nn.init.orthogonal_(rows, generator=generator)
    with torch.no_grad():
        convolution.weight.copy_(rows)
    _zero_bias(convolution)


def init_identity(convolution: nn.Conv2d) -> None:
    """The first channels are the identity (Dirac); the others are unchanged."""
    with torch.no_grad():
        nn.init.dirac_(convolution.weight[: convolution.in_channels])


def init_kaiming(layer: nn.Conv2d | nn.Linear, generator: torch.Generator) -> None:
    """Uniform weights of variance 1 / (3 fan-in), torch's default; zero bias."""
    nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)
    _zero_bias(layer)


def _zero_bias(layer: nn.Conv2d | nn.Linear) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _extract_patches(images_NCHW: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Patches (about 200,000 at most) that the convolution sees, flattened, N x D."""
    height, width = convolution.kernel_size
    windows = images_NCHW.unfold(2, height, 1).unfold(3, width, 1)
    patches_ND = windows.permute(0, 2, 3, 1, 4, 5).reshape(
        -1, images_NCHW.shape[1] * height * width
    )
    return patches_ND[:: max(1, len(patches_ND) // 200_000)]


def _fix_signs(filters_FD: Tensor) -> Tensor:
    """Eigenvectors with their arbitrary sign fixed: the largest entry is positive."""
    largest_F1 = filters_FD.abs().argmax(dim=1, keepdim=True)
    return filters_FD * filters_FD.gather(1, largest_F1).sign()


METHODS: dict[str, Callable[[nn.Conv2d, torch.Generator], None]] = {
    "identity": init_passthrough,
    "torch": init_kaiming,
    "kaiming": init_he,
    "xavier": init_xavier,
    "orthogonal": init_orthogonal,
    "lsuv": init_orthogonal,
    "calibrated": init_he,
}


def calibrate_variances(
    network: nn.Module, images_NCHW: Tensor, target: Literal["unit", "input"] = "unit"
) -> None:
    """Rescale the weights layer by layer to the wanted output variance.

    `unit` is layer-sequential unit variance (Mishkin and Matas 2016, algorithm 1, which starts from
    orthogonal weights): variance 1 before the activation. `input` gives every layer's output the
    variance of its input. Biases become 0. Layers that are not trained, or whose output is
    constant, are unchanged.
    """
    for layer in weight_layers(network, images_NCHW):
        if not layer.weight.requires_grad:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        for _ in range(MOST_ROUNDS):
            entering, leaving = _measure_variances(network, layer, images_NCHW)
            wanted = 1.0 if target == "unit" else entering
            if leaving < LEAST_VARIANCE or abs(leaving / wanted - 1) < TOLERANCE:
                break
            with torch.no_grad():
                layer.weight.mul_((wanted / leaving) ** 0.5)


def layer_moments(network: nn.Module, images_NCHW: Tensor) -> tuple[LayerMoments, ...]:
    """Mean and variance of the input and output of every convolution and linear layer, in order."""
    names = {module: name for name, module in network.named_modules()}
    found: list[LayerMoments] = []

    def note(layer: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        found.append(
            LayerMoments(
                layer=names[layer],
                kind=type(layer).__name__,
                input_variance=float(given[0].float().var()),
                output_mean=float(made.float().mean()),
                output_variance=float(made.float().var()),
            )
        )

    with _forward_hooks(
        network, [m for m in network.modules() if isinstance(m, LAYER_TYPES)], note
    ):
        network(images_NCHW)
    return tuple(found)


def weight_layers(network: nn.Module, images_NCHW: Tensor) -> list[nn.Conv2d | nn.Linear]:
    """The convolutions and linear layers in the order of the forward pass."""
    met: list[Any] = []
    with _forward_hooks(
        network,
        [module for module in network.modules() if isinstance(module, LAYER_TYPES)],
        lambda layer, given, made: met.append(layer),
    ):
        network(images_NCHW[:2])
    return list(dict.fromkeys(met))


class _StopForward(Exception):
    """Raised by a hook to end a forward pass early."""


def _measure_variances(
    network: nn.Module, layer: nn.Conv2d | nn.Linear, images_NCHW: Tensor
) -> tuple[float, float]:
    found: list[float] = []

    def note(_: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        found.extend((float(given[0].float().var()), float(made.float().var())))
        raise _StopForward

    with _forward_hooks(network, [layer], note), suppress(_StopForward):
        network(images_NCHW)
    return found[0], found[1]


@contextmanager
def _forward_hooks(network: nn.Module, watched: list[Any], note: Any) -> Iterator[None]:
    """Hooks for one pass with batch statistics; running statistics are restored afterwards."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    modes = {module: module.training for module in network.modules()}
    network.train()
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()
    hooks = [layer.register_forward_hook(note) for layer in watched]
    try:
        with torch.no_grad():
            yield
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes.items():
            module.training = mode
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])


LAYER_TYPES = (nn.Conv2d, nn.Linear)
