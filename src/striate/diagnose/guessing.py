"""Guessing: no better than always predicting the majority class of the training images."""

import numpy as np

from striate.diagnose import CHECK_LEVEL, Check, make_finding, score_interval
from striate.metrics import intervals
from striate.metrics.score import balanced_interval
from striate.values import Figure, Finding, Score, Values


def check_guessing(values: Values) -> Finding:
    """Compare the lower end of the accuracy's interval with the majority class's accuracy.

    Found in four variants: no higher (perhaps nothing was learnt); the same, since every prediction
    is the majority class (`always`); higher, but not significantly (`few`); not significantly
    higher while rare classes are told apart significantly (`rare`).
    """
    score = values.summary.test
    if score is None:
        return make_finding(
            "guessing",
            "not_applicable",
            "info",
            title="Better than the majority class",
            meaning="No labelled image was left to evaluate the model on.",
        )
    figures = _figures(values, score)
    if float(figures["low"] or 0) > values.guessing:
        return make_finding(
            "guessing",
            "passed",
            "info",
            title="Better than the majority class",
            meaning="Accuracy {accuracy:.1%} (at least {low:.1%} with 99% confidence); always "
            "predicting {name}, the majority class of the training images, would give "
            "{majority:.1%}.",
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
        meaning="{right:,} of {n:,} images are correct ({accuracy:.1%}). Always predicting "
        "{name}, the majority class of the training images, would give {majority:.1%}. "
        "The model may have learnt nothing.",
        advice="Check that the labels match the images, and that you can tell the classes apart "
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
        title="It always predicts the same class",
        meaning="All {n:,} images are predicted as {name}, the majority class of the training "
        "images; {majority:.1%} of them are correct. No image of another class is "
        "recognised, so the model shows no sign of having learnt anything.",
        advice="Check that the labels match the images, and that you can tell the classes apart "
        "at the network's input size. If the class sizes differ widely, collect more "
        "images of the rare classes, or try --set balance=weights.",
        variant="always",
        figures=figures,
    )


def _few_images_finding(figures: dict[str, Figure]) -> Finding:
    return make_finding(
        "guessing",
        "found",
        "warning",
        title="Not shown to be better than the majority class",
        meaning="{right:,} of {n:,} images are correct. Always predicting {name}, the majority "
        "class of the training images, would give {majority:.1%}. With so few images the "
        "difference may be due to chance (the accuracy is at least {low:.1%} with 99% "
        "confidence).",
        advice="Evaluate it on more images, which narrows the interval. Until then, do not rely "
        "on this accuracy.",
        variant="few",
        figures=figures,
    )


def _rare_classes_finding(figures: dict[str, Figure]) -> Finding:
    return make_finding(
        "guessing",
        "found",
        "warning",
        title="Accuracy not shown to exceed that of the majority class",
        meaning="The accuracy of {accuracy:.1%} is not significantly higher than the "
        "{majority:.1%} of always predicting {name}, the majority class of the training "
        "images. But the model does tell the classes apart: its balanced accuracy is "
        "{balanced:.1%} (at least {balanced_low:.1%} with 99% confidence), and chance "
        "level is {chance:.1%}.",
        advice="Rely on the balanced accuracy and the recall of each class. Collect more images "
        "of the rare classes.",
        variant="rare",
        figures=figures,
    )


CHECK = Check(code="guessing", run=check_guessing)
