"""Cross-validation of the whole procedure for tiny sets, and held-out images for calibration."""

from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from striate.learn.context import FitContext, FitData, FitResult
from striate.learn.fit import fit_model
from striate.learn.side_run import scoped_cache
from striate.learn.task import task_spec
from striate.predict.classifier import activate_outputs
from striate.probe.outlier_scores import nearest_cosine_distances, normalise_length
from striate.store.files import array_codec
from striate.train.head import all_taps
from striate.values import HeldOut, Progress, Rows
from striate.values.seeds import sample_rows

T = TypeVar("T")


MAX_HELD_OUT = 2_000  # images
# More bring less than 0.001 of AUROC (LOG 2026-11-24), and travel with every model.
MAX_REFERENCE = 1_000
# A trained network has to read them once more.
MAX_VALIDATION = 1_000


def cross_validate(context: FitContext, folds: Rows) -> NDArray[np.float32]:
    """Out-of-fold probabilities of the rows in `data.train`, in order.

    `folds` gives every index row its fold. All choices are made again in each fold, from the other
    folds alone. For several labels K more columns hold the labels predicted by the fold's
    thresholds; for a number the column is the prediction.
    """
    data = context.data
    numbers = sorted({int(fold) for fold in folds[data.train]})
    pooled = np.zeros((len(data.train), 0), np.float32)
    for done, fold in enumerate(numbers):
        held_out = folds[data.train] == fold
        found = context.port.keep(
            f"fold-{fold}.npy", partial(_fit_fold, context, held_out, fold), array_codec()
        )
        if not pooled.size:
            pooled = np.zeros((len(data.train), found.shape[1]), np.float32)
        pooled[held_out] = found
        context.port.watch(
            Progress(
                stage="folds",
                done=done + 1,
                total=len(numbers),
                unit="folds",
                finished=done + 1 == len(numbers),
            )
        )
    return pooled


def _fit_fold(context: FitContext, held_out: NDArray[np.bool_], fold: int) -> NDArray[np.float32]:
    data = context.data
    port = replace(
        context.port,
        checkpoints=context.port.checkpoints / f"fold-{fold}",
        keep=scoped_cache(context.port.keep, f"fold-{fold}"),
        publish=lambda name, value: None,
        usable=lambda classifier: None,
    )
    others = replace(data, train=data.train[~held_out])
    learned = fit_model(replace(context, data=others, port=port))
    found = _predict_held_out(data, learned, data.train[held_out])
    return task_spec(data).answers(learned.classifier, found)


def _predict_held_out(data: FitData, learned: FitResult, rows: Rows) -> NDArray[np.float32]:
    """Predictions of the fold's model for held-out rows, from cached features if it has any."""
    if learned.table is None:
        return learned.classifier.probabilities(data.cache.images, rows)
    network, spec = learned.classifier.network, learned.classifier.spec
    with torch.inference_mode():
        logits = network.classify(torch.from_numpy(learned.table.of(rows, spec.taps)))
    return activate_outputs(spec, logits.numpy())


def select_held_out(data: FitData, learned: FitResult) -> HeldOut | None:
    """The held-out images that calibrate conformal sets and typicality; None if there are none.

    For a linear model these are all its training images by their leave-one-out scores, for a
    trained network the validation images; at most `MAX_HELD_OUT` are drawn.
    """
    if task_spec(data).correct is None:
        return None
    if learned.table is not None and learned.left_out is not None:
        return _held_out_by_leave_one_out(data, learned)
    if learned.val_probabilities is None or not len(data.val):
        return None
    return _held_out_by_validation(data, learned, learned.val_probabilities)


def held_out_from_folds(data: FitData, probabilities_NK: NDArray[np.float32]) -> HeldOut:
    """The out-of-fold images of a cross-validation, if nothing else was held out."""
    nothing = np.zeros((0, 0), np.float32)
    return HeldOut(
        how="cross-validation",
        probabilities=np.asarray(probabilities_NK, np.float32),
        truth=data.labels[data.train],
        groups=data.groups[data.train],
        distances=np.zeros(0, np.float32),
        reference=nothing,
    )


def _held_out_by_leave_one_out(data: FitData, learned: FitResult) -> HeldOut:
    table, probabilities = learned.table, learned.left_out
    assert table is not None
    assert probabilities is not None
    rows = np.sort(np.concatenate([data.train, data.val]))
    some = sample_rows(np.arange(len(rows)), MAX_HELD_OUT, data.seed, "held out")
    few = sample_rows(rows, MAX_REFERENCE, data.seed, "reference")
    top = (all_taps([tap.stage for tap in table.taps])[-1],)
    reference = normalise_length(table.of(few, top))
    judges = rows[some]
    return HeldOut(
        how="leave-one-out",
        probabilities=probabilities[some],
        truth=data.labels[judges],
        groups=data.groups[judges],
        distances=nearest_cosine_distances(
            table.of(judges, top), reference, data.groups[judges], data.groups[few]
        ),
        reference=reference,
    )


def _held_out_by_validation(
    data: FitData, learned: FitResult, probabilities: NDArray[np.float32]
) -> HeldOut:
    some = sample_rows(np.arange(len(data.val)), MAX_VALIDATION, data.seed, "held out")
    few = sample_rows(data.train, MAX_VALIDATION // 2, data.seed, "reference")
    read, images = learned.classifier.deep_features, data.cache.images
    reference = normalise_length(read(images, few))
    judges = data.val[some]
    return HeldOut(
        how="validation",
        probabilities=probabilities[some],
        truth=data.labels[judges],
        groups=data.groups[judges],
        distances=nearest_cosine_distances(read(images, judges), reference),
        reference=reference,
    )
