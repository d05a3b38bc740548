"""One value worked out is the network's own, whatever it pads, strides, pools or adds."""

import numpy as np
import pytest
import torch
from tests import made
from torch import Tensor, nn

from striate.explain._network_view import view_network
from striate.explain._step_by_step import record_calls, window_origin, work_out_first_layer
from striate.nets import find_net
from striate.train.head import Network
from striate.values import RANDOM, NetSettings, Tap, Values, WorkedValue

TAPS = (Tap(stage="top", pool="mean"),)


@pytest.fixture(scope="module")
def values() -> Values:
    return made.values(size=32)


def network_of(name: str, channels: int = 3) -> Network:
    torch.manual_seed(0)
    network = Network(find_net(name).build(name, NetSettings(), channels, RANDOM), TAPS, classes=3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            # torch types a buffer as a tensor or a module; these are tensors.
            module.running_mean.uniform_(-0.2, 0.2)  # type: ignore[union-attr,operator]
            module.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr,operator]
    return network


def worked_out(network: Network, values: Values) -> WorkedValue:
    found = work_out_first_layer(network, values, values.cache)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "name", ["compact", "lenet-5", "vgg-small", "resnet-20", "tf_efficientnet_lite0", "resnet18"]
)
def test_sums_are_those_of_the_network(name: str, values: Values) -> None:
    network = network_of(name)
    found = worked_out(network, values)
    assert 1 <= len(found.places) <= 3
    assert found.error < 1e-4
    for place in found.places:
        np.testing.assert_allclose(place.products, place.pixels * found.kernel, rtol=1e-6)
        assert place.value == pytest.approx(place.products.sum() + place.bias, abs=1e-4)
        assert place.steps[0].before == place.value
        assert any(step.operation == "convolution" for step in place.steps)
        for one, following in zip(place.steps, place.steps[1:], strict=False):
            assert following.before == one.after


def test_every_step_does_what_it_says(values: Values) -> None:
    network = network_of("compact")
    calls = record_calls(network, torch.randn(1, 3, 32, 32))
    assert [type(call.module).__name__ for call in calls[:4]] == [
        "Conv2d",
        "ReLU",
        "Conv2d",
        "MaxPool2d",
    ]
    for place in worked_out(network, values).places:
        steps = {step.operation: step for step in place.steps[:3]}
        assert steps["activation"].after == pytest.approx(max(0.0, place.value), abs=1e-5)
        # torch types a submodule's weight as a tensor or a module.
        assert steps["convolution"].terms == calls[2].module.weight[0].numel()  # type: ignore[operator,union-attr,index]
        pooled = steps.get("pooling") or next(
            step for step in place.steps if step.operation == "pooling"
        )
        assert pooled.after == max(pooled.window)
        assert pooled.before == pytest.approx(
            min(pooled.window, key=lambda value: abs(value - pooled.before)), abs=1e-4
        )


def test_places_differ_and_the_first_is_the_strongest(values: Values) -> None:
    found = worked_out(network_of("resnet-20"), values)
    answers = [place.value for place in found.places]
    assert answers[0] == max(answers)
    assert answers[1] == min(answers)
    assert len({(place.row, place.column) for place in found.places}) == len(answers)


def test_what_is_done_between_layers_is_a_step_of_its_own(values: Values) -> None:
    class Plain(nn.Module):
        stage_names, stage_channels = ("top",), (4,)

        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 6, 3, padding=1)
            self.second = nn.Conv2d(6, 4, 3, stride=2, dilation=2, groups=2)

        def stages(self, images_NCHW: Tensor) -> list[Tensor]:
            return [self.second(self.first(images_NCHW).relu())]

    torch.manual_seed(0)
    found = worked_out(Network(Plain(), TAPS, classes=3), values)
    strongest = found.places[0].steps[0]
    assert (strongest.operation, strongest.kind) == ("between", "")
    assert strongest.after == pytest.approx(max(0.0, strongest.before), abs=1e-5)


def test_a_network_without_a_square_first_kernel_has_nothing_worked_out(values: Values) -> None:
    class Odd(nn.Module):
        stage_names, stage_channels = ("top",), (4,)

        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 4, (1, 3))

        def stages(self, images_NCHW: Tensor) -> list[Tensor]:
            return [self.first(images_NCHW)]

    network = Network(Odd(), TAPS, classes=3)
    assert window_origin(record_calls(network, torch.randn(1, 3, 8, 8))[0]) is None
    assert work_out_first_layer(network, values, values.cache) is None


def test_a_look_leaves_the_network_as_it_was(values: Values) -> None:
    network = network_of("resnet-8")
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    view = view_network(network, values, values.cache)
    assert network.training
    assert all(torch.equal(before[name], now) for name, now in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    assert view.architecture is not None
    assert view.architecture.layers[-1].layer == "head"
    weighed = sum(parameter.numel() for parameter in network.parameters())
    assert view.architecture.parameters == weighed
    assert [one.layer for one in view.weights][-1] == "head"
