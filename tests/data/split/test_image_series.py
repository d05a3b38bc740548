"""Series: planted bursts are suspected with a pattern that groups them, and chance is not."""

import re
from dataclasses import replace

import numpy as np
import pytest
from tests.data.made_index import cached

from striate.data.split.image_series import find_series, series_notes, suggest_group_pattern
from striate.values import Cache, Index


def scenes(
    count: int, frames: int, names: str, classes: int = 3, seed: int = 0
) -> tuple[Index, Cache]:
    """Scenes of so many frames each, in a row; `names` is filled with scene, frame and number."""
    rng = np.random.default_rng(seed)
    images, paths, labels = [], [], []
    for scene in range(count):
        base = rng.integers(0, 200, (16, 16, 3))
        for frame in range(frames):
            label = f"class{(scene * classes) // count}"
            noisy = base + rng.integers(0, 55, (16, 16, 3))
            images.append(noisy.astype(np.uint8))
            labels.append(label)
            number = scene * frames + frame
            paths.append(f"{label}/" + names.format(scene=scene, frame=frame, number=number))
    index, cache = cached(images, labels)
    examples = tuple(
        replace(example, path=path) for example, path in zip(index.examples, paths, strict=True)
    )
    return replace(index, examples=examples), cache


def alone(index: Index) -> np.ndarray:
    return np.arange(len(index.examples), dtype=np.int64)


@pytest.mark.parametrize(
    "names", ["{number}.jpg", "video{scene}_frame{frame}.jpg", "exp{frame}_num_{number:05}.jpg"]
)
def test_frames_in_a_row_are_suspected(names: str) -> None:
    index, cache = scenes(30, 5, names)
    series = find_series(index, cache, alone(index))
    assert series is not None
    assert series.suspected
    assert series.share > 0.9 > 0.3 > series.chance
    assert series.pattern
    (note,) = series_notes(series)
    assert series.pattern in note.text


def test_the_pattern_names_the_video_where_the_names_do() -> None:
    index, cache = scenes(30, 5, "video{scene}_frame{frame}.jpg")
    series = find_series(index, cache, alone(index))
    assert series is not None
    groups = {re.search(series.pattern, e.path).group(1) for e in index.examples}
    assert len(groups) == 30


def test_images_in_no_order_are_not_suspected() -> None:
    for seed in range(5):
        index, cache = scenes(150, 1, "{number}.jpg", seed=seed)
        series = find_series(index, cache, alone(index))
        assert series is not None
        assert not series.suspected
        assert series_notes(series) == ()


def test_copies_are_no_series() -> None:
    index, cache = scenes(60, 3, "{number}.jpg")
    groups = alone(index) // 3 * 3
    series = find_series(index, cache, groups)
    assert series is not None
    assert series.n == 60
    assert not series.suspected


def test_what_is_named_already_is_not_suspected() -> None:
    index, cache = scenes(30, 5, "video{scene}_frame{frame}.jpg")
    examples = tuple(
        replace(e, group=e.path.partition("_")[0].rpartition("/")[2]) for e in index.examples
    )
    series = find_series(replace(index, examples=examples), cache, alone(index))
    assert series is not None
    assert not series.suspected


def test_a_camera_whose_numbers_run_through_the_classes() -> None:
    rng = np.random.default_rng(0)
    images, labels, paths = [], [], []
    for signer in range(30):
        base = rng.integers(0, 200, (16, 16, 3))
        for digit in range(5):
            images.append((base + rng.integers(0, 55, (16, 16, 3))).astype(np.uint8))
            labels.append(str(digit))
            paths.append(f"{digit}/IMG_{1000 + signer * 10 + digit}.JPG")
    index, cache = cached(images, labels)
    examples = [replace(e, path=p) for e, p in zip(index.examples, paths, strict=True)]
    order = sorted(range(len(paths)), key=lambda place: paths[place])
    index = replace(index, examples=tuple(examples[place] for place in order))
    cache = replace(cache, images=cache.images[order])
    series = find_series(index, cache, alone(index))
    assert series is not None
    assert series.suspected
    assert series.across
    assert series.pattern == r"([^/]*)\d\.\w+$"


def test_too_few_images_tell_nothing() -> None:
    index, cache = scenes(3, 2, "{number}.jpg")
    assert find_series(index, cache, alone(index)) is None


def test_no_pattern_is_better_than_one_group_for_all() -> None:
    paths = [f"a/x{n:02}.jpg" for n in range(20)]
    assert suggest_group_pattern(paths, [(paths[0], paths[15])], across=False) == ""


@pytest.mark.parametrize(
    ("name", "suspected"),
    [
        *(("sign_digits", True), ("magnetic_tile", True), ("trashnet", True), ("neu_steel", True)),
        *(("dtd10", False), ("flowers", False)),
    ],
)
@pytest.mark.slow
def test_real_sets(real_set, name: str, suspected: bool) -> None:
    from striate.data.cache import build_cache
    from striate.data.scan import read_index
    from striate.data.split.duplicates import find_duplicate_groups
    from striate.values import Options

    index, cache = build_cache(read_index(str(real_set(name)), Options()), Options())
    series = find_series(index, cache, find_duplicate_groups(index, cache))
    assert series is not None
    assert series.suspected == suspected
