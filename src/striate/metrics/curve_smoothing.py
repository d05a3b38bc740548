"""Formulas of curves over epochs: smoothed with a band, the best epoch, rises and slopes.

Legend: `T` epochs. A curve is a loss, lower is better, of finite numbers. Levels, errors and
differences are in its units.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.metrics.intervals import make_rng
from striate.values import BestEpoch

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]

LEVEL = 0.99
DRAWS = 1000
SPIKE = 4.0
# Nearer than this many standard errors two epochs are a tie. One standard error, the rule of
# Breiman and others 1984, keeps epochs that are truly worse (LOG 2026-11-24).
TIE = 0.0
ROUNDING = 1e-12
HUGE = 1e100


@dataclass(frozen=True)
class SmoothedCurve:
    """A curve smoothed: `level` T is `hat` T x T times the curve; `noise` deviates one epoch.

    `spikes` T are epochs that stand out above their neighbours; they have no say in the level.
    The band is `centre` ± a quantile times `errors`, both T: the level without what smoothing
    takes off peaks and fills into dips, and the error of that.
    """

    curve: Floats
    level: Floats
    hat: Floats
    noise: float
    spikes: Truths

    @cached_property
    def centre(self) -> Floats:
        """The level plus the smoothed rest, T: twicing (Tukey 1977), which takes bias off it."""
        found: Floats = self._twice @ self.curve
        return found

    @cached_property
    def errors(self) -> Floats:
        """Standard error of the centre at every epoch, T.

        Its noise is that of epochs left out in turn: those that the width was chosen on are
        nearer to the level than others would be. With the level and the plain noise the band
        held the truth 84 of 100 times, not 95 (LOG 2026-11-24).
        """
        held = np.clip(1 - np.diag(self.hat), 0.05, 1.0)
        rest = ((self.curve - self.level) / held)[~self.spikes]
        size = max(1.0, float(np.abs(rest).max(initial=0.0)) / HUGE)
        spread = size * float(np.sqrt(np.square(rest / size).mean())) if len(rest) else 0.0
        noise = max(self.noise, spread)
        found: Floats = noise * np.linalg.norm(self._twice, axis=1)
        return found

    @cached_property
    def _twice(self) -> Floats:
        found: Floats = 2 * self.hat - self.hat @ self.hat
        return found

    def band(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Lower and upper end, T each, between which the true curve lies at this level."""
        half = _normal_quantile(level) * self.errors
        return self.centre - half, self.centre + half

    def apart(self, first: int, second: int) -> tuple[float, float]:
        """Level at `first` minus level at `second`, and the standard error of that."""
        error = self.noise * float(np.linalg.norm(self.hat[first] - self.hat[second]))
        return float(self.level[first] - self.level[second]), error


def smooth_curve(curve: ArrayLike) -> SmoothedCurve:
    """Local linear regression with the width that predicts left-out epochs best.

    Widths are tried on the epochs and on their logarithms, where a curve that falls steeply at
    first is as smooth as later; the one with the least squared leave-one-out error is taken.
    Epochs that stand out above both sides by four deviations of the noise are spikes.
    """
    y = np.asarray(curve, np.float64)
    size = float(np.abs(y).max(initial=0.0))
    if math.isfinite(size) and size > HUGE:
        # Squares of such losses would overflow.
        small = smooth_curve(y / size)
        return SmoothedCurve(y, small.level * size, small.hat, small.noise * size, small.spikes)
    spikes = find_spikes(y)
    if len(y) < 4:
        return SmoothedCurve(y, y.copy(), np.eye(len(y)), estimate_noise(y), spikes)
    weight = (~spikes).astype(np.float64)
    best, found = math.inf, np.eye(len(y))
    for axis in (np.arange(len(y), dtype=np.float64), np.log(np.arange(len(y)) + 1.0)):
        for width in np.geomspace(axis[-1] / len(y) * 1.5, axis[-1], 12):
            hat = _local_linear(axis, float(width), weight)
            kept = np.diag(hat)
            if not np.isfinite(hat).all() or (kept[~spikes] > 0.99).any():
                continue
            left_out = ((y - hat @ y) / (1 - kept))[~spikes]
            error = float(np.square(left_out).mean())
            if error < best:
                best, found = error, hat
    level = found @ y
    rest = (y - level)[~spikes]
    free = len(rest) - 2 * np.trace(found) + float(np.square(found).sum())
    noise = math.sqrt(float(np.square(rest).sum()) / max(1.0, free))
    return SmoothedCurve(y, level, found, noise, spikes)


def estimate_noise(curve: ArrayLike) -> float:
    """Standard deviation of the noise on a smooth curve, at least 0; 0 for fewer than 3 points.

    From the median size of its second differences, whose deviation is sqrt(6) that of the noise.
    """
    bends = np.abs(np.diff(np.asarray(curve, np.float64), 2))
    return float(np.median(bends) / (0.6745 * math.sqrt(6))) if len(bends) else 0.0


def find_spikes(curve: ArrayLike) -> Truths:
    """The epochs that stand out above those on both sides by more than four deviations, T."""
    y = np.asarray(curve, np.float64)
    bar = SPIKE * estimate_noise(y)
    found = np.zeros(len(y), np.bool_)
    for t in range(1, len(y) - 1):
        sides = max(float(y[max(0, t - 2) : t].mean()), float(y[t + 1 : t + 3].mean()))
        found[t] = y[t] - sides > bar
    return found


def smooth_usable_losses(curve: ArrayLike) -> Floats:
    """The smoothed loss of every epoch, T; infinite where the epoch's own weights are no good."""
    trend = smooth_curve(curve)
    found: Floats = np.where(_within_band(trend), trend.level, np.inf)
    return found


def find_best_epoch(
    curve: ArrayLike, tie: float = TIE, among: Collection[int] | None = None
) -> BestEpoch:
    """Where the smoothed loss is least: the first epoch that ties with its minimum.

    A tie is a difference of less than `tie` standard errors of the difference. An epoch that
    itself stands out above the band is passed over: its own weights were no good. `low` and
    `high` are the first and the last epoch that cannot be told from the best at the 95 % level.
    `among` says which epochs there are weights of, all unless given; only they are chosen.
    Epochs count from 0. Raises `ValueError` for an empty curve.
    """
    trend = smooth_curve(curve)
    count = len(trend.level)
    if not count:
        raise ValueError("no epoch to choose")
    usable = np.flatnonzero(_within_band(trend))
    usable = usable if len(usable) else np.arange(count)
    least = _least_place(trend, usable)
    alike = [int(t) for t in usable if _is_tied(trend, int(t), least, _normal_quantile(0.95))]
    if among is not None:
        usable = np.intersect1d(usable, np.asarray(among)) if len(among) else usable
        usable = usable if len(usable) else np.sort(np.asarray(among))
        least = _least_place(trend, usable)
    chosen = min(int(t) for t in usable if _is_tied(trend, int(t), least, tie))
    return BestEpoch(
        place=chosen,
        low=min(alike),
        high=max(alike),
        level=float(trend.centre[chosen]),
        error=float(trend.errors[chosen]),
        last=float(trend.centre[-1]),
        last_error=float(trend.apart(count - 1, chosen)[1]),
    )


def rise_with_pvalue(curve: ArrayLike, seed: int = 0, draws: int = DRAWS) -> tuple[float, float]:
    """How far the smoothed curve ends above its minimum, and how often chance does as much.

    Chance: the nearest curve that never rises (isotonic regression), with the residuals of the
    smoothed curve drawn anew around it; the share of such curves that end as far above their
    minimum. Davison & Hinkley 1997, section 4.4, with (1 + more) / (1 + draws).
    """
    from sklearn.isotonic import isotonic_regression

    trend = smooth_curve(curve)
    y = trend.curve
    if len(y) < 6:
        return 0.0, 1.0
    found = _final_rise(trend.level)
    null = isotonic_regression(np.where(trend.spikes, trend.level, y), increasing=False)
    rests = (y - trend.level) / np.sqrt(np.clip(1 - np.diag(trend.hat), 0.05, 1.0))
    rests = rests[~trend.spikes] - rests[~trend.spikes].mean()
    drawn = make_rng(seed, "rise").choice(rests, (draws, len(y)))
    levels = (null + drawn) @ trend.hat.T
    more = int((levels[:, -1] - levels.min(axis=1) >= found).sum())
    return found, (1 + more) / (1 + draws)


def fit_slope(curve: ArrayLike, along: ArrayLike | None = None) -> tuple[float, float]:
    """Least-squares slope and its standard error, wider where errors follow each other.

    The error grows by sqrt((1 + r) / (1 - r)) with r the correlation of neighbouring residuals,
    where that is positive. `along` is where the points stand, by default 0, 1, 2, …
    Fewer than three points have an infinite error.
    """
    y = np.asarray(curve, np.float64)
    x = np.arange(len(y), dtype=np.float64) if along is None else np.asarray(along, np.float64)
    if len(y) < 3 or float(np.ptp(x)) == 0:
        return 0.0, math.inf
    size = float(np.abs(y).max())
    if math.isfinite(size) and size > HUGE:
        value, error = fit_slope(y / size, x)
        return value * size, error * size
    centred = x - x.mean()
    spread = float(np.square(centred).sum())
    value = float((centred * y).sum()) / spread
    rest = y - y.mean() - value * centred
    error = math.sqrt(float(np.square(rest).sum()) / (len(y) - 2) / spread)
    total = float(np.square(rest).sum())
    follow = float((rest[1:] * rest[:-1]).sum()) / total if total > 0 else 0.0
    follow = min(0.9, max(0.0, follow))
    return value, error * math.sqrt((1 + follow) / (1 - follow))


def share_lost_again(curve: ArrayLike) -> float:
    """Of the ground that a falling curve gains, the share that it loses again, at least 0.

    All rises from one epoch to the next over all falls; 0 falls throughout, 1 ends where it
    began. Infinite for a curve that only rises, 0 for one that stands still.
    """
    steps = np.diff(np.asarray(curve, np.float64))
    ups, downs = float(steps.clip(min=0).sum()), float(-steps.clip(max=0).sum())
    return ups / downs if downs else (math.inf if ups else 0.0)


def is_significant(value: float, error: float, level: float = LEVEL) -> bool:
    """Whether a figure with its standard error lies above 0 beyond doubt, two-sided."""
    return value > _normal_quantile(level) * error


def is_noisier(noise: float, expected: float, freedom: int, level: float = LEVEL) -> bool:
    """Whether a deviation estimated with so many degrees of freedom is above an expected one.

    Chi-square by Wilson and Hilferty 1931; the estimate from medians counts as a third of them.
    """
    free = max(1.0, freedom / 3)
    bar = (1 - 2 / (9 * free) + _normal_quantile(level) * math.sqrt(2 / (9 * free))) ** 3
    return noise**2 > expected**2 * bar


def mean_loss_error(loss: float, images: int, level: float = LEVEL) -> float:
    """Half the interval of a mean loss over so many images.

    Losses of single images scatter about as much as their mean, as an exponential's do.
    """
    return _normal_quantile(level) * loss / math.sqrt(max(1, images))


def _within_band(trend: SmoothedCurve) -> Truths:
    """Which epochs do not stand out above the band."""
    outside = (trend.curve - trend.level > 2 * trend.noise) & (trend.noise > 0)
    found: Truths = ~(trend.spikes | outside)
    return found


def _least_place(trend: SmoothedCurve, places: NDArray[np.int64]) -> int:
    return int(places[np.argmin(trend.level[places])])


def _is_tied(trend: SmoothedCurve, place: int, least: int, errors: float) -> bool:
    value, error = trend.apart(place, least)
    return value <= errors * error + ROUNDING * abs(float(trend.level[least]))


def _final_rise(level: Floats) -> float:
    return float(level[-1] - level.min())


def _normal_quantile(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)


def _local_linear(axis: Floats, width: float, weight: Floats) -> Floats:
    """The matrix of local linear regression with tricube weights, T x T."""
    away = axis[None, :] - axis[:, None]
    # At least three points with a say, whatever the width: beyond them the line is not bound.
    heavy = np.abs(away) + np.where(weight > 0, 0.0, np.inf)
    third = np.sort(heavy, axis=1)[:, min(3, len(axis) - 1)]
    reach = np.maximum(width, third * 1.001)[:, None]
    kernel = np.clip(1 - (np.abs(away) / reach) ** 3, 0, None) ** 3 * weight[None, :]
    s0, s1 = kernel.sum(1), (kernel * away).sum(1)
    s2 = (kernel * away**2).sum(1)
    down = s0 * s2 - s1**2
    with np.errstate(divide="ignore", invalid="ignore"):
        hat: Floats = kernel * (s2[:, None] - s1[:, None] * away) / down[:, None]
    return hat
