"""Test of label-safe augmentation: whether flipped and rotated images keep their labels."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from striate.augment.rotate import random_rotation
from striate.learn.context import FitContext
from striate.learn.linear.linear_model import PRETRAINED, LinearProbes, tapped_spec
from striate.metrics import intervals
from striate.nets import find_net
from striate.probe.features import FeatureTable, all_taps, extract_features
from striate.probe.ridge import RidgeFit, fit_ridge_path
from striate.probe.stage_probes import WHOLE, probe_taps
from striate.strategy.budget import choose_feature_size
from striate.train.head import Network, build_network
from striate.values import Cache, CopyGain, Index, Machine, ModelSpec, Rows, Tap
from striate.values.seeds import sample_rows, seed_for

Pixels = NDArray[np.uint8]


KINDS = 2  # kinds of copies: flipped, rotated
MOST = 2_000  # images
LEAST_A_CLASS = 5  # images
AT_ONCE = 256  # images
STRENGTH = 1.0
LEAST_GAIN = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationGains:
    """Gains by adding flipped images, and by adding randomly rotated ones."""

    flips: CopyGain
    rotations: CopyGain


def measure_augmentation(
    context: FitContext, linear: LinearProbes | None, seconds: float
) -> AugmentationGains | None:
    """Gains by augmented copies; None if there is too little time or too few images to tell.

    Of large sets as many training images are copied as `seconds` allow, at most `MOST`. If no
    features were computed, those of a sample are.
    """
    data = context.data
    seed, groups = data.seed, data.groups
    if linear is None:
        return measure_augmentation_on_sample(
            data.index,
            data.cache,
            data.train,
            data.val,
            groups,
            context.machine,
            seconds,
            seed,
        )
    speed = len(linear.table.rows) / max(1e-6, linear.table.seconds)
    train = sample_rows(data.train, min(MOST, int(seconds * speed / KINDS)), seed, "flips")
    if len(train) < LEAST_A_CLASS * len(data.index.classes):
        return None
    spec = tapped_spec(
        linear.net,
        linear.input_size,
        linear.network.taps,
        data.index,
        data.cache,
        context.machine,
    )
    taps = linear.probed.best.taps
    looks = _ImageReader(linear.network, spec, data.cache, context.machine, linear.table, taps)
    return _measure_gains(looks, data.labels, groups, train, data.val, seed)


def measure_augmentation_on_sample(
    index: Index,
    cache: Cache,
    train: Rows,
    val: Rows,
    groups: Rows,
    machine: Machine,
    seconds: float,
    seed: int,
) -> AugmentationGains | None:
    """Gains by augmented copies on a sample whose features are computed for this alone.

    At most `MOST` training and half as many validation images, fewer if `seconds` do not allow them
    at the smallest input size; None if too few are left, or no weights are available.
    """
    card = find_net(PRETRAINED).card(PRETRAINED)
    if not card.weights_at_hand:
        return None
    speed = machine.speeds.get("features", 50.0)
    looks = (1 + KINDS) * min(MOST, len(train)) + min(MOST // 2, len(val))
    size = choose_feature_size(looks, cache.size, speed, seconds, card.input_size)
    within = speed * (card.input_size / size) ** 2 * seconds / looks
    share = min(1.0, within)
    train = sample_rows(train, int(share * min(MOST, len(train))), seed, "flips")
    val = sample_rows(val, int(share * min(MOST // 2, len(val))), seed, "flips val")
    if len(train) < LEAST_A_CLASS * len(index.classes):
        return None
    spec = tapped_spec(PRETRAINED, size, all_taps(card.stages), index, cache, machine)
    network = build_network(spec)
    table = extract_features(network, cache, np.sort(np.concatenate([train, val])), spec, machine)
    labels, classes = index.labels(), len(index.classes)
    probed = probe_taps(table, labels, classes, train, val, groups, seed, only=WHOLE)
    seen = _ImageReader(network, spec, cache, machine, table, probed.best.taps)
    return _measure_gains(seen, labels, groups, train, val, seed)


def flip_images(images_NHWC: Pixels) -> Pixels:
    """The images, flipped horizontally."""
    return images_NHWC[:, :, ::-1]


def rotate_randomly(images_NHWC: Pixels, generator: torch.Generator) -> Pixels:
    """The images, each rotated by a random angle of up to 15 degrees either way."""
    found = np.empty_like(images_NHWC)
    for start in range(0, len(found), AT_ONCE):
        some = torch.from_numpy(images_NHWC[start : start + AT_ONCE]).permute(0, 3, 1, 2)
        made = random_rotation(some.float(), STRENGTH, generator).round().clamp(0, 255)
        found[start : start + AT_ONCE] = made.to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _ImageReader:
    """How features are computed: a network, and the features of the unaugmented images."""

    network: Network
    spec: ModelSpec
    cache: Cache
    machine: Machine
    table: FeatureTable
    taps: tuple[Tap, ...]

    def of_copies(self, copies: Pixels) -> NDArray[np.float32]:
        """Features of the copies, N x D."""
        cache = replace(self.cache, images=copies)
        rows = np.arange(len(copies))
        found = extract_features(self.network, cache, rows, self.spec, self.machine).values
        return found[:, self.table.columns(self.taps)]


def _measure_gains(
    looks: _ImageReader, labels: Rows, groups: Rows, train: Rows, val: Rows, seed: int
) -> AugmentationGains:
    rows = np.concatenate([train, val])
    plain = looks.table.of(rows, looks.taps)
    # Only the pixels of the rows in question are copied, to bound the memory.
    images = looks.cache.images[train]
    generator = torch.Generator().manual_seed(seed_for(seed, "rotations"))

    def gain(copies: Pixels) -> CopyGain:
        return augmentation_gain(
            plain,
            looks.of_copies(copies),
            labels[rows],
            np.arange(len(train)),
            np.arange(len(train), len(rows)),
            groups[rows],
        )

    return AugmentationGains(
        flips=gain(flip_images(images)), rotations=gain(rotate_randomly(images, generator))
    )


def augmentation_gain(
    features_plain: NDArray[np.float32],
    features_copied: NDArray[np.float32],
    labels: Rows,
    train: Rows,
    val: Rows,
    groups: Rows | None = None,
) -> CopyGain:
    """The gain that flipped or rotated copies of the training images bring to a linear model.

    Features are N x D of the same images as they are and of their copies; `labels` and `groups` are
    theirs, `train` and `val` number their rows. A ridge model is fitted without copies and with
    them. Both are evaluated on unaugmented images: training images by leave-one-out, together with
    their copy and group, and validation images. Copies help if the mean gain in log loss exceeds
    its standard error and 1 % of the loss, and the number of correct images does not fall by more
    than one standard error of that difference. Letters and traffic signs are sets on which flipping
    changes labels.
    """
    classes = int(labels.max()) + 1
    own = np.arange(len(labels)) if groups is None else groups
    plain = fit_ridge_path(features_plain[train], labels[train], classes, groups=own[train])
    doubled = fit_ridge_path(
        np.concatenate([features_plain[train], features_copied[train]]),
        np.concatenate([labels[train], labels[train]]),
        classes,
        groups=np.concatenate([own[train], own[train]]),
    )
    truth = np.concatenate([labels[train], labels[val]])
    old_NK, new_NK = (
        _predict_left_out(fit, features_plain[val], len(train)) for fit in (plain, doubled)
    )
    old_losses, new_losses = _log_losses(old_NK, truth), _log_losses(new_NK, truth)
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


def _predict_left_out(
    fit: RidgeFit, val_features: NDArray[np.float32], n: int
) -> NDArray[np.float32]:
    """Probabilities of `n` training images by leave-one-out, and of the validation images."""
    left_out = intervals.softmax(fit.loo_scores[:n], fit.temperature)
    return np.concatenate([left_out, fit.probabilities(val_features)])


def _log_losses(probabilities_NK: NDArray[np.float32], truth: Rows) -> NDArray[np.float64]:
    found = probabilities_NK[np.arange(len(truth)), truth].astype(np.float64)
    return -np.log(np.maximum(found, 1e-7))
