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
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from checks import ILL, Recipe
from numpy.typing import NDArray
from simulated_runs import Made, answered_so, run_of, scored

from striate.diagnose import run_checks
from striate.values import Values

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


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
        said = answered_so(values.index, values.test_rows, answer, sure, found.truth)
        return scored(replace(values, predictions=said))

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
    said = answered_so(values.index, rows, answer, np.full(len(rows), 1.05 / classes))
    return scored(replace(values, predictions=said))


def never(values: Values, draw: np.random.Generator) -> Values:
    """The second class is always taken for the first."""
    found = values.predictions
    answer = np.where(found.predicted == 1, 0, found.predicted)
    sure = found.probabilities.max(axis=1).astype(np.float64)
    said = answered_so(values.index, values.test_rows, answer, sure, found.truth)
    return scored(replace(values, predictions=said))


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
    return {f.code for f in run_checks(run_of(given, seed)) if f.outcome == "found"}


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
