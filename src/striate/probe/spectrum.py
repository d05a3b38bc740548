"""Eigendecomposition of a feature table, after which every ridge solution is a division.

Legend: `N` images, `D` features, `K` classes, `R` eigenvectors. The decomposition is of the
D x D products of features or of the N x N products of images, whichever is smaller.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

# threadpoolctl ships no types.
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from striate.errors import ModelError
from striate.values import Rows

Floats = NDArray[np.float64]


ROWS_AT_ONCE = 4096  # images: bounds the float64 copy to 8 bytes x D x this many


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RidgeTable:
    """Features with their labels, and the mean and scale that standardise them.

    `gram` is the D x D Gram matrix of the standardised features, shared by fits on any columns;
    None if there are more features than images, where the smaller N x N products are used.
    `targets` N x K are the regression targets unless they are one-hot classes. `roots` N are the
    square roots of the sample weights, whose mean is 1: an image of weight 2 counts as two.
    """

    features: NDArray[np.float32]
    labels: Rows
    classes: int
    mean: Floats
    scale: NDArray[np.float32]
    gram: Floats | None
    targets: Floats | None = None
    roots: Floats | None = None

    def standardised(self, rows: Rows, columns: Rows) -> Floats:
        """Rows and columns, standardised, times the square roots of the sample weights."""
        # By rows and in float64: products of float32 lose what small penalties rest on, and a
        # float64 copy of the whole table would be twice its size.
        part = self.features[np.ix_(rows, columns)].astype(np.float64)
        part -= self.mean[columns]
        part /= self.scale[columns]
        if self.roots is not None:
            part *= self.roots[rows, None]
        return part

    def weighted(self, values_NK: Floats, rows: Rows) -> Floats:
        """Values of these rows times the square roots of their sample weights."""
        return values_NK if self.roots is None else values_NK * self.roots[rows, None]

    def one_hot(self, rows: Rows) -> Floats:
        """Targets of these rows, one-hot for classes."""
        if self.targets is not None:
            return self.targets[rows]
        table = np.zeros((len(rows), self.classes))
        table[np.arange(len(rows)), self.labels[rows]] = 1
        return table

    def shares(self) -> Floats:
        """The weighted mean of the targets: the share of each class."""
        if self.roots is not None:
            every = np.arange(len(self.features))
            return np.asarray(np.square(self.roots) @ self.one_hot(every) / len(every))
        if self.targets is not None:
            return np.asarray(self.targets.mean(axis=0))
        counts = np.bincount(self.labels, minlength=self.classes)
        return np.asarray(counts / len(self.labels))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spectrum:
    """The ridge problem in the basis of its eigenvectors.

    Fitted values are `shares + rotated(rows) @ (targets / (eigenvalues + alpha))`, R x K the
    targets; `weights(alpha)` are the D x K weights of the standardised features.
    """

    eigenvalues: Floats
    targets: Floats
    shares: Floats
    images: int
    rotated: Callable[[Rows], Floats]
    weights: Callable[[float], Floats]


def standardise_table(
    features_ND: NDArray[np.float32],
    labels: Rows | Floats,
    classes: int,
    widths: Sequence[int],
    weights: Floats | None = None,
) -> RidgeTable:
    """Standardise features, with one scale for all columns of each block in `widths`.

    `labels` are class numbers or real targets N x K; the sample weights `weights` N have mean 1.
    Raises `ModelError` if a feature is not finite.
    """
    mean, scale = _mean_and_scale(features_ND, widths)
    if weights is not None:
        # The intercept is not penalised; features centred by weight make it drop out of the fit.
        mean = np.asarray(weights, np.float64) @ features_ND / len(features_ND)
    real = labels.ndim == 2
    table = RidgeTable(
        features=features_ND,
        labels=np.zeros(len(labels), np.int64) if real else np.asarray(labels, np.int64),
        targets=np.asarray(labels, np.float64) if real else None,
        classes=classes,
        mean=mean,
        scale=scale,
        gram=None,
        roots=None if weights is None else np.sqrt(weights),
    )
    count, dimensions = features_ND.shape
    # The smaller of D x D and N x N is decomposed, since that costs the cube of its side.
    if count < dimensions:
        return table
    gram = np.zeros((dimensions, dimensions))
    for rows in row_blocks(count):
        part = table.standardised(rows, np.arange(dimensions))
        gram += part.T @ part
    return replace(table, gram=gram)


def compute_spectrum(table: RidgeTable, columns: Rows) -> Spectrum:
    """The spectrum of the given columns of a table, by its D x D or N x N products."""
    if len(columns) <= len(table.features):
        return _spectrum_by_features(table, columns)
    return _spectrum_by_images(table, columns)


def eigendecompose(products: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues, clipped at 0, and eigenvectors of a Gram matrix."""
    # Its many small steps wait for the slowest thread: on a busy machine of two cores two threads
    # took up to ten times as long as one, on an idle one they save a third.
    with threadpool_limits(limits=1, user_api="blas"):
        eigenvalues, vectors = np.linalg.eigh(products)
    # Rounding leaves tiny negative ones, whose root is taken below and to which alpha is added.
    return np.maximum(eigenvalues, 0), vectors


def row_blocks(count: int) -> Iterator[Rows]:
    """Row numbers from 0 in blocks of `ROWS_AT_ONCE`."""
    for start in range(0, count, ROWS_AT_ONCE):
        yield np.arange(start, min(count, start + ROWS_AT_ONCE), dtype=np.int64)


def _spectrum_by_features(table: RidgeTable, columns: Rows) -> Spectrum:
    gram = np.zeros((len(columns), len(columns)))
    if table.gram is not None:
        gram = table.gram[np.ix_(columns, columns)]
    sums = np.zeros((len(columns), table.classes))
    for rows in row_blocks(len(table.features)):
        part = table.standardised(rows, columns)
        sums += part.T @ table.weighted(table.one_hot(rows), rows)
        if table.gram is None:
            gram += part.T @ part
    eigenvalues, vectors = eigendecompose(gram)
    targets = vectors.T @ sums
    return Spectrum(
        eigenvalues=eigenvalues,
        targets=targets,
        shares=table.shares(),
        images=len(table.features),
        rotated=lambda rows: table.standardised(rows, columns) @ vectors,
        weights=lambda alpha: vectors @ (targets / (eigenvalues + alpha)[:, None]),
    )


def _spectrum_by_images(table: RidgeTable, columns: Rows) -> Spectrum:
    every = np.arange(len(table.features))
    whole = table.standardised(every, columns)
    eigenvalues, vectors = eigendecompose(whole @ whole.T)
    reach = vectors.T @ table.weighted(table.one_hot(every), every)
    # With X = U S V': XX' = U S^2 U', so US is at hand without ever forming the D x D matrix V.
    rotated = vectors * np.sqrt(eigenvalues)
    return Spectrum(
        eigenvalues=eigenvalues,
        targets=reach * np.sqrt(eigenvalues)[:, None],
        shares=table.shares(),
        images=len(table.features),
        rotated=lambda rows: rotated[rows],
        weights=lambda alpha: whole.T @ (vectors @ (reach / (eigenvalues + alpha)[:, None])),
    )


def _mean_and_scale(
    features_ND: NDArray[np.float32], widths: Sequence[int]
) -> tuple[Floats, NDArray[np.float32]]:
    """Mean of each feature, and the RMS deviation of its block (1 for a constant block)."""
    count, dimensions = features_ND.shape
    mean = features_ND.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        raise ModelError(
            f"{np.count_nonzero(~np.isfinite(mean)):,} of the network's {dimensions:,} features "
            "are not finite numbers.",
            "Give other weights with --weights, or another network with --net.",
        )
    squares = np.zeros(dimensions)
    for rows in row_blocks(count):
        squares += np.square(features_ND[rows] - mean).sum(axis=0)
    # Rounding alone makes a constant feature deviate a little.
    squares[squares <= count * 1e-12 * (1 + np.square(mean))] = 0
    sizes = np.asarray(widths, np.int64)
    sums = np.add.reduceat(squares, sizes.cumsum() - sizes)
    variance = np.repeat(sums / (count * sizes), sizes)
    return mean, np.where(variance > 0, np.sqrt(variance), 1.0).astype(np.float32)
