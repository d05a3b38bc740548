"""Guessing: no better than always answering the majority class of the training images."""

import numpy as np

from striate.diagnose import CHECK_LEVEL, Check, make_finding, score_interval
from striate.metrics import intervals
from striate.metrics.score import balanced_interval
from striate.values import Figure, Finding, Score, Values


def check_guessing(values: Values) -> Finding:
    """Holds the lower end of the accuracy against that of the majority class.

    Found in three kinds: no higher (nothing may have been learnt); higher, but not beyond chance
    (`few`); not beyond it, while rare classes are told apart beyond chance (`rare`). Where every
    answer is the majority class, the first is said so (`always`).
    """
    score = values.summary.test
    if score is None:
        return make_finding(
            "guessing",
            "not_applicable",
            "info",
            title="Better than the majority class",
            meaning="No image with a known label was left to judge by.",
        )
    figures = _figures(values, score)
    if float(figures["low"] or 0) > values.guessing:
        return make_finding(
            "guessing",
            "passed",
            "info",
            title="Better than the majority class",
            meaning="{accuracy:.1%} correct (at least {low:.1%} with 99% certainty); always "
            "answering {name}, the majority class of the training images, gives {majority:.1%}.",
            figures=figures,
        )
    if float(figures["balanced_low"] or 0) > float(figures["chance"] or 0):
        return _rare_classes_finding(figures)
    if score.value > values.guessing:
        return _few_images_finding(figures)
    if not (values.predictions.predicted[values.counted] != values.majority).any():
        return _always_finding(figures)
    return make_finding(
        "guessing",
        "found",
        "serious",
        title="No better than the majority class",
        meaning="It may have learnt nothing: {right:,} of {n:,} images are correct "
        "({accuracy:.1%}), where always answering {name}, the majority class of the training "
        "images, gives {majority:.1%}.",
        advice="Check that the labels match the images and that the difference can be seen "
        "at the network's input size.",
        figures=figures,
    )


def _figures(values: Values, score: Score) -> dict[str, Figure]:
    counted, folds = values.counted, values.folds
    truth, predicted = values.predictions.truth[counted], values.predictions.predicted[counted]
    accuracy = score_interval(score)
    low, _ = balanced_interval(
        truth, predicted, values.counted_groups, level=CHECK_LEVEL, folds=folds
    )
    return {
        "accuracy": accuracy.value,
        "low": accuracy.low,
        "right": int((truth == predicted).sum()),
        "n": score.n,
        "majority": values.guessing,
        "name": values.predictions.classes[values.majority],
        "balanced": intervals.balanced_accuracy(truth, predicted),
        "balanced_low": low,
        "chance": 1 / max(1, len(np.unique(truth))),
    }


def _always_finding(figures: dict[str, Figure]) -> Finding:
    return make_finding(
        "guessing",
        "found",
        "serious",
        title="It always gives the same answer",
        meaning="It has learnt nothing that shows: every one of {n:,} images is taken for {name}, "
        "the majority class of the training images, which is correct for {majority:.1%}. No image "
        "of another class is recognised.",
        advice="Check that the labels match the images and that the difference can be seen at the "
        "network's input size; where classes are very unequal, collect more images of the rare "
        "ones, or try --set balance=weights.",
        variant="always",
        figures=figures,
    )


def _few_images_finding(figures: dict[str, Figure]) -> Finding:
    return make_finding(
        "guessing",
        "found",
        "warning",
        title="Not shown to be better than the majority class",
        meaning="{right:,} of {n:,} images are correct, and always answering {name}, the majority "
        "class of the training images, gives {majority:.1%}: with so few images the difference "
        "may be chance (with 99% certainty the accuracy is at least {low:.1%}).",
        advice="More images would narrow the interval; until then nothing is proved by this "
        "accuracy.",
        variant="few",
        figures=figures,
    )


def _rare_classes_finding(figures: dict[str, Figure]) -> Finding:
    return make_finding(
        "guessing",
        "found",
        "warning",
        title="The accuracy is not beyond the majority class's",
        meaning="The accuracy of {accuracy:.1%} is not shown to be beyond the {majority:.1%} of "
        "always answering {name}, the majority class of the training images. Yet it tells the "
        "classes apart: balanced accuracy {balanced:.1%} (at least {balanced_low:.1%} with 99% "
        "certainty), where {chance:.1%} is chance level.",
        advice="Judge it by the balanced accuracy and the recall of each class; collect more "
        "images of the rare classes.",
        variant="rare",
        figures=figures,
    )


CHECK = Check(code="guessing", run=check_guessing)
