import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.nets import find_net
from striate.nets.lite0 import SameConv2d
from striate.train.fast import fused
from striate.train.fast.fused import fuse_backbone
from striate.train.fast.fused_conv import FusedConv
from striate.values import RANDOM, NetSettings


class Net(nn.Module):
    """A backbone of whatever layers are given, a stage each."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.stage_names = tuple(str(k) for k in range(len(layers)))

    def stages(self, images_NCHW: Tensor) -> list[Tensor]:
        maps = []
        for layer in self.layers:
            images_NCHW = layer(images_NCHW)
            maps.append(images_NCHW)
        return maps


class Residual(nn.Module):
    """A convolution with a way around it, and perhaps an activation behind the addition."""

    def __init__(self, last: nn.Module, *, turned: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.last = last
        self.turned = turned

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        return self.last(x + y if self.turned else y + x)


class Functional(nn.Module):
    """Activations that are functions, an addition in place, a map that is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x)
        y = F.relu(self.two(x))
        y += x
        return y


def normal(module: nn.Module) -> nn.Module:
    """The module with statistics that a training might have left."""
    generator = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d) and part.running_mean is not None:
            part.running_mean.normal_(generator=generator)
            part.running_var.uniform_(0.5, 2, generator=generator)
            if part.affine:
                part.weight.data.uniform_(0.5, 2, generator=generator)
                part.bias.data.normal_(generator=generator)
    return module.eval()


def same(net: nn.Module, sizes: tuple[tuple[int, int], ...] = ((32, 32), (17, 20))) -> int:
    """Asserts that the fused network gives the plain one's maps; how many are left unfused."""
    quick = fuse_backbone(net)
    turned = any(isinstance(m, SameConv2d) for m in net.modules())
    for size in sizes:
        generator = torch.Generator().manual_seed(1)
        images = torch.randn(3, 3, *size, generator=generator)
        with torch.inference_mode():
            for right, found in zip(net.stages(images), quick(images), strict=True):
                upright = found.flip((2, 3)) if turned else found
                assert (upright - right).norm() <= 1e-5 * right.norm()
    kinds = [type(m) for m in quick.modules()]
    return sum(issubclass(kind, nn.Conv2d | nn.BatchNorm2d) for kind in kinds)


ACTIVATIONS = [
    nn.ReLU(),
    nn.ReLU6(),
    nn.Hardtanh(-0.5, 0.7),
    nn.SiLU(),
    nn.GELU(),
    nn.GELU(approximate="tanh"),
    nn.Hardswish(),
    nn.Sigmoid(),
    nn.Tanh(),
    nn.Identity(),
]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_convolution_normalisation_activation_are_one(activation: nn.Module, bias: bool) -> None:
    block = nn.Sequential(nn.Conv2d(3, 8, 3, bias=bias), nn.BatchNorm2d(8), activation)
    assert same(normal(Net(block))) == 0


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(3, 8, 3, padding="same"),
        nn.Conv2d(3, 8, 5, padding="same", dilation=2),
        nn.Conv2d(3, 8, 3, padding="valid"),
        nn.Conv2d(3, 8, (3, 5), stride=(2, 1), padding=(1, 2)),
        nn.Conv2d(3, 9, 3, groups=3, dilation=2),
        SameConv2d(3, 8, 3, stride=2),
        SameConv2d(3, 3, 5, stride=2, groups=3),
    ],
    ids=str,
)
def test_every_padding_is_kept(conv: nn.Conv2d) -> None:
    sizes = ((32, 32), (33, 33), (32, 33), (33, 32))
    assert same(Net(nn.Sequential(conv, nn.ReLU())).eval(), sizes) == 0


@pytest.mark.parametrize("last", [nn.Identity(), nn.ReLU(), nn.SiLU()], ids=str)
@pytest.mark.parametrize("turned", [True, False])
def test_a_shortcut_is_added_inside(last: nn.Module, turned: bool) -> None:
    net = normal(Net(nn.Conv2d(3, 8, 1), Residual(last, turned=turned)))
    assert same(net) == 0
    adds = [m.adds for m in fuse_backbone(net).modules() if isinstance(m, FusedConv)]
    assert adds == [False, True]


def test_what_is_read_twice_is_not_swallowed() -> None:
    assert same(normal(Net(Functional()))) == 0
    between = nn.Sequential(nn.Conv2d(3, 8, 3))
    assert same(normal(Net(between, nn.BatchNorm2d(8), nn.ReLU()))) == 1


def test_what_has_no_fused_kernel_stays_as_it_is() -> None:
    odd = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(8, track_running_stats=False),
        nn.PReLU(),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular"),
        nn.Dropout2d(0.5),
        nn.BatchNorm2d(8, affine=False),
    )
    assert same(normal(Net(odd))) == 4


@pytest.mark.parametrize("name", ["efficientnet-lite0", "compact", "resnet10t"])
def test_whole_networks_come_out_the_same(name: str) -> None:
    net = find_net(name).build(name, NetSettings(), 3, RANDOM)
    same(normal(net), ((64, 64), (65, 65), (64, 71)))


def test_a_kernel_that_pads_wrongly_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault that gave an error of 0.61 in silence: an even padding for an uneven one."""
    net = Net(nn.Sequential(SameConv2d(3, 8, 3, stride=2, padding=1), nn.ReLU())).eval()
    monkeypatch.setattr(fused, "pads_unevenly", lambda conv: False)
    monkeypatch.setattr(fused, "_is_supported", lambda conv: True)
    with pytest.raises(ArithmeticError, match="another result"):
        fuse_backbone(net)


def test_images_that_are_not_turned_with_their_kernels_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fused, "_rotate_input", lambda root, graph: None)
    with pytest.raises(ArithmeticError, match="another result"):
        fuse_backbone(Net(SameConv2d(3, 8, 3, stride=2)).eval())


@pytest.mark.parametrize(
    "other",
    [
        nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.Conv2d(8, 8, 1, stride=2),
        nn.Conv2d(8, 8, 4, padding="same"),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(3),
    ],
    ids=str,
)
def test_two_ways_of_padding_in_one_network_are_not_fused(other: nn.Module) -> None:
    """Turning is right for the one and wrong for the other, perhaps at some sizes only."""
    with pytest.raises(ValueError, match="turned"):
        fuse_backbone(Net(SameConv2d(3, 8, 3, stride=2), other).eval())


def test_a_network_that_asks_what_it_sees_cannot_be_read() -> None:
    class Asks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(Exception, match="control flow"):
        fuse_backbone(Net(Asks(), nn.Conv2d(3, 8, 3)))


def test_the_network_itself_is_left_alone() -> None:
    net = normal(Net(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))).train()
    before = copy.deepcopy(net.state_dict())
    fuse_backbone(net)
    assert net.training
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_it_can_be_copied_and_converted_after_use() -> None:
    net = normal(Net(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())))
    quick = fuse_backbone(net)
    images = torch.randn(2, 3, 16, 16)
    with torch.inference_mode():
        first = quick(images)[0]
        assert torch.equal(copy.deepcopy(quick)(images)[0], first)
        low = quick.to(torch.bfloat16)(images.bfloat16())[0]
    torch.testing.assert_close(low.float(), first, rtol=0.05, atol=0.05)


def test_many_shapes_do_not_pile_up() -> None:
    quick = fuse_backbone(Net(nn.Conv2d(3, 8, 3)).eval())
    conv = next(m for m in quick.modules() if isinstance(m, FusedConv))
    with torch.inference_mode():
        for size in range(8, 20):
            quick(torch.zeros(1, 3, size, size))
    assert len(conv._ordered) <= 4
