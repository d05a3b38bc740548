"""Near duplicates (re-encoded, resized, brighter, grey), found in the cached pixels."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache as cache_result

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.formats.read_file import count_cores
from striate.values import Cache, Rows

Floats = NDArray[np.float32]

SIDE = 32
SMALLEST_SIDE = 16
COARSE_SIDE = 8
FLAT_DEVIATION = 4.0
MOST_CANDIDATES = 24
TILE = 1024
CHUNK = 256

# Grounds: looked at on eleven real sets. Pairs of photos with equal detail (the correlation of
# what 3 x 3 means leave over) at or above 0.8 all were the same scene; unrelated ones stay
# below 0.5. Only where shapes are alike by nature (trousers on black) do unrelated pictures
# come near, and then by the dozen: there, or against the labels, near-identity is asked for.
MIN_COARSE_CORRELATION = 0.96
SHAPE, DETAIL = 0.97, 0.85
STRICT_SHAPE, STRICT_DETAIL = 0.99, 0.97
ALIKE, MOST_ALIKE = 0.5, 10
COLOURED, OTHER_COLOUR, OTHER_LIGHT = 6.0, 10.0, 12.0
# Hues that agree this well are those of one picture in a warmer or paler light.
SAME_HUE = 0.95


def find_near_duplicates(cache: Cache, rows: Rows, labels: Rows) -> Iterator[tuple[int, int]]:
    """Pairs of rows that show the same picture, the lower row first.

    Candidates have a correlation of at least 0.96 at 8 x 8 grey pixels; they are confirmed by
    shape and detail at 32 x 32. Almost flat pictures and those below 16 pixels are left out.
    """
    if cache.size < SMALLEST_SIDE or len(rows) < 2:
        return
    looks = _make_thumbnails(cache, rows)
    lively = np.flatnonzero(looks.spread >= FLAT_DEVIATION)
    one, other = _find_candidates(looks.coarse[lively])
    if not len(one):
        return
    one, other = lively[one], lively[other]
    involved, places = np.unique(np.concatenate([one, other]), return_inverse=True)
    shape = _pair_correlations(_shape_vectors(looks.grey[involved]), places)
    detail = _pair_correlations(_detail_vectors(looks.grey[involved]), places)
    close = detail >= ALIKE
    alike = np.bincount(np.concatenate([one[close], other[close]]), minlength=len(rows))
    crowded = np.maximum(alike[one], alike[other]) > MOST_ALIKE
    against = labels[rows[one]] != labels[rows[other]]
    strict = (shape >= STRICT_SHAPE) & (detail >= STRICT_DETAIL)
    same = np.where(crowded | against, strict, (shape >= SHAPE) & (detail >= DETAIL))
    same[same] = ~_differ_in_colour(looks.colour, one[same], other[same])
    same &= ~(against & (np.abs(looks.light[one] - looks.light[other]) > OTHER_LIGHT))
    for a, b in zip(rows[one[same]], rows[other[same]], strict=True):
        yield int(min(a, b)), int(max(a, b))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Thumbnails:
    """What is compared: `grey` N x 32 x 32, `colour` N x 8 x 8 x 3 (less its grey), uint8 levels.

    `coarse` is `grey` at 8 x 8, centred and of unit length, N x 64; `spread` its standard
    deviation before that and `light` its mean, in grey levels.
    """

    grey: NDArray[np.uint8]
    colour: Floats
    coarse: Floats
    spread: Floats
    light: Floats


def _make_thumbnails(cache: Cache, rows: Rows) -> _Thumbnails:
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    with ThreadPoolExecutor(count_cores()) as pool:
        looks = list(pool.map(lambda chunk: _shrink_image(cache, chunk), chunks))
    grey, coarse_N88, colour = (np.concatenate(parts) for parts in zip(*looks, strict=True))
    coarse = coarse_N88.reshape(len(rows), -1)
    return _Thumbnails(
        grey=grey,
        colour=colour,
        coarse=_unit_vectors(coarse),
        spread=coarse.std(1),
        light=coarse.mean(1),
    )


def _shrink_image(cache: Cache, rows: Rows) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """Grey at 32 x 32 as uint8, grey and colours at 8 x 8; areas are averaged."""
    images = cache.images[rows]
    if cache.size > SIDE:
        images = np.stack([_shrink_with_pillow(image) for image in images])
    levels: Floats = images.astype(np.float32)
    grey: Floats = levels @ _LUMA if cache.channels == 3 else levels.mean(3)
    areas = _area_weights(images.shape[1])
    coarse = (areas @ grey @ areas.T).astype(np.float32, copy=False)
    hues: Floats = levels - levels.mean(3, keepdims=True)
    colour = (areas @ hues.transpose(0, 3, 1, 2) @ areas.T).astype(np.float32, copy=False)
    return np.rint(grey).astype(np.uint8), coarse, colour.transpose(0, 2, 3, 1)


def _shrink_with_pillow(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # Four channels would be taken for colours with alpha, and more for nothing at all.
    parts = [image] if image.shape[2] == 3 else np.moveaxis(image, 2, 0)
    small = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(part)).resize((SIDE, SIDE), Image.Resampling.BOX)
        )
        for part in parts
    ]
    return np.dstack(small)


@cache_result
def _area_weights(side: int) -> Floats:
    """Averages `side` pixels into 8 equal stretches, 8 x side, pixels shared by their overlap."""
    ends = np.arange(COARSE_SIDE + 1) * side / COARSE_SIDE
    pixels = np.arange(side)
    upper = np.minimum(ends[1:, None], pixels + 1)
    overlap = upper - np.maximum(ends[:-1, None], pixels)
    shares: Floats = (np.maximum(overlap, 0) * COARSE_SIDE / side).astype(np.float32)
    return shares


def _find_candidates(coarse: Floats) -> tuple[Rows, Rows]:
    """The closest pairs of at least `MIN_COARSE_CORRELATION`, at most `MOST_CANDIDATES` a row.

    In order of the first principal component, so that far-away tiles need not be compared.
    """
    if len(coarse) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    _, axes = np.linalg.eigh(coarse.T @ coarse)
    along = coarse @ axes[:, -1]
    order = np.argsort(along, kind="stable")
    coarse, along = np.ascontiguousarray(coarse[order]), along[order]
    reach = (
        2 - 2 * MIN_COARSE_CORRELATION
    ) ** 0.5  # Unit vectors that correlate lie no farther apart.
    found: list[tuple[Rows, Rows]] = []
    for start in range(0, len(coarse), TILE):
        block = coarse[start : start + TILE]
        low = int(np.searchsorted(along, along[start] - reach))
        high = int(np.searchsorted(along, along[start + len(block) - 1] + reach, side="right"))
        found.append(_closest_rows(coarse, block, start, low, high))
    one = np.concatenate([one for one, _ in found])
    other = np.concatenate([other for _, other in found])
    pairs = np.unique(np.sort(np.stack([order[one], order[other]]), axis=0), axis=1)
    return pairs[0].astype(np.int64), pairs[1].astype(np.int64)


def _closest_rows(
    coarse: Floats, block: Floats, start: int, low: int, high: int
) -> tuple[Rows, Rows]:
    """The closest rows of `coarse[low:high]` to each row of the block."""
    bar = np.full((len(block), 1), MIN_COARSE_CORRELATION, np.float32)
    rows, columns, values = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    for left in range(low, high, TILE):
        likeness = block @ coarse[left : min(left + TILE, high)].T
        hits = np.flatnonzero(likeness >= bar)
        if not len(hits):
            continue
        new_rows, new_columns = np.divmod(hits, likeness.shape[1])
        other = new_rows + start != new_columns + left
        rows = np.concatenate([rows, new_rows[other]])
        columns = np.concatenate([columns, new_columns[other] + left])
        values = np.concatenate([values, likeness.ravel()[hits[other]]])
        order = np.lexsort((columns, -values, rows))
        rows, columns, values = rows[order], columns[order], values[order]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        full = rank == MOST_CANDIDATES - 1
        bar[rows[full], 0] = values[full]
        keep = rank < MOST_CANDIDATES
        rows, columns, values = rows[keep], columns[keep], values[keep]
    return rows + start, columns


def _pair_correlations(pictures_ND: Floats, places: Rows) -> Floats:
    """Pearson correlation of each pair: the first half of `places` against the second."""
    one, other = np.split(places, 2)
    result = np.zeros(len(one), np.float32)
    for start in range(0, len(one), TILE):
        part = slice(start, start + TILE)
        result[part] = np.einsum("nd,nd->n", pictures_ND[one[part]], pictures_ND[other[part]])
    return result


def _shape_vectors(grey: NDArray[np.uint8]) -> Floats:
    """Pictures as unit vectors, whatever their brightness and contrast."""
    return _unit_vectors(grey.reshape(len(grey), -1).astype(np.float32))


def _detail_vectors(grey: NDArray[np.uint8]) -> Floats:
    """What 3 x 3 means leave over, as unit vectors: outlines and texture, no shading."""
    result = np.zeros((len(grey), grey[0].size), np.float32)
    for start in range(0, len(grey), TILE):
        levels = grey[start : start + TILE].astype(np.float32)
        side = levels.shape[1]
        edged = np.pad(levels, ((0, 0), (1, 1), (1, 1)), "edge")
        wide = edged[:, :, :side] + edged[:, :, 1 : side + 1] + edged[:, :, 2:]
        levels -= (wide[:, :side] + wide[:, 1 : side + 1] + wide[:, 2:]) / 9
        result[start : start + TILE] = _unit_vectors(levels.reshape(len(levels), -1))
    return result


def _unit_vectors(rows_ND: Floats) -> Floats:
    centred = rows_ND - rows_ND.mean(1, keepdims=True)
    unit: Floats = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    return unit


def _differ_in_colour(colour: Floats, one: Rows, other: Rows) -> NDArray[np.bool_]:
    """Whether both are coloured and differently so: the same shape in red and in green."""
    strength = np.abs(colour).mean((1, 2, 3))
    both = (strength[one] >= COLOURED) & (strength[other] >= COLOURED)
    differs = np.zeros(len(one), np.bool_)
    for place in np.flatnonzero(both):
        first, second = colour[one[place]].ravel(), colour[other[place]].ravel()
        lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
        hue = float(first @ second) / max(lengths, 1e-6)
        differs[place] = np.abs(first - second).mean() > OTHER_COLOUR and hue < SAME_HUE
    return differs


_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
