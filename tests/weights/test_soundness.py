"""What a tensor is, however it lies in memory."""

import pytest
import torch

from striate.weights.soundness import digest_of, not_finite


@pytest.mark.parametrize("shape", [(), (0,), (1,), (1, 1), (3,), (2, 3), (2, 0, 3)])
def test_a_digest_depends_on_numbers_and_shape_not_on_steps(shape: tuple[int, ...]) -> None:
    for kind in (torch.float32, torch.bfloat16, torch.int64, torch.bool):
        spread = torch.ones((), dtype=kind).expand(shape)
        assert digest_of({"a": spread}) == digest_of({"a": torch.ones(shape, dtype=kind)})
        if spread.numel():
            assert digest_of({"a": spread}) != digest_of({"a": torch.zeros(shape, dtype=kind)})


def test_a_part_of_a_larger_tensor_is_that_part() -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    assert digest_of({"a": whole.T}) == digest_of({"a": whole.T.clone()})
    assert digest_of({"a": whole[:1, :1]}) == digest_of({"a": torch.zeros(1, 1)})
    assert not not_finite({"a": whole[:1, :1]})
