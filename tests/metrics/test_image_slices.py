"""Slices: worked by hand; a planted weakness is named, chance is not."""

from dataclasses import replace

import numpy as np
import pytest
from tests import made

from striate.diagnose.weak_slice import CHECK
from striate.metrics.image_slices import group_slices, image_properties, property_slices
from striate.report.image_kinds import image_slices_section
from striate.report.language import load_words
from striate.values import Cache, Example, Predictions, Values


def answered(values: Values, right: np.ndarray) -> Values:
    """The same run, right where told."""
    truth, classes = values.predictions.truth, len(values.predictions.classes)
    said = np.where(right, truth, (truth + 1) % classes)
    table = np.eye(classes, dtype=np.float32)[said]
    predictions: Predictions = replace(values.predictions, probabilities=table)
    return replace(values, predictions=predictions)


def run_with_light(seed: int) -> tuple[Values, np.ndarray]:
    """A run on pictures of all brightnesses, and how bright the judged ones are."""
    values = made.values(images=2000, size=8, leaked=0, set_aside=0, seed=seed)
    rng = np.random.default_rng(seed)
    light = rng.integers(20, 200, len(values.index.examples))
    images = (light[:, None, None, None] + rng.integers(0, 40, (len(light), 8, 8, 3))).astype(
        np.uint8
    )
    return replace(values, cache=Cache(images=images, path="")), light[values.test_rows]


def test_what_is_measured() -> None:
    flat = np.full((8, 8, 3), 100, np.uint8)
    board = np.repeat((np.indices((8, 8)).sum(axis=0) % 2 * 200).astype(np.uint8)[..., None], 3, 2)
    ramp = np.repeat(np.tile(np.arange(8, dtype=np.uint8) * 28, (8, 1))[..., None], 3, 2)
    examples = [Example(path=str(k), width=10 * (k + 1), height=10 * (k + 1)) for k in range(3)]
    found = image_properties(np.stack([flat, board, ramp]), examples)
    assert found["brightness"][:2] == pytest.approx([100, 100])
    assert found["contrast"][:2] == pytest.approx([0, 100])
    assert found["sharpness"] == pytest.approx([0, 8, 0])
    assert found["size"] == pytest.approx([10, 20, 30])


def test_the_outer_quarters_and_the_rest() -> None:
    values = np.arange(100.0)
    right = values >= 20
    dark, bright = property_slices({"brightness": values}, right, np.arange(100))
    assert (dark.name, dark.accuracy.n, dark.others.n) == ("dark", 25, 75)
    assert (dark.accuracy.value, dark.others.value) == (0.2, 1.0)
    assert bright.accuracy.value == 1.0
    assert property_slices({"brightness": np.ones(100)}, right, np.arange(100)) == ()


@pytest.mark.parametrize("seed", range(10))
def test_dark_images_that_are_worse_are_named(seed: int) -> None:
    values, light = run_with_light(seed)
    rng = np.random.default_rng(seed + 100)
    right = rng.random(len(light)) < np.where(light < np.quantile(light, 0.25), 0.6, 0.95)
    told = CHECK.run(answered(values, right))
    assert (told.outcome, told.variant) == ("found", "dark")


def test_chance_names_no_slice() -> None:
    found = []
    for seed in range(20):
        values, light = run_with_light(seed)
        right = np.random.default_rng(seed + 200).random(len(light)) < 0.9
        found.append(CHECK.run(answered(values, right)).outcome)
    assert found.count("passed") >= 19


def in_groups(values: Values, size: int = 20) -> tuple[Values, np.ndarray]:
    """The same run with a patient behind every so many judged images, and who that is."""
    owner = np.arange(len(values.test_rows)) // size
    examples = list(values.index.examples)
    for row, patient in zip(values.test_rows, owner, strict=True):
        examples[row] = replace(examples[row], group=f"patient {patient:02}")
    return replace(values, index=replace(values.index, examples=tuple(examples))), owner


@pytest.mark.parametrize("seed", range(10))
def test_a_patient_that_the_model_fails_on_is_named(seed: int) -> None:
    values, owner = in_groups(run_with_light(seed)[0])
    right = np.random.default_rng(seed + 300).random(len(owner)) < np.where(owner == 3, 0.3, 0.95)
    told = CHECK.run(answered(values, right))
    assert (told.outcome, told.variant) == ("found", "group")
    assert told.figures["name"] == "patient 03"
    assert told.figures["failing"] == 1
    assert told.figures["groups"] == len(np.unique(owner))
    for lang in ("en", "zh"):
        assert "patient 03" in load_words(lang).finding(told)[1]


@pytest.mark.parametrize("seed", range(10))
def test_dark_images_are_named_where_there_are_groups_too(seed: int) -> None:
    values, light = run_with_light(seed)
    rng = np.random.default_rng(seed + 100)
    right = rng.random(len(light)) < np.where(light < np.quantile(light, 0.25), 0.6, 0.95)
    assert CHECK.run(answered(in_groups(values)[0], right)).variant == "dark"


def test_chance_names_no_group() -> None:
    found = []
    for seed in range(20):
        values, owner = in_groups(run_with_light(seed)[0], 12)
        right = np.random.default_rng(seed + 400).random(len(owner)) < 0.9
        told = CHECK.run(answered(values, right))
        found.append((told.outcome, told.variant))
    assert found.count(("passed", "groups")) >= 19


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_report_lists_them(lang: str) -> None:
    values, light = run_with_light(0)
    section = image_slices_section(answered(values, light > 60), load_words(lang))
    assert section is not None
    assert section.blocks[0].rows[0][0] == load_words(lang)("slice.dark")
    assert image_slices_section(made.values(images=60), load_words(lang)) is None


def test_groups_are_named_worst_first() -> None:
    names = ["a"] * 30 + ["b"] * 30 + ["c"] * 5 + [""] * 35
    right = np.ones(100, np.bool_)
    right[30:45] = False
    found = group_slices(right, names, np.arange(100))
    assert [one.name for one in found] == ["b", "a"]
    assert found[0].accuracy.value == 0.5
    assert found[0].others.value == 1.0
    assert not group_slices(right, ["a"] * 100, np.arange(100))


def test_the_report_has_a_table_of_groups() -> None:
    values, light = run_with_light(0)
    right = np.ones(len(light), np.bool_)
    plain = answered(values, right)
    section = image_slices_section(plain, load_words("en"))
    assert section is not None
    assert len(section.blocks) == 1
    examples = tuple(
        replace(example, group=f"film {row % 3}")
        for row, example in enumerate(plain.index.examples)
    )
    grouped = replace(plain, index=replace(plain.index, examples=examples))
    section = image_slices_section(grouped, load_words("zh"))
    assert section is not None
    assert {row[0] for row in section.blocks[1].rows} == {"film 0", "film 1", "film 2"}
    assert section.blocks[1].title == load_words("zh")("slices.groups_title")
