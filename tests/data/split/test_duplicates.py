"""What must stay on one side: copies, the same photo saved anew; never what only looks alike."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from tests.data.made_index import cached
from tests.data.odd_files import encoded, scene

from striate.data.cache import build_cache
from striate.data.scan import read_index
from striate.data.split.duplicates import find_duplicate_groups
from striate.values import Options

OPTIONS = Options()
SIDE = 64


def photo(seed: int) -> NDArray[np.uint8]:
    """A picture with coarse and fine detail, 64 x 64 x 3."""
    rng = np.random.default_rng(seed)
    total = np.zeros((SIDE, SIDE, 3))
    for cells in (4, 8, 16, 32):
        noise = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        total += np.asarray(Image.fromarray(noise).resize((SIDE, SIDE), 3)) / 4
    return total.astype(np.uint8)


def groups_of(images: list[NDArray[np.uint8]], labels: str) -> list[int]:
    """The group of every image."""
    return find_duplicate_groups(*cached(images, list(labels))).tolist()


def saved_anew(image: NDArray[np.uint8], quality: int, scale: float = 1.0) -> NDArray[np.uint8]:
    """The image after a JPEG of this quality, made smaller and larger again."""
    small = Image.fromarray(image).resize((round(SIDE * scale),) * 2)
    jpeg = Image.open(io.BytesIO(encoded(small, quality=quality)))
    return np.asarray(jpeg.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def test_different_photos_stand_alone() -> None:
    assert groups_of([photo(n) for n in range(20)], "ab" * 10) == list(range(20))


@pytest.mark.parametrize(
    "change",
    [
        lambda image: saved_anew(image, 75),
        lambda image: saved_anew(image, 40),
        lambda image: saved_anew(image, 85, 0.75),
        lambda image: np.asarray(ImageEnhance.Brightness(Image.fromarray(image)).enhance(0.8)),
        lambda image: np.asarray(ImageEnhance.Contrast(Image.fromarray(image)).enhance(0.7)),
        lambda image: np.asarray(Image.fromarray(image).convert("L").convert("RGB")),
    ],
    ids=["quality 75", "quality 40", "smaller", "darker", "flatter", "grey"],
)
def test_the_same_photo_saved_anew(
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
) -> None:
    images = [photo(n) for n in range(6)]
    assert groups_of([*images, change(images[2])], "aabbaab") == [0, 1, 2, 3, 4, 5, 2]


def test_what_is_not_the_same_photo() -> None:
    image = photo(0)
    mirrored = np.ascontiguousarray(image[:, ::-1])
    turned = np.ascontiguousarray(np.rot90(image))
    assert groups_of([image, mirrored, turned], "aaa") == [0, 1, 2]


def test_the_same_photo_with_stronger_colours_is_a_copy() -> None:
    warm = np.clip(photo(0).astype(float) * (1.15, 0.95, 0.6), 0, 255).astype(np.uint8)
    stronger = np.asarray(ImageEnhance.Color(Image.fromarray(warm)).enhance(1.8))
    assert groups_of([warm, stronger, photo(1)], "aaa") == [0, 0, 2]


def test_the_same_shape_in_another_colour_stands_alone() -> None:
    shape = (photo(0)[..., :1] > 120) * 200
    red = np.concatenate([shape, shape // 8, shape // 8], 2).astype(np.uint8)
    green = np.concatenate([shape // 8, shape, shape // 8], 2).astype(np.uint8)
    assert groups_of([red, green, photo(1)], "aab") == [0, 1, 2]


def test_against_the_labels_only_near_identity_counts() -> None:
    image = photo(0)
    dimmed = (image * 0.7).astype(np.uint8)
    assert groups_of([image, dimmed], "aa") == [0, 0]
    assert groups_of([image, dimmed], "ab") == [0, 1]  # Light may be what the classes are about.
    assert groups_of([image, saved_anew(image, 90)], "ab") == [0, 0]


def noisy(image: NDArray[np.uint8], seed: int, level: int = 6) -> NDArray[np.uint8]:
    """The image with fresh noise on it, as a camera adds it."""
    noise = np.random.default_rng(seed).normal(0, level, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_classes_of_one_drawing_each_with_noise_are_no_copies() -> None:
    images = [noisy(photo(n % 4), seed=n) for n in range(48)]
    assert groups_of(images, "abcd" * 12) == list(range(48))


def test_a_fixed_camera_makes_no_copies() -> None:
    # The same scene in both classes; what tells them apart is a spot of a few pixels.
    images = [noisy(photo(0), seed=n) for n in range(40)]
    for image in images[::2]:
        image[30:34, 30:34] = 0
    assert groups_of(images, "ab" * 20) == list(range(40))


def test_a_few_copies_in_a_class_are_found_all_the_same() -> None:
    images = [photo(n) for n in range(20)]
    images += [saved_anew(images[0], quality) for quality in (90, 80, 70, 60, 50)]
    assert groups_of(images, "a" * 10 + "b" * 10 + "a" * 5) == [*range(20), 0, 0, 0, 0, 0]


def test_outlines_that_are_alike_by_nature_stand_alone() -> None:
    # Bars on black whose edges wander a little, as trousers in a catalogue do.
    rng = np.random.default_rng(0)
    images = [photo(n) for n in range(60)]
    for _ in range(60):
        image = np.zeros((SIDE, SIDE, 3), np.uint8)
        left, right = (np.cumsum(rng.integers(-1, 2, SIDE)) // 3 for _ in range(2))
        for y in range(4, 60):
            image[y, 18 + left[y] : 46 + right[y]] = 200 + rng.integers(-10, 10)
        image[20:60, 31:33] = 0
        images.append(image)
    assert len(set(groups_of(images, "ab" * 60))) >= 118


def test_flat_and_tiny_pictures_are_compared_by_equality_alone() -> None:
    flat = [np.full((SIDE, SIDE, 3), level, np.uint8) for level in (10, 11, 12, 10)]
    assert groups_of(flat, "aabb") == [0, 1, 2, 0]
    tiny = [photo(n)[:8, :8] for n in (0, 1, 0)]
    assert groups_of(tiny, "aba") == [0, 1, 0]


def test_groups_join_through_any_tie() -> None:
    images = [photo(n) for n in range(6)]
    index, cache = cached(images, list("ababab"))
    e = list(index.examples)
    e[1] = replace(e[1], bytes_hash=e[0].bytes_hash)
    e[3] = replace(e[3], pixels_hash=e[1].pixels_hash)
    e[3], e[4] = replace(e[3], group="patient"), replace(e[4], group="patient")
    assert find_duplicate_groups(replace(index, examples=tuple(e)), cache).tolist() == [
        0,
        0,
        2,
        0,
        0,
        5,
    ]


def test_a_copy_of_any_image_of_a_named_group_joins_it() -> None:
    images = [photo(n) for n in range(30)]
    images.append(saved_anew(images[7], 75))
    index, cache = cached(images, list("ab" * 15 + "b"))
    named = [replace(e, group="ann" if n < 10 else "") for n, e in enumerate(index.examples)]
    groups = find_duplicate_groups(replace(index, examples=tuple(named)), cache)
    assert groups[:10].tolist() == [0] * 10
    assert groups[30] == 0
    assert groups[10:30].tolist() == list(range(10, 30))


def test_rows_that_are_not_in_use_stand_alone() -> None:
    index, cache = cached([photo(0)] * 3, list("aab"))
    aside = replace(index.examples[0], status="set_aside")
    index = replace(index, examples=(aside, *index.examples[1:]))
    assert find_duplicate_groups(index, cache).tolist() == [0, 1, 1]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [16, 28, 32, 50, 224])
def test_any_size(side: int, channels: int) -> None:
    def image(n: int) -> NDArray[np.uint8]:
        resized = Image.fromarray(photo(n)).resize((side, side))
        return np.asarray(resized)[..., :channels].copy()

    noisy = np.clip(
        image(0).astype(int) + np.random.default_rng(0).integers(-3, 4, (side, side, 1)), 0, 255
    )
    images = [image(0), image(1), noisy.astype(np.uint8), image(2)]
    assert groups_of(images, "abab") == [0, 1, 0, 3]


def test_all_copies_of_a_picture_are_found_in_a_crowd() -> None:
    images = [photo(n % 3) for n in range(90)]
    assert groups_of(images, "abc" * 30) == [n % 3 for n in range(90)]


def test_copies_under_other_names_and_formats(tmp_path: Path) -> None:
    for label, seeds in (("a", (1, 2)), ("b", (3, 4))):
        (tmp_path / label).mkdir()
        for seed in seeds:
            (tmp_path / label / f"{seed}.png").write_bytes(encoded(scene(seed=seed), "PNG"))
    (tmp_path / "a" / "copy.png").write_bytes((tmp_path / "a" / "1.png").read_bytes())
    (tmp_path / "b" / "copy.bmp").write_bytes(encoded(scene(seed=3), "BMP"))
    index, cache = build_cache(read_index(tmp_path, OPTIONS), OPTIONS)
    groups = find_duplicate_groups(index, cache)
    names = [e.path for e in index.examples]
    assert groups[names.index("a/copy.png")] == groups[names.index("a/1.png")]
    assert groups[names.index("b/copy.bmp")] == groups[names.index("b/3.png")]
    assert len(set(groups)) == 4


@pytest.mark.parametrize(
    ("name", "families", "images"),
    [
        ("flowers", 48, 96),
        ("hymenoptera", 0, 0),
        ("neu_steel", 1, 2),
        ("chinese_digits", 0, 0),
        ("trashnet", 7, 14),
    ],
)
def test_real_sets(real_set: Callable[[str], Path], name: str, families: int, images: int) -> None:
    index, cache = build_cache(read_index(real_set(name), OPTIONS), OPTIONS)
    sizes = np.bincount(find_duplicate_groups(index, cache))
    assert (int((sizes > 1).sum()), int(sizes[sizes > 1].sum())) == (families, images)


def test_flowers_leaks_are_those_that_people_found(real_set: Callable[[str], Path]) -> None:
    index, cache = build_cache(read_index(real_set("flowers"), OPTIONS), OPTIONS)
    groups = find_duplicate_groups(index, cache)
    sides = np.array([example.split for example in index.examples])
    seen = set(groups[sides == "train"])
    leaked = {
        index.examples[row].path.removesuffix(".jpg").rpartition("_")[2]
        for row in np.flatnonzero(sides == "test")
        if groups[row] in seen
    }
    assert leaked == set("1146 1151 1176 0882 0908 0909 0033 0820 0823 0848 0856 0992 0090".split())
