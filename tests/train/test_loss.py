import math

import pytest
import torch

from striate.train.loss import binary_cross_entropy, cross_entropy, huber_loss


def test_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])
    assert float(cross_entropy(logits, torch.tensor([0, 1]))) == pytest.approx(
        (math.log(4 / 3) + math.log(2)) / 2
    )


def test_label_smoothing_by_hand() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0]])
    wanted = -(0.9 * math.log(0.75) + 0.1 * math.log(0.25))
    assert float(cross_entropy(logits, torch.tensor([0]), label_smoothing=0.2)) == pytest.approx(
        wanted
    )


def test_half_precision_logits_are_summed_in_float32() -> None:
    logits = torch.randn(64, 10, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert cross_entropy(logits, torch.zeros(64, dtype=torch.int64)).dtype == torch.float32


def test_class_weights_weigh_the_mean() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])
    found = cross_entropy(logits, torch.tensor([0, 1]), class_weights_K=torch.tensor([1.0, 3.0]))
    assert float(found) == pytest.approx((math.log(4 / 3) + 3 * math.log(2)) / 4)


def test_of_several_labels_the_loss_is_the_sum_of_each() -> None:
    logits, marks = torch.tensor([[0.0, 2.0], [1.0, -1.0]]), torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    each = torch.log1p(torch.exp(-logits * (2 * marks - 1)))
    assert float(binary_cross_entropy(logits, marks)) == pytest.approx(float(each.sum() / 2))
    smooth = binary_cross_entropy(logits, marks, 0.2)
    assert float(smooth) == pytest.approx(float(binary_cross_entropy(logits, 0.8 * marks + 0.1)))


def test_an_error_beyond_the_spread_counts_less_than_its_square() -> None:
    truth = torch.zeros(1, 1)
    assert float(huber_loss(torch.full((1, 1), 0.5), truth)) == pytest.approx(0.125)
    assert float(huber_loss(torch.full((1, 1), 5.0), truth)) == pytest.approx(4.5)
