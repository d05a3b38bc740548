"""Overfitting: better on the images it learnt from than on others, by more than chance."""

from striate.diagnose import (
    CHECK_LEVEL,
    Check,
    best_epoch_fit,
    complete_curve,
    final_accuracy,
    history_curves,
    make_finding,
    score_interval,
    widen_interval,
)
from striate.metrics import curve_smoothing, intervals
from striate.values import Curves, Figure, Finding, History, Interval, Values


def check_overfitting(values: Values) -> Finding:
    """Compares training and validation images at the kept epoch, and how the curves end."""
    fit = best_epoch_fit(values)
    if fit is None or values.history is None:
        return _check_linear_model(values)
    train, val = fit
    gap = intervals.share_difference(train, val)
    figures: dict[str, Figure] = {
        "train": train.value,
        "val": val.value,
        "points": 100 * gap.value,
        "low": 100 * gap.low,
        "high": 100 * gap.high,
        "n": val.n,
        "epoch": values.history.kept_epoch,
    }
    rise = loss_rise_of_values(values.history)
    if rise is not None:
        return _late_rise_finding(rise, figures)
    # The errors that only new images bring outweigh those that training images have too, and
    # what so few validation images hide.
    if gap.low > max(1 - train.low, (val.high - val.low) / 2):
        return _gap_finding(figures)
    return make_finding(
        "overfitting",
        "passed",
        "info",
        title="Overfitting",
        meaning="At epoch {epoch} {train:.1%} of the training images are right and {val:.1%} of "
        "{n:,} validation images, {points:.1f} points less (99% interval {low:.1f} to {high:.1f}): "
        "it is not shown that most errors are there on new images only.",
        figures=figures,
    )


def check_overfitting_curves(curves: Curves) -> Finding:
    """Whether the validation loss rises after its best while the training loss falls on."""
    val = complete_curve(curves.val_loss)
    if val is None or complete_curve(curves.train_loss) is None:
        return _no_losses()
    chosen = curve_smoothing.find_best_epoch(val)
    rise = loss_rise_after_best(curves)
    figures: dict[str, Figure] = {
        "epoch": curves.epochs[chosen.place],
        "best": chosen.level,
        "last": chosen.last,
    }
    if rise is not None:
        return make_finding(
            "overfitting",
            "found",
            "warning",
            title="The validation loss rises after epoch {epoch}",
            meaning="After epoch {epoch} the validation loss rose from {best:.3f} to "
            "{last:.3f} while the training loss went on falling.",
            advice="Keep the weights of epoch {epoch}. More images per class, stronger "
            "augmentation or more weight decay help; more epochs do not.",
            variant="log",
            figures=figures,
        )
    gap = _generalisation_gap(curves)
    if gap is not None:
        return gap
    return make_finding(
        "overfitting",
        "passed",
        "info",
        title="Overfitting",
        meaning="The validation loss is {last:.3f} at the end and {best:.3f} at its best: it does "
        "not rise beyond chance.",
        variant="log",
        figures=figures,
    )


def _generalisation_gap(curves: Curves) -> Finding | None:
    """Most errors at the end are there on new images only; None where that is not sure."""
    train, val = complete_curve(curves.train_accuracy), complete_curve(curves.val_accuracy)
    if train is None or val is None:
        return None
    learnt = final_accuracy(train, curves.train_images)
    new = final_accuracy(val, curves.val_images)
    gap = intervals.share_difference(learnt, new)
    # More than remains on training images, and more than so few validation images hide.
    if gap.low <= max(1 - learnt.low, (new.high - new.low) / 2):
        return None
    return make_finding(
        "overfitting",
        "found",
        "advice",
        title="Most of its errors come from overfitting",
        meaning="At the end {train:.1%} of the training images are right and "
        "{val:.1%} of the validation images, {points:.1f} points less (at least {low:.1f} with 99% "
        "certainty).",
        advice="More images per class, stronger augmentation or more weight decay help; more "
        "epochs do not.",
        variant="log_gap",
        figures={
            "train": learnt.value,
            "val": new.value,
            "points": 100 * gap.value,
            "low": 100 * gap.low,
        },
    )


def loss_rise_of_values(history: History) -> tuple[float, float] | None:
    """Best and last level of the validation loss, where it rose again beyond doubt; else None."""
    return loss_rise_after_best(history_curves(history)) if history.val_images else None


def loss_rise_after_best(curves: Curves) -> tuple[float, float] | None:
    """Best and last level of the smoothed validation loss, where it rose again beyond doubt.

    Beyond doubt: further than all but one in a hundred curves that never rise with the same
    noise, and, where the number of validation images is known, by more than the sampling error
    of their mean loss. The training loss must have fallen meanwhile: a training that broke down
    is not overfitting.
    """
    val, train = complete_curve(curves.val_loss), complete_curve(curves.train_loss)
    if val is None or train is None:
        return None
    level = curve_smoothing.smooth_curve(val).level
    start = int(level.argmin())
    best, last = float(level[start]), float(level[-1])
    learnt = curve_smoothing.smooth_curve(train)
    fell, error = learnt.apart(start, len(train) - 1)
    if fell <= error or start == len(val) - 1:
        return None
    sampling = (
        curve_smoothing.mean_loss_error(best, curves.val_images) if curves.val_images else 0.0
    )
    if last - best <= sampling:
        return None
    _, chance = curve_smoothing.rise_with_pvalue(val)
    return (best, last) if chance < 1 - CHECK_LEVEL else None


def _no_losses() -> Finding:
    return make_finding(
        "overfitting",
        "not_applicable",
        "info",
        title="Overfitting",
        meaning="There are too few epochs with a training and a validation loss to look at.",
        variant="log",
    )


def _late_rise_finding(rise: tuple[float, float], figures: dict[str, Figure]) -> Finding:
    best, last = rise
    return make_finding(
        "overfitting",
        "found",
        "warning",
        title="The validation loss rose after epoch {epoch}",
        meaning="The validation loss rose from {best:.3f} to {last:.3f} while the "
        "training loss went on falling. The model of epoch {epoch} was kept: {train:.1%} right "
        "on training images, {val:.1%} on validation images.",
        advice="More images per class, stronger augmentation or more weight decay help; "
        "more epochs do not.",
        variant="late",
        figures=figures | {"best": best, "last": last},
    )


def _gap_finding(figures: dict[str, Figure]) -> Finding:
    return make_finding(
        "overfitting",
        "found",
        "advice",
        title="Most of its errors come from overfitting",
        meaning="{train:.1%} right on the images it learnt from, {val:.1%} on "
        "{n:,} validation images, {points:.1f} points less (99% interval {low:.1f} to "
        "{high:.1f}).",
        advice="More images per class or stronger augmentation would help most; training longer "
        "would not.",
        variant="gap",
        figures=figures,
    )


def _check_linear_model(values: Values) -> Finding:
    """A closed-form model is held to its exact leave-one-out promise."""
    pair = _leave_one_out_estimate(values)
    if pair is None:
        return make_finding(
            "overfitting",
            "not_applicable",
            "info",
            title="Overfitting",
            meaning="Nothing tells how it does on the images it learnt from, so over- and "
            "underfitting cannot be told apart.",
        )
    promised, kept = pair
    gap = intervals.share_difference(promised, kept)
    figures: dict[str, Figure] = {
        "loo": promised.value,
        "val": kept.value,
        "n": kept.n,
        "points": 100 * gap.value,
    }
    if gap.low > 0:
        return make_finding(
            "overfitting",
            "found",
            "warning",
            title="It does worse on new images than it promised",
            meaning="The leave-one-out estimate is {loo:.1%}, and of {n:,} images "
            "that it had not learnt from {val:.1%} are correct.",
            advice="Look for training images that are nearly alike, such as bursts or crops of "
            "one photo, and keep them together.",
            variant="promise",
            figures=figures,
        )
    return make_finding(
        "overfitting",
        "passed",
        "info",
        title="Overfitting",
        meaning="The leave-one-out estimate is {loo:.1%}; of {n:,} images, each judged by a model "
        "that had not learnt from it, {val:.1%} are correct: no fewer beyond chance.",
        variant="linear",
        figures=figures,
    )


def _leave_one_out_estimate(values: Values) -> tuple[Interval, Interval] | None:
    """Leave-one-out accuracy of the best probe, and the accuracy on images it had not seen."""
    score = values.summary.val if values.summary.val is not None else values.summary.test
    if values.evidence is None or score is None:
        return None
    best = values.evidence.best_probe
    probe = next((probe for probe in values.evidence.probes if probe.name == best), None)
    return None if probe is None else (widen_interval(probe.loo_accuracy), score_interval(score))


CHECK = Check(code="overfitting", run=check_overfitting, of_curves=check_overfitting_curves)
