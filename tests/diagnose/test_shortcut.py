"""Shortcuts: a planted corner, border, size or format is found and named; nothing else is."""

from dataclasses import replace

import numpy as np
import pytest
from tests import made

from striate.diagnose.shortcut import CHECK
from striate.values import Cache, Values

SIZE = 32


def natural(seed: int = 0) -> Values:
    """Pictures whose class shows in the middle only; the rest is noise of all colours."""
    values = made.values(images=240, size=SIZE, set_aside=0, seed=seed)
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (len(values.index.examples), 1, 1, 3)).astype(np.uint8)
    images = np.repeat(np.repeat(images, SIZE, axis=1), SIZE, axis=2)
    labels = values.index.labels()
    for row in values.index.used():
        images[row, 8:24, 8:24] = 60 * labels[row] + rng.integers(0, 60, 3)
    return replace(values, cache=Cache(images=images, path=""))


def planted(values: Values, down: slice, across: slice, share: float = 1.0) -> Values:
    """A patch of the class's colour in some training images, and in none of the others."""
    images, labels = values.cache.images.copy(), values.index.labels()
    for row in values.split.train[: round(share * len(values.split.train))]:
        images[row, down, across] = (40 + 80 * labels[row], 200 - 60 * labels[row], 90)
    return replace(values, cache=Cache(images=images, path=""))


@pytest.mark.parametrize(
    ("down", "across", "name"),
    [
        (slice(0, 4), slice(0, 4), "top_left_corner"),
        (slice(0, 4), slice(28, 32), "top_right_corner"),
        (slice(28, 32), slice(0, 4), "bottom_left_corner"),
        (slice(28, 32), slice(28, 32), "bottom_right_corner"),
    ],
)
def test_a_mark_in_a_corner_is_named(down: slice, across: slice, name: str) -> None:
    noisy = natural()
    rng = np.random.default_rng(1)
    images = noisy.cache.images.copy()
    images[:, 8:24, 8:24] = rng.integers(0, 256, (len(images), 1, 1, 3))
    told = CHECK.run(planted(replace(noisy, cache=Cache(images=images, path="")), down, across))
    assert (told.outcome, told.variant) == ("found", name)
    assert float(told.figures["share"] or 0) > 0.95 > 0.6 > float(told.figures["other"] or 0)


@pytest.mark.parametrize(("field", "variant"), [("width", "image_size"), ("mode", "file_format")])
def test_a_size_or_a_format_of_each_class_is_named(field: str, variant: str) -> None:
    values = natural()
    modes = ("L", "P", "RGB")
    examples = tuple(
        replace(e, **{field: 100 + 10 * k if field == "width" else modes[k]})
        if (k := int(values.index.labels()[row])) >= 0
        else e
        for row, e in enumerate(values.index.examples)
    )
    told = CHECK.run(replace(values, index=replace(values.index, examples=examples)))
    assert (told.outcome, told.variant) == ("found", variant)


@pytest.mark.parametrize("seed", range(10))
def test_natural_pictures_are_not_suspected(seed: int) -> None:
    assert CHECK.run(natural(seed)).outcome == "passed"
    # The class's colour is everywhere: a corner tells it no better than the middle.
    assert CHECK.run(made.values(images=240, size=SIZE, seed=seed)).outcome == "passed"


def test_few_images_cannot_tell() -> None:
    assert CHECK.run(made.values(images=30, size=SIZE)).outcome == "not_applicable"


def test_a_mark_that_is_now_and_then_of_another_class_is_found() -> None:
    values = natural()
    # The middle tells nothing, so that the mark is judged against noise.
    rng = np.random.default_rng(1)
    images = values.cache.images.copy()
    images[:, 8:24, 8:24] = rng.integers(0, 256, (len(images), 1, 1, 3))
    labels = values.index.labels()
    swapped = rng.random(len(labels)) < 0.1
    marks = np.where(swapped, (labels + 1) % 3, labels)
    images[:, :4, :4] = (40 + 80 * marks)[:, None, None, None]
    told = CHECK.run(replace(values, cache=Cache(images=images, path="")))
    assert (told.outcome, told.variant) == ("found", "top_left_corner")
