"""The course's four corners: few or many images, similar or dissimilar; and what to train there.

The course's table is interpreted as in decision 0008.
"""

from statistics import fmean

from striate.values import Corner, Evidence

# Pixels. At 20 images a class scratch beat the linear model at 40 px by 37 points, at 64 px by 1,
# and at 100 px and above on no set of 8 (LOG 2026-11-24).
SMALL_IMAGE = 64
# Images a class, by the tuning rates of before: not measured again for several labels and numbers.
TUNED_FROM = 50.0
# Images a class: the course gives no number.
LARGE = 100.0
# Nats, the mean of all stages: photographs of things had 0.04 to 0.07, all else 0.08 to 0.47.
SIMILAR = 0.075


def find_corner(evidence: Evidence) -> Corner | None:
    """The corner that the data lies in and the table's advice; None if no shift was measured."""
    if not evidence.shift or not evidence.images_per_class:
        return None
    each = sum(evidence.images_per_class) / len(evidence.images_per_class)
    shift = fmean(evidence.shift.values())
    large, similar = each >= LARGE, shift < SIMILAR
    return Corner(
        images_per_class=each,
        shift=shift,
        large=large,
        similar=similar,
        rule=rule_of_thumb(large=large, similar=similar),
        large_from=LARGE,
        similar_below=SIMILAR,
    )


def rule_of_thumb(*, large: bool, similar: bool) -> str:
    """The strategy that the course's table names for a corner."""
    if large:
        return "shallow" if similar else "deep"
    return "linear" if similar else "layers"


def strategy_to_try(image_size: float, images_per_class: float, shift: float) -> str:
    """The strategy that may beat the linear model and is worth a training; "" for none.

    For several labels and for numbers, where there are no trials. Small images lose most by being
    enlarged for a pretrained network, and train fast from scratch.
    """
    if image_size <= SMALL_IMAGE:
        return "scratch"
    if images_per_class < TUNED_FROM:
        return ""
    return "deep" if images_per_class >= LARGE and shift >= SIMILAR else "shallow"
