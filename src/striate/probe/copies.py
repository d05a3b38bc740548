"""Whether mirrored or turned copies keep their label: what they bring on images as they are."""

import numpy as np
from numpy.typing import NDArray

from striate import statistics
from striate.probe.ridge import RidgeFit, fit_path
from striate.values import CopyGain, Rows


def copy_gain(
    features_plain: NDArray[np.float32],
    features_copied: NDArray[np.float32],
    labels: Rows,
    train: Rows,
    val: Rows,
    groups: Rows | None = None,
) -> CopyGain:
    """What copies of the training images, mirrored or turned, bring to a linear model.

    Features are N x D of the same images as they are and of their copies; `labels` and `groups` are
    theirs, `train` and `val` number their rows. A ridge model is fitted without copies and with
    them. Both are judged on the same images as they are: those of training, each left out of
    the fit with its copy and its group, and those of validation. Copies help where the mean
    gain in log loss is above its standard error and above 1 % of the loss, and no fewer images
    are right than by one standard error of that difference. Letters and traffic signs show why
    this is not taken for granted.
    """
    classes = int(labels.max()) + 1
    own = np.arange(len(labels)) if groups is None else groups
    plain = fit_path(features_plain[train], labels[train], classes, groups=own[train])
    doubled = fit_path(
        np.concatenate([features_plain[train], features_copied[train]]),
        np.concatenate([labels[train], labels[train]]),
        classes,
        groups=np.concatenate([own[train], own[train]]),
    )
    truth = np.concatenate([labels[train], labels[val]])
    old_NK, new_NK = (_judged(fit, features_plain[val], len(train)) for fit in (plain, doubled))
    old_losses, new_losses = _losses(old_NK, truth), _losses(new_NK, truth)
    gains = old_losses - new_losses
    error = float(gains.std() / len(gains) ** 0.5)
    old_right, new_right = (found.argmax(axis=1) == truth for found in (old_NK, new_NK))
    old, new = int(old_right.sum()), int(new_right.sum())
    # Of images on which the two differ each is as likely to be won as lost by chance.
    chance = float((old_right != new_right).sum()) ** 0.5
    least = max(error, LEAST_GAIN * float(old_losses.mean()))
    return CopyGain(
        helps=bool(gains.mean() > least and new >= old - chance),
        gain=float(gains.mean()),
        error=error,
        log_loss=float(old_losses.mean()),
        right_plain=old,
        right_mirrored=new,
        n=len(truth),
    )


def _judged(fit: RidgeFit, val_features: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Probabilities of `n` training images, each left out, and of the validation images."""
    left_out = statistics.softmax(fit.loo_scores[:n], fit.temperature)
    return np.concatenate([left_out, fit.probabilities(val_features)])


def _losses(probabilities_NK: NDArray[np.float32], truth: Rows) -> NDArray[np.float64]:
    found = probabilities_NK[np.arange(len(truth)), truth].astype(np.float64)
    return -np.log(np.maximum(found, 1e-7))


LEAST_GAIN = 0.01
