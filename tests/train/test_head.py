import pytest
import torch
from torch import Tensor, nn

from striate.errors import ModelError
from striate.train.head import Network, all_taps, build_network, pool_maps, tap_slices, tap_widths
from striate.values import RANDOM, ModelSpec, NetSettings, Tap


class Two(nn.Module):
    """A backbone of two stages that can be worked out by hand."""

    stage_names = ("first", "top")
    stage_channels = (3, 6)

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def stages(self, images_NCHW: Tensor) -> list[Tensor]:
        first = self.gain * images_NCHW
        return [first, torch.cat([first, -first], dim=1)]

    def depth_groups(self) -> list[list[nn.Parameter]]:
        return [[self.gain]]


TAPS = (
    Tap(stage="first", pool="max"),
    Tap(stage="first", pool="mean"),
    Tap(stage="top", pool="mean"),
)


def images() -> Tensor:
    return torch.randn(4, 3, 5, 7, generator=torch.Generator().manual_seed(0))


def test_features_are_the_taps_in_their_order() -> None:
    network = Network(Two(), TAPS, classes=2)
    x = images()
    expected = torch.cat([x.amax((2, 3)), x.mean((2, 3)), x.mean((2, 3)), -x.mean((2, 3))], dim=1)
    torch.testing.assert_close(network.pooled(x), expected)
    assert network.widths == tap_widths(Two(), TAPS) == (3, 3, 6)
    assert tap_slices(Two(), TAPS) == dict(
        zip(TAPS, (slice(0, 3), slice(3, 6), slice(6, 12)), strict=True)
    )


def test_the_maximum_of_channels_last_maps_is_the_maximum() -> None:
    x = images().contiguous(memory_format=torch.channels_last)
    assert torch.equal(pool_maps({"first": x}, TAPS[:1]), x.amax((2, 3)))
    low = x.bfloat16()
    assert torch.equal(pool_maps({"first": low}, TAPS[:1]), low.amax((2, 3)).float())


def test_means_are_summed_in_float32() -> None:
    """1,000 times 1.0 and one 100: bfloat16 sums would stop growing at 256."""
    x = torch.ones(1, 1, 40, 25).bfloat16()
    x[..., 0, 0] = 100
    features = pool_maps({"first": x}, (Tap(stage="first", pool="mean"),))
    assert features.dtype == torch.float32
    assert features.item() == pytest.approx(1.099)


def test_it_starts_with_nothing_to_say() -> None:
    assert torch.equal(Network(Two(), TAPS, 3)(images()), torch.zeros(4, 3))


def test_a_linear_model_is_taken_over() -> None:
    network = Network(Two(), TAPS, classes=2).eval()
    generator = torch.Generator().manual_seed(1)
    weights, bias = torch.randn(12, 2, generator=generator), torch.tensor([0.5, -1.0])
    shift, scale = torch.randn(12, generator=generator), torch.rand(12, generator=generator) + 1
    network.set_head(weights, bias, shift, scale)
    x = images()
    expected = (network.pooled(x) - shift) / scale @ weights + bias
    torch.testing.assert_close(network(x), expected)
    torch.testing.assert_close(network.classify(network.pooled(x)), expected)


def test_every_parameter_is_in_one_depth_group_the_head_last() -> None:
    network = Network(Two(), TAPS, 2)
    groups = network.depth_groups()
    assert groups[-1] == list(network.head.parameters())
    grouped = [id(p) for group in groups for p in group]
    assert sorted(grouped) == sorted(id(p) for p in network.parameters())


def test_dropout_is_for_training_alone() -> None:
    network = Network(Two(), TAPS, 2, dropout=0.5)
    network.set_head(torch.ones(12, 2), torch.zeros(2), torch.zeros(12), torch.ones(12))
    x = images()
    assert torch.equal(network.eval()(x), network(x))
    torch.manual_seed(0)
    assert not torch.equal(network.train()(x), network(x))


def test_an_unknown_stage_is_an_error() -> None:
    with pytest.raises(ModelError, match="block9"):
        Network(Two(), (Tap(stage="block9", pool="mean"),), 2)


def test_a_specification_becomes_its_network() -> None:
    taps = all_taps(("block1", "block2", "top"))
    assert taps[-1] == Tap(stage="top", pool="mean")
    assert len(taps) == 5
    spec = ModelSpec(
        net="efficientnet-lite0",
        settings=NetSettings(),
        classes=("a", "b", "c"),
        channels=3,
        input_size=64,
        cache_size=64,
        resize="squash",
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        taps=taps,
        dropout=0.25,
    )
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    network = build_network(spec, RANDOM)
    assert torch.equal(torch.rand(1), expected)
    assert network.taps == taps
    assert network.dropout.p == 0.25
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 3)
