"""What training makes small: cross-entropy with label smoothing and class weights."""

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
