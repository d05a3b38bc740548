import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from striate.augment import Augment, augment_batch
from striate.augment.blur import random_blur
from striate.augment.colour import colour_jitter
from striate.augment.crop import random_crop
from striate.augment.erase import random_erase
from striate.augment.flip import random_horizontal_flip
from striate.augment.flip_vertical import random_vertical_flip
from striate.augment.grey import random_grey
from striate.augment.noise import random_noise
from striate.augment.perspective import random_perspective
from striate.augment.rotate import random_rotation
from striate.augment.scale import random_scale
from striate.augment.shear import random_shear
from striate.augment.translate import random_translation
from striate.augment.trivial import OPERATIONS as TRIVIAL
from striate.augment.trivial import trivial_augment
from striate.errors import UsageError
from striate.values import catalog

OPERATIONS: dict[str, Augment] = catalog.collect_constants("augment", "AUGMENT")
EACH = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 8, channels: int = 3, height: int = 20, width: int = 24) -> Tensor:
    images = torch.rand(n, channels, height, width, generator=seeded(7)) * 255
    return images.contiguous(memory_format=torch.channels_last)


@EACH
def test_strength_zero_is_the_identity(operation: Augment) -> None:
    images = pictures()
    assert torch.allclose(operation.apply(images, 0.0, seeded()), images, atol=1e-3)


@EACH
def test_same_generator_same_images_and_the_input_is_left_alone(operation: Augment) -> None:
    images = pictures()
    before = images.clone()
    first = operation.apply(images, operation.default_strength, seeded(3))
    again = operation.apply(images, operation.default_strength, seeded(3))
    other = operation.apply(images, operation.default_strength, seeded(4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(images, before)


@EACH
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_and_range_stay(operation: Augment, channels: int) -> None:
    images = pictures(channels=channels)
    changed = operation.apply(images, 2.0, seeded())
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert changed.min() >= -1e-3
    assert changed.max() <= 255 + 1e-3


@EACH
def test_every_image_has_a_draw_of_its_own(operation: Augment) -> None:
    images = pictures(1).expand(16, -1, -1, -1)
    changed = operation.apply(images, 1.0, seeded(1))
    assert len({image.numpy().tobytes() for image in changed}) > 1


def test_a_name_is_the_file_and_ranks_differ() -> None:
    assert all(name == operation.name for name, operation in OPERATIONS.items())
    assert len({operation.rank for operation in OPERATIONS.values()}) == len(OPERATIONS)


def test_operations_run_in_rank_order_whatever_the_order_of_the_settings() -> None:
    images = pictures()
    settings = {"erase": 1.0, "flip": 1.0, "crop": 1.0}
    backwards = dict(reversed(settings.items()))
    assert torch.equal(
        augment_batch(images, settings, seeded()), augment_batch(images, backwards, seeded())
    )


def test_unknown_names_and_negative_strengths_are_refused() -> None:
    with pytest.raises(UsageError, match="'flipp'") as caught:
        augment_batch(pictures(), {"flipp": 1.0}, seeded())
    assert "'flip'" in caught.value.hint
    with pytest.raises(UsageError, match="-1"):
        augment_batch(pictures(), {"flip": -1.0}, seeded())


def test_flip_mirrors_half_of_the_images_and_only_mirrors() -> None:
    images = pictures(200, 1, 4, 4)
    changed = random_horizontal_flip(images, 1.0, seeded())
    mirrored = torch.tensor(
        [
            torch.equal(new, v2.functional.hflip(old))
            for new, old in zip(changed, images, strict=True)
        ]
    )
    same = torch.tensor([torch.equal(new, old) for new, old in zip(changed, images, strict=True)])
    assert bool((mirrored | same).all())
    assert 70 < int(mirrored.sum()) < 130
    assert torch.equal(random_horizontal_flip(images, 2.0, seeded()), images.flip(3))


def test_crop_is_a_window_of_the_reflected_image() -> None:
    images = pictures(6, 3, 32, 32)
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2), mode="reflect")
    for new, old in zip(random_crop(images, 1.0, seeded()), padded, strict=True):
        windows = [old[:, y : y + 32, x : x + 32] for y in range(5) for x in range(5)]
        assert any(torch.equal(new, window) for window in windows)


def test_crop_never_reaches_past_a_tiny_image() -> None:
    assert random_crop(pictures(4, 1, 3, 3), 50.0, seeded()).shape == (4, 1, 3, 3)


def test_rotate_agrees_with_torchvision() -> None:
    images = pictures(5, 3, 32, 32)
    generator = seeded(2)
    changed = random_rotation(images, 1.0, seeded(2))
    angles = -15 + 30 * torch.rand(5, generator=generator)
    for new, old, angle in zip(changed, images, angles, strict=True):
        wanted = v2.functional.rotate(
            old, float(angle), interpolation=v2.InterpolationMode.BILINEAR
        )
        assert torch.allclose(new[:, 8:24, 8:24], wanted[:, 8:24, 8:24], atol=0.5)


def test_rotate_keeps_shapes_in_oblong_images() -> None:
    images = torch.zeros(1, 1, 21, 41)
    images[..., 10, 20] = 255  # The centre stays whatever the angle.
    assert random_rotation(images, 6.0, seeded())[0, 0, 10, 20] == pytest.approx(255, abs=1)


def test_scale_brings_nearer_and_farther() -> None:
    images = torch.zeros(64, 1, 33, 33)
    images[..., 12:21, 12:21] = 255
    area = (random_scale(images, 1.0, seeded()) > 128).sum(dim=(1, 2, 3))
    assert area.min() < 70
    assert area.max() > 95


def test_colour_keeps_the_order_of_greys() -> None:
    ramp = torch.linspace(60, 190, 64).view(1, 1, 8, 8).expand(16, -1, -1, -1)
    changed = colour_jitter(ramp, 1.0, seeded())
    assert bool((changed.flatten(1).diff(dim=1) >= 0).all())


def test_noise_has_the_deviation_that_it_says() -> None:
    grey = torch.full((400, 1, 16, 16), 128.0)
    deviation = random_noise(grey, 1.0, seeded()).flatten(1).std(dim=1)
    assert deviation.max() < 18
    assert deviation.mean() == pytest.approx(8, abs=1)


def test_erase_hides_one_square_of_a_quarter_of_the_side() -> None:
    images = pictures(50, 1, 32, 32)
    changed = random_erase(images, 1.0, seeded())
    hidden = (changed != images).flatten(1).sum(dim=1)
    assert hidden.max() <= 64
    assert int((hidden >= 60).sum()) > 10  # Squares away from the edge are whole.


def test_warp_with_all_maps_equal_to_the_identity_changes_nothing() -> None:
    images = pictures()
    for operation in (OPERATIONS["rotate"], OPERATIONS["scale"]):
        still = replace(operation, default_strength=0.0)
        assert torch.allclose(still.apply(images, 0.0, seeded()), images, atol=1e-3)


def test_vertical_flip_is_torchvisions() -> None:
    images = pictures()
    assert torch.equal(
        random_vertical_flip(images, 2.0, seeded()), v2.functional.vertical_flip(images)
    )


def test_grey_is_torchvisions() -> None:
    images = pictures()
    wanted = v2.functional.rgb_to_grayscale(images, num_output_channels=3)
    assert torch.allclose(random_grey(images, 5.0, seeded()), wanted, atol=0.1)


def test_blur_is_torchvisions() -> None:
    images = pictures(4, 3, 32, 32)
    deviations = 1.5 * torch.rand(4, generator=seeded(2))
    changed = random_blur(images, 1.5, seeded(2))
    for new, old, deviation in zip(changed, images, deviations, strict=True):
        wanted = v2.functional.gaussian_blur(old, [11, 11], [max(float(deviation), 1e-3)] * 2)
        assert torch.allclose(new, wanted, atol=0.05)


def test_translate_moves_by_its_draws() -> None:
    down, across = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    ramp = torch.stack([across, down])[None].expand(8, -1, -1, -1)
    generator = seeded(3)
    drawn = [20 * (-0.2 + 0.4 * torch.rand(8, generator=generator)) for _ in range(2)]
    moved = (random_translation(ramp, 1.0, seeded(3)) - ramp)[:, :, 8:32, 8:32]
    for axis in range(2):
        wanted = drawn[axis].view(8, 1, 1).expand(8, 24, 24)
        assert torch.allclose(moved[:, axis], wanted, atol=1e-3)


def test_shear_leans_by_its_draws_and_keeps_the_centre() -> None:
    down, across = torch.meshgrid(torch.arange(41.0), torch.arange(61.0), indexing="ij")
    ramp = torch.stack([across, down])[None].expand(8, -1, -1, -1)
    generator = seeded(4)
    reach = math.radians(10)
    lean, _ = ((-reach + 2 * reach * torch.rand(8, generator=generator)).tan() for _ in range(2))
    sheared = random_shear(ramp, 1.0, seeded(4))
    assert torch.allclose(sheared[:, :, 20, 30], ramp[:, :, 20, 30], atol=1e-3)
    risen = sheared[:, 0, 30, 30] - sheared[:, 0, 20, 30]
    assert torch.allclose(risen, 10 * lean, atol=1e-3)


def test_perspective_keeps_lines_straight_and_takes_corners_inwards() -> None:
    down, across = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    ramp = torch.stack([across, down])[None].expand(8, -1, -1, -1) * 4
    seen = random_perspective(ramp, 1.0, seeded(1)) / 4
    corners = torch.stack([seen[:, :, 0, 0], 39 - seen[:, :, 39, 39]])
    assert corners.min() > -1
    assert corners.max() < 5
    for image in seen:  # Points of an output row lie on one line of the input.
        x, y = image[0, 20, 4:36], image[1, 20, 4:36]
        slope = (y[-1] - y[0]) / (x[-1] - x[0])
        assert (y - y[0] - slope * (x - x[0])).abs().max() < 0.1


def test_trivial_changes_an_image_by_one_operation_or_none() -> None:
    images = pictures(1, 3, 24, 24).expand(300, -1, -1, -1)
    changed = trivial_augment(images, 1.0, seeded())
    same = int((changed == images).flatten(1).all(dim=1).sum())
    assert 300 / (len(TRIVIAL) + 1) * 0.5 < same < 300 / (len(TRIVIAL) + 1) * 2
