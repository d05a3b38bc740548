"""Arithmetic of the time budget: seconds, epochs and input sizes from measured speeds."""

import math

# How far to go towards tuned weights: 0.25 and 0.75 too were no better (LOG 2026-11-24).
SHARES = (1.0, 0.5)
# Images from which on each more of these passes costs more than it brings.
_MOST_INTERPOLATED = 5000
# As many as `train.frozen_cache` keeps.
MOST_VIEWS = 4
REPORT_SECONDS = 8.0
_RESERVE = 0.10  # of the time left
_TRIAL_SHARE = 0.12  # of the whole budget
_TRIAL_MOST_OF_REST = 0.25  # of the seconds a training could take
STEPS_PER_JUDGING = 3.0  # training costs this many forward passes
_MOST_ENLARGED = 4.0  # times the images' own side


def training_seconds(remaining_seconds: float, judge_seconds: float = 0.0) -> float:
    """Seconds that a training may take, after final evaluation and report are reserved.

    `judge_seconds` is the time to predict the validation and test images.
    """
    spared = REPORT_SECONDS + _RESERVE * max(0.0, remaining_seconds) + judge_seconds
    return max(0.0, remaining_seconds - spared)


def trial_seconds(minutes: float, remaining_seconds: float) -> float:
    """Seconds of one trial: a share of the whole budget, limited to a share of what is left."""
    whole = _TRIAL_SHARE * 60 * minutes
    return max(0.0, min(whole, _TRIAL_MOST_OF_REST * training_seconds(remaining_seconds)))


def epoch_seconds(
    train_images: int,
    images_per_second: float,
    val_images: int = 0,
    val_images_per_second: float | None = None,
) -> float:
    """Seconds of one epoch, including its evaluation on the validation images.

    Without a measured speed an evaluation costs a third of a training step.
    """
    judging = val_images_per_second or STEPS_PER_JUDGING * images_per_second
    return train_images / images_per_second + val_images / judging


def frozen_seconds(train_images: int, val_images: int, images_per_second: float) -> float:
    """Seconds to compute the frozen part of a network, once, for a few views of every image.

    `images_per_second` is the speed of feature extraction.
    """
    return (MOST_VIEWS * train_images + val_images) / images_per_second


def refit_seconds(train_images: int, val_images: int, images_per_second: float) -> float:
    """Seconds to fit exact heads on fine-tuned features: a pass for each interpolation share."""
    passes = len(interpolation_shares(train_images))
    return passes * (train_images + val_images) / images_per_second


def interpolation_shares(train_images: int) -> tuple[float, ...]:
    """Shares of the way to fine-tuned weights to try; only all of it for large sets."""
    return SHARES if train_images <= _MOST_INTERPOLATED else SHARES[:1]


def epochs_within(seconds: float, seconds_per_epoch: float, most: int) -> int:
    """Whole epochs that fit, at most `most`; 0 where not even one does."""
    return max(0, min(most, math.floor(seconds / seconds_per_epoch + 1e-9)))


def choose_feature_size(
    images: int,
    image_size: int,
    images_per_second: float,
    seconds: float,
    usual_size: int = 224,
    sizes: tuple[int, ...] = (224, 192, 160, 128, 96),
) -> int:
    """Input size for the features: the largest of `sizes` that fits the time.

    `images_per_second` is the speed at `usual_size`; the cost grows with the area. Images are not
    enlarged more than fourfold, which adds cost and no detail: Fashion-MNIST's 28 pixels gave 91.3
    % at 96 and 91.1 % at 128. If nothing fits, the smallest of the sizes.
    """
    wanted = [size for size in sizes if size <= usual_size] or [usual_size]
    useful = [size for size in wanted if size <= _MOST_ENLARGED * image_size]
    wanted = useful or wanted[-1:]
    for size in sorted(wanted, reverse=True):
        if images * (size / usual_size) ** 2 <= images_per_second * seconds:
            return size
    return min(wanted)
