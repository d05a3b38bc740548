import numpy as np
import pytest
import torch

from striate.data.batches import images_to_device, normalise_batch
from striate.train.batch_source import BatchSource
from striate.values import Cache

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 20, 20, 1), np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])
ROWS = np.array([4, 1, 3])


def feed(size: int = 20, channels: int = 1, layout: str = "channels_last") -> BatchSource:
    return BatchSource(
        cache=Cache(images=IMAGES, path=""),
        labels=LABELS,
        input_size=size,
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
        layout=layout,
    )


def test_images_are_normalised_and_in_the_order_asked_for() -> None:
    found = feed().images(ROWS)
    wanted = (torch.from_numpy(IMAGES[ROWS]).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
    assert torch.allclose(found, wanted, atol=1e-6)
    assert feed().targets(ROWS).tolist() == [1, 1, 0]


@pytest.mark.parametrize("size", [12, 20, 31])
@pytest.mark.parametrize("channels", [1, 3])
def test_training_sees_pixels_as_prediction_does(size: int, channels: int) -> None:
    found = feed(size, channels).images(ROWS)
    wanted = normalise_batch(
        images_to_device(IMAGES[ROWS]), (0.5,) * channels, (0.25,) * channels, size=size
    )
    assert torch.equal(found, wanted)


def test_augmentation_needs_a_generator_and_happens_at_input_size() -> None:
    plain = feed(10).images(ROWS)
    assert torch.equal(feed(10).images(ROWS, {"noise": 1.0}), plain)
    noisy = feed(10).images(ROWS, {"noise": 1.0}, torch.Generator().manual_seed(0))
    assert noisy.shape == plain.shape
    assert not torch.equal(noisy, plain)


def test_the_layout_is_the_one_asked_for() -> None:
    last = feed(channels=3).images(ROWS)
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert feed(channels=3, layout="contiguous").images(ROWS).is_contiguous()
