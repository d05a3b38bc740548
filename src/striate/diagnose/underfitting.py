"""Underfitting: errors that are there on the training images already."""

from striate.diagnose import (
    Check,
    best_epoch_fit,
    complete_curve,
    final_accuracy,
    make_finding,
    score_interval,
    widen_interval,
)
from striate.metrics import intervals
from striate.values import Curves, Figure, Finding, Interval, Trial, Values


def check_underfitting(values: Values) -> Finding:
    """Whether what it gets wrong on new images it gets wrong on training images too."""
    fit = best_epoch_fit(values)
    if fit is None:
        return _check_linear_model(values)
    train, val = fit
    figures: dict[str, Figure] = {
        "train": train.value,
        "val": val.value,
        "error": 1 - train.value,
        "n": val.n,
    }
    if errors_also_on_training(train, val):
        return make_finding(
            "underfitting",
            "found",
            "advice",
            title="It gets training images wrong too",
            meaning="{error:.1%} of the images it learnt from are wrong as well, about as "
            "many as of {n:,} validation images ({val:.1%} right).",
            advice="Give it more minutes, a larger input or a stronger network; if that changes "
            "nothing, look for wrong labels among the mistakes in the report.",
            variant="fit",
            figures=figures,
        )
    return make_finding(
        "underfitting",
        "passed",
        "info",
        title="Underfitting",
        meaning="{train:.1%} right on training images, augmented, and {val:.1%} on {n:,} "
        "validation images: it is not shown that most errors are there on training images already.",
        figures=figures,
    )


def errors_also_on_training(train: Interval, val: Interval) -> bool:
    """Whether most of what is wrong on validation images is wrong on training images too.

    That is: twice the errors on training images, less those on validation images, are surely
    more than none; and they are more than so few validation images hide.
    """
    gap = intervals.share_difference(train, val)
    # Of shares right: 2 (1 - train) - (1 - val) > 0 where 2 train - val < 1.
    most = intervals.share_difference(train, val, times=2).high < 1
    visible = 1 - train.high > (val.high - val.low) / 2
    # Training images are augmented: where validation does clearly better, they were only harder.
    return gap.high > 0 and most and visible


def check_underfitting_curves(curves: Curves) -> Finding:
    """Whether the errors at the end of a log are there on training images already."""
    train, val = complete_curve(curves.train_accuracy), complete_curve(curves.val_accuracy)
    if train is None or val is None:
        return make_finding(
            "underfitting",
            "not_applicable",
            "info",
            title="Underfitting",
            meaning="There are too few epochs with a training and a validation accuracy to look "
            "at.",
            variant="log",
        )
    learnt = final_accuracy(train, curves.train_images)
    new = final_accuracy(val, curves.val_images)
    figures: dict[str, Figure] = {
        "train": learnt.value,
        "val": new.value,
        "error": 1 - learnt.value,
    }
    if errors_also_on_training(learnt, new):
        return make_finding(
            "underfitting",
            "found",
            "advice",
            title="It gets training images wrong too",
            meaning="At the end {error:.1%} of the training images are wrong as "
            "well, about as many as of the validation images ({val:.1%} right).",
            advice="Train longer, with a stronger network or a larger input; if that changes "
            "nothing, look for wrong labels.",
            variant="log",
            figures=figures,
        )
    return make_finding(
        "underfitting",
        "passed",
        "info",
        title="Underfitting",
        meaning="At the end {train:.1%} right on training images and {val:.1%} on validation "
        "images: it is not shown that most errors are there on training images already.",
        variant="log",
        figures=figures,
    )


def _check_linear_model(values: Values) -> Finding:
    """A closed-form model underfits where a freer one did better in a trial."""
    score = values.summary.val
    trials = values.evidence.trials if values.evidence is not None else ()
    if score is None or not trials:
        return make_finding(
            "underfitting",
            "not_applicable",
            "info",
            title="Underfitting",
            meaning="No freer model was tried beside this one, so it cannot be told whether one "
            "would do better.",
            advice="Give it more minutes; then tuning is tried too.",
        )
    best = max(trials, key=_trial_accuracy)
    mine = score_interval(score)
    figures: dict[str, Figure] = {
        "trial": best.accuracy.value,
        "strategy": best.strategy,
        "val": mine.value,
        "n": mine.n,
    }
    if intervals.share_difference(widen_interval(best.accuracy), mine).low > 0:
        return make_finding(
            "underfitting",
            "found",
            "advice",
            title="A freer model did better",
            meaning="In a short trial the strategy {strategy} got {trial:.1%} right "
            "where this model gets {val:.1%}.",
            advice="Give it more minutes, so that this strategy can be trained in full.",
            variant="trial",
            figures=figures,
        )
    return make_finding(
        "underfitting",
        "passed",
        "info",
        title="Underfitting",
        meaning="Freer models were tried and did no better: {trial:.1%} for the strategy "
        "{strategy}, {val:.1%} for this one, on validation images.",
        variant="linear",
        figures=figures,
    )


def _trial_accuracy(trial: Trial) -> float:
    interval: Interval = trial.accuracy
    return interval.value


CHECK = Check(code="underfitting", run=check_underfitting, of_curves=check_underfitting_curves)
