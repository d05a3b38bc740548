"""The checks of a finished fit, one file each, ending in CHECK; and the verdict they give."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from striate.metrics import intervals
from striate.values import (
    CLOSED_FORM,
    Curves,
    Figure,
    Finding,
    History,
    Interval,
    Score,
    Sentence,
    Values,
    Verdict,
    filled,
    say,
)
from striate.values.catalog import collect_constants

# A dozen checks look at one run; at this level each, a healthy run hears a false alarm from any
# of them less often than one time in ten.
CHECK_LEVEL = 0.99
VARIANT = "task"
MIN_EPOCHS = 6
# So many images are assumed where a log's reader was not told how many there were.
ASSUMED_IMAGES = 1000
# Of several faults in curves, the first of these says most of why.
CURVE_FAULTS = (
    "diverged",
    "learning_rate_high",
    "plateau",
    "overfitting",
    "augmentation_strong",
    "learning_rate_low",
    "not_converged",
    "underfitting",
)
# The verdict puts these before the meaning of the finding that decides.
JUDGEMENTS = {
    "overfitting": say("judgement.overfits", "It overfits."),
    "underfitting": say("judgement.underfits", "It underfits."),
    "not_converged": say("judgement.short", "It underfits: the training ended too early."),
    "not_converged_short": say("judgement.perhaps", "It may underfit."),
    "balanced": say("judgement.neither", "No sign of overfitting or underfitting."),
    "balanced_linear": say("judgement.linear", "No sign of overfitting."),
}
OTHER_TASK_TEXT = "Not applicable: this check is for classification, and this run has another task."


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A pure function from the values of a finished fit to a finding.

    Unless it is for `every_task` it applies to classification only, not to several labels or a
    number. `of_curves` applies the same check to the learning curves of a log alone, where that is
    possible.
    """

    code: str
    run: Callable[[Values], Finding]
    every_task: bool = False
    of_curves: Callable[[Curves], Finding] | None = None


def run_checks(values: Values) -> tuple[Finding, ...]:
    """The finding of every check, sorted by name; a check always returns one."""
    checks: list[Check] = list(collect_constants("diagnose", "CHECK").values())
    one = values.index.task == "label"
    return tuple(
        c.run(values) if one or c.every_task else _not_applicable_to_task(c) for c in checks
    )


def run_curve_checks(curves: Curves) -> tuple[Finding, ...]:
    """The findings of all checks that need learning curves only."""
    checks: list[Check] = list(collect_constants("diagnose", "CHECK").values())
    return tuple(c.of_curves(curves) for c in checks if c.of_curves is not None)


def curves_verdict(findings: tuple[Finding, ...]) -> Verdict:
    """The verdict on learning curves: the most severe fault found."""
    found = {f.code: f for f in findings if f.outcome == "found"}
    for code in CURVE_FAULTS:
        if code in found:
            return _judged_verdict(found[code], code)
    judged = sum(f.outcome == "passed" for f in findings)
    sentence = "No problem found in these curves; {n} checks could be applied."
    return _make_verdict("curves_calm", sentence.format(n=judged), {"n": judged})


def fit_verdict(findings: tuple[Finding, ...], values: Values) -> Verdict:
    """The verdict on overfitting and underfitting, from the findings and their figures.

    Findings say what they saw; this alone says whether the model over- or underfits.
    """
    found = {f.code: f for f in findings if f.outcome == "found"}
    if values.summary.test is None:
        return _make_verdict("unjudged", "No labelled image was left to evaluate the model on.")
    if values.index.task != "label":
        return _beats_chance(values.summary.test)
    if "guessing" in found:
        return _verdict_from_finding(
            found["guessing"], f"guessing_{found['guessing'].variant}".rstrip("_")
        )
    for code in ("overfitting", "not_converged", "underfitting"):
        if code in found:
            return _judged_verdict(found[code], f"{code}_{found[code].variant}".rstrip("_"))
    passed = next(f for f in findings if f.code == "overfitting")
    if passed.outcome == "passed":
        return _judged_verdict(passed, f"balanced_{passed.variant}".rstrip("_"))
    return _make_verdict("no_validation", passed.meaning, passed.figures)


def judgement_of(code: str) -> Sentence | None:
    """What a verdict of this code says of over- and underfitting; None where it says nothing."""
    whole = [known for known in JUDGEMENTS if code == known or code.startswith(f"{known}_")]
    return JUDGEMENTS[max(whole, key=len)] if whole else None


def make_finding(
    code: str,
    outcome: Literal["found", "passed", "not_applicable"],
    severity: Literal["info", "advice", "warning", "serious"],
    *,
    title: str,
    meaning: str,
    advice: str = "",
    variant: str = "",
    figures: Mapping[str, Figure] | None = None,
) -> Finding:
    """A finding with its texts filled from the templates and figures."""
    figures = dict(figures or {})
    return Finding(
        code=code,
        outcome=outcome,
        severity=severity,
        title=filled(title, figures),
        figures=figures,
        meaning=filled(meaning, figures),
        advice=filled(advice, figures),
        see=f"docs/reference/checks.md#{code.replace('_', '-')}",
        variant=variant,
    )


def subset_accuracy(
    values: Values, some: NDArray[np.bool_], level: float = CHECK_LEVEL
) -> Interval:
    """Accuracy on `some` of the counted images, with its interval at `level`.

    The images of a group count as dependent; with cross-validation the interval is wider.
    """
    truth = values.predictions.truth[values.counted][some]
    right = values.predictions.predicted[values.counted][some] == truth
    groups = values.counted_groups[some]
    found = intervals.accuracy_interval(right, groups, values.options.seed, folds=values.folds)
    return widen_interval(found, level)


def widen_interval(share: Interval, level: float = CHECK_LEVEL) -> Interval:
    """The same share with its interval at another level, by default that of the checks.

    Both sides grow in proportion to Wilson's interval, so that a cluster bootstrap stays wider.
    """
    right = round(share.value * share.n)
    stated = intervals.wilson(right, share.n, share.level)
    wider = intervals.wilson(right, share.n, level)
    down = (stated.value - wider.low) / max(stated.value - stated.low, 1e-12)
    up = (wider.high - stated.value) / max(stated.high - stated.value, 1e-12)
    return replace(
        share,
        low=max(0.0, share.value - max(1.0, down) * (share.value - share.low)),
        high=min(1.0, share.value + max(1.0, up) * (share.high - share.value)),
        level=level,
    )


def score_interval(score: Score) -> Interval:
    """A score's accuracy with its interval at the level of the checks."""
    low, high = score.interval
    share = Interval(value=score.value, low=low, high=high, n=score.n, level=score.level)
    return widen_interval(share)


def best_epoch_fit(values: Values) -> tuple[Interval, Interval] | None:
    """Training and validation accuracy of the trained network; None if one is missing.

    Training accuracy is the mean over the best epoch, on augmented images: a lower bound.
    """
    if values.history is None or values.plan.strategy.value in CLOSED_FORM:
        return None
    fit = history_fit(values.history)
    if fit is None or values.summary.val is None:
        return fit
    return fit[0], score_interval(values.summary.val)


def history_fit(history: History) -> tuple[Interval, Interval] | None:
    """Training and validation accuracy at the best epoch; images are assumed independent."""
    kept = next((e for e in history.epochs if e.epoch == history.kept_epoch), None)
    if kept is None or not history.val_images:
        return None
    shares = (
        (kept.train_accuracy, history.train_images),
        (kept.val_accuracy, history.val_images),
    )
    trained, new = (intervals.wilson(round(share * n), n, CHECK_LEVEL) for share, n in shares)
    return trained, new


def training_curves(values: Values) -> Curves | None:
    """The learning curves of the delivered network; None without gradient training."""
    history = values.history
    if history is None or not history.epochs or values.plan.strategy.value in CLOSED_FORM:
        return None
    return history_curves(history, values.index.name, len(values.index.classes))


def history_curves(history: History, name: str = "", classes: int = 0) -> Curves:
    """The learning curves of a training; the validation curves are empty without such images."""
    rows = history.epochs
    with_val = history.val_images > 0
    return Curves(
        name=name,
        epochs=tuple(e.epoch for e in rows),
        train_loss=tuple(e.train_loss for e in rows),
        val_loss=tuple(e.val_loss for e in rows) if with_val else (),
        train_accuracy=tuple(e.train_accuracy for e in rows),
        val_accuracy=tuple(e.val_accuracy for e in rows) if with_val else (),
        lr=tuple(e.lr for e in rows),
        train_images=history.train_images,
        val_images=history.val_images,
        classes=classes,
    )


def complete_curve(curve: tuple[float, ...], least: int = MIN_EPOCHS) -> NDArray[np.float64] | None:
    """A curve of finite numbers with at least `least` epochs; None otherwise."""
    numbers = np.array(curve, np.float64)
    return numbers if len(numbers) >= least and np.isfinite(numbers).all() else None


def final_accuracy(curve: NDArray[np.float64], images: int) -> Interval:
    """The mean accuracy of the last tenth of the epochs, with its interval."""
    images = images or ASSUMED_IMAGES
    end = float(np.mean(curve[-max(2, len(curve) // 10) :]))
    return intervals.wilson(round(min(1.0, max(0.0, end)) * images), images, CHECK_LEVEL)


def relative_learning_rates(curves: Curves) -> NDArray[np.float64]:
    """The learning rate of each epoch over the highest; 1 if the log has none."""
    rate = np.array(curves.lr, np.float64)
    if len(rate) != len(curves.epochs) or not np.isfinite(rate).all() or not rate.max() > 0:
        return np.ones(len(curves.epochs))
    shares: NDArray[np.float64] = rate / rate.max()
    return shares


def _not_applicable_to_task(check: Check) -> Finding:
    """The finding of a classification check in a run with another task."""
    return Finding(
        code=check.code,
        outcome="not_applicable",
        severity="info",
        title=check.code.replace("_", " ").capitalize(),
        figures={},
        meaning=OTHER_TASK_TEXT,
        advice="",
        see=f"docs/reference/checks.md#{check.code.replace('_', '-')}",
        variant=VARIANT,
    )


def _beats_chance(score: Score) -> Verdict:
    """Whether the score is significantly better than chance level."""
    guessing = score.guessing or 0.0
    figures: dict[str, Figure] = {"value": score.value, "guessing": guessing}
    if score.metric == "mean_absolute_error":
        learnt = score.interval[1] < guessing
        sentence = "Its predictions are off by {value:.3g} on average; always predicting the "
        sentence += "median would be off by {guessing:.3g}."
        code = "number"
    else:
        learnt = score.interval[0] > guessing
        sentence = "Its mean average precision is {value:.1%}; chance level is {guessing:.1%}."
        code = "labels"
    if not learnt:
        sentence += " The difference may be due to chance."
    ending = "learnt" if learnt else "guessed"
    return _make_verdict(f"{code}_{ending}", filled(sentence, figures), figures)


def _verdict_from_finding(source: Finding, code: str) -> Verdict:
    return Verdict(code=code, sentence=source.meaning, figures=source.figures)


def _judged_verdict(source: Finding, code: str) -> Verdict:
    """The verdict that a finding decides: its judgement, then what the finding saw."""
    found, judgement = _verdict_from_finding(source, code), judgement_of(code)
    if judgement is None:
        return found
    sentence = f"{filled(judgement.text, source.figures)} {found.sentence}"
    return replace(found, sentence=sentence)


def _make_verdict(code: str, sentence: str, figures: dict[str, Figure] | None = None) -> Verdict:
    return Verdict(code=code, sentence=sentence, figures=figures or {})
