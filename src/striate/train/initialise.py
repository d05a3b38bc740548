"""First weights: patches whitened, 3x3 convolutions that begin by passing the image on, a head."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.train.head import Network


def initialise(network: Network, images_NCHW: Tensor, generator: torch.Generator) -> None:
    """Gives a network that is trained from scratch its first weights.

    `images_NCHW` are some training images as the network will see them; a convolution called
    `whiten` is fitted to them. Kaiming for what has no rule of its own (He et al. 2015).
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and name.endswith("whiten"):
            whiten(module, images_NCHW)
        elif isinstance(module, nn.Conv2d):
            kaiming(module, generator)
            if module.kernel_size[0] % 2 and module.groups == 1:
                identity(module)
        elif isinstance(module, nn.Linear):
            kaiming(module, generator)
    scale_features(network, images_NCHW)


def whiten(convolution: nn.Conv2d, images_NCHW: Tensor, eps: float = 5e-4) -> None:
    """Sets filters to the eigenvectors of the images' patches over the root of their variance.

    The strongest half as many as the layer has channels, then their negatives; a zero bias.
    `eps` is a share of the mean variance, so that faint directions are not blown up to noise.
    """
    patches_ND = _patches(images_NCHW.float(), convolution)
    dimensions = patches_ND.shape[1]
    covariance_DD = (patches_ND.T.double() @ patches_ND.double()) / len(patches_ND)
    variance_D, vectors_DD = torch.linalg.eigh(covariance_DD)
    floor = eps * float(variance_D.mean()) + 1e-12
    scaled_DD = vectors_DD / (variance_D + floor).sqrt()
    filters = convolution.out_channels // 2
    kept_FD = _signed(scaled_DD.T.flip(0)[:filters])
    missing = filters - dimensions
    if missing > 0:
        kept_FD = F.pad(kept_FD, (0, 0, 0, missing))
    weight = torch.cat([kept_FD, -kept_FD]).view(convolution.weight.shape)
    with torch.no_grad():
        convolution.weight.copy_(weight)
        if convolution.bias is not None:
            convolution.bias.zero_()


def scale_features(network: Network, images_NCHW: Tensor) -> None:
    """Scales what the head sees to a length of 4 an image, so that its rate suits any width.

    A gradient step on a linear layer overshoots where rate x length squared is above about 2.
    """
    network.train()
    with torch.no_grad():
        features_ND = network.pooled(images_NCHW)
    length = float(features_ND.square().sum(dim=1).mean().sqrt())
    network.shift.zero_()
    network.scale.fill_(max(length, 1e-6) / HEAD_LENGTH)


def identity(convolution: nn.Conv2d) -> None:
    """The first channels pass their input on unchanged (Dirac); the others stay as they are."""
    with torch.no_grad():
        nn.init.dirac_(convolution.weight[: convolution.in_channels])


def kaiming(layer: nn.Conv2d | nn.Linear, generator: torch.Generator) -> None:
    """Uniform weights of variance 1 / (3 inputs), torch's own default; a zero bias."""
    nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _patches(images_NCHW: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Patches (about 200,000 at most) as the convolution meets them, flattened, N x D."""
    height, width = convolution.kernel_size
    windows = images_NCHW.unfold(2, height, 1).unfold(3, width, 1)
    patches_ND = windows.permute(0, 2, 3, 1, 4, 5).reshape(
        -1, images_NCHW.shape[1] * height * width
    )
    return patches_ND[:: max(1, len(patches_ND) // 200_000)]


def _signed(filters_FD: Tensor) -> Tensor:
    """An eigenvector's sign is arbitrary: the largest entry is made positive."""
    largest_F1 = filters_FD.abs().argmax(dim=1, keepdim=True)
    return filters_FD * filters_FD.gather(1, largest_F1).sign()


HEAD_LENGTH = 4.0
