"""Mixed images carry the labels of their parts, by their shares."""

from dataclasses import replace

import pytest
import torch
from tests import made
from torch import Tensor

from striate.config.overrides import parse_overrides
from striate.errors import UsageError
from striate.train.batch_source import MIXES, _draw_beta, cutmix, mix_batch, mixup


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int = 64) -> tuple[Tensor, Tensor]:
    """Images whose every pixel is the number of the class, of two classes."""
    labels_N = torch.arange(n) % 2
    images = labels_N.float().view(n, 1, 1, 1).expand(n, 3, 16, 16).contiguous()
    return images, labels_N


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES)
def test_the_mean_of_the_pixels_is_the_share_of_the_label(mix: object) -> None:
    images, labels_N = batch()
    shares = torch.eye(2)[labels_N]
    found, targets = mix(images, shares, seeded())
    assert found.shape == images.shape
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(64))
    torch.testing.assert_close(found.mean(dim=(1, 2, 3)), targets[:, 1], atol=1e-5, rtol=0)
    assert ((targets > 0.05) & (targets < 0.95)).any()


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_the_generator_decides(mix: object) -> None:
    images, labels_N = batch(8)
    shares = torch.eye(2)[labels_N]
    one, again, other = (mix(images, shares, seeded(s))[0] for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_shares_are_from_the_beta_distribution() -> None:
    drawn = _draw_beta(0.2, 100_000, seeded())
    assert drawn.mean().item() == pytest.approx(0.5, abs=0.01)
    assert drawn.var().item() == pytest.approx(0.25 / 1.4, abs=0.005)  # 1 / (4 (2 alpha + 1))


def test_none_leaves_the_batch_and_the_generator_alone() -> None:
    images, labels_N = batch(4)
    generator = seeded()
    before = generator.get_state()
    found, targets = mix_batch(
        images, labels_N, made.made_plan(("a", "b"), "scratch", 32), generator
    )
    assert found is images
    assert targets is labels_N
    assert torch.equal(generator.get_state(), before)


def test_the_plan_says_how() -> None:
    images, labels_N = batch(8)
    plan = replace(
        parse_overrides("mix=mixup").apply(made.made_plan(("a", "b"), "scratch", 32)),
        classes=("a", "b"),
    )
    _, targets = mix_batch(images, labels_N, plan, seeded())
    assert targets.shape == (8, 2)
    wrong = replace(plan, mix=replace(plan.mix, value="mixxup"))
    with pytest.raises(UsageError, match="did you mean mixup"):
        mix_batch(images, labels_N, wrong, seeded())
