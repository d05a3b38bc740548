"""Confusion: whole for few classes, in pairs and groups for many, leaked images not counted."""

from dataclasses import replace

import numpy as np
from tests import made

from striate.report.confusion_matrix import (
    PAIRS,
    confusion_counts,
    confusion_matrix_section,
    group_classes,
)
from striate.report.language import load_words

ENGLISH = load_words("en")


def test_counts_are_those_of_the_counted_images() -> None:
    values = made.values()
    counts_KK = confusion_counts(values)
    truth = values.predictions.truth[values.counted]
    assert counts_KK.sum() == values.counted.sum() == len(values.test_rows) - 4
    assert (counts_KK.sum(axis=1) == np.bincount(truth, minlength=3)).all()


def test_few_classes_are_shown_whole() -> None:
    section = confusion_matrix_section(made.values(), ENGLISH)
    assert section is not None
    matrix = section.blocks[0]
    assert (matrix.kind, len(matrix.rows), len(matrix.rows[0])) == ("matrix", 3, 4)
    assert matrix.shades[0][0] > 0
    assert matrix.shades[1][0] <= 0


def test_many_classes_are_shown_in_groups_and_pairs() -> None:
    values = made.values(classes=1000, images=6000, size=8, accuracy=0.7)
    section = confusion_matrix_section(values, ENGLISH)
    assert section is not None
    matrix, pairs = section.blocks
    assert len(matrix.rows) == 16
    assert len(pairs.rows) == PAIRS


def test_groups_find_planted_blocks_and_are_of_one_size() -> None:
    rng = np.random.default_rng(0)
    block_K = rng.permutation(np.repeat(np.arange(8), 8))
    affinity_KK = np.where(block_K[:, None] == block_K[None, :], 0.2, 0.001)
    group_K = group_classes(affinity_KK)
    assert set(np.bincount(group_K)) == {8}
    for block in range(8):
        assert len(set(group_K[block_K == block])) == 1


def test_no_judged_image_gives_no_section() -> None:
    values = made.values()
    blind = replace(values.predictions, truth=np.full_like(values.predictions.truth, -1))
    assert confusion_matrix_section(replace(values, predictions=blind), ENGLISH) is None
