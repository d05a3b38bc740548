"""Do the checks of a whole run find what is there, and only that?

`python benchmarks/checks_of_runs.py` makes runs that truly have an illness, and healthy ones, over
some seeds each, and lets every check judge every run. Curves come from tiny networks that were
really trained (`benchmarks/checks.py`); images, features, answers and files are simulated: answers
are drawn so that stated probabilities are true, labels that are wrong were swapped after their
features were drawn, copies, series and marks are planted in the images. What looks for them
(series, doubtful labels, outliers) runs as it does in a fit. Recall is the share of the ill runs in
which the check of their illness found it; precision is that number over itself and the alarms in
healthy runs.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from checks import HEALTHY, ILL, Recipe, trained
from numpy.typing import NDArray

from striate import statistics, trends
from striate.data.series import find_series, series_notes
from striate.diagnose import diagnose
from striate.probe.doubtful import find_doubtful, left_out_probabilities
from striate.probe.outliers import find_outliers
from striate.values import Epoch, History, Index, Predictions, Rows, Score, Values, WithLeaked

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests import made

FEATURES, MANY = 24, 20_000


@dataclass(frozen=True, kw_only=True)
class Made:
    """How a run is made before something befalls it."""

    classes: int = 4
    images: int = 800
    shares: tuple[float, ...] | None = None
    burst: int = 1
    recipe: Recipe = HEALTHY["cosine"]
    # What the test images lack of the accuracy on validation images, and the best other strategy.
    harder: float = 0.0
    behind: float = 0.15
    wrong_labels: float = 0.0
    # How far classes lie apart in the features, in deviations of an image within its class.
    apart: float = 9.0
    strangers: int = 0
    series: bool = False
    before: Callable[[Values, np.random.Generator], Values] = lambda values, draw: values
    after: Callable[[Values, np.random.Generator], Values] = lambda values, draw: values


def run_of(given: Made, seed: int) -> Values:
    """A finished run that never ran, but for its training."""
    draw = statistics.rng(seed, "run")
    # What is true of new images, by as many as make it sure; validation images are fewer.
    accuracy = kept(history_of(given.recipe, seed, MANY)).val_accuracy
    values = made.values(
        classes=given.classes,
        images=given.images,
        accuracy=accuracy,
        size=4,
        set_aside=0,
        leaked=0,
        shares=given.shares,
        seed=seed,
    )
    if given.burst > 1:
        groups = np.arange(len(values.index.examples)) // given.burst
        values = replace(values, split=replace(values.split, groups=groups))
    values = _drawn_images(values, given.series, draw)
    values = given.before(values, draw)
    values = _measured(values, given, draw)
    history = history_of(given.recipe, seed, len(values.split.val))
    values = _answered(replace(values, history=history), accuracy, given, draw)
    return given.after(values, draw)


def kept(history: History) -> Epoch:
    """The epoch whose weights are the model."""
    return history.epochs[history.kept_epoch - 1]


@cache
def history_of(recipe: Recipe, seed: int, val: int) -> History:
    """A real training of a tiny network as a run's history, judged by `val` points."""
    curves, _ = trained(recipe, seed, val)
    rows = [
        Epoch(
            epoch=k + 1,
            step=k + 1,
            lr=curves.lr[k],
            train_loss=curves.train_loss[k],
            train_accuracy=curves.train_accuracy[k],
            val_loss=curves.val_loss[k],
            val_accuracy=curves.val_accuracy[k],
            seconds=1.0,
            pictures_per_second=2000.0,
        )
        for k in range(len(curves.epochs))
    ]
    best = trends.best_epoch(np.nan_to_num(curves.val_loss, nan=1e9, posinf=1e9)).place + 1
    return History(epochs=tuple(rows), kept_epoch=best, train_images=recipe.images, val_images=val)


def _drawn_images(values: Values, series: bool, draw: np.random.Generator) -> Values:
    """Smooth random images, a little brighter or darker by class; in a series neighbours agree."""
    count, labels = len(values.index.examples), values.index.labels()
    coarse = draw.normal(0, 1, (count, 4, 4, 3))
    if series:
        # Bursts of five pictures, as their names follow each other.
        coarse = coarse[np.arange(count) // 5 * 5] + 0.3 * coarse
    smooth = coarse.repeat(4, axis=1).repeat(4, axis=2) + draw.normal(0, 0.3, (count, 16, 16, 3))
    light = draw.normal(0, 0.5, (count, 1, 1, 1))
    middle = np.zeros((count, 16, 16, 1))
    middle[:, 4:12, 4:12, 0] = (labels % 3 - 1)[:, None, None] * 0.8
    pixels = np.clip(128 + 40 * (smooth + light + middle), 0, 255).astype(np.uint8)
    return replace(values, cache=replace(values.cache, images=pixels))


def _measured(values: Values, given: Made, draw: np.random.Generator) -> Values:
    """What a fit measures of features and of names in order."""
    index, split = values.index, values.split
    rows = np.sort(np.concatenate([split.train, split.val]))
    labels = index.labels()[rows]
    far = given.apart / np.sqrt(2 * FEATURES)
    centres = draw.normal(0, far, (len(index.classes), FEATURES))
    features = centres[labels] + draw.normal(0, 1, (len(rows), FEATURES))
    strangers = draw.choice(len(rows), given.strangers, replace=False)
    features[strangers] += draw.normal(0, 4, (given.strangers, FEATURES))
    if given.wrong_labels:
        index = _mislabelled(index, rows, given.wrong_labels, draw)
        labels = index.labels()[rows]
    table = features.astype(np.float32)
    groups = split.groups[rows]
    likely = left_out_probabilities(table, labels, len(index.classes), groups)
    notes = series_notes(find_series(index, values.cache, split.groups))
    return replace(
        values,
        index=index,
        split=replace(split, notes=(*split.notes, *notes)),
        doubts=find_doubtful(likely, index, rows)[:1000],
        outliers=find_outliers({"top": table}, index, rows, groups),
    )


def _mislabelled(index: Index, rows: Rows, share: float, draw: np.random.Generator) -> Index:
    examples = list(index.examples)
    for row in draw.choice(rows, round(share * len(rows)), replace=False):
        others = [name for name in index.classes if name != examples[row].label]
        examples[row] = replace(examples[row], label=str(draw.choice(others)))
    return replace(index, examples=tuple(examples))


def _answered(values: Values, accuracy: float, given: Made, draw: np.random.Generator) -> Values:
    """Answers whose stated probabilities are true, and the scores that follow."""
    split = values.split
    assert values.history is not None
    # The history tells how many of the validation images were right.
    right = round(kept(values.history).val_accuracy * len(split.val))
    val = _calibrated(values.index, split.val, accuracy, draw, right)
    test = _calibrated(values.index, values.test_rows, accuracy - given.harder, draw)
    assert values.evidence is not None
    linear = statistics.wilson(
        int(draw.binomial(len(split.val), max(0.0, accuracy - given.behind))), len(split.val)
    )
    probes = tuple(
        replace(p, val_accuracy=linear) if p.name == values.evidence.best_probe else p
        for p in values.evidence.probes
    )
    evidence = replace(values.evidence, probes=probes, trials=())
    values = replace(values, predictions=test, val_predictions=val, evidence=evidence)
    return _scored(values)


def _calibrated(
    index: Index,
    rows: Rows,
    accuracy: float,
    draw: np.random.Generator,
    count: int | None = None,
) -> Predictions:
    """Answers with a certainty each, right as often as that says, or so many, the likelier ones."""
    classes, truth = len(index.classes), index.labels()[rows]
    accuracy = min(0.995, max(1.05 / classes, accuracy))
    sure = draw.beta(8 * accuracy, 8 * (1 - accuracy), len(rows)).clip(1.02 / classes, 0.999)
    luck = draw.random(len(rows)) / sure
    right = luck < 1 if count is None else np.argsort(np.argsort(luck)) < count
    answer = np.where(right, truth, (truth + draw.integers(1, classes, len(rows))) % classes)
    return _said(index, rows, answer, sure)


def _said(
    index: Index, rows: Rows, answer: Rows, sure: NDArray[np.float64], truth: Rows | None = None
) -> Predictions:
    classes = len(index.classes)
    table = np.repeat(((1 - sure) / (classes - 1))[:, None], classes, axis=1)
    table[np.arange(len(rows)), answer] = sure
    return Predictions(
        classes=index.classes,
        paths=tuple(index.examples[row].path for row in rows),
        probabilities=table.astype(np.float32),
        truth=index.labels()[rows] if truth is None else truth,
    )


def _scored(values: Values) -> Values:
    groups = values.split.groups
    test = _score(values, values.predictions, groups[values.test_rows], "test-split")
    assert values.val_predictions is not None
    val = _score(values, values.val_predictions, groups[values.split.val], "validation")
    return replace(values, summary=replace(values.summary, test=test, val=val))


def _score(values: Values, found: Predictions, groups: Rows, evaluation: str) -> Score:
    counted = values.counted if evaluation == "test-split" else np.ones(len(groups), np.bool_)
    right = found.predicted == found.truth
    share = statistics.accuracy_interval(right[counted], groups[counted], values.options.seed)
    score = made.made_score(found, evaluation, counted)
    assert score is not None
    leaked = None
    if not counted.all():
        leaked = WithLeaked(value=float(right.mean()), n=len(right))
    return replace(
        score,
        value=share.value,
        interval=(share.low, share.high),
        n=share.n,
        method=share.method,
        with_leaked=leaked,
    )


# What befalls a run once its images, or its answers, are there.


def torn(values: Values, draw: np.random.Generator) -> Values:
    """Three pictures stand under two labels."""
    examples = list(values.index.examples)
    used = values.index.used()
    for row in draw.choice(used, 3, replace=False):
        other = next(r for r in draw.permutation(used) if examples[r].label != examples[row].label)
        examples[other] = replace(examples[other], pixels_hash=examples[row].pixels_hash)
    return replace(values, index=replace(values.index, examples=tuple(examples)))


def leaking(values: Values, draw: np.random.Generator) -> Values:
    """A tenth of the test images are copies of training images."""
    leaked = np.sort(draw.choice(values.split.test, len(values.split.test) // 10, replace=False))
    return replace(values, split=replace(values.split, leaked=leaked))


def unreadable(values: Values, draw: np.random.Generator) -> Values:
    """Some files were set aside."""
    count = int(draw.integers(3, 200))
    images = replace(values.summary.images, set_aside=count)
    return replace(values, summary=replace(values.summary, images=images))


def marked(values: Values, draw: np.random.Generator) -> Values:
    """A grey in one corner that tells the class of nine images in ten."""
    images = np.array(values.cache.images)
    labels, classes = values.index.labels(), len(values.index.classes)
    marks = np.where(draw.random(len(labels)) < 0.9, labels, draw.integers(0, classes, len(labels)))
    across = slice(0, 2) if draw.random() < 0.5 else slice(-2, None)
    images[:, :2, across] = (40 + 60 * marks)[:, None, None, None]
    return replace(values, cache=replace(values.cache, images=images))


def sized(values: Values, draw: np.random.Generator) -> Values:
    """One class was taken with another camera, the others each with theirs."""
    names = values.index.classes
    examples = tuple(
        replace(e, width=640 + 80 * names.index(e.label) + int(draw.integers(0, 9)), height=480)
        if e.label in names
        else e
        for e in values.index.examples
    )
    return replace(values, index=replace(values.index, examples=examples))


def too_sure(power: float) -> Callable[[Values, np.random.Generator], Values]:
    """Stated probabilities raised to a power: above 1 too sure, below too modest."""

    def change(values: Values, draw: np.random.Generator) -> Values:
        table = values.predictions.probabilities.astype(np.float64) ** power
        table /= table.sum(axis=1, keepdims=True)
        return replace(
            values,
            predictions=replace(values.predictions, probabilities=table.astype(np.float32)),
        )

    return change


def worse_where(
    which: Callable[[Values], NDArray[np.bool_]], share: float
) -> Callable[[Values, np.random.Generator], Values]:
    """So many of some test images are answered wrongly, with what is stated of the others."""

    def change(values: Values, draw: np.random.Generator) -> Values:
        found = values.predictions
        hit = which(values) & (draw.random(len(found.truth)) < share)
        classes = len(found.classes)
        answer = np.where(hit, (found.truth + 1) % classes, found.predicted)
        sure = found.probabilities.max(axis=1).astype(np.float64)
        said = _said(values.index, values.test_rows, answer, sure, found.truth)
        return _scored(replace(values, predictions=said))

    return change


def of_class(number: int) -> Callable[[Values], NDArray[np.bool_]]:
    """The test images of a class."""
    return lambda values: values.predictions.truth == number


def dark(values: Values) -> NDArray[np.bool_]:
    """The darkest quarter of the test images."""
    light = values.cache.images[values.test_rows].mean(axis=(1, 2, 3))
    found: NDArray[np.bool_] = light <= np.quantile(light, 0.25)
    return found


def guessing(values: Values, draw: np.random.Generator) -> Values:
    """Answers without a look at the image."""
    rows, classes = values.test_rows, len(values.index.classes)
    answer = draw.integers(0, classes, len(rows))
    said = _said(values.index, rows, answer, np.full(len(rows), 1.05 / classes))
    return _scored(replace(values, predictions=said))


def never(values: Values, draw: np.random.Generator) -> Values:
    """The second class is always taken for the first."""
    found = values.predictions
    answer = np.where(found.predicted == 1, 0, found.predicted)
    sure = found.probabilities.max(axis=1).astype(np.float64)
    said = _said(values.index, values.test_rows, answer, sure, found.truth)
    return _scored(replace(values, predictions=said))


# Some points lie between the clusters, so that some answers are wrong.
HARD = Recipe(spread=0.8)
RARE = (0.4, 0.3, 0.2, 0.1)
RUNS: dict[str, dict[str, Made]] = {
    "calibration": {
        "probabilities to the power 2.5": Made(images=2000, recipe=HARD, after=too_sure(2.5)),
        "to the power 0.4": Made(images=2000, recipe=HARD, after=too_sure(0.4)),
    },
    "contradiction": {"three pictures under two labels": Made(before=torn)},
    "guessing": {"answers by lot": Made(after=guessing)},
    "imbalance": {
        "six tenths of the rare class lost": Made(shares=RARE, after=worse_where(of_class(3), 0.6))
    },
    "leakage": {"a tenth of the test copied": Made(before=leaking)},
    "never_predicted": {
        "one class taken for another": Made(after=never),
    },
    "noisy_labels": {
        "5 % of the labels swapped": Made(wrong_labels=0.05),
        "1 % of the labels swapped": Made(wrong_labels=0.01),
    },
    "other_world": {"test 20 points harder": Made(harder=0.2)},
    "outliers": {"two strangers": Made(strangers=2)},
    # 600 images to validate, as in the benchmark of curves; fewer often hide such faults.
    **{
        code: {name: Made(images=4000, recipe=recipe) for name, recipe in ILL[code].items()}
        for code in ("overfitting", "underfitting")
    },
    "not_converged": {name: Made(recipe=recipe) for name, recipe in ILL["not_converged"].items()},
    "series": {"bursts of five": Made(series=True)},
    "set_aside": {"3 to 199 files": Made(after=unreadable)},
    "shortcut": {
        "a mark in a corner": Made(before=marked),
        "a size a class": Made(before=sized),
    },
    "small_validation": {
        "another strategy as good": Made(images=500, behind=0.0),
    },
    "weak_class": {"half of a class lost": Made(after=worse_where(of_class(2), 0.5))},
    "weak_slice": {"half of the dark ones lost": Made(after=worse_where(dark, 0.5))},
}
WELL = {
    "as made": Made(),
    "rare classes, found as often": Made(shares=RARE),
    "bursts of three, named": Made(burst=3),
    "two classes": Made(classes=2),
    "ten classes": Made(classes=10),
}


def found(name: str, kind: str, seed: int) -> set[str]:
    """Codes of what the checks found in one run; `name` is "" for a healthy one."""
    torch.set_num_threads(1)
    given = RUNS[name][kind] if name else WELL[kind]
    return {f.code for f in diagnose(run_of(given, seed)) if f.outcome == "found"}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=list(RUNS), help="checks to plant faults for")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    kinds = [("", kind) for kind in WELL]
    kinds += [(code, kind) for code in given.only for kind in RUNS[code]]
    false: Counter[str] = Counter()
    with ProcessPoolExecutor(given.jobs) as pool:
        heard = {pair: [pool.submit(found, *pair, seed) for seed in seeds] for pair in kinds}
        for (code, kind), runs in heard.items():
            codes = [run.result() for run in runs]
            if not code:
                false.update(name for some in codes for name in some)
                quiet = sum(not some for some in codes)
                print(f"healthy, {kind}: {quiet}/{len(codes)} silent; so far {dict(false)}")
                continue
            right = sum(code in some for some in codes)
            others = Counter(other for some in codes for other in some if other != code)
            print(
                f"| {code} | {kind} | {right}/{len(codes)} | {right / len(codes):.2f} | "
                f"{false[code]} of {len(WELL) * len(seeds)} | "
                f"{right / max(1, right + false[code]):.2f} | "
                f"{', '.join(f'{other} {n}' for other, n in others.most_common())} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
