"""Exact leave-one-group-out errors of ridge regression, without fitting again.

Legend: `N` images, `K` classes, `R` eigenvectors, `A` penalties, `S` the images of a group, `m` of
them. `H` is the hat matrix. The residuals of `S` when `S` is left out of the fit are `(I - H_SS)^-1
(y_S - yhat_S)`: Cook & Weisberg 1982, section 2.2.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.probe.spectrum import ROWS_AT_ONCE, Floats, RidgeTable, Spectrum, eigendecompose
from striate.values import Rows

_MOST_JUDGES = 4096  # images
_LEAST_JUDGES = 1024  # images
_LEAST_GROUPS = 6  # groups
_MOST_ENTRIES = 2_000_000  # images times classes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowGroups:
    """Rows that are left out together: `order` lists them by group, group g up to `ends[g]`."""

    order: Rows
    ends: Rows


def group_rows(owners: Rows) -> RowGroups:
    """The groups of rows that share an owner."""
    _, sizes = np.unique(owners, return_counts=True)
    order = np.argsort(owners, kind="stable").astype(np.int64)
    return RowGroups(order=order, ends=np.cumsum(sizes).astype(np.int64))


def left_out_errors(
    table: RidgeTable, groups: RowGroups, spectrum: Spectrum, alphas: Floats
) -> Floats:
    """Mean squared error of left-out images for every penalty, with sample weights.

    With more images than choosing a penalty needs, evenly spaced groups are evaluated.
    """
    most = max(_LEAST_JUDGES, min(_MOST_JUDGES, _MOST_ENTRIES // table.classes))
    step = max(1, round(len(table.features) / most))
    step = min(step, max(1, len(groups.ends) // _LEAST_GROUPS))
    total, images = np.zeros(len(alphas)), 0
    for rows, sizes in _pack_groups(groups, range(0, len(groups.ends), step)):
        images += len(rows)
        residuals = _residuals(table, spectrum, alphas, rows, sizes)
        total += [float(np.square(found).sum()) for found in residuals]
    return total / images


def left_out_scores(
    table: RidgeTable, groups: RowGroups, spectrum: Spectrum, alpha: float
) -> NDArray[np.float32]:
    """Scores N x K of every image by the fit without its group."""
    scores = np.empty((len(table.features), table.classes), np.float32)
    for rows, sizes in _pack_groups(groups, range(len(groups.ends))):
        (residuals,) = _residuals(table, spectrum, np.array([alpha]), rows, sizes)
        found = residuals if table.roots is None else residuals / table.roots[rows, None]
        scores[rows] = table.one_hot(rows) - found
    return scores


def _residuals(
    table: RidgeTable, spectrum: Spectrum, alphas: Floats, rows: Rows, sizes: Rows
) -> Iterator[Floats]:
    """Residuals of left-out images for each penalty; `rows` lists whole groups one after another.

    They are multiplied by the square roots of the sample weights.
    """
    rotated = spectrum.rotated(rows)
    targets = table.weighted(table.one_hot(rows) - spectrum.shares, rows)
    # The intercept's part of the hat matrix: one over N, or the product of two roots over N.
    ones = np.ones(len(rows)) if table.roots is None else table.roots[rows]
    gains_RA = 1 / (spectrum.eigenvalues[:, None] + alphas)
    leverages_NA = np.square(ones)[:, None] / spectrum.images + np.square(rotated) @ gains_RA
    starts = np.cumsum(sizes) - sizes
    # An m x m system costs less than a new fit up to about half the eigenvectors.
    large = sizes > max(1, len(spectrum.eigenvalues) // 2)
    large &= table.roots is None  # A refit without a group knows of no weights.
    alone = starts[sizes == 1]
    several = [
        starts[sizes == size][:, None] + np.arange(size)
        for size in np.unique(sizes[(sizes > 1) & ~large])
    ]
    refits = []
    for start, size in zip(starts[large], sizes[large], strict=True):
        members = slice(start, start + size)
        without = _refit_group(spectrum, rotated[members], targets[members], len(alphas))
        refits.append((members, without))
    for alpha, gains, leverages in zip(alphas, gains_RA.T, leverages_NA.T, strict=True):
        residuals = targets - rotated @ (spectrum.targets * gains[:, None])
        residuals[alone] /= (1 - leverages[alone])[:, None]
        for members in several:
            block = rotated[members]
            own = ones[members]
            hat = own[:, :, None] * own[:, None, :] / spectrum.images
            hat += (block * gains) @ block.swapaxes(1, 2)
            left = np.eye(members.shape[1]) - hat
            residuals[members] = np.linalg.solve(left, residuals[members])
        for members, without in refits:
            residuals[members] = targets[members] - without(alpha)
        yield residuals


def _refit_group(
    spectrum: Spectrum, rotated_mR: Floats, targets_mK: Floats, penalties: int
) -> Callable[[float], Floats]:
    """Fitted values m x K of a large group by the others: it is subtracted from the products."""
    rest = spectrum.images - len(rotated_mR)
    mean, share = -rotated_mR.sum(axis=0) / rest, -targets_mK.sum(axis=0) / rest
    products = np.diag(spectrum.eigenvalues) - rotated_mR.T @ rotated_mR
    products -= rest * np.outer(mean, mean)
    reach = spectrum.targets - rotated_mR.T @ targets_mK - rest * np.outer(mean, share)
    centred = rotated_mR - mean
    if penalties == 1:
        ridge = np.eye(len(mean))
        return lambda alpha: share + centred @ np.linalg.solve(products + alpha * ridge, reach)
    eigenvalues, vectors = eigendecompose(products)
    turned, reach = centred @ vectors, vectors.T @ reach
    return lambda alpha: share + turned @ (reach / (eigenvalues + alpha)[:, None])


def _pack_groups(groups: RowGroups, chosen: range) -> Iterator[tuple[Rows, Rows]]:
    """Rows of whole groups in blocks of about `ROWS_AT_ONCE`, with the groups' sizes."""
    rows: list[Rows] = []
    held = 0
    for g in chosen:
        start = groups.ends[g - 1] if g else 0
        rows.append(groups.order[start : groups.ends[g]])
        held += len(rows[-1])
        if held >= ROWS_AT_ONCE or g == chosen[-1]:
            yield np.concatenate(rows), np.array([len(part) for part in rows], np.int64)
            rows, held = [], 0
