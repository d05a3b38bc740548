"""A model and an index -> predictions, block by block, with what could not be read named."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from striate.data.cache import decode_rows
from striate.values import (
    Example,
    Index,
    ModelSpec,
    Predictions,
    Progress,
    Rows,
    Watch,
    unwatched,
)

BLOCK = 256
Look = Callable[[NDArray[np.uint8], list[Example]], None]


class Model(Protocol):
    """What turns decoded images into predictions."""

    @property
    def spec(self) -> ModelSpec:
        """How its images are decoded."""
        ...

    def predictions(self, images_NHWC: NDArray[np.uint8], index: Index, rows: Rows) -> Predictions:
        """Predictions for decoded images of some rows of an index."""
        ...


def in_blocks(
    model: Model, index: Index, max_pixels: int, watch: Watch = unwatched
) -> Iterator[tuple[Predictions, tuple[Example, ...]]]:
    """Predictions for the used rows of an index, a block at a time to bound the memory.

    With each come those of its images that turned out to be unreadable.
    """
    for predictions, examples, _ in _blocks(model, index, max_pixels, watch):
        yield predictions, tuple(e for e in examples if e.status != "used")


def _blocks(
    model: Model, index: Index, max_pixels: int, watch: Watch = unwatched
) -> Iterator[tuple[Predictions, tuple[Example, ...], NDArray[np.uint8]]]:
    """Predictions of each block, all its images as decoding found them, and pixels of the good."""
    spec, rows, began = model.spec, index.used(), time.monotonic()
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        found, images = decode_rows(
            index,
            block,
            spec.cache_size,
            spec.channels,
            spec.resize,
            max_pixels,
            alpha=spec.alpha,
        )
        good = np.array([found.examples[row].status == "used" for row in block], np.bool_)
        yield (
            model.predictions(images[good], found, block[good]),
            tuple(found.examples[row] for row in block),
            images[good],
        )
        done = start + len(block)
        rate = done / max(1e-6, time.monotonic() - began)
        watch(Progress(stage="predict", done=done, total=len(rows), unit="images", rate=rate))


def labelled(
    model: Model, index: Index, max_pixels: int, look: Look | None = None
) -> tuple[Predictions, Index]:
    """Predictions for the used rows, and the index with their pixels' hashes.

    What could not be read is set aside in it. `look` is shown the images that could be, as
    they were decoded, block by block in the order of the predictions.
    """
    parts = []
    for found, block, images in _blocks(model, index, max_pixels):
        parts.append((found, block))
        if look is not None:
            look(images, [example for example in block if example.status == "used"])
    decoded = {example.path: example for _, block in parts for example in block}
    spec = model.spec
    nothing = np.empty((0, len(spec.classes)), np.float32)
    predictions = Predictions(
        classes=spec.classes,
        paths=tuple(path for found, _ in parts for path in found.paths),
        probabilities=np.concatenate([nothing, *(found.probabilities for found, _ in parts)]),
        truth=np.concatenate([np.empty(0, np.int64), *(found.truth for found, _ in parts)]),
        task=spec.task,
        thresholds=spec.thresholds,
        numbers=np.concatenate([np.empty(0, np.float32), *(found.numbers for found, _ in parts)]),
        targets=_stacked([found.targets for found, _ in parts]),
        familiarity=_joined([found.familiarity for found, _ in parts]),
    )
    examples = tuple(decoded.get(example.path, example) for example in index.examples)
    return predictions, replace(index, examples=examples)


def _stacked(targets: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate(targets) if targets else np.zeros((0, 0))


def _joined(parts: list[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
    """All parts as one; None where one is not known."""
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known and len(known) == len(parts) else None
