"""Ridge regression on features, its penalty chosen by exact leave-one-(group-)out error.

Legend: `N` images, `D` features, `K` classes, `A` penalties. Targets are one-hot; the intercept is
not penalised. One eigendecomposition gives the solution for every penalty and its error on left-out
images (Golub, Heath & Wahba 1979). Images of one group are left out together, so that a near-copy
cannot confirm an image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.errors import SourceError
from striate.metrics.intervals import softmax
from striate.metrics.probability_calibration import fit_temperature
from striate.probe.leave_one_out import RowGroups, group_rows, left_out_errors, left_out_scores
from striate.probe.spectrum import (
    Floats,
    RidgeTable,
    Spectrum,
    compute_spectrum,
    row_blocks,
    standardise_table,
)
from striate.values import Rows

_MOST_ENTRIES = 2_000_000  # images times classes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RidgeFit:
    """A linear classifier on features, and its leave-one-out scores and errors.

    Scores are `((features - shift) / scale) @ weights + bias`, N x K. `loo_scores` are those of
    every training image by the fit without it (or without its group), in the order given;
    `loo_errors` is their mean squared error for each of `alphas`, and `alpha` the least of them.
    `temperature` makes `softmax(scores, temperature)` probabilities, fitted on `loo_scores`; it
    is 1 where the targets are not one class an image.
    """

    alpha: float
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    shift: NDArray[np.float32]
    scale: NDArray[np.float32]
    temperature: float
    loo_scores: NDArray[np.float32]
    alphas: Floats
    loo_errors: Floats

    def scores(self, features_ND: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores N x K of any images' features."""
        found = np.empty((len(features_ND), len(self.bias)), np.float32)
        for rows in row_blocks(len(features_ND)):
            found[rows] = ((features_ND[rows] - self.shift) / self.scale) @ self.weights
        return found + self.bias

    def probabilities(self, features_ND: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities N x K of any images' features."""
        return softmax(self.scores(features_ND), self.temperature)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RidgePath:
    """A prepared table of training features on which any subset of columns can be fitted."""

    table: RidgeTable
    groups: RowGroups

    def fit(self, columns: Rows | None = None, alphas: Sequence[float] | None = None) -> RidgeFit:
        """The ridge fit on these columns (default: all), penalty by leave-one-(group-)out.

        Without `alphas` 25 logarithmically spaced penalties are tried.
        """
        table, groups = self.table, self.groups
        columns = np.arange(table.features.shape[1]) if columns is None else columns
        spectrum = compute_spectrum(table, columns)
        tried = _default_alphas(spectrum) if alphas is None else np.asarray(alphas, np.float64)
        errors = left_out_errors(table, groups, spectrum, tried)
        alpha = float(tried[errors.argmin()])
        # Of all images, though some thousand were enough to choose the penalty by: the search for
        # label errors needs a score of every one.
        loo_scores = left_out_scores(table, groups, spectrum, alpha)
        weights = spectrum.weights(alpha)
        shift, scale = table.mean[columns].astype(np.float32), table.scale[columns]
        # What float32 takes from the shift is given back by the bias.
        rounding = (shift - table.mean[columns]) / scale
        return RidgeFit(
            alpha=alpha,
            weights=weights.astype(np.float32),
            bias=(spectrum.shares + rounding @ weights).astype(np.float32),
            shift=shift,
            scale=scale,
            temperature=_fit_temperature(loo_scores, table),
            loo_scores=loo_scores,
            alphas=tried,
            loo_errors=errors,
        )


def fit_ridge_path(
    features_ND: NDArray[np.float32],
    labels: Rows,
    classes: int,
    groups: Rows | None = None,
    alphas: Sequence[float] | None = None,
    widths: Sequence[int] | None = None,
    weights: Floats | None = None,
) -> RidgeFit:
    """The ridge fit on all features; see `RidgePath.fit` (`alphas`) and `prepare_ridge`."""
    return prepare_ridge(features_ND, labels, classes, groups, widths, weights).fit(alphas=alphas)


def prepare_ridge(
    features_ND: NDArray[np.float32],
    labels: Rows | Floats,
    classes: int,
    groups: Rows | None = None,
    widths: Sequence[int] | None = None,
    weights: Floats | None = None,
) -> RidgePath:
    """Standardise the features and compute what all fits on their columns share.

    `labels` are class numbers or real targets N x K. `widths` splits the columns into blocks that
    share one scale, such as the channels of one intermediate stage: channels with more variance
    then count for more, and no stage dominates another. Without it every feature has its own
    scale. The sample `weights`, positive and with mean 1, act on the fit and on the error that
    picks the penalty, not on the temperature.
    Raises `SourceError` if all images belong to one group, `ModelError` if a feature is not
    finite.
    """
    count, dimensions = features_ND.shape
    leaving = group_rows(np.arange(count) if groups is None else np.asarray(groups))
    # With one group, leaving it out leaves no image to fit.
    if len(leaving.ends) < 2:
        raise SourceError(
            f"All {count} training images belong to one group (copies of one picture are one), so "
            "none can judge the others.",
            "Give images of at least two groups.",
        )
    blocks = [1] * dimensions if widths is None else widths
    table = standardise_table(features_ND, labels, classes, blocks, weights)
    return RidgePath(table=table, groups=leaving)


def _default_alphas(spectrum: Spectrum) -> Floats:
    """Penalties around the mean squared length of an image's features."""
    length = float(spectrum.eigenvalues.sum()) / spectrum.images
    # Relative to the features' own size, so that networks with large or small maps get the same
    # range; a table of constants has length 0, and any penalty does.
    return (length or 1.0) * np.logspace(-4, 4, 25)


def _fit_temperature(scores_NK: NDArray[np.float32], table: RidgeTable) -> float:
    """The temperature fitted on evenly spaced images: one parameter does not need a million."""
    if table.targets is not None:
        return 1.0
    # Every k-th image rather than a random draw: the fit stays a function of its input alone.
    step = -(-scores_NK.size // _MOST_ENTRIES)
    return fit_temperature(scores_NK[::step], table.labels[::step])
