"""Overfitting: significantly better on training images than on new ones."""

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
    """Compare training and validation accuracy at the best epoch, and the ends of the curves."""
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
        meaning="At epoch {epoch} the training accuracy is {train:.1%} and the validation "
        "accuracy {val:.1%} (n = {n:,}), which is {points:.1f} percentage points lower "
        "(99% CI {low:.1f} to {high:.1f}). This does not show that most errors occur on "
        "new images only.",
        figures=figures,
    )


def check_overfitting_curves(curves: Curves) -> Finding:
    """Whether the validation loss rises after its minimum while the training loss falls."""
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
            meaning="After epoch {epoch} the validation loss rose from {best:.3f} to {last:.3f} "
            "while the training loss kept falling.",
            advice="Use the weights of epoch {epoch}. Add images per class, or use stronger "
            "augmentation or more weight decay. More epochs will not help.",
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
        meaning="The validation loss is {last:.3f} at the end and {best:.3f} at its best epoch: "
        "it does not rise significantly.",
        variant="log",
        figures=figures,
    )


def _generalisation_gap(curves: Curves) -> Finding | None:
    """The accuracy gap at the end if it explains most errors significantly, else None."""
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
        title="Most errors come from overfitting",
        meaning="At the end the training accuracy is {train:.1%} and the validation accuracy "
        "{val:.1%}, which is {points:.1f} percentage points lower (at least {low:.1f} "
        "with 99% confidence).",
        advice="Add images per class, or use stronger augmentation or more weight decay. More "
        "epochs will not help.",
        variant="log_gap",
        figures={
            "train": learnt.value,
            "val": new.value,
            "points": 100 * gap.value,
            "low": 100 * gap.low,
        },
    )


def loss_rise_of_values(history: History) -> tuple[float, float] | None:
    """Best and last validation loss of a run if it rose significantly; else None."""
    return loss_rise_after_best(history_curves(history)) if history.val_images else None


def loss_rise_after_best(curves: Curves) -> tuple[float, float] | None:
    """Best and last smoothed validation loss if it rose significantly in between; else None.

    Significantly: further than 99 of 100 curves that never rise with the same noise and, if the
    number of validation images is known, by more than the sampling error of their mean loss. The
    training loss must have fallen meanwhile: a training that diverged is not overfitting.
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
        meaning="Too few epochs have both a training and a validation loss.",
        variant="log",
    )


def _late_rise_finding(rise: tuple[float, float], figures: dict[str, Figure]) -> Finding:
    best, last = rise
    return make_finding(
        "overfitting",
        "found",
        "warning",
        title="The validation loss rose after epoch {epoch}",
        meaning="The validation loss rose from {best:.3f} to {last:.3f} while the training loss "
        "kept falling. The weights of epoch {epoch} are used: training accuracy "
        "{train:.1%}, validation accuracy {val:.1%}.",
        advice="Add images per class, or use stronger augmentation or more weight decay. More "
        "epochs will not help.",
        variant="late",
        figures=figures | {"best": best, "last": last},
    )


def _gap_finding(figures: dict[str, Figure]) -> Finding:
    return make_finding(
        "overfitting",
        "found",
        "advice",
        title="Most errors come from overfitting",
        meaning="Training accuracy is {train:.1%}, validation accuracy {val:.1%} (n = {n:,}), "
        "which is {points:.1f} percentage points lower (99% CI {low:.1f} to {high:.1f}).",
        advice="Add images per class, or use stronger augmentation. Longer training will not help.",
        variant="gap",
        figures=figures,
    )


def _check_linear_model(values: Values) -> Finding:
    """Compare a closed-form model's accuracy with its exact leave-one-out estimate."""
    pair = _leave_one_out_estimate(values)
    if pair is None:
        return make_finding(
            "overfitting",
            "not_applicable",
            "info",
            title="Overfitting",
            meaning="The accuracy on training images is not known, so overfitting and "
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
            title="Worse on new images than the leave-one-out estimate",
            meaning="The leave-one-out estimate of the accuracy is {loo:.1%}, but on {n:,} "
            "images that the model had not seen it is {val:.1%}.",
            advice="Look for training images that are nearly the same, such as bursts or crops "
            "of one photo, and put them into one group.",
            variant="promise",
            figures=figures,
        )
    return make_finding(
        "overfitting",
        "passed",
        "info",
        title="Overfitting",
        meaning="The leave-one-out estimate of the accuracy is {loo:.1%}. On {n:,} images "
        "predicted by a model that had not seen them it is {val:.1%}, which is not "
        "significantly lower.",
        variant="linear",
        figures=figures,
    )


def _leave_one_out_estimate(values: Values) -> tuple[Interval, Interval] | None:
    """Leave-one-out accuracy of the best probe, and accuracy on unseen images."""
    score = values.summary.val if values.summary.val is not None else values.summary.test
    if values.evidence is None or score is None:
        return None
    best = values.evidence.best_probe
    probe = next((probe for probe in values.evidence.probes if probe.name == best), None)
    return None if probe is None else (widen_interval(probe.loo_accuracy), score_interval(score))


CHECK = Check(code="overfitting", run=check_overfitting, of_curves=check_overfitting_curves)
