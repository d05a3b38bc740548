"""Underfitting: errors that are there on the training images already."""

from striate import statistics
from striate.diagnose import Check, certain, finding, judged, kept_fit
from striate.values import Figure, Finding, Interval, Trial, Values


def run(values: Values) -> Finding:
    """Whether what it gets wrong on new images it gets wrong on training images too."""
    fit = kept_fit(values)
    if fit is None:
        return _linear(values)
    train, val = fit
    gap = statistics.difference(train, val)
    figures: dict[str, Figure] = {
        "train": train.value,
        "val": val.value,
        "error": 1 - train.value,
        "n": val.n,
    }
    visible = (val.high - val.low) / 2
    # Training images are augmented: where validation does clearly better, they were only harder.
    if gap.high > 0 and 1 - train.high > max(gap.high, visible):
        return finding(
            "underfitting",
            "found",
            "advice",
            title="It gets training images wrong too",
            meaning="It underfits: {error:.1%} of the images it learnt from are wrong as well, "
            "about as many as of {n:,} validation images ({val:.1%} right).",
            advice="Give it more minutes, a larger input or a stronger network; if that changes "
            "nothing, look for wrong labels among the mistakes in the report.",
            variant="fit",
            figures=figures,
        )
    return finding(
        "underfitting",
        "passed",
        "info",
        title="Underfitting",
        meaning="It fits its training images: {train:.1%} right on them, augmented, and {val:.1%} "
        "on {n:,} validation images.",
        figures=figures,
    )


def _linear(values: Values) -> Finding:
    """A closed-form model underfits where a freer one did better in a trial."""
    score = values.summary.val
    trials = values.evidence.trials if values.evidence is not None else ()
    if score is None or not trials:
        return finding(
            "underfitting",
            "not_applicable",
            "info",
            title="Underfitting",
            meaning="No freer model was tried beside this one, so it cannot be told whether one "
            "would do better.",
            advice="Give it more minutes; then tuning is tried too.",
        )
    best = max(trials, key=_accuracy)
    mine = judged(score)
    figures: dict[str, Figure] = {
        "trial": best.accuracy.value,
        "strategy": best.strategy,
        "val": mine.value,
        "n": mine.n,
    }
    if statistics.difference(certain(best.accuracy), mine).low > 0:
        return finding(
            "underfitting",
            "found",
            "advice",
            title="A freer model did better",
            meaning="It underfits: in a short trial the strategy {strategy} got {trial:.1%} right "
            "where this model gets {val:.1%}.",
            advice="Give it more minutes, so that this strategy can be trained in full.",
            variant="trial",
            figures=figures,
        )
    return finding(
        "underfitting",
        "passed",
        "info",
        title="Underfitting",
        meaning="Freer models were tried and did no better: {trial:.1%} for the strategy "
        "{strategy}, {val:.1%} for this one, on validation images.",
        variant="linear",
        figures=figures,
    )


def _accuracy(trial: Trial) -> float:
    interval: Interval = trial.accuracy
    return interval.value


CHECK = Check(code="underfitting", run=run)
