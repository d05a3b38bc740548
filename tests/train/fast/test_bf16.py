import pytest
import torch
from torch import Tensor, nn

from striate.nets import find_net
from striate.train.fast import bf16
from striate.train.fast.bf16 import synthetic_images, to_bf16
from striate.train.fast.fused import fuse_backbone
from striate.train.fast.fused_conv import FusedConv
from striate.values import NetSettings

NAME = "efficientnet-lite0"


class One(nn.Module):
    """A backbone of one convolution."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def stages(self, images_NCHW: Tensor) -> list[Tensor]:
        return [self.conv(images_NCHW)]


@pytest.fixture(scope="module")
def net() -> nn.Module:
    return find_net(NAME).build(NAME, NetSettings(), 3, None)


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Others than the two that the biases are corrected with."""
    return synthetic_images(6, 3, 112)[2:]


def errors(maps: list[Tensor], exact: list[Tensor]) -> list[float]:
    """Of each stage's mean, relative."""
    means = [(m.float().mean((2, 3)), e.mean((2, 3))) for m, e in zip(maps, exact, strict=True)]
    return [float((m - e).norm() / e.norm()) for m, e in means]


def test_its_features_stay_near_those_of_float32(net: nn.Module, images: Tensor) -> None:
    with torch.inference_mode():
        exact = net.stages(images)
        naive = errors(fuse_backbone(net).to(torch.bfloat16)(images.bfloat16()), exact)
        found = errors(to_bf16(fuse_backbone(net), 3)(images), exact)
    assert max(found) < 0.03
    assert max(found) < max(naive) / 2


def test_the_first_stage_is_float32_and_the_rest_is_not(net: nn.Module, images: Tensor) -> None:
    quick = to_bf16(fuse_backbone(net), 3)
    with torch.inference_mode():
        maps = quick(images)
        torch.testing.assert_close(maps[0], fuse_backbone(net)(images)[0])
    assert [m.dtype for m in maps] == [torch.float32] + [torch.bfloat16] * 7
    kinds = [m.weight.dtype for m in quick.modules() if isinstance(m, FusedConv)]
    assert kinds == [torch.float32] * 3 + [torch.bfloat16] * 46


def test_without_the_correction_it_is_further_off(
    net: nn.Module, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.inference_mode():
        exact = net.stages(images)
        found = errors(to_bf16(fuse_backbone(net), 3)(images), exact)
        monkeypatch.setattr(
            bf16, "_rounding_loss", lambda conv, mean_C: torch.zeros_like(conv.bias)
        )
        without = errors(to_bf16(fuse_backbone(net), 3)(images), exact)
    assert found[-1] < 0.8 * without[-1]


def test_what_a_rounded_kernel_lacks_is_its_mean_response() -> None:
    conv = nn.Conv2d(4, 6, 3, groups=2)
    quick = next(m for m in fuse_backbone(One(conv)).modules() if isinstance(m, FusedConv))
    mean = torch.tensor([1.0, -2.0, 3.0, 0.5])
    constant = mean.view(1, 4, 1, 1).expand(1, 4, 3, 3)
    rounded = conv.weight.bfloat16().float()
    with torch.no_grad():
        exact = conv(constant).flatten()
        rough = nn.functional.conv2d(constant, rounded, conv.bias, groups=2).flatten()
    torch.testing.assert_close(
        bf16._rounding_loss(quick, mean), exact - rough, atol=1e-6, rtol=1e-4
    )


def test_a_network_of_one_stage_cannot_be_lowered() -> None:
    with torch.inference_mode(), pytest.raises(ValueError, match="first stage"):
        to_bf16(fuse_backbone(One(nn.Conv2d(3, 6, 3))), 3)


def test_made_images_repeat_themselves_and_are_smooth() -> None:
    one, other = synthetic_images(3, 3, 64), synthetic_images(3, 3, 64)
    assert torch.equal(one, other)
    assert one.min() >= -1
    assert one.max() <= 1
    neighbours = (one[..., 1:] - one[..., :-1]).std()
    assert neighbours < one.std() / 2
    assert not torch.equal(one[0], one[1])
