"""Tiny sets: the whole procedure once for each fold, judged on the images it did not see."""

from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from striate.classifier import answers
from striate.learn.apart import kept_in
from striate.learn.job import Job, Learned
from striate.learn.procedure import learn
from striate.store.files import of_array
from striate.values import Index, Progress, Rows

T = TypeVar("T")


def cross_validate(job: Job, folds: Rows) -> NDArray[np.float32]:
    """Probabilities of the rows in `job.train`, in order, each by a procedure that did not see it.

    `folds` gives every index row its fold. Choices are made anew in each fold, by the images of
    the others alone. Of several labels K more columns tell which are said, by the thresholds of
    each fold; of a number it is the answer.
    """
    numbers = sorted({int(fold) for fold in folds[job.train]})
    pooled = np.zeros((len(job.train), _width(job.index)), np.float32)
    for done, fold in enumerate(numbers):
        held_out = folds[job.train] == fold
        pooled[held_out] = job.keep(
            f"fold-{fold}.npy", partial(_fold, job, held_out, fold), of_array()
        )
        job.watch(
            Progress(
                stage="folds",
                done=done + 1,
                total=len(numbers),
                unit="folds",
                finished=done + 1 == len(numbers),
            )
        )
    return pooled


def _fold(job: Job, held_out: NDArray[np.bool_], fold: int) -> NDArray[np.float32]:
    inner = replace(
        job,
        train=job.train[~held_out],
        checkpoints=job.checkpoints / f"fold-{fold}",
        keep=kept_in(job.keep, f"fold-{fold}"),
        publish=lambda name, value: None,
        usable=lambda classifier: None,
    )
    learned = learn(inner)
    rows = job.train[held_out]
    found = _answers(job, learned, rows)
    if job.index.task != "labels":
        return found
    said = found >= np.asarray(learned.classifier.spec.thresholds, np.float32)
    return np.concatenate([found, said.astype(np.float32)], axis=1)


def _answers(job: Job, learned: Learned, rows: Rows) -> NDArray[np.float32]:
    """What the fold's model says of the others, from their features where they are there."""
    if learned.table is None:
        return learned.classifier.probabilities(job.cache.images, rows)
    network, spec = learned.classifier.network, learned.classifier.spec
    with torch.inference_mode():
        logits = network.classify(torch.from_numpy(learned.table.of(rows, spec.taps)))
    return answers(spec, logits.numpy())


def _width(index: Index) -> int:
    if index.task == "number":
        return 1
    return len(index.classes) * (2 if index.task == "labels" else 1)
