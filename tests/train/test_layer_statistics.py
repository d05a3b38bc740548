"""Dead and saturated units and gradients are counted, and the network is left as it was."""

import pytest
import torch
from torch import nn

from striate.train.layer_statistics import measure_layer_states


def images(count: int = 8) -> torch.Tensor:
    return torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def net(activation: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), activation, nn.Flatten(), nn.Linear(8 * 16, 2))


def states(network: nn.Module) -> dict[str, tuple[int, int, int, float]]:
    found = measure_layer_states(network, images(), torch.arange(8) % 2)
    return {s.layer: (s.units, s.dead, s.saturated, s.gradient) for s in found.layers}


def test_dead_units_are_counted() -> None:
    network = net(nn.ReLU(inplace=True))
    with torch.no_grad():
        network[0].bias[:5] = -100
    found = states(network)
    assert found["1"] == (8, 5, 0, 0.0)
    assert found["0"][3] > 0
    assert list(found) == ["0", "1", "3"]


def test_saturated_units_are_counted() -> None:
    network = net(nn.Tanh())
    with torch.no_grad():
        network[0].weight[:6] *= 1000
    assert states(network)["1"][:3] == (8, 0, 6)


def test_the_network_stays_as_it_was() -> None:
    network = net(nn.ReLU()).train()
    network[0].weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    states(network)
    assert network.training
    assert network[0].weight.grad is None
    assert not network[0].weight.requires_grad
    assert all(torch.equal(before[n], t) for n, t in network.state_dict().items())
    assert not network[1]._forward_hooks


def test_outputs_are_those_before_a_later_layer_changes_them() -> None:
    network = net(nn.ReLU(inplace=True))
    with torch.no_grad():
        given = network[0](images())
    found = measure_layer_states(network, images(), torch.arange(8) % 2).layers
    assert found[0].mean == pytest.approx(float(given.mean()), abs=1e-6)
    assert found[0].deviation == pytest.approx(float(given.std()), rel=1e-5)
    assert found[1].mean == pytest.approx(float(given.relu().mean()), abs=1e-6)


@pytest.mark.parametrize(("by_batch", "spread"), [(True, 1.0), (False, 10.0)])
def test_before_any_step_batch_normalisation_goes_by_the_images(
    by_batch: bool, spread: float
) -> None:
    class Echo(nn.Conv2d):
        pass

    normed = nn.Sequential(nn.BatchNorm2d(3), Echo(3, 3, 1, bias=False), nn.Flatten())
    nn.init.dirac_(normed[1].weight)
    network = nn.Sequential(normed, nn.Linear(108, 2))
    found = measure_layer_states(network, 10 * images(64), torch.arange(64) % 2, by_batch=by_batch)
    assert found.layers[0].deviation == pytest.approx(spread, rel=0.05)
    assert int(normed[0].num_batches_tracked) == 0, "the network itself is left alone"
