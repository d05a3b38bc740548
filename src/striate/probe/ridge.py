"""Features in, exact ridge regression out: every penalty judged by exact leave-one-out.

Legend: `N` images, `D` features, `K` classes, `A` penalties, `R` eigenvectors. Targets are one
column a class, 1 for the image's class and 0 elsewhere; the intercept is not penalised.

One eigendecomposition, of the D x D products of features or of the N x N products of images,
whichever is smaller, gives the solution for every penalty. Let `H` be the matrix that maps
targets to fitted values. The residuals of the images `S` when `S` takes no part in the fit are
`(I - H_SS)^-1 (y_S - yhat_S)`, exactly: `S` is one image, or a whole group of images that
belong together (leave-one-group-out), so that a near-copy cannot vouch for an image.
Cook & Weisberg 1982, section 2.2; Golub, Heath & Wahba 1979.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from striate.errors import SourceError
from striate.statistics import fit_temperature, softmax
from striate.values import Rows

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RidgeFit:
    """A linear classifier on features and what leave-one-out says of it.

    Scores are `((features - shift) / scale) @ weights + bias`, N x K. `loo_scores` are those of
    every training image by the fit without it (or without its group), in the order given;
    `loo_errors` is their mean squared error for each of `alphas`, and `alpha` the least of them.
    `temperature` makes `softmax(scores, temperature)` probabilities, fitted on `loo_scores`.
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
        for start in range(0, len(features_ND), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            found[part] = ((features_ND[part] - self.shift) / self.scale) @ self.weights
        return found + self.bias

    def probabilities(self, features_ND: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities N x K of any images' features."""
        return softmax(self.scores(features_ND), self.temperature)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RidgePath:
    """A table of training features made ready: any of its columns can be solved, repeatedly.

    `gram` is the D x D product of the standardised features, shared by all columns; None where
    there are more features than images, since then the smaller N x N products are used.
    `order` lists the rows with each group's side by side; group g is `order[ends[g-1]:ends[g]]`.
    """

    features: NDArray[np.float32]
    labels: Rows
    classes: int
    order: Rows
    ends: Rows
    mean: Floats
    scale: NDArray[np.float32]
    gram: Floats | None

    def fit(self, columns: Rows | None = None, alphas: Sequence[float] | None = None) -> RidgeFit:
        """The ridge solution on some columns, its penalty picked by leave-one-out."""
        columns = np.arange(self.features.shape[1]) if columns is None else columns
        spectrum = _decompose(self, columns)
        found = (
            _default_alphas(self, spectrum) if alphas is None else np.asarray(alphas, np.float64)
        )
        errors = _errors(self, spectrum, found)
        alpha = float(found[errors.argmin()])
        loo_scores = _left_out_scores(self, spectrum, alpha)
        weights = spectrum.weights(alpha)
        shift = self.mean[columns].astype(np.float32)
        scale = self.scale[columns]
        # What float32 takes from the shift is given back by the bias.
        rounding = (shift - self.mean[columns]) / scale
        return RidgeFit(
            alpha=alpha,
            weights=weights.astype(np.float32),
            bias=(spectrum.shares + rounding @ weights).astype(np.float32),
            shift=shift,
            scale=scale,
            temperature=_temperature(loo_scores, self.labels),
            loo_scores=loo_scores,
            alphas=found,
            loo_errors=errors,
        )


def fit_path(
    features_ND: NDArray[np.float32],
    labels: Rows,
    classes: int,
    groups: Rows | None = None,
    alphas: Sequence[float] | None = None,
    widths: Sequence[int] | None = None,
) -> RidgeFit:
    """The ridge solution on all features, its penalty picked by leave-one-(group-)out.

    Without `alphas` 25 penalties are tried, evenly spaced in logarithm; `widths` as in `prepare`.
    Raises `SourceError` where all images belong to one group.
    """
    return prepare(features_ND, labels, classes, groups, widths).fit(alphas=alphas)


def prepare(
    features_ND: NDArray[np.float32],
    labels: Rows,
    classes: int,
    groups: Rows | None = None,
    widths: Sequence[int] | None = None,
) -> RidgePath:
    """Standardises the features and computes what all fits on their columns share.

    `widths` cuts the columns into blocks that share one scale, such as the channels of one tap:
    a channel that varies much then counts for more, and no tap drowns another. Without it every
    feature has its own scale.
    Raises `SourceError` where all images belong to one group.
    """
    count, dimensions = features_ND.shape
    owners = np.arange(count) if groups is None else np.asarray(groups)
    order = np.argsort(owners, kind="stable")
    _, sizes = np.unique(owners, return_counts=True)
    if len(sizes) < 2:
        raise SourceError(
            f"All {count} training images belong to one group, so none can judge the others.",
            "Give images of at least two groups.",
        )
    mean, scale = _mean_and_scale(features_ND, [1] * dimensions if widths is None else widths)
    path = RidgePath(
        features=features_ND,
        labels=np.asarray(labels, np.int64),
        classes=classes,
        order=order.astype(np.int64),
        ends=np.cumsum(sizes).astype(np.int64),
        mean=mean,
        scale=scale,
        gram=None,
    )
    if count < dimensions:
        return path
    gram = np.zeros((dimensions, dimensions))
    for block in _blocks(count):
        part = _standardised(path, block, np.arange(dimensions))
        gram += part.T @ part
    return replace(path, gram=gram)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Spectrum:
    """The problem in the coordinates of its eigenvectors.

    Fitted values are `shares + rotated(rows) @ (targets / (eigenvalues + alpha))`.
    """

    eigenvalues: Floats
    targets: Floats
    shares: Floats
    rotated: Callable[[Rows], Floats]
    weights: Callable[[float], Floats]


def _decompose(path: RidgePath, columns: Rows) -> _Spectrum:
    if len(columns) <= len(path.features):
        return _decompose_features(path, columns)
    return _decompose_images(path, columns)


def _decompose_features(path: RidgePath, columns: Rows) -> _Spectrum:
    count = len(path.features)
    gram = np.zeros((len(columns), len(columns)))
    if path.gram is not None:
        gram = path.gram[np.ix_(columns, columns)]
    sums = np.zeros((len(columns), path.classes))
    for block in _blocks(count):
        part = _standardised(path, block, columns)
        sums += part.T @ _one_hot(path, block)
        if path.gram is None:
            gram += part.T @ part
    eigenvalues, vectors = _eigenvectors(gram)
    targets = vectors.T @ sums
    return _Spectrum(
        eigenvalues=eigenvalues,
        targets=targets,
        shares=_shares(path),
        rotated=lambda rows: _standardised(path, rows, columns) @ vectors,
        weights=lambda alpha: vectors @ (targets / (eigenvalues + alpha)[:, None]),
    )


def _decompose_images(path: RidgePath, columns: Rows) -> _Spectrum:
    every = np.arange(len(path.features))
    table = _standardised(path, every, columns)
    eigenvalues, vectors = _eigenvectors(table @ table.T)
    reach = vectors.T @ _one_hot(path, every)
    rotated = vectors * np.sqrt(eigenvalues)
    return _Spectrum(
        eigenvalues=eigenvalues,
        targets=reach * np.sqrt(eigenvalues)[:, None],
        shares=_shares(path),
        rotated=lambda rows: rotated[rows],
        weights=lambda alpha: table.T @ (vectors @ (reach / (eigenvalues + alpha)[:, None])),
    )


def _eigenvectors(products: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues, held above 0, and eigenvectors of a matrix of products."""
    # Its many small steps wait for the slowest thread: on a busy machine of two cores two threads
    # took up to ten times as long as one, on an idle one they save a third.
    with threadpool_limits(limits=1, user_api="blas"):
        eigenvalues, vectors = np.linalg.eigh(products)
    return np.maximum(eigenvalues, 0), vectors


def _errors(path: RidgePath, spectrum: _Spectrum, alphas: Floats) -> Floats:
    """Mean squared leave-one-out error for every penalty, over at most some thousand images."""
    total, images = np.zeros(len(alphas)), 0
    for rows, sizes in _groups_evenly(path):
        images += len(rows)
        residuals = _residuals(path, spectrum, alphas, rows, sizes)
        total += [float(np.square(found).sum()) for found in residuals]
    return total / images


def _left_out_scores(path: RidgePath, spectrum: _Spectrum, alpha: float) -> NDArray[np.float32]:
    """Scores N x K of every image by the fit without its group."""
    scores = np.empty((len(path.features), path.classes), np.float32)
    for rows, sizes in _packed(path, range(len(path.ends))):
        (residuals,) = _residuals(path, spectrum, np.array([alpha]), rows, sizes)
        scores[rows] = _one_hot(path, rows) - residuals
    return scores


def _residuals(
    path: RidgePath, spectrum: _Spectrum, alphas: Floats, rows: Rows, sizes: Rows
) -> Iterator[Floats]:
    """`(I - H_SS)^-1 (y_S - yhat_S)` by each penalty; groups S lie side by side in `rows`."""
    rotated = spectrum.rotated(rows)
    gains_RA = 1 / (spectrum.eigenvalues[:, None] + alphas)
    share = 1 / len(path.features)
    leverages_NA = share + np.square(rotated) @ gains_RA
    starts = np.cumsum(sizes) - sizes
    alone = starts[sizes == 1]
    several = [
        starts[sizes == size][:, None] + np.arange(size) for size in np.unique(sizes[sizes > 1])
    ]
    targets = _one_hot(path, rows) - spectrum.shares
    for gains, leverages in zip(gains_RA.T, leverages_NA.T, strict=True):
        residuals = targets - rotated @ (spectrum.targets * gains[:, None])
        residuals[alone] /= (1 - leverages[alone])[:, None]
        for members in several:
            block = rotated[members]
            hat = share + (block * gains) @ block.swapaxes(1, 2)
            left = np.eye(members.shape[1]) - hat
            residuals[members] = np.linalg.solve(left, residuals[members])
        yield residuals


def _groups_evenly(path: RidgePath) -> Iterator[tuple[Rows, Rows]]:
    """Packed groups, evenly chosen where there are more images than the penalty's choice needs."""
    most = max(_LEAST_JUDGES, min(_MOST_JUDGES, _MOST_ENTRIES // path.classes))
    step = max(1, round(len(path.features) / most))
    return _packed(path, range(0, len(path.ends), step))


def _packed(path: RidgePath, groups: range) -> Iterator[tuple[Rows, Rows]]:
    """Rows of whole groups, some thousand at a time, with the sizes of the groups."""
    rows: list[Rows] = []
    held = 0
    for g in groups:
        start = path.ends[g - 1] if g else 0
        rows.append(path.order[start : path.ends[g]])
        held += len(rows[-1])
        if held >= _ROWS_AT_ONCE or g == groups[-1]:
            yield np.concatenate(rows), np.array([len(part) for part in rows], np.int64)
            rows, held = [], 0


def _mean_and_scale(
    features_ND: NDArray[np.float32], widths: Sequence[int]
) -> tuple[Floats, NDArray[np.float32]]:
    """Mean of every feature, and root mean square deviation of its block: 1 if it is constant."""
    count, dimensions = features_ND.shape
    mean = features_ND.mean(axis=0, dtype=np.float64)
    squares = np.zeros(dimensions)
    for block in _blocks(count):
        squares += np.square(features_ND[block] - mean).sum(axis=0)
    # Rounding alone makes a constant feature deviate a little.
    squares[squares <= count * 1e-12 * (1 + np.square(mean))] = 0
    sizes = np.asarray(widths, np.int64)
    sums = np.add.reduceat(squares, sizes.cumsum() - sizes)
    variance = np.repeat(sums / (count * sizes), sizes)
    return mean, np.where(variance > 0, np.sqrt(variance), 1.0).astype(np.float32)


def _standardised(path: RidgePath, rows: Rows, columns: Rows) -> Floats:
    part = path.features[np.ix_(rows, columns)].astype(np.float64)
    part -= path.mean[columns]
    part /= path.scale[columns]
    return part


def _one_hot(path: RidgePath, rows: Rows) -> Floats:
    table = np.zeros((len(rows), path.classes))
    table[np.arange(len(rows)), path.labels[rows]] = 1
    return table


def _shares(path: RidgePath) -> Floats:
    return np.bincount(path.labels, minlength=path.classes) / len(path.labels)


def _default_alphas(path: RidgePath, spectrum: _Spectrum) -> Floats:
    """Penalties around the mean squared length of an image's features."""
    length = float(spectrum.eigenvalues.sum()) / len(path.features)
    return (length or 1.0) * np.logspace(-4, 4, 25)


def _temperature(scores_NK: NDArray[np.float32], labels: Rows) -> float:
    """The temperature from evenly chosen images: one number needs no million of them."""
    step = -(-scores_NK.size // _MOST_ENTRIES)
    return fit_temperature(scores_NK[::step], labels[::step])


def _blocks(count: int) -> Iterator[Rows]:
    for start in range(0, count, _ROWS_AT_ONCE):
        yield np.arange(start, min(count, start + _ROWS_AT_ONCE), dtype=np.int64)


_ROWS_AT_ONCE = 4096
_MOST_JUDGES = 4096
_LEAST_JUDGES = 1024
_MOST_ENTRIES = 2_000_000
