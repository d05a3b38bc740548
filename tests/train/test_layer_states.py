"""Dead and saturated units and gradients are counted, and the network is left as it was."""

import torch
from torch import nn

from striate.train.layer_states import layer_states


def images(count: int = 8) -> torch.Tensor:
    return torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def net(activation: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), activation, nn.Flatten(), nn.Linear(8 * 16, 2))


def states(network: nn.Module) -> dict[str, tuple[int, int, int, float]]:
    found = layer_states(network, images(), torch.arange(8) % 2)
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
