"""Batches: every row once, seeded order, exact normalisation, any layout."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.data.odd_files import scene

from striate.data.batches import images_to_device, iterate_batches, normalise_batch


@given(st.integers(0, 200), st.integers(1, 50), st.none() | st.integers(0, 9), st.booleans())
def test_every_row_once(n: int, batch_size: int, seed: int | None, drop_last: bool) -> None:
    rows = np.arange(n) * 3
    parts = list(iterate_batches(rows, batch_size, seed=seed, drop_last=drop_last))
    assert all(len(part) == batch_size for part in parts[:-1])
    met = np.concatenate([*parts, np.zeros(0, np.int64)]).tolist()
    assert len(set(met)) == len(met)
    assert len(met) == (n - n % batch_size if drop_last else n)
    if seed is None:
        assert met == rows[: len(met)].tolist()


def test_the_order_is_a_function_of_seed_purpose_and_epoch() -> None:
    def order(**given: object) -> list[int]:
        parts = iterate_batches(np.arange(100), 32, **{"seed": 0, **given})
        return [int(row) for part in parts for row in part]

    assert order() == order()
    others = [order(seed=1), order(epoch=1), order(purpose="train")]
    assert all(other != order() and sorted(other) == sorted(order()) for other in others)


@pytest.mark.parametrize("layout", ["channels_last", "contiguous"])
def test_to_device(layout: str) -> None:
    images = np.stack([scene(8, 9, seed=n) for n in range(3)])
    tensor = images_to_device(images, "cpu", layout)
    assert tensor.shape == (3, 3, 8, 9)
    assert tensor.dtype == torch.uint8
    assert torch.equal(tensor.permute(0, 2, 3, 1), torch.from_numpy(images))
    memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    assert tensor.is_contiguous(memory_format=memory_format)


def test_read_only_and_sliced_images() -> None:
    images = np.stack([scene(8, 8, seed=n) for n in range(4)])
    images.setflags(write=False)
    assert torch.equal(images_to_device(images)[1], images_to_device(images[1:])[0])
    assert torch.equal(images_to_device(images[:, ::2])[0], images_to_device(images)[0, :, ::2])


def test_normalise_is_exact() -> None:
    images = images_to_device(np.stack([scene(8, 8)]))
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
    expected = (images.double() / 255 - torch.tensor(mean).view(1, 3, 1, 1).double()) / (
        torch.tensor(std).view(1, 3, 1, 1).double()
    )
    values = normalise_batch(images, mean, std)
    assert values.dtype == torch.float32
    assert torch.allclose(values.double(), expected, atol=2e-6)
    assert normalise_batch(images, mean, std, torch.bfloat16).dtype == torch.bfloat16
    assert torch.allclose(normalise_batch(images.float(), mean, std), values)


def test_grey_is_repeated_where_three_channels_are_wanted() -> None:
    images = images_to_device(scene(8, 8)[None, ..., :1])
    assert normalise_batch(images, (0.5,) * 3, (0.5,) * 3).shape == (1, 3, 8, 8)
    assert normalise_batch(images, (0.5,), (0.5,)).shape == (1, 1, 8, 8)


@pytest.mark.parametrize("size", [4, 16, 40])
def test_resizing_is_that_of_pillow_within_a_level(size: int) -> None:
    picture = scene(16, 16)
    values = normalise_batch(images_to_device(picture[None]), (0.0,) * 3, (1 / 255,) * 3, size=size)
    assert values.shape == (1, 3, size, size)
    expected = np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR))
    assert np.abs(values[0].permute(1, 2, 0).numpy() - expected).max() <= 1.01


def test_the_layout_is_kept() -> None:
    images = images_to_device(np.stack([scene(8, 8, seed=n) for n in range(2)]))
    for size in (None, 4, 16):
        values = normalise_batch(images, (0.5,) * 3, (0.5,) * 3, size=size)
        assert values.is_contiguous(memory_format=torch.channels_last)
