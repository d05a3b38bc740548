"""Underfitting: most errors are made on training images too."""

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
    """Whether training images are misclassified about as often as validation images."""
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
            title="It also misclassifies training images",
            meaning="{error:.1%} of the training images are misclassified too, about as many as "
            "of {n:,} validation images (validation accuracy {val:.1%}).",
            advice="Allow more minutes, or use a larger input or a larger network. If that does "
            "not help, look for label errors among the mistakes in the report.",
            variant="fit",
            figures=figures,
        )
    return make_finding(
        "underfitting",
        "passed",
        "info",
        title="Underfitting",
        meaning="Accuracy is {train:.1%} on augmented training images and {val:.1%} on {n:,} "
        "validation images. This does not show that most errors are made on training "
        "images already.",
        figures=figures,
    )


def errors_also_on_training(train: Interval, val: Interval) -> bool:
    """Whether most errors on validation images are made on training images too.

    True if twice the training error minus the validation error is significantly above 0, and the
    training error exceeds the uncertainty of the validation accuracy.
    """
    gap = intervals.share_difference(train, val)
    # Of shares right: 2 (1 - train) - (1 - val) > 0 where 2 train - val < 1.
    most = intervals.share_difference(train, val, times=2).high < 1
    visible = 1 - train.high > (val.high - val.low) / 2
    # Training images are augmented: where validation does clearly better, they were only harder.
    return gap.high > 0 and most and visible


def check_underfitting_curves(curves: Curves) -> Finding:
    """The same for the accuracies at the end of a log."""
    train, val = complete_curve(curves.train_accuracy), complete_curve(curves.val_accuracy)
    if train is None or val is None:
        return make_finding(
            "underfitting",
            "not_applicable",
            "info",
            title="Underfitting",
            meaning="Too few epochs have both a training and a validation accuracy.",
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
            title="It also misclassifies training images",
            meaning="At the end {error:.1%} of the training images are misclassified too, about "
            "as many as of the validation images (validation accuracy {val:.1%}).",
            advice="Train longer, or use a larger network or a larger input. If that does not "
            "help, look for label errors.",
            variant="log",
            figures=figures,
        )
    return make_finding(
        "underfitting",
        "passed",
        "info",
        title="Underfitting",
        meaning="At the end the training accuracy is {train:.1%} and the validation accuracy "
        "{val:.1%}. This does not show that most errors are made on training images "
        "already.",
        variant="log",
        figures=figures,
    )


def _check_linear_model(values: Values) -> Finding:
    """A closed-form model underfits if a more flexible one did better in a trial."""
    score = values.summary.val
    trials = values.evidence.trials if values.evidence is not None else ()
    if score is None or not trials:
        return make_finding(
            "underfitting",
            "not_applicable",
            "info",
            title="Underfitting",
            meaning="No more flexible model was tried, so it is not known whether one would do "
            "better.",
            advice="Allow more minutes; fine-tuning is then tried too.",
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
            title="A more flexible model did better",
            meaning="In a short trial, the strategy {strategy} reached a validation accuracy of "
            "{trial:.1%}; this model reaches {val:.1%}.",
            advice="Allow more minutes, so that this strategy can be trained in full.",
            variant="trial",
            figures=figures,
        )
    return make_finding(
        "underfitting",
        "passed",
        "info",
        title="Underfitting",
        meaning="More flexible models were tried and were not significantly better: {trial:.1%} "
        "validation accuracy with the strategy {strategy}, {val:.1%} with this model.",
        variant="linear",
        figures=figures,
    )


def _trial_accuracy(trial: Trial) -> float:
    interval: Interval = trial.accuracy
    return interval.value


CHECK = Check(code="underfitting", run=check_underfitting, of_curves=check_underfitting_curves)
