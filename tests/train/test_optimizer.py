import copy

import pytest
import torch
from torch import Tensor, nn

from striate.errors import UsageError
from striate.train.optimizer import Muon, build_optimizer, orthogonalise


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 6, 3), nn.Flatten(), nn.Linear(24, 4)
    )


def groups(net: nn.Sequential) -> list[list[nn.Parameter]]:
    return [
        [*net[0].parameters(), *net[1].parameters()],
        list(net[2].parameters()),
        list(net[4].parameters()),
    ]


def backward(net: nn.Module) -> None:
    images = torch.randn(16, 3, 6, 6, generator=seeded(1))
    net(images).square().mean().backward()


def test_sgd_without_decay_is_torchs() -> None:
    ours, theirs = small_net(), small_net()
    optimizer = build_optimizer("sgd", groups(ours), 0.0)
    reference = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.85, nesterov=True)
    for _ in range(3):
        backward(ours)
        optimizer.step(0.1)
        backward(theirs)
        reference.step()
        reference.zero_grad()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_adamw_is_torchs_with_decay_on_weights_alone() -> None:
    ours, theirs = small_net(), small_net()
    optimizer = build_optimizer("adamw", groups(ours), 0.1)
    weights = [p for p in theirs.parameters() if p.ndim > 1]
    others = [p for p in theirs.parameters() if p.ndim == 1]
    reference = torch.optim.AdamW(
        [{"params": weights, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=0.01,
    )
    for _ in range(3):
        backward(ours)
        optimizer.step(0.01)
        backward(theirs)
        reference.step()
        reference.zero_grad()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon"])
def test_gradients_are_dropped_and_every_trained_parameter_moves(name: str) -> None:
    net = small_net()
    net[0].weight.requires_grad_(False)
    before = copy.deepcopy(net.state_dict())
    optimizer = build_optimizer(name, groups(net), 0.01)
    backward(net)
    optimizer.step(0.1)
    assert all(p.grad is None for p in net.parameters())
    moved = {key: not torch.equal(before[key], value) for key, value in net.named_parameters()}
    # The bias before batch normalisation has a gradient of rounding errors at most.
    assert not moved.pop("0.weight")
    moved.pop("0.bias")
    assert all(moved.values())


def test_layer_decay_slows_the_shallow_groups() -> None:
    optimizer = build_optimizer("sgd", groups(small_net()), 0.0, layer_decay=0.5)
    shares = {id(p): g["share"] for g in optimizer.groups for p in g["params"]}
    assert sorted(set(shares.values())) == [0.25, 0.5, 1.0]


def test_decay_is_beside_the_step() -> None:
    net = nn.Sequential(nn.Linear(3, 2))
    before = net[0].weight.detach().clone()
    optimizer = build_optimizer("sgd", [list(net.parameters())], 0.5)
    net[0].weight.grad = torch.zeros(2, 3)
    net[0].bias.grad = torch.zeros(2)
    optimizer.step(0.1)
    assert torch.allclose(net[0].weight, before * (1 - 0.1 * 0.5))


@pytest.mark.parametrize("shape", [(8, 27), (27, 8), (16, 16)])
def test_orthogonal_brings_singular_values_near_one_and_keeps_the_directions(
    shape: tuple[int, int],
) -> None:
    matrix = torch.randn(*shape, generator=seeded())
    found = orthogonalise(matrix)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.3
    assert values.max() < 1.4
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    assert float((found * (u @ vh)).sum() / min(shape)) == pytest.approx(
        float(values.mean()), abs=1e-3
    )


def test_muon_in_half_precision_steps_as_in_full() -> None:
    gradient = torch.randn(24, 3, 3, 3, generator=seeded(3))
    steps = {}
    for precision in ("float32", "bfloat16"):
        weight = torch.nn.Parameter(torch.zeros(24, 3, 3, 3))
        weight.grad = gradient.clone()
        Muon([{"params": [weight], "lr": 1.0}], precision=precision).step()
        assert weight.dtype == torch.float32
        steps[precision] = weight.detach()
    assert cosine(*steps.values()) > 0.999


def test_muon_turns_as_torchs_muon_does() -> None:
    gradient = torch.randn(12, 40, generator=seeded(3))
    ours, theirs = torch.nn.Parameter(torch.ones(12, 40)), torch.nn.Parameter(torch.ones(12, 40))
    ours.grad, theirs.grad = gradient.clone(), gradient.clone()
    optimizer = Muon([{"params": [ours], "lr": 1.0}], momentum=0.6)
    optimizer.step()
    torch.optim.Muon([theirs], lr=1.0, weight_decay=0.0, momentum=0.6, ns_steps=4).step()
    normed = 12**0.5 * torch.ones(12, 40) / torch.ones(12, 40).norm()
    assert cosine(ours.detach() - normed, theirs.detach() - 1) > 0.98


def test_muon_keeps_the_length_of_a_weight_near_the_root_of_its_filters() -> None:
    weight = torch.nn.Parameter(torch.randn(16, 8, 3, 3, generator=seeded()) * 100)
    optimizer = Muon([{"params": [weight], "lr": 0.01}])
    weight.grad = torch.randn(16, 8, 3, 3, generator=seeded(1))
    optimizer.step()
    assert float(weight.detach().norm()) == pytest.approx(4, rel=0.02)


def test_unknown_optimizers_are_refused() -> None:
    with pytest.raises(UsageError, match="'adem'"):
        build_optimizer("adem", [[]], 0.0)


def cosine(a: Tensor, b: Tensor) -> float:
    return float(torch.cosine_similarity(a.flatten(), b.flatten(), dim=0))


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon"])
def test_l1_moves_weights_to_zero_and_leaves_biases_and_norms(name: str) -> None:
    net, plain = small_net(), small_net()
    shrunk = build_optimizer(name, groups(net), 0.0, l1=0.5)
    usual = build_optimizer(name, groups(plain), 0.0)
    for module, optimizer in ((net, shrunk), (plain, usual)):
        backward(module)
        optimizer.step(0.1)
    for ours, theirs in zip(net.parameters(), plain.parameters(), strict=True):
        expected = torch.nn.functional.softshrink(theirs, 0.05) if theirs.ndim > 1 else theirs
        torch.testing.assert_close(ours, expected)
    assert (net[4].weight == 0).any()


def test_a_clipped_gradient_has_the_length_asked_for() -> None:
    net = small_net()
    optimizer = build_optimizer("sgd", groups(net), 0.0)
    (100 * sum(p.sum() for p in net.parameters())).backward()
    optimizer.clip(2.0)
    gradients = torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])
    assert gradients.norm().item() == pytest.approx(2.0, rel=1e-4)


def test_l2_sp_is_the_penalty_written_into_the_loss() -> None:
    """Li et al. 2018, eq. 4, with plain SGD, where decay beside the step and in it are one."""
    ours, theirs = small_net(), small_net()
    optimizer = build_optimizer("sgd", groups(ours), 0.3, l2_sp=0.5)
    for group in optimizer.parts[0].param_groups:
        group["momentum"], group["nesterov"] = 0.0, False
    start = [p.detach().clone() for p in theirs.parameters()]
    reference = torch.optim.SGD(theirs.parameters(), lr=0.1)
    for _ in range(3):
        backward(ours)
        optimizer.step(0.1)
        backward(theirs)
        *below, weight, _ = zip(theirs.parameters(), start, strict=True)
        pull = sum((0.25 * (p - p0).square().sum() for p, p0 in below), torch.zeros(()))
        (pull + 0.15 * weight[0].square().sum()).backward()
        reference.step()
        reference.zero_grad()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_l2_sp_leaves_what_has_not_moved() -> None:
    net = small_net()
    optimizer = build_optimizer("sgd", groups(net), 0.5, l2_sp=0.5)
    before = [p.detach().clone() for p in net.parameters()]
    optimizer.step(0.1)
    head = list(net[4].parameters())
    for old, new in zip(before, net.parameters(), strict=True):
        is_head_weight = any(new is p for p in head) and new.ndim > 1
        assert torch.equal(old, new) is not is_head_weight


def test_a_group_that_sleeps_is_left_as_it_is() -> None:
    net = small_net()
    optimizer = build_optimizer("adamw", groups(net), 0.5)
    for group in optimizer.groups:
        group["awake"] = group["depth"] < 1
    before = [p.detach().clone() for p in net.parameters()]
    backward(net)
    optimizer.step(0.1)
    moved = [not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True)]
    assert moved == [False] * (len(moved) - 2) + [True, True]


def test_the_head_has_a_rate_of_its_own() -> None:
    optimizer = build_optimizer("sgd", groups(small_net()), 0.0, layer_decay=0.5, head_rate=0.1)
    optimizer.step(1.0)
    shares = {group["depth"]: group["lr"] for group in optimizer.groups}
    assert shares == {0: 0.1, 1: 0.5, 2: 0.25}
