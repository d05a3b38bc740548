"""What a tensor is, however it lies in memory."""

import pytest
import torch

from striate.weights.soundness import find_non_finite, tensors_digest


@pytest.mark.parametrize("shape", [(), (0,), (1,), (1, 1), (3,), (2, 3), (2, 0, 3)])
def test_a_digest_depends_on_numbers_and_shape_not_on_steps(shape: tuple[int, ...]) -> None:
    for kind in (torch.float32, torch.bfloat16, torch.int64, torch.bool):
        spread = torch.ones((), dtype=kind).expand(shape)
        assert tensors_digest({"a": spread}) == tensors_digest({"a": torch.ones(shape, dtype=kind)})
        if spread.numel():
            assert tensors_digest({"a": spread}) != tensors_digest(
                {"a": torch.zeros(shape, dtype=kind)}
            )


def test_a_part_of_a_larger_tensor_is_that_part() -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    assert tensors_digest({"a": whole.T}) == tensors_digest({"a": whole.T.clone()})
    assert tensors_digest({"a": whole[:1, :1]}) == tensors_digest({"a": torch.zeros(1, 1)})
    assert not find_non_finite({"a": whole[:1, :1]})
