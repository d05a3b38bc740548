"""Minutes and measured speeds in; seconds, epochs and input sizes out: arithmetic only."""

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
    """Seconds that a training may take, once the final judging and the report are paid for.

    `judge_seconds` is what predicting the validation and test images will take.
    """
    spared = REPORT_SECONDS + _RESERVE * max(0.0, remaining_seconds) + judge_seconds
    return max(0.0, remaining_seconds - spared)


def trial_seconds(minutes: float, remaining_seconds: float) -> float:
    """Seconds of one trial: a share of the whole budget, and never most of what is left."""
    whole = _TRIAL_SHARE * 60 * minutes
    return max(0.0, min(whole, _TRIAL_MOST_OF_REST * training_seconds(remaining_seconds)))


def epoch_seconds(
    train_images: int,
    images_per_second: float,
    val_images: int = 0,
    val_images_per_second: float | None = None,
) -> float:
    """Seconds of one epoch and of the look at the validation images that ends it.

    Judging an image takes a third of a training step where no speed for it is given.
    """
    judging = val_images_per_second or STEPS_PER_JUDGING * images_per_second
    return train_images / images_per_second + val_images / judging


def frozen_seconds(train_images: int, val_images: int, images_per_second: float) -> float:
    """Seconds that the frozen part of a network takes, once, for a few views of every image.

    `images_per_second` is the speed of a pass for features.
    """
    return (MOST_VIEWS * train_images + val_images) / images_per_second


def refit_seconds(train_images: int, val_images: int, images_per_second: float) -> float:
    """Seconds that an exact head on tuned features takes: a pass for each share of the way."""
    passes = len(interpolation_shares(train_images))
    return passes * (train_images + val_images) / images_per_second


def interpolation_shares(train_images: int) -> tuple[float, ...]:
    """How far towards tuned weights to try; with many images each try is a pass too many."""
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
    """Input size for the features: the largest of `sizes` at which all images are done in time.

    `images_per_second` is the speed at `usual_size`; the cost grows with the area. Images are
    not enlarged more than fourfold, since that brings cost and no detail: Fashion-MNIST's 28
    pixels gave 91.3 % at 96 and 91.1 % at 128. Where nothing fits, the smallest of the sizes.
    """
    wanted = [size for size in sizes if size <= usual_size] or [usual_size]
    useful = [size for size in wanted if size <= _MOST_ENLARGED * image_size]
    wanted = useful or wanted[-1:]
    for size in sorted(wanted, reverse=True):
        if images * (size / usual_size) ** 2 <= images_per_second * seconds:
            return size
    return min(wanted)
