"""What training makes small: cross-entropy, of one label or of each of several; Huber's loss."""

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


def labels_loss(
    logits_NK: Tensor,
    marks_NK: Tensor,
    label_smoothing: float = 0.0,
    class_weights_K: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy (natural log), summed over the labels, mean over the images.

    It is the log-likelihood of all labels of an image, each on its own. `marks_NK` are 0 or 1 or
    shares; smoothing draws them towards a half. With weights, each label's part times its own.
    """
    smooth_NK = marks_NK * (1 - label_smoothing) + label_smoothing / 2
    each_NK = F.binary_cross_entropy_with_logits(
        logits_NK.float(), smooth_NK, weight=class_weights_K, reduction="none"
    )
    return each_NK.sum(dim=1).mean()


def number_loss(
    answers_N1: Tensor,
    truth_N1: Tensor,
    label_smoothing: float = 0.0,
    class_weights_K: Tensor | None = None,
) -> Tensor:
    """Mean of Huber's loss: half the square of an error up to 1, from there on a straight line.

    Numbers are in units of their spread, so that errors of more than that count less than their
    square. Smoothing and weights, which are of classes, are not used. Huber 1964.
    """
    return F.huber_loss(answers_N1.float(), truth_N1)
