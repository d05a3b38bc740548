"""What is kept with a model to act on its answers: held-out images, as it saw them.

Legend: `N` held-out images, `M` reference images, `K` classes, `D` features.
"""

import numpy as np
from numpy.typing import NDArray

from striate.learn.job import FitData, FitResult
from striate.probe.strangeness import distances, unit
from striate.statistics import some_of
from striate.train.head import all_taps
from striate.values import HeldOut


def held_out_of(data: FitData, learned: FitResult) -> HeldOut | None:
    """The images that judge what the model may promise; None where none was held out.

    A linear model's are all it learnt from, each as the same model without its group sees it; a
    trained one's are the validation images. Some are enough of each.
    """
    if data.index.task != "label":
        return None
    if learned.table is not None and learned.left_out is not None:
        return _left_out(data, learned)
    if learned.val_probabilities is None or not len(data.val):
        return None
    return _validation(data, learned, learned.val_probabilities)


def held_out_by_folds(data: FitData, probabilities_NK: NDArray[np.float32]) -> HeldOut:
    """The images of a cross-validation, where nothing else was held out."""
    nothing = np.zeros((0, 0), np.float32)
    return HeldOut(
        how="cross-validation",
        probabilities=np.asarray(probabilities_NK, np.float32),
        truth=data.labels[data.train],
        groups=data.groups[data.train],
        distances=np.zeros(0, np.float32),
        reference=nothing,
    )


def _left_out(data: FitData, learned: FitResult) -> HeldOut:
    table, probabilities = learned.table, learned.left_out
    assert table is not None
    assert probabilities is not None
    rows = np.sort(np.concatenate([data.train, data.val]))
    some = some_of(np.arange(len(rows)), MOST, data.seed, "held out")
    few = some_of(rows, MOST_REFERENCE, data.seed, "reference")
    top = (all_taps([tap.stage for tap in table.taps])[-1],)
    reference = unit(table.of(few, top))
    judges = rows[some]
    return HeldOut(
        how="leave-one-out",
        probabilities=probabilities[some],
        truth=data.labels[judges],
        groups=data.groups[judges],
        distances=distances(
            table.of(judges, top), reference, data.groups[judges], data.groups[few]
        ),
        reference=reference,
    )


def _validation(data: FitData, learned: FitResult, probabilities: NDArray[np.float32]) -> HeldOut:
    some = some_of(np.arange(len(data.val)), MOST_PASSED, data.seed, "held out")
    few = some_of(data.train, MOST_PASSED // 2, data.seed, "reference")
    read, images = learned.classifier.deep_features, data.cache.images
    reference = unit(read(images, few))
    judges = data.val[some]
    return HeldOut(
        how="validation",
        probabilities=probabilities[some],
        truth=data.labels[judges],
        groups=data.groups[judges],
        distances=distances(read(images, judges), reference),
        reference=reference,
    )


MOST = 2_000
# More bring less than 0.001 of AUROC (LOG 2026-11-24), and travel with every model.
MOST_REFERENCE = 1_000
# A trained network has to read them once more.
MOST_PASSED = 1_000
