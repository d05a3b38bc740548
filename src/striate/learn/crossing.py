"""Tiny sets: the whole procedure once for each fold, judged on the images it did not see."""

from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from striate.classifier import answers
from striate.learn.apart import kept_in
from striate.learn.job import FitContext, FitData, FitResult
from striate.learn.procedure import learn
from striate.store.files import of_array
from striate.values import Index, Progress, Rows

T = TypeVar("T")


def cross_validate(context: FitContext, folds: Rows) -> NDArray[np.float32]:
    """Probabilities of the rows in `data.train`, in order, each by a procedure that did not see it.

    `folds` gives every index row its fold. Choices are made anew in each fold, by the images of
    the others alone. Of several labels K more columns tell which are said, by the thresholds of
    each fold; of a number it is the answer.
    """
    data = context.data
    numbers = sorted({int(fold) for fold in folds[data.train]})
    pooled = np.zeros((len(data.train), _width(data.index)), np.float32)
    for done, fold in enumerate(numbers):
        held_out = folds[data.train] == fold
        pooled[held_out] = context.port.keep(
            f"fold-{fold}.npy", partial(_fold, context, held_out, fold), of_array()
        )
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


def _fold(context: FitContext, held_out: NDArray[np.bool_], fold: int) -> NDArray[np.float32]:
    data = context.data
    port = replace(
        context.port,
        checkpoints=context.port.checkpoints / f"fold-{fold}",
        keep=kept_in(context.port.keep, f"fold-{fold}"),
        publish=lambda name, value: None,
        usable=lambda classifier: None,
    )
    others = replace(data, train=data.train[~held_out])
    learned = learn(replace(context, data=others, port=port))
    found = _answers(data, learned, data.train[held_out])
    if data.index.task != "labels":
        return found
    said = found >= np.asarray(learned.classifier.spec.thresholds, np.float32)
    return np.concatenate([found, said.astype(np.float32)], axis=1)


def _answers(data: FitData, learned: FitResult, rows: Rows) -> NDArray[np.float32]:
    """What the fold's model says of the others, from their features where they are there."""
    if learned.table is None:
        return learned.classifier.probabilities(data.cache.images, rows)
    network, spec = learned.classifier.network, learned.classifier.spec
    with torch.inference_mode():
        logits = network.classify(torch.from_numpy(learned.table.of(rows, spec.taps)))
    return answers(spec, logits.numpy())


def _width(index: Index) -> int:
    if index.task == "number":
        return 1
    return len(index.classes) * (2 if index.task == "labels" else 1)
