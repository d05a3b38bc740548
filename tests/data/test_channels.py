"""Images of any number of channels: kept, laid over white, or refused in a sentence."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.data.odd_files import encoded, scene

from striate.data.cache import build_cache, decode_rows
from striate.data.form import image_form, working_channels
from striate.data.formats.array_parts import check_picture_array, move_channels_last
from striate.data.formats.decode import decode_image
from striate.data.formats.header import read_header
from striate.data.formats.unreadable import Unreadable
from striate.data.scan import read_index, read_unlabelled
from striate.data.split.duplicates import find_duplicate_groups
from striate.errors import SourceError
from striate.probe.handmade_features import shallow_features
from striate.values import Example, Index, Options

DRAW = np.random.default_rng(0)
RGB = scene(16, 24)
ALPHA = DRAW.integers(0, 256, (16, 24, 1), np.uint8)
RGBA = np.concatenate([RGB, ALPHA], axis=2)


@pytest.fixture(autouse=True)
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))


def bands(n: int, channels: int, size: int = 12) -> np.ndarray:
    return DRAW.integers(0, 256, (n, size, size, channels), np.uint8)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 12])
def test_an_array_keeps_the_channels_that_it_has(channels: int) -> None:
    (image,) = bands(1, channels, 16)
    decoded = decode_image(image, 16, channels)
    assert np.array_equal(decoded.pixels, image)
    assert decode_image(image, 8, channels).pixels.shape == (8, 8, channels)


def test_more_channels_than_pixels_are_no_picture() -> None:
    assert read_header(bands(1, 5)[0]).mode == "5 channels"
    with pytest.raises(Unreadable, match="is not an image"):
        read_header(np.zeros((8, 8, 8), np.uint8))
    with pytest.raises(Unreadable, match="is not an image"):
        read_header(np.zeros((100, 100, 65), np.uint8))


def test_alpha_is_kept_where_it_is_asked_for_and_laid_over_white_else() -> None:
    image = Image.fromarray(RGBA, "RGBA")
    assert np.array_equal(decode_image(image, None, 4).pixels, RGBA)
    assert np.array_equal(decode_image(encoded(RGBA, "PNG"), None, 4).pixels, RGBA)
    grey = Image.fromarray(RGBA[..., [0, 3]], "LA")
    assert np.array_equal(decode_image(grey, None, 2).pixels, RGBA[..., [0, 3]])
    clear = RGBA.copy()
    clear[..., 3] = 0
    assert (decode_image(Image.fromarray(clear, "RGBA"), None, 3).pixels == 255).all()
    assert (decode_image(clear, None, None).pixels == 255).all()


def test_a_picture_without_alpha_is_opaque_where_alpha_is_known_to_be_meant() -> None:
    made = decode_image(encoded(RGB, "PNG"), None, 4, alpha=True).pixels
    assert np.array_equal(made[..., :3], RGB)
    assert (made[..., 3] == 255).all()
    grey = decode_image(RGB[..., 0], None, 4, alpha=True).pixels
    assert np.array_equal(grey[..., 2], RGB[..., 0])
    turned = decode_image(Image.fromarray(RGBA, "RGBA"), None, 2, alpha=True).pixels
    assert np.array_equal(turned[..., 1], RGBA[..., 3])


@pytest.mark.parametrize(
    ("image", "channels", "sentence"),
    [
        (RGB, 5, "it has 3 channels instead of 5"),
        (RGB[..., 0], 4, "it has 1 channel instead of 4"),
        (bands(1, 5)[0], 3, "it has 5 channels instead of 3"),
        (bands(1, 5)[0], 1, "it has 5 channels instead of 1"),
    ],
)
def test_a_wrong_number_of_channels_is_a_sentence(image: Any, channels: int, sentence: str) -> None:
    with pytest.raises(Unreadable) as caught:
        decode_image(image, 8, channels)
    assert caught.value.reason == sentence
    index, pixels = decode_rows(read_unlabelled([image]), np.array([0]), 8, channels)
    assert index.examples[0].status == "set_aside"
    assert index.examples[0].reason == sentence
    assert not pixels.any()


def test_arrays_with_channels_first_or_last_are_told_apart() -> None:
    last = bands(6, 5)
    assert np.array_equal(move_channels_last(np.moveaxis(last, 3, 1)), last)
    assert move_channels_last(last) is last
    assert check_picture_array(np.moveaxis(last, 3, 1), "x").shape == last.shape
    assert check_picture_array(bands(6, 2), "x").shape == (6, 12, 12, 2)
    with pytest.raises(SourceError, match="not a batch of images"):
        check_picture_array(np.zeros((6, 12, 12, 12), np.uint8), "x")


def modes(*names: str, form: str = "array") -> Index:
    examples = tuple(
        Example(path=f"a/{k}", label="a", mode=mode, width=9, height=9, format=form)
        for k, mode in enumerate(names)
    )
    return Index(root="", name="", kind="", classes=("a",), examples=examples)


def test_the_channels_of_most_images_are_those_of_the_cache() -> None:
    assert working_channels(modes("5 channels", "5 channels", "RGB")) == 5
    assert working_channels(modes("5 channels", "12 channels", "12 channels")) == 12
    assert working_channels(modes("RGBA", "RGB")) == 3
    assert working_channels(modes("LA", "L")) == 1


def test_the_last_channel_of_files_is_alpha_and_of_arrays_anything() -> None:
    assert image_form(modes("RGBA", form="PNG"), 4).alpha
    assert not image_form(modes("RGBA"), 4).alpha
    assert not image_form(modes("RGBA", form="PNG"), 3).alpha


def test_five_channels_come_from_a_file_through_copies_to_the_cache(tmp_path: Path) -> None:
    images = bands(12, 5)
    images[7] = images[2]  # a copy
    labels = np.array(["a", "b"] * 6)
    labels[7] = labels[2]
    np.savez(tmp_path / "five.npz", images=np.moveaxis(images, 3, 1), labels=labels)
    options = Options()
    index, cache = build_cache(read_index(tmp_path / "five.npz", options), options)
    assert np.array_equal(cache.images, images)
    groups = find_duplicate_groups(index, cache)
    assert groups[7] == groups[2]
    assert len(set(groups.tolist())) == 11
    found, widths = shallow_features(cache.images, np.arange(12))
    assert found.shape == (12, sum(widths))
    assert np.isfinite(found).all()


def test_transparency_is_told_of_and_kept_on_request(tmp_path: Path) -> None:
    for k in range(6):
        folder = tmp_path / "set" / "ab"[k % 2]
        folder.mkdir(parents=True, exist_ok=True)
        rgba = np.roll(RGBA, k, axis=1)
        (folder / f"{k}.png").write_bytes(encoded(rgba if k else rgba[..., :3], "PNG"))
    options = Options()
    index, cache = build_cache(read_index(tmp_path / "set", options), options)
    assert (cache.channels, cache.alpha) == (3, False)
    (note,) = [note for note in index.notes if note.code == "cache.over_white"]
    assert note.figures == {"n": 5, "kept": 4}
    index, cache = build_cache(read_index(tmp_path / "set", options), options, channels=4)
    assert (cache.channels, cache.alpha) == (4, True)
    assert not [note for note in index.notes if note.code == "cache.over_white"]
    assert (cache.images[0, ..., 3] == 255).all()
    assert not (cache.images[1, ..., 3] == 255).all()


@pytest.mark.parametrize("how", ["squash", "crop", "pad"])
def test_the_cache_is_resized_as_asked(how: Any, tmp_path: Path) -> None:
    for k in range(4):
        folder = tmp_path / "set" / "ab"[k % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{k}.png").write_bytes(encoded(scene(20, 40, seed=k), "PNG"))
    options = Options()
    index, cache = build_cache(read_index(tmp_path / "set", options), options, resize=how)
    assert cache.resize == how
    assert not index.square
    square = tuple(replace(example, height=40) for example in index.examples)
    assert replace(index, examples=square).square
    white = (cache.images[0, 0] == 255).all()
    assert white == (how == "pad")
    _, again = decode_rows(index, np.array([0]), cache.size, 3, how)
    assert np.array_equal(again[0], cache.images[0])
