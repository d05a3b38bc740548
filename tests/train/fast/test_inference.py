import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from striate.nets import find_net
from striate.train.fast import inference
from striate.train.fast.bf16 import synthetic_images
from striate.train.fast.inference import optimise_for_inference
from striate.train.head import Network, all_taps
from striate.values import RANDOM, Machine, NetSettings

NAME = "efficientnet-lite0"
MACHINE = Machine(
    device="cpu",
    processor="",
    threads=1,
    memory_bytes=0,
    precision="float32",
    precision_error=0.0,
    layout="channels_last",
    fused=True,
    batch_size=4,
)


@pytest.fixture(scope="module")
def network() -> Network:
    backbone = find_net(NAME).build(NAME, NetSettings(), 3, None)
    network = Network(backbone, all_taps(backbone.stage_names), 3).eval()
    generator = torch.Generator().manual_seed(0)
    width = sum(network.widths)
    network.set_head(
        torch.randn(width, 3, generator=generator) / width**0.5,
        torch.zeros(3),
        torch.zeros(width),
        torch.ones(width),
    )
    return network


@pytest.fixture(scope="module")
def images() -> Tensor:
    return synthetic_images(4, 3, 96)


def off(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


@pytest.mark.parametrize(
    ("precision", "fused", "bound"),
    [("float32", True, 1e-5), ("float32", False, 1e-5), ("bfloat16", True, 0.02)],
)
@torch.inference_mode()
def test_features_and_logits_are_the_networks(
    network: Network, images: Tensor, precision: str, fused: bool, bound: float
) -> None:
    quick = optimise_for_inference(
        network, machine=replace(MACHINE, fused=fused), precision=precision
    )
    assert quick.fused == fused
    assert quick.pooled(images).dtype == torch.float32
    assert off(quick.pooled(images), network.pooled(images)) < bound
    assert off(quick(images), network(images)) < bound


@torch.inference_mode()
def test_the_machines_precision_is_taken_where_none_is_given(
    network: Network, images: Tensor
) -> None:
    low = optimise_for_inference(network, machine=replace(MACHINE, precision="bfloat16"))
    named = optimise_for_inference(network, machine=MACHINE, precision="bfloat16")
    assert torch.equal(low.pooled(images), named.pooled(images))


@torch.inference_mode()
def test_plain_bfloat16_gives_float32_features(network: Network, images: Tensor) -> None:
    plain = optimise_for_inference(
        network, machine=replace(MACHINE, fused=False), precision="bfloat16"
    )
    assert not plain.fused
    assert plain.pooled(images).dtype == torch.float32
    assert off(plain.pooled(images), network.pooled(images)) < 0.1


@torch.inference_mode()
def test_a_contiguous_layout_is_taken(network: Network, images: Tensor) -> None:
    plain = optimise_for_inference(
        network, machine=replace(MACHINE, fused=False, layout="contiguous")
    )
    assert off(plain.pooled(images), network.pooled(images)) < 1e-5


@torch.inference_mode()
def test_kernels_that_fail_or_err_leave_the_plain_network(
    network: Network, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(inference, "fuse_backbone", broken)
    for precision in ("float32", "bfloat16"):
        quick = optimise_for_inference(network, machine=MACHINE, precision=precision)
        assert not quick.fused
        assert off(quick.pooled(images), network.pooled(images)) < 0.1


@torch.inference_mode()
def test_a_network_that_cannot_be_read_is_run_as_it_is() -> None:
    class Asks(nn.Module):
        stage_names = ("top",)
        stage_channels = (4,)

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def stages(self, x: Tensor) -> list[Tensor]:
            return [self.conv(x if x.sum() > 0 else -x)]

    network = Network(Asks(), all_taps(("top",)), 2).eval()
    quick = optimise_for_inference(network, machine=MACHINE)
    x = torch.randn(2, 3, 8, 8)
    assert not quick.fused
    torch.testing.assert_close(quick.pooled(x), network.pooled(x))


@torch.inference_mode()
def test_the_network_itself_stays_trainable_and_unchanged(network: Network) -> None:
    one = copy.deepcopy(network).train()
    before = copy.deepcopy(one.state_dict())
    optimise_for_inference(one, machine=MACHINE, precision="bfloat16")
    assert one.training
    assert all(p.requires_grad and p.dtype == torch.float32 for p in one.parameters())
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, before[name])


@torch.inference_mode()
def test_it_is_fast_for_the_compact_network_too() -> None:
    backbone = find_net("compact").build("compact", NetSettings(), 3, RANDOM)
    network = Network(backbone, all_taps(backbone.stage_names), 2).eval()
    images = synthetic_images(4, 3, 32)
    for precision, bound in (("float32", 1e-5), ("bfloat16", 0.02)):
        quick = optimise_for_inference(network, machine=MACHINE, precision=precision)
        assert quick.fused
        assert off(quick.pooled(images), network.pooled(images)) < bound


def test_torchs_threads_are_put_back(network: Network) -> None:
    before = torch.get_num_threads()
    optimise_for_inference(network, machine=MACHINE)
    assert torch.get_num_threads() == before
    assert not torch.are_deterministic_algorithms_enabled()


@torch.inference_mode()
def test_an_images_logits_do_not_depend_on_its_place(network: Network, images: Tensor) -> None:
    quick = optimise_for_inference(network, machine=MACHINE)
    many = images.repeat(5, 1, 1, 1)[:17]
    places = torch.randperm(len(many), generator=torch.Generator().manual_seed(1))
    assert torch.equal(quick(many)[places], quick(many[places]))
