"""Metrics of several labels and of numbers: precision, F1, errors, each with a bootstrap.

Legend: `N` images, `K` labels, `B` draws. `scores_NK` are any real numbers, higher is more likely;
`marks_NK` are 0 or 1. An interval is the percentile interval of a bootstrap over images, or over
whole groups if a group holds several (Davison & Hinkley 1997, section 3.8).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.metrics.intervals import cross_validation_factor, wilson
from striate.values import Interval, Measure
from striate.values.seeds import make_rng

Floats = NDArray[np.float64]


_MOST_AT_ONCE = 4_000_000  # numbers in memory
_MOST_WORK = 400_000_000  # images times labels times draws
_FEWEST_DRAWS = 200  # bootstrap draws
_LEAST_SLOPE = 1e-3


def average_precision(
    scores_N: ArrayLike, marks_N: ArrayLike, weights_BN: NDArray[np.float32] | None = None
) -> Floats:
    """Average precision of one label for each of B sample weightings, in [0, 1].

    The mean over its images of the precision among all that score at least as high, the same as
    scikit-learn's `average_precision_score`; NaN if no image has the label.
    """
    scores, marks = np.asarray(scores_N, np.float64), np.asarray(marks_N, np.float32)
    weights = np.ones((1, len(scores)), np.float32) if weights_BN is None else weights_BN
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    taken = weights[:, order].cumsum(axis=1, dtype=np.float64)[:, ends]
    right = (weights[:, order] * marks[order]).cumsum(axis=1, dtype=np.float64)[:, ends]
    gained = np.diff(right, axis=1, prepend=0.0)
    precision = right / np.maximum(taken, 1e-12)
    total = right[:, -1]
    found: Floats = np.full(len(weights), np.nan)
    some = total > 0
    found[some] = (gained * precision).sum(axis=1)[some] / total[some]
    return found


def f1_score(said_N: ArrayLike, marks_N: ArrayLike, weights_BN: NDArray[np.float32]) -> Floats:
    """F1 for each of B sample weightings; NaN if the label is neither predicted nor true."""
    said, marks = np.asarray(said_N, np.float32), np.asarray(marks_N, np.float32)
    right, all_said, true = (weights_BN @ part for part in (said * marks, said, marks))
    with np.errstate(invalid="ignore"):
        return np.asarray(2.0 * right / (all_said + true), np.float64)


def best_thresholds(probabilities_NK: ArrayLike, marks_NK: ArrayLike) -> tuple[float, ...]:
    """For every label the threshold with the highest F1; between two images, halfway.

    If no image has a label it is 0.5.
    """
    table, marks = np.asarray(probabilities_NK, np.float64), np.asarray(marks_NK, np.float64)
    return tuple(_best_threshold(table[:, k], marks[:, k]) for k in range(table.shape[1]))


def label_measures(
    probabilities_NK: NDArray[np.float32],
    said_NK: NDArray[np.bool_],
    marks_NK: Floats,
    groups: ArrayLike | None = None,
    seed: int = 0,
    draws: int = 2000,
) -> tuple[tuple[Measure, Measure], ...]:
    """Average precision and F1 of every label, the last pair their means over the labels.

    Labels that no image has are excluded from the means; theirs are NaN. If all is correct a
    bootstrap has no spread: the lower ends are then Wilson's, of the images with the label, for the
    means of all images; a group counts as one.
    """
    count, labels = marks_NK.shape
    draws = max(_FEWEST_DRAWS, min(draws, _MOST_WORK // max(1, count * labels)))

    def both(weights_BN: NDArray[np.float32]) -> Floats:
        kinds = []
        for k in range(labels):
            precise = average_precision(probabilities_NK[:, k], marks_NK[:, k], weights_BN)
            found = f1_score(said_NK[:, k], marks_NK[:, k], weights_BN)
            # A label that nobody has in this draw says nothing of the answers.
            kinds.append((precise, np.where(np.isnan(precise), np.nan, found)))
        table = np.array(kinds).transpose(2, 0, 1)  # B x K x 2
        return np.concatenate([table, _nan_mean(table)[:, None]], axis=1)

    one = both(np.ones((1, count), np.float32))[0]
    many = np.concatenate([both(part) for part in _bootstrap_weights(count, groups, draws, seed)])
    found = []
    for k in range(labels + 1):
        behind = np.flatnonzero(marks_NK[:, k]) if k < labels else np.arange(count)
        proven = len(np.unique(np.asarray(groups)[behind])) if groups is not None else len(behind)
        names = ("average_precision", "f1") if k < labels else ("mean_average_precision", "mean_f1")
        precise, f1_of = (
            _widen_if_perfect(_make_measure(name, one[k, j], many[:, k, j]), proven)
            for j, name in enumerate(names)
        )
        found.append((precise, f1_of))
    return tuple(found)


def number_measures(
    answers_N: ArrayLike,
    truth_N: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    draws: int = 2000,
) -> tuple[Measure, ...]:
    """Mean absolute error, R², and root mean squared error; R² is at most 1, and may be below 0."""
    truth = np.asarray(truth_N, np.float64)
    wrong = np.asarray(answers_N, np.float64) - truth
    centred = truth - truth.mean()

    def errors(weights_BN: NDArray[np.float32]) -> Floats:
        weights = weights_BN / weights_BN.sum(axis=1, keepdims=True)
        squared = weights @ np.square(wrong)
        spread = weights @ np.square(centred) - np.square(weights @ centred)
        explained = 1 - squared / np.maximum(spread, 1e-300)
        return np.stack([weights @ np.abs(wrong), explained, np.sqrt(squared)], axis=1)

    one = errors(np.ones((1, len(truth)), np.float32))[0]
    many = np.concatenate(
        [errors(part) for part in _bootstrap_weights(len(truth), groups, draws, seed)]
    )
    names = ("mean_absolute_error", "r_squared", "root_mean_squared_error")
    return tuple(_make_measure(name, one[k], many[:, k]) for k, name in enumerate(names))


def compare_labels(
    new_NK: NDArray[np.float32],
    old_NK: NDArray[np.float32],
    marks_NK: Floats,
    groups: ArrayLike | None = None,
    seed: int = 0,
    draws: int = 2000,
) -> tuple[float, float, float]:
    """Mean average precision of new and old scores, and the p-value of "new is no better".

    The share of paired bootstrap draws, of whole groups, in which it is not.
    """
    count, labels = marks_NK.shape
    draws = max(_FEWEST_DRAWS, min(draws, _MOST_WORK // max(1, 2 * count * labels)))

    def both(weights_BN: NDArray[np.float32]) -> Floats:
        kinds = [
            [average_precision(scores[:, k], marks_NK[:, k], weights_BN) for k in range(labels)]
            for scores in (new_NK, old_NK)
        ]
        return _nan_mean(np.array(kinds).transpose(2, 1, 0))  # B x 2

    return _compare_by_bootstrap(both, count, groups, seed, draws, sign=1.0)


def compare_numbers(
    new_N: ArrayLike,
    old_N: ArrayLike,
    truth_N: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    draws: int = 2000,
) -> tuple[float, float, float]:
    """Mean absolute error of new and old predictions, and the p-value of "new is no better"."""
    truth = np.asarray(truth_N, np.float64)
    wrong_N2 = np.abs(np.stack([np.asarray(new_N), np.asarray(old_N)], axis=1) - truth[:, None])

    def both(weights_BN: NDArray[np.float32]) -> Floats:
        return np.asarray(weights_BN @ wrong_N2 / weights_BN.sum(axis=1, keepdims=True))

    return _compare_by_bootstrap(both, len(truth), groups, seed, draws, sign=-1.0)


def grouped_mean(
    name: str, values_N: ArrayLike, groups: ArrayLike, seed: int = 0, draws: int = 2000
) -> Measure:
    """A mean over images, with the percentile interval of a bootstrap over their groups."""
    values = np.asarray(values_N, np.float64)
    _, owner = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(owner, values), np.bincount(owner)
    generator, found = make_rng(seed, name.replace("_", " ")), np.empty(draws)
    for draw in range(draws):
        some = generator.integers(0, len(sums), len(sums))
        found[draw] = sums[some].sum() / sizes[some].sum()
    low, high = np.quantile(found, (0.025, 0.975))
    value = float(values.mean())
    return Measure(name=name, value=value, low=min(float(low), value), high=max(float(high), value))


def measure_to_interval(found: Measure, n: int) -> Interval:
    """A measure as an interval within [0, 1], of `n` images."""
    value, low, high = (min(1.0, max(0.0, x)) for x in (found.value, found.low, found.high))
    return Interval(value=value, low=low, high=high, n=n, method="bootstrap")


def widen_by_folds(found: Measure, folds: int) -> Measure:
    """The measure of `folds`-fold cross-validation: widened on both sides, as shares are.

    Nadeau & Bengio 2003, section 3. Clipped to the measure's range: errors are not below 0, shares
    and R² not above 1.
    """
    factor = cross_validation_factor(folds)
    least, most = _BOUNDS.get(found.name, (0.0, 1.0))
    return replace(
        found,
        low=max(least, found.value - factor * (found.value - found.low)),
        high=min(most, found.value + factor * (found.high - found.value)),
    )


def has_shared_groups(groups: ArrayLike | None, count: int) -> bool:
    """Whether some images share a group, so that whole groups are drawn."""
    return groups is not None and len(np.unique(np.asarray(groups))) < count


def logistic(scores: ArrayLike) -> NDArray[np.float32]:
    """Probabilities of scores, each on its own: 1 / (1 + exp(-score))."""
    clipped = np.clip(np.asarray(scores, np.float64), -60, 60)
    return np.asarray(1 / (1 + np.exp(-clipped)), np.float32)


def fit_logistic(scores_N: ArrayLike, marks_N: ArrayLike) -> tuple[float, float]:
    """Slope and offset whose `logistic(slope * score + offset)` has the least log loss.

    Platt 1999, with his targets: (P + 1) / (P + 2) for the P images with the label, 1 / (N + 2) for
    the N without. Newton's method, each step halved until the loss falls. The slope stays above 0,
    so that scores keep their order.
    """
    scores, marks = np.asarray(scores_N, np.float64), np.asarray(marks_N, np.float64)
    spread, middle = float(scores.std()) or 1.0, float(scores.mean())
    standard = (scores - middle) / spread
    true = float(marks.sum())
    others = len(marks) - true
    targets = np.where(marks > 0, (true + 1) / (true + 2), 1 / (others + 2))
    design = np.stack([standard, np.ones_like(standard)], axis=1)
    found = np.array([1.0, np.log((true + 1) / (others + 1))])
    loss = _logistic_loss(design @ found, targets)
    for _ in range(50):
        chances = 1 / (1 + np.exp(-np.clip(design @ found, -60, 60)))
        slope = design.T @ (chances - targets)
        bend = (design.T * (chances * (1 - chances))) @ design
        # Scores that are all equal leave the slope open; this holds it where it is.
        step = np.linalg.solve(bend + 1e-9 * len(scores) * np.eye(2), slope)
        while np.abs(step).max() > 1e-9 and _logistic_loss(design @ (found - step), targets) > loss:
            step = step / 2
        found, before = found - step, loss
        loss = _logistic_loss(design @ found, targets)
        if before - loss < 1e-10:
            break
    gain = max(float(found[0]), _LEAST_SLOPE) / spread
    return gain, float(found[1]) - gain * middle


def _logistic_loss(logits: Floats, targets: Floats) -> float:
    return float((np.logaddexp(0, logits) - targets * logits).sum())


def _compare_by_bootstrap(
    both: Callable[[NDArray[np.float32]], Floats],
    count: int,
    groups: ArrayLike | None,
    seed: int,
    draws: int,
    sign: float,
) -> tuple[float, float, float]:
    """New, old, and the share of draws in which `sign` times new is not above old."""
    new, old = both(np.ones((1, count), np.float32))[0]
    many = np.concatenate([both(part) for part in _bootstrap_weights(count, groups, draws, seed)])
    chance = float((sign * (many[:, 0] - many[:, 1]) <= 0).mean())
    return float(new), float(old), chance


def _nan_mean(table_BKM: Floats) -> Floats:
    known = ~np.isnan(table_BKM)
    mean: Floats = np.where(known, table_BKM, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return mean


def _best_threshold(chances: Floats, marks: Floats) -> float:
    if not marks.any():
        return 0.5
    order = np.argsort(-chances, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(chances[order]) != 0, True))
    right = marks[order].cumsum()[ends]
    score = 2 * right / (ends + 1 + marks.sum())
    best = ends[score.argmax()]
    least = float(chances[order[best]])
    following = float(chances[order[best + 1]]) if best + 1 < len(order) else least
    return (least + following) / 2


def _bootstrap_weights(
    count: int, groups: ArrayLike | None, draws: int, seed: int
) -> Iterator[NDArray[np.float32]]:
    """How often each image is drawn, in blocks of draws: whole groups if there are any."""
    owner = np.arange(count)
    if groups is not None:
        _, owner = np.unique(np.asarray(groups), return_inverse=True)
    owners = int(owner.max()) + 1
    generator = make_rng(seed, "measures")
    at_once = max(1, _MOST_AT_ONCE // count)
    for start in range(0, draws, at_once):
        part = min(at_once, draws - start)
        drawn = generator.multinomial(owners, np.full(owners, 1 / owners), size=part)
        yield drawn[:, owner].astype(np.float32)


def _widen_if_perfect(found: Measure, proven: int) -> Measure:
    if found.value < 1.0:
        return found
    return replace(found, low=min(found.low, wilson(proven, proven).low))


def _make_measure(name: str, value: float, drawn_B: Floats) -> Measure:
    known = drawn_B[np.isfinite(drawn_B)]
    low, high = (float(q) for q in np.quantile(known, (0.025, 0.975))) if len(known) else (0.0, 1.0)
    value = float(value)
    return Measure(name=name, value=value, low=min(low, value), high=max(high, value))


_BOUNDS = {
    "mean_absolute_error": (0.0, np.inf),
    "root_mean_squared_error": (0.0, np.inf),
    "r_squared": (-np.inf, 1.0),
}
