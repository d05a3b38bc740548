"""Copies in the report: images beside them, the gain with its error, the decision in words."""

from dataclasses import replace

import numpy as np
import pytest
from tests import made

from striate.report.label_safe_augmentation import flip_example, label_safe_section, rotate_example
from striate.report.language import load_words
from striate.values import CopyGain, Values

HELPS = CopyGain(
    helps=True, gain=0.05, error=0.01, log_loss=0.4, right_plain=80, right_mirrored=85, n=100
)


def measured(flips: CopyGain | None, rotations: CopyGain | None) -> Values:
    values = made.values(classes=6, images=120)
    assert values.evidence is not None
    evidence = replace(values.evidence, flips=flips, rotations=rotations)
    return replace(values, evidence=evidence)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_images_stand_beside_their_copies_with_the_decision(lang: str) -> None:
    say = load_words(lang)
    harm = replace(HELPS, helps=False, gain=-0.02, right_mirrored=70)
    section = label_safe_section(measured(HELPS, harm), say)
    assert section is not None
    assert say("copies.flips_help") in section.lead
    assert say("copies.rotations_no") in section.lead
    gallery, table = section.blocks
    assert len(gallery.images) == len(gallery.captions) == 4 * 3
    assert len(set(gallery.images)) == 12
    assert table.rows[0][1:] == ("+0.050 ± 0.010", "0.400 → 0.350", "80 → 85", say("copies.used"))
    assert table.rows[1][1] == "-0.020 ± 0.010"
    assert table.rows[1][-1] == say("copies.unused")


def test_a_run_of_before_shows_mirroring_alone() -> None:
    section = label_safe_section(measured(HELPS, None), load_words("en"))
    assert section is not None
    assert len(section.blocks[0].images) == 4 * 2
    assert len(section.blocks[1].rows) == 1


def test_from_scratch_turning_is_safe_but_not_used() -> None:
    values = replace(measured(HELPS, HELPS), plan=made.values(strategy="scratch").plan)
    section = label_safe_section(values, load_words("en"))
    assert section is not None
    assert load_words("en")("copies.rotations_safe") in section.lead
    assert [row[-1] for row in section.blocks[1].rows] == ["used", "not used"]


def test_nothing_measured_nothing_shown() -> None:
    assert label_safe_section(measured(None, None), load_words("en")) is None


@pytest.mark.parametrize("channels", [1, 3])
def test_copies_keep_the_shape_and_the_middle(channels: int) -> None:
    image = np.zeros((31, 31, channels), np.uint8)
    image[13:18, 13:18] = 255
    image[15, 25] = 200
    assert (flip_example(image)[15, 5] == 200).all()
    assert (flip_example(flip_example(image)) == image).all()
    found = rotate_example(image)
    assert found.shape == image.shape
    assert found.dtype == np.uint8
    assert (found[15, 15] == 255).all()
    assert (rotate_example(image, 0.0) == image).all()
