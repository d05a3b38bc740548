"""Statistics of curves over epochs: smoothing with a band, the best epoch, rises and slopes.

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

from striate.values import BestEpoch
from striate.values.seeds import make_rng

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]

LEVEL = 0.99  # two-sided confidence of the tests
DRAWS = 1000  # bootstrap curves
SPIKE = 4.0  # standard deviations of the noise
# Nearer than this many standard errors two epochs are a tie. One standard error, the rule of
# Breiman and others 1984, keeps epochs that are truly worse (LOG 2026-11-24).
TIE = 0.0
ROUNDING = 1e-12  # of the least level
HUGE = 1e100  # losses above it are scaled down: their squares and sums must fit into a float64


@dataclass(frozen=True)
class SmoothedCurve:
    """A smoothed curve: `level` T is `hat` T x T times the curve.

    `noise` is the standard deviation of one epoch. `spikes` T marks epochs far above their
    neighbours; they do not influence the level. The band is `centre` ± a quantile times `errors`,
    both T: the bias-corrected level and its standard error.
    """

    curve: Floats
    level: Floats
    hat: Floats
    noise: float
    spikes: Truths

    @cached_property
    def centre(self) -> Floats:
        """The level plus the smoothed residuals, T: twicing (Tukey 1977), which reduces bias."""
        found: Floats = self._twice @ self.curve
        return found

    @cached_property
    def errors(self) -> Floats:
        """Standard error of the centre at every epoch, T.

        The noise is estimated from leave-one-out residuals, since plain residuals of the epochs
        that chose the width are too small: with them a 95 % band covered the truth 84 % of the
        time (LOG 2026-11-24).
        """
        # Leave-one-out residuals without a second fit: the residual over 1 - h_tt. The bound keeps
        # an epoch that the curve runs through from making the noise infinite.
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
        """Lower and upper ends of the pointwise confidence band at this level, T each."""
        half = _normal_quantile(level) * self.errors
        return self.centre - half, self.centre + half

    def apart(self, first: int, second: int) -> tuple[float, float]:
        """Level at `first` minus level at `second`, and the standard error of that."""
        # Of the difference, not of two levels: neighbours share most epochs and err together.
        error = self.noise * float(np.linalg.norm(self.hat[first] - self.hat[second]))
        return float(self.level[first] - self.level[second]), error


def smooth_curve(curve: ArrayLike) -> SmoothedCurve:
    """Local linear regression, its bandwidth chosen by leave-one-out error.

    Bandwidths are tried on the epochs and on their logarithms, on which a curve that falls
    steeply at first is equally smooth everywhere; the least mean squared error wins.
    Epochs above both sides by four standard deviations of the noise are spikes.
    """
    y = np.asarray(curve, np.float64)
    size = float(np.abs(y).max(initial=0.0))
    if math.isfinite(size) and size > HUGE:
        # Squares of such losses would overflow.
        small = smooth_curve(y / size)
        return SmoothedCurve(y, small.level * size, small.hat, small.noise * size, small.spikes)
    spikes = find_spikes(y)
    # A line through three points leaves none to tell noise by.
    if len(y) < 4:
        return SmoothedCurve(y, y.copy(), np.eye(len(y)), estimate_noise(y), spikes)
    weight = (~spikes).astype(np.float64)
    best, found = math.inf, np.eye(len(y))
    for axis in (np.arange(len(y), dtype=np.float64), np.log(np.arange(len(y)) + 1.0)):
        for width in np.geomspace(axis[-1] / len(y) * 1.5, axis[-1], 12):
            hat = _local_linear(axis, float(width), weight)
            kept = np.diag(hat)
            # An epoch that decides its own level has no leave-one-out error: 0 / 0.
            if not np.isfinite(hat).all() or (kept[~spikes] > 0.99).any():
                continue
            left_out = ((y - hat @ y) / (1 - kept))[~spikes]
            error = float(np.square(left_out).mean())
            if error < best:
                best, found = error, hat
    level = found @ y
    rest = (y - level)[~spikes]
    # Degrees of freedom of a linear smoother: n - 2 tr H + tr H'H (Cleveland & Devlin 1988).
    free = len(rest) - 2 * np.trace(found) + float(np.square(found).sum())
    noise = math.sqrt(float(np.square(rest).sum()) / max(1.0, free))
    return SmoothedCurve(y, level, found, noise, spikes)


def estimate_noise(curve: ArrayLike) -> float:
    """Standard deviation of the noise on a smooth curve, at least 0; 0 for fewer than 3 points.

    From the median absolute second difference, whose deviation is sqrt(6) times the noise.
    """
    # A median, since spikes are no noise; 0.6745 is the median size of a standard normal.
    bends = np.abs(np.diff(np.asarray(curve, np.float64), 2))
    return float(np.median(bends) / (0.6745 * math.sqrt(6))) if len(bends) else 0.0


def find_spikes(curve: ArrayLike) -> Truths:
    """Whether each epoch is above both sides by over four standard deviations of the noise, T."""
    y = np.asarray(curve, np.float64)
    # Upwards only, and not at the ends: a curve that falls steeply at first stands out nowhere.
    bar = SPIKE * estimate_noise(y)
    found = np.zeros(len(y), np.bool_)
    for t in range(1, len(y) - 1):
        sides = max(float(y[max(0, t - 2) : t].mean()), float(y[t + 1 : t + 3].mean()))
        found[t] = y[t] - sides > bar
    return found


def smooth_usable_losses(curve: ArrayLike) -> Floats:
    """The smoothed loss of every epoch, T; infinite for epochs whose own loss is an outlier."""
    trend = smooth_curve(curve)
    found: Floats = np.where(_within_band(trend), trend.level, np.inf)
    return found


def find_best_epoch(
    curve: ArrayLike, tie: float = TIE, among: Collection[int] | None = None
) -> BestEpoch:
    """The best epoch: the first that ties with the minimum of the smoothed loss.

    A tie is a difference of less than `tie` standard errors of the difference. An epoch whose own
    loss is an outlier above the smoothed curve is never chosen. `low` and `high` are the first and
    last epochs not significantly worse than the best at the 95 % level. `among` restricts the
    choice to epochs whose weights are held (default: all). Epochs count from 0. Raises
    `ValueError` for an empty curve.
    """
    trend = smooth_curve(curve)
    count = len(trend.level)
    if not count:
        raise ValueError("no epoch to choose")
    usable = np.flatnonzero(_within_band(trend))
    usable = usable if len(usable) else np.arange(count)
    # Before `among` narrows the choice: the interval is of all epochs, not of weights still held.
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
    """How far the smoothed curve ends above its minimum, and the p-value of that rise.

    Bootstrap under the null of no rise: the nearest non-increasing curve (isotonic regression)
    with resampled residuals; the p-value is the share of such curves that rise as far. Davison &
    Hinkley 1997, section 4.4, with (1 + more) / (1 + draws).
    """
    from sklearn.isotonic import isotonic_regression

    trend = smooth_curve(curve)
    y = trend.curve
    if len(y) < 6:
        return 0.0, 1.0
    found = _final_rise(trend.level)
    null = isotonic_regression(np.where(trend.spikes, trend.level, y), increasing=False)
    rests = (y - trend.level) / np.sqrt(np.clip(1 - np.diag(trend.hat), 0.05, 1.0))
    # Centred, as residuals of a bootstrap are: a mean of their own would shift every curve.
    rests = rests[~trend.spikes] - rests[~trend.spikes].mean()
    drawn = make_rng(seed, "rise").choice(rests, (draws, len(y)))
    # The width found once is kept: choosing it for each of a thousand curves costs as many fits.
    levels = (null + drawn) @ trend.hat.T
    more = int((levels[:, -1] - levels.min(axis=1) >= found).sum())
    return found, (1 + more) / (1 + draws)


def fit_slope(curve: ArrayLike, along: ArrayLike | None = None) -> tuple[float, float]:
    """Least-squares slope and its standard error, corrected for autocorrelation.

    The error is multiplied by sqrt((1 + r) / (1 - r)), r the correlation of neighbouring
    residuals, if positive. `along` are the x values, by default 0, 1, 2, … With fewer than three
    points the error is infinite.
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
    # Short series can show any correlation: the error grows by at most sqrt(19).
    follow = min(0.9, max(0.0, follow))
    return value, error * math.sqrt((1 + follow) / (1 - follow))


def share_lost_again(curve: ArrayLike) -> float:
    """Sum of all rises between epochs over the sum of all falls, at least 0.

    0 for a curve that never rises (or is constant), 1 for one that ends where it began, infinite
    for one that only rises.
    """
    steps = np.diff(np.asarray(curve, np.float64))
    ups, downs = float(steps.clip(min=0).sum()), float(-steps.clip(max=0).sum())
    return ups / downs if downs else (math.inf if ups else 0.0)


def is_significant(value: float, error: float, level: float = LEVEL) -> bool:
    """Whether a value with this standard error is significantly above 0, two-sided level."""
    return value > _normal_quantile(level) * error


def is_noisier(noise: float, expected: float, freedom: int, level: float = LEVEL) -> bool:
    """Whether an estimated standard deviation is significantly above the expected one.

    Chi-square by Wilson and Hilferty 1931; since `noise` comes from a median, only a third of
    `freedom` degrees of freedom count.
    """
    free = max(1.0, freedom / 3)
    bar = (1 - 2 / (9 * free) + _normal_quantile(level) * math.sqrt(2 / (9 * free))) ** 3
    return noise**2 > expected**2 * bar


def mean_loss_error(loss: float, images: int, level: float = LEVEL) -> float:
    """Half width of the confidence interval of a mean loss over so many images.

    Assumes that the losses of single images deviate by their mean, as for an exponential.
    """
    return _normal_quantile(level) * loss / math.sqrt(max(1, images))


def _within_band(trend: SmoothedCurve) -> Truths:
    """Which epochs are neither spikes nor over two deviations of the noise above the level."""
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
