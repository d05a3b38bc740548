import pickle

import pytest
import torch
from torch import nn

from striate.train.divergence import DivergedError, DivergenceOrigin, find_divergence

IMAGES = torch.ones(2, 4)


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 2))


def test_the_first_layer_whose_output_is_not_finite_is_named() -> None:
    network = net()
    with torch.no_grad():
        network[0].weight.fill_(1e30)
        network[2].weight.fill_(1e30)
    assert find_divergence(network, IMAGES) == DivergenceOrigin(
        layer="2", kind="Linear", part="output"
    )


def test_spoilt_weights_come_from_the_last_layer_that_has_them() -> None:
    network = net()
    with torch.no_grad():
        network[0].weight[0, 0] = torch.nan
        network[2].bias[0] = torch.inf
    found = find_divergence(network, IMAGES)
    assert found == DivergenceOrigin(layer="2", kind="Linear", part="gradient")


def test_a_healthy_network_has_no_origin() -> None:
    assert find_divergence(net(), IMAGES) is None


@pytest.mark.parametrize("where", [DivergenceOrigin(layer="a", kind="Conv2d", part="output"), None])
def test_the_error_travels_between_processes(where: DivergenceOrigin | None) -> None:
    fault = DivergedError(3, 1, where)
    again = pickle.loads(pickle.dumps(fault))
    assert (again.sentence, again.step, again.origin) == (fault.sentence, 3, where)
