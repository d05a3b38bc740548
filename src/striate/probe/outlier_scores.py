"""Images to look at: outliers far from their nearest neighbours, and likely label errors.

Legend: `N` images, `D` features of one stage, `S` stages. An image's distance is the mean one to
its nearest neighbours (Angiulli & Pizzuti 2002), without its own group, so that a copy does not
hide an outlier. Distances are compared by their logarithms, which are about symmetric, with median
and median absolute deviation, which outliers cannot shift.

An image of a rare class has mostly images of other classes among its neighbours and is no outlier
for that. It is named only if it is also far from its own class, measured against how far images of
other classes lie from equally few of theirs, drawn at random.
"""

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.metrics.intervals import softmax
from striate.probe.ridge import fit_ridge_path
from striate.values import Doubt, Index, Outlier, Rows
from striate.values.seeds import sample_rows

Floats = NDArray[np.float64]


NEIGHBOURS, FEWEST, BLOCK = 5, 50, 1024  # images each
# Images of a class, up to which it is rare; others are what a rare one is measured by.
RARE, MOST_COMPARED = 20, 300
CHANCE, LEAST = 0.01, 1e-6
# The median deviation of a normal distribution is 1 / 1.4826 of its standard deviation.
NORMAL = 1.4826


def find_outliers(
    stages: Mapping[str, NDArray[np.float32]], index: Index, rows: Rows, groups: Rows
) -> tuple[Outlier, ...]:
    """The outliers among `rows`, the most extreme first.

    `stages` gives the features N x D of every stage, `groups` N the images' groups. An image is
    named if its log distance in some stage lies so many deviations above the median that, under a
    normal distribution, one set in a hundred would have any image named (Bonferroni over images and
    stages). Fewer than `FEWEST` images are not tested.
    """
    if len(rows) < FEWEST or len(rows) - np.bincount(_number_names(groups)).max() < NEIGHBOURS:
        return ()
    names, classes = list(stages), _class_numbers(index, rows)
    far_SN = np.stack(
        [_outlier_deviations(standardise_features(stages[name]), groups, classes) for name in names]
    )
    most, where = far_SN.max(axis=0), far_SN.argmax(axis=0)
    bar = NormalDist().inv_cdf(1 - CHANCE / far_SN.size)
    found = [i for i in np.lexsort((rows, -most)) if most[i] > bar]
    return tuple(
        Outlier(
            row=int(rows[i]),
            path=index.examples[rows[i]].path,
            label=index.examples[rows[i]].label,
            stage=names[where[i]],
            deviations=round(float(most[i]), 2),
            bar=round(bar, 2),
        )
        for i in found
    )


def standardise_features(features_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features with zero mean and unit spread."""
    spread = features_ND.std(axis=0)
    table: NDArray[np.float32] = (features_ND - features_ND.mean(axis=0)) / np.where(
        spread > 0, spread, 1
    )
    return table


def mean_neighbour_distances(table_ND: NDArray[np.float32], groups: Rows) -> Floats:
    """Mean distance of every image to its nearest neighbours of other groups."""
    squares = np.square(table_ND).sum(axis=1)
    found = np.empty(len(table_ND))
    for start in range(0, len(table_ND), BLOCK):
        block = slice(start, start + BLOCK)
        apart = squares[block, None] + squares - 2 * table_ND[block] @ table_ND.T
        apart[groups[block, None] == groups] = np.inf
        nearest = np.partition(apart, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        found[block] = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
    return found


def robust_deviations(distances_N: Floats, reference: Floats | None = None) -> Floats:
    """Robust standard deviations of each distance's logarithm above the median.

    Median and deviation are those of `reference`, or of the distances themselves. All 0 if most of
    these are equal.
    """
    others = distances_N if reference is None else reference
    middle = float(np.median(others))
    if middle <= 0:
        return np.zeros(len(distances_N))
    spread = NORMAL * float(np.median(np.abs(_bounded_logs(others / middle))))
    found: Floats = _bounded_logs(distances_N / middle)
    return found / spread if spread > LEAST else np.zeros(len(found))


def _outlier_deviations(
    table_ND: NDArray[np.float32], groups: Rows, classes: Rows | None
) -> Floats:
    """Deviations of every image; of a rare class the smaller of that from all and its class."""
    found = robust_deviations(mean_neighbour_distances(table_ND, groups))
    if classes is None:
        return found
    sizes = np.bincount(classes)[classes]
    for size in range(2, RARE + 1):
        rare, larger = np.flatnonzero(sizes == size), np.flatnonzero(sizes >= size)
        if not len(rare) or len(larger) < FEWEST:
            continue
        larger = sample_rows(larger, MOST_COMPARED, 0, "outliers of a rare class")
        reference = _class_distances(table_ND, groups, classes, larger, size - 1)
        own = _class_distances(table_ND, groups, classes, rare, size - 1)
        known = np.isfinite(own)
        if known.any() and np.isfinite(reference).sum() >= FEWEST:
            away = robust_deviations(own[known], reference[np.isfinite(reference)])
            found[rare[known]] = np.minimum(found[rare[known]], away)
    return found


def _class_distances(
    table_ND: NDArray[np.float32], groups: Rows, classes: Rows, some: Rows, others: int
) -> Floats:
    """Mean distance of some images to the nearer half of `others` of their class; else infinite.

    Images of their own group are excluded; if there are more, a random sample is used.
    """
    found = np.full(len(some), np.inf)
    members = {int(k): np.flatnonzero(classes == k) for k in np.unique(classes[some])}
    for place, row in enumerate(some):
        known = members[int(classes[row])]
        known = known[groups[known] != groups[row]]
        known = sample_rows(known, others, int(row), "few of a class")
        if len(known):
            apart = np.linalg.norm(table_ND[known] - table_ND[row], axis=1)
            near = min(NEIGHBOURS, (len(known) + 1) // 2)
            found[place] = np.sort(apart)[:near].mean()
    return found


def _bounded_logs(ratios: Floats) -> Floats:
    logs: Floats = np.log(np.maximum(ratios, LEAST))
    return logs


def _class_numbers(index: Index, rows: Rows) -> Rows | None:
    """A number for every distinct label or set of labels; None if labels are numbers."""
    if index.task == "number":
        return None
    return _number_names(np.array([index.examples[row].label for row in rows]))


def _number_names(names: NDArray[Any]) -> Rows:
    found: Rows = np.unique(names, return_inverse=True)[1]
    return found


def rank_label_errors(
    probabilities_NK: NDArray[np.float32], index: Index, rows: Rows
) -> tuple[Doubt, ...]:
    """Every image of `rows` with its suspicion of a label error, the most suspect first.

    `probabilities_NK` are out-of-sample. `doubt` is one minus the probability of the given label,
    so 0 to 1. `flagged` means that the image is off the diagonal of the confident joint: another
    class is at least as probable as it is on average for images with that label (section 3.1 of the
    paper), and more probable than the label that it has.
    """
    labels = index.labels()[rows]
    confident = confident_classes(probabilities_NK, labels)
    given = probabilities_NK[np.arange(len(rows)), labels]
    others = probabilities_NK.copy()
    others[np.arange(len(rows)), labels] = -1
    best = others.argmax(axis=1)
    order = np.lexsort((rows, given))
    return tuple(
        Doubt(
            row=int(rows[i]),
            path=index.examples[rows[i]].path,
            label=index.classes[labels[i]],
            suggested=index.classes[best[i]],
            doubt=float(1 - given[i]),
            given_probability=float(given[i]),
            suggested_probability=float(others[i, best[i]]),
            flagged=bool(
                confident[i] >= 0
                and confident[i] != labels[i]
                and others[i, best[i]] > given[i]  # with rare classes the average alone is low
            ),
        )
        for i in order
    )


def left_out_probabilities(
    features_ND: NDArray[np.float32], labels: Rows, classes: int, groups: Rows | None = None
) -> NDArray[np.float32]:
    """Probabilities N x K of each image by the ridge model fitted without its group."""
    fit = fit_ridge_path(features_ND, labels, classes, groups)
    return softmax(fit.loo_scores, fit.temperature)


def confident_classes(probabilities_NK: NDArray[np.float32], labels: Rows) -> Rows:
    """The class N that an image confidently belongs to, -1 if none.

    A class counts if its probability reaches its own mean over the images with that label; of
    several the most probable.
    """
    classes = probabilities_NK.shape[1]
    thresholds_K = np.array(
        [
            probabilities_NK[labels == k, k].mean() if (labels == k).any() else np.inf
            for k in range(classes)
        ]
    )
    # Rounding must not decide where every image of a class has the same probability.
    believed_NK = probabilities_NK >= thresholds_K - 1e-6
    found = np.where(believed_NK, probabilities_NK, -1).argmax(axis=1)
    return np.where(believed_NK.any(axis=1), found, -1).astype(np.int64)


NEAREST = 3
_AT_ONCE = 1024


def normalise_length(features_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """L2-normalised features; those that are all 0 are unchanged."""
    lengths = np.linalg.norm(features_ND, axis=1, keepdims=True)
    return np.asarray(features_ND / np.where(lengths > 0, lengths, 1), np.float32)


def nearest_cosine_distances(
    features_ND: NDArray[np.float32],
    reference_MD: NDArray[np.float32],
    owners_N: Rows | None = None,
    owners_M: Rows | None = None,
) -> NDArray[np.float32]:
    """One minus the cosine to the third nearest reference image, in [0, 2].

    `reference_MD` has rows of length 1. With owners, images of an image's own group are ignored, so
    that it counts as an image of a new group. If fewer than three are left, the last of them
    counts; if none is, the distance is 2.
    """
    found = np.empty(len(features_ND), np.float32)
    for start in range(0, len(features_ND), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        far = 1 - normalise_length(features_ND[part]) @ reference_MD.T
        if owners_N is not None and owners_M is not None:
            far[owners_N[part, None] == owners_M] = np.inf
        found[part] = _third_smallest(far)
    return found


def _third_smallest(far_NM: NDArray[np.float32]) -> NDArray[np.float32]:
    """The third smallest of every row, or the largest there is."""
    near = np.sort(np.partition(far_NM, min(NEAREST, far_NM.shape[1]) - 1, axis=1)[:, :NEAREST])
    known = np.isfinite(near).sum(axis=1)
    last = near[np.arange(len(near)), np.maximum(known, 1) - 1]
    return np.where(known > 0, np.clip(last, 0, 2), 2).astype(np.float32)
