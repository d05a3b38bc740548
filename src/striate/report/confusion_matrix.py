"""The confusion matrix: whole for few classes, pairs and groups for many."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from striate.report.language import Words
from striate.values import Block, Section, Values
from striate.values.seeds import make_rng

WHOLE, PAIRS, MOST_CUTS, STEPS = 20, 12, 4, 200


def confusion_matrix_section(values: Values, words: Words) -> Section | None:
    """The matrix if it is readable, else the worst pairs and a matrix of groups."""
    counts_KK = confusion_counts(values)
    if not counts_KK.any():
        return None
    blocks: list[Block] = []
    if len(counts_KK) <= WHOLE:
        blocks.append(_matrix_block(counts_KK, values.predictions.classes, words))
    else:
        blocks += [_grouped_matrix(values, counts_KK, words)]
    if len(counts_KK) > 2:
        blocks += _pair_blocks(counts_KK, values.predictions.classes, words)
    return Section(
        key="confusion",
        title=words("confusion.title"),
        lead=words("confusion.lead"),
        blocks=tuple(blocks),
    )


def confusion_counts(values: Values) -> NDArray[np.int64]:
    """Counted images by true class (row) and predicted class (column)."""
    classes = len(values.predictions.classes)
    truth = values.predictions.truth[values.counted]
    cells = truth * classes + values.predictions.predicted[values.counted]
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def _matrix_block(
    counts_KK: NDArray[np.int64], names: tuple[str, ...], words: Words, title: str = ""
) -> Block:
    shares_KK = counts_KK / np.maximum(counts_KK.sum(axis=1, keepdims=True), 1)
    signs_KK = np.where(np.eye(len(names), dtype=bool), 1.0, -1.0)
    return Block(
        kind="matrix",
        title=title,
        header=(words("confusion.corner"), *names),
        rows=tuple(
            (name, *(f"{count:,}" for count in row))
            for name, row in zip(names, counts_KK, strict=True)
        ),
        shades=tuple(tuple(float(v) for v in row) for row in signs_KK * shares_KK),
    )


def _pair_blocks(counts_KK: NDArray[np.int64], names: tuple[str, ...], words: Words) -> list[Block]:
    wrong_KK = counts_KK * ~np.eye(len(names), dtype=bool)
    order = np.argsort(-wrong_KK, axis=None, kind="stable")[:PAIRS]
    pairs = [divmod(int(cell), len(names)) for cell in order if wrong_KK.flat[cell]]
    if not pairs:
        return []
    few = len(names) <= WHOLE
    rows = tuple(
        (names[true], names[said], f"{wrong_KK[true, said]:,}", f"{counts_KK[true].sum():,}")
        for true, said in (pairs[:8] if few else pairs)
    )
    header = tuple(words(f"confusion.{name}") for name in ("true", "said", "times", "of"))
    return [
        Block(kind="table", title=words("confusion.pairs"), header=header, rows=rows, folded=few)
    ]


def _grouped_matrix(values: Values, counts_KK: NDArray[np.int64], words: Words) -> Block:
    """A confusion matrix of groups of classes that are often confused."""
    group_K = group_classes(_class_affinity(values))
    groups = int(group_K.max()) + 1
    counts_GG = np.zeros((groups, groups), np.int64)
    np.add.at(counts_GG, (group_K[:, None], group_K[None, :]), counts_KK)
    met_K = counts_KK.sum(axis=1)
    names = []
    for group in range(groups):
        members = np.flatnonzero(group_K == group)
        leader = values.predictions.classes[int(members[met_K[members].argmax()])]
        names.append(words("confusion.group", number=group + 1, name=leader, n=len(members) - 1))
    matrix = _matrix_block(counts_GG, tuple(names), words, words("confusion.groups", n=groups))
    return replace(matrix, header=(matrix.header[0], *(str(group + 1) for group in range(groups))))


def group_classes(affinity_KK: NDArray[np.float64]) -> NDArray[np.int64]:
    """A group number for every class, by repeated bisection where confusion is least.

    Each cut is at the median of the second eigenvector of the normalised Laplacian (Shi & Malik
    2000), so that groups have about one size; about the square root of the classes, at most 16.
    """
    classes = len(affinity_KK)
    cuts = int(np.clip(round(np.log2(classes) / 2), 1, MOST_CUTS))
    parts = [np.arange(classes)]
    for _ in range(cuts):
        parts = [half for part in parts for half in _bisect_classes(part, affinity_KK)]
    group_K = np.zeros(classes, np.int64)
    for number, part in enumerate(parts):
        group_K[part] = number
    return group_K


def _bisect_classes(
    part: NDArray[np.int64], affinity_KK: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    # A little of everything to everything keeps classes without mistakes connected.
    near = affinity_KK[np.ix_(part, part)] + 1e-6
    root = np.sqrt(near.sum(axis=1))
    order = np.argsort(_second_eigenvector(near / np.outer(root, root), root) / root, kind="stable")
    middle = len(part) // 2
    return np.sort(part[order[:middle]]), np.sort(part[order[middle:]])


def _second_eigenvector(
    matrix_KK: NDArray[np.float64], first_K: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Approximate second eigenvector, by power iteration orthogonal to the first."""
    first = first_K / np.linalg.norm(first_K)
    vector = make_rng(0, "groups of classes").normal(size=len(first))
    for _ in range(STEPS):
        vector = matrix_KK @ vector + vector  # The shift makes every eigenvalue positive.
        vector -= first * (first @ vector)
        vector /= np.linalg.norm(vector) or 1.0
    return vector


def _class_affinity(values: Values) -> NDArray[np.float64]:
    """Mean probability that images of one class give to another, made symmetric."""
    classes = len(values.predictions.classes)
    truth = values.predictions.truth[values.counted]
    lent_KK = np.zeros((classes, classes))
    np.add.at(lent_KK, truth, values.predictions.probabilities[values.counted])
    lent_KK /= np.maximum(np.bincount(truth, minlength=classes), 1)[:, None]
    return lent_KK + lent_KK.T
