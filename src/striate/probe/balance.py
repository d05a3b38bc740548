"""Whether classes that weigh the same help: what class weights bring, each image left out."""

import numpy as np
from numpy.typing import NDArray

from striate.probe.ridge import RidgeFit
from striate.statistics import balanced_accuracy, balanced_weights, softmax
from striate.values import BalanceGain, Rows


def balance_gain(
    plain: RidgeFit, weighted: RidgeFit, labels: Rows, groups: Rows | None = None
) -> BalanceGain:
    """What weights by class bring a linear model on images that were left out of its fit.

    Both fits are of the images with these `labels`. Weights help where balanced accuracy rises
    by more than chance explains (one-sided, 5 %), and neither accuracy falls nor log loss rises
    by more than chance explains. Errors are those of paired differences, a group being one
    witness.
    """
    old, new = (softmax(fit.loo_scores, fit.temperature) for fit in (plain, weighted))
    hits = (new.argmax(axis=1) == labels).astype(np.float64) - (old.argmax(axis=1) == labels)
    losses = _losses(new, labels) - _losses(old, labels)
    owner = np.arange(len(labels))
    if groups is not None:
        _, owner = np.unique(groups, return_inverse=True)
    gain, error = _summed(hits * balanced_weights(labels), owner)
    won, won_error = _summed(hits, owner)
    rise, rise_error = _summed(losses, owner)
    harms = won < -SURE * won_error or rise > SURE * rise_error
    return BalanceGain(
        helps=bool(gain > SURE * error and not harms),
        harms=bool(harms),
        gain=gain,
        error=error,
        balanced_plain=balanced_accuracy(labels, old.argmax(axis=1)),
        balanced_weighted=balanced_accuracy(labels, new.argmax(axis=1)),
        accuracy_plain=float((old.argmax(axis=1) == labels).mean()),
        accuracy_weighted=float((new.argmax(axis=1) == labels).mean()),
        log_loss_plain=float(_losses(old, labels).mean()),
        log_loss_weighted=float(_losses(new, labels).mean()),
        n=len(labels),
    )


def _summed(each_N: NDArray[np.float64], owner_N: Rows) -> tuple[float, float]:
    """Mean of paired differences, and its error were there none: groups are drawn whole."""
    sums = np.bincount(owner_N, each_N)
    return float(sums.sum() / len(each_N)), float(np.sqrt(np.square(sums).sum()) / len(each_N))


def _losses(probabilities_NK: NDArray[np.float32], truth: Rows) -> NDArray[np.float64]:
    found = probabilities_NK[np.arange(len(truth)), truth].astype(np.float64)
    return -np.log(np.maximum(found, 1e-7))


# One-sided 5 %.
SURE = 1.645
