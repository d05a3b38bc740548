import math

import pytest
import torch

from striate.train.loss import loss


def test_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])
    assert float(loss(logits, torch.tensor([0, 1]))) == pytest.approx(
        (math.log(4 / 3) + math.log(2)) / 2
    )


def test_label_smoothing_by_hand() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0]])
    wanted = -(0.9 * math.log(0.75) + 0.1 * math.log(0.25))
    assert float(loss(logits, torch.tensor([0]), label_smoothing=0.2)) == pytest.approx(wanted)


def test_half_precision_logits_are_summed_in_float32() -> None:
    logits = torch.randn(64, 10, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert loss(logits, torch.zeros(64, dtype=torch.int64)).dtype == torch.float32


def test_class_weights_weigh_the_mean() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])
    found = loss(logits, torch.tensor([0, 1]), class_weights_K=torch.tensor([1.0, 3.0]))
    assert float(found) == pytest.approx((math.log(4 / 3) + 3 * math.log(2)) / 4)
