"""What training makes small: cross-entropy with label smoothing and class weights."""

import torch
from torch import Tensor
from torch.nn import functional as F


def loss(
    logits_NK: Tensor,
    labels: Tensor,
    label_smoothing: float = 0.0,
    class_weights_K: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy (natural log), the target spread by `label_smoothing` over all classes.

    `labels` are class numbers N or shares N x K. With class weights, the weighted mean.
    Szegedy et al. 2016, section 7.
    """
    return F.cross_entropy(
        logits_NK.float(), labels, weight=class_weights_K, label_smoothing=label_smoothing
    )


def balanced_weights(labels_N: Tensor, classes: int) -> Tensor:
    """Weights K by which every class that is present weighs the same; their mean is 1."""
    counts_K = torch.bincount(labels_N, minlength=classes).float()
    weights_K = torch.where(counts_K > 0, counts_K.clamp(min=1).reciprocal(), 0.0)
    return weights_K * len(labels_N) / (counts_K > 0).sum()
