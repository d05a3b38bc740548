"""Shortcut: something beside the thing itself that tells the class, such as a mark in a corner.

Legend: `N` training images, `F` figures that describe a part of each. A part predicts the class
where the five images most alike in it, of other groups, vote for the class.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from striate.diagnose import CHECK_LEVEL, Check, make_finding
from striate.metrics import intervals
from striate.values import Example, Finding, Rows, Values
from striate.values.seeds import make_rng, sample_rows

MOST, LEAST, VOTERS = 1_500, 40, 5
PLACES = (
    "the top left corner",
    "the top right corner",
    "the bottom left corner",
    "the bottom right corner",
    "the border",
    "the image size",
    "the file format",
)


def check_shortcut(values: Values) -> Finding:
    """Compare corners and border with parts of the middle, size and format with chance."""
    rows = sample_rows(values.split.train, MOST, values.options.seed, "shortcut")
    labels = values.index.labels()[rows]
    groups = values.split.groups[rows]
    counts = np.bincount(labels, minlength=len(values.index.classes))
    if len(rows) < LEAST or (counts > 1).sum() < 2:
        return make_finding(
            "shortcut",
            "not_applicable",
            "info",
            title="Shortcuts",
            meaning="{n:,} training images are too few to look for shortcuts.",
            figures={"n": len(rows)},
        )
    found = find_shortcuts(values.cache.images, values.index.examples, rows, labels, groups)
    guessing = float(counts.max() / counts.sum())
    if found:
        place, share, other = max(found, key=lambda one: one[1] - one[2])
        return make_finding(
            "shortcut",
            "found",
            "serious",
            title="Possible shortcut",
            meaning="A model that sees only {place} predicts the class of {share:.1%} of {n:,} "
            "training images correctly, where {other:.1%} would be expected. The network may have "
            "learnt this shortcut instead of the object.",
            advice="Look at {place} in images of every class. If a mark, a frame, the background "
            "or the way of saving differs between classes, crop it away or collect images in "
            "which it does not differ.",
            variant=(
                "top_left_corner",
                "top_right_corner",
                "bottom_left_corner",
                "bottom_right_corner",
                "border",
                "image_size",
                "file_format",
            )[PLACES.index(place)],
            figures={"place": place, "share": share, "other": other, "n": len(rows)},
        )
    return make_finding(
        "shortcut",
        "passed",
        "info",
        title="Shortcuts",
        meaning="Corners, border, image size and file format do not predict the class better "
        "than expected ({n:,} training images; majority class {guessing:.1%}).",
        figures={"n": len(rows), "guessing": guessing},
    )


def find_shortcuts(
    images_NHWC: NDArray[np.uint8],
    examples: tuple[Example, ...],
    rows: Rows,
    labels: Rows,
    groups: Rows,
) -> list[tuple[str, float, float]]:
    """Name, accuracy and expected accuracy of each property that predicts the class too well.

    A corner or the border must beat every part of the middle of the same kind in a paired sign
    test, and size and format the majority class, significantly after correction for all properties
    tried. Each must also remove more than half of the majority class's errors.
    """
    chance = (1 - CHECK_LEVEL) / len(PLACES)
    guessing = float(np.bincount(labels).max() / len(labels))
    least = guessing + (1 - guessing) / 2
    inner = [
        _neighbour_hits(part, labels, groups)
        for part in _middle_features(images_NHWC, rows).values()
    ]
    best = max(inner, key=lambda right: right.sum())
    found = []
    for name, part in _border_features(images_NHWC, rows).items():
        right = _neighbour_hits(part, labels, groups)
        if right.mean() > least and intervals.sign_test_better(right, best, groups) < chance:
            found.append((name, float(right.mean()), float(best.mean())))
    for name, part in _file_features(examples, rows).items():
        right = _neighbour_hits(part, labels, groups)
        share = intervals.accuracy_interval(right, groups, level=1 - chance)
        if share.low > least:
            found.append((name, float(right.mean()), guessing))
    return found


def _border_features(images_NHWC: NDArray[np.uint8], rows: Rows) -> dict[str, NDArray[np.float64]]:
    size = images_NHWC.shape[1]
    side = max(2, size // 8)
    low, high = slice(0, side), slice(size - side, size)
    corners = zip(PLACES, ((low, low), (low, high), (high, low), (high, high)), strict=False)
    parts = {name: _channel_statistics(images_NHWC, rows, *at) for name, at in corners}
    thin = max(1, size // 32)
    edges = [
        _channel_statistics(images_NHWC, rows, *at)
        for at in (
            (slice(0, thin), slice(None)),
            (slice(size - thin, size), slice(None)),
            (slice(None), slice(0, thin)),
            (slice(None), slice(size - thin, size)),
        )
    ]
    return {**parts, "the border": np.concatenate(edges, axis=1)}


def _middle_features(images_NHWC: NDArray[np.uint8], rows: Rows) -> dict[str, NDArray[np.float64]]:
    """Features of parts of the middle as large as a corner, and of four strips through it."""
    size = images_NHWC.shape[1]
    side = max(2, size // 8)
    starts = [round(size * share - side / 2) for share in (0.35, 0.5, 0.65)]
    parts = {
        f"{i} {j}": _channel_statistics(
            images_NHWC, rows, slice(top, top + side), slice(left, left + side)
        )
        for i, top in enumerate(starts)
        for j, left in enumerate(starts)
        if (i + j) % 2 == 0
    }
    thin, near, far = max(1, size // 32), size // 3, 2 * size // 3
    strips = [
        _channel_statistics(images_NHWC, rows, *at)
        for at in (
            (slice(near, near + thin), slice(None)),
            (slice(far, far + thin), slice(None)),
            (slice(None), slice(near, near + thin)),
            (slice(None), slice(far, far + thin)),
        )
    ]
    return {**parts, "strips": np.concatenate(strips, axis=1)}


def _file_features(examples: tuple[Example, ...], rows: Rows) -> Mapping[str, NDArray[np.float64]]:
    some = [examples[row] for row in rows]
    sizes = np.log(np.array([[e.width, e.height] for e in some], np.float64) + 1)
    kinds = sorted({(e.format, e.mode) for e in some})
    place = np.array([kinds.index((e.format, e.mode)) for e in some])
    return {"the image size": sizes, "the file format": np.eye(len(kinds))[place]}


def _channel_statistics(
    images_NHWC: NDArray[np.uint8], rows: Rows, down: slice, across: slice
) -> NDArray[np.float64]:
    """Mean and standard deviation of each channel in a part, N x F."""
    part = images_NHWC[rows, down, across].astype(np.float64)
    return np.concatenate([part.mean(axis=(1, 2)), part.std(axis=(1, 2))], axis=1)


def _neighbour_hits(
    figures_NF: NDArray[np.float64], labels: Rows, groups: Rows
) -> NDArray[np.bool_]:
    """Which images five nearest neighbours of other groups classify correctly; ties by distance."""
    spread = figures_NF.std(axis=0)
    points = (figures_NF - figures_NF.mean(axis=0)) / np.where(spread > 0, spread, 1)
    squares = np.square(points).sum(axis=1)
    far = squares[:, None] + squares - 2 * points @ points.T
    far[groups[:, None] == groups] = np.inf
    voters = min(VOTERS, len(labels) - 1)
    # Of equally near ones some drawn by lot: rows stand class by class, and a mark is the same
    # in hundreds of images, of which the first would always be of the first class.
    lot = make_rng(0, "ties").permutation(len(labels))
    near = lot[np.argsort(far[:, lot], axis=1, kind="stable")[:, :voters]]
    weights = 1 + 0.01 * np.arange(voters, 0, -1)
    votes = np.zeros((len(labels), int(labels.max()) + 1))
    for voter in range(voters):
        votes[np.arange(len(labels)), labels[near[:, voter]]] += weights[voter]
    told: NDArray[np.bool_] = votes.argmax(axis=1) == labels
    return told


CHECK = Check(code="shortcut", run=check_shortcut)
