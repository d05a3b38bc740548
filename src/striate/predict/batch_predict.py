"""Predictions for every image of an index, in blocks and in order.

An unreadable image keeps its row, with the error in place of a prediction.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from striate.data.cache import decode_rows
from striate.predict.decision_rules import NO_RULES, DecisionRules, apply_rules
from striate.values import Example, Index, ModelSpec, Predictions, Progress, Rows, Watch, unwatched

BLOCK = 256
Look = Callable[[NDArray[np.uint8], list[Example]], None]


class Predictor(Protocol):
    """A model that turns decoded images into predictions."""

    @property
    def spec(self) -> ModelSpec:
        """The model's specification, which says how to decode images."""
        ...

    def predictions(self, images_NHWC: NDArray[np.uint8], index: Index, rows: Rows) -> Predictions:
        """Predictions for decoded images of some rows of an index."""
        ...


def predict_blocks(
    model: Predictor,
    index: Index,
    max_pixels: int,
    watch: Watch = unwatched,
    wanted: DecisionRules = NO_RULES,
    look: Look | None = None,
) -> Iterator[tuple[Predictions, tuple[Example, ...]]]:
    """Predictions for the rows of an index, a block at a time to bound memory.

    There is a row for every image found, in order; ignored files have none. Each block comes with
    its images' decoded metadata. `look` is called with the readable images.
    """
    spec, began = model.spec, time.monotonic()
    rows = np.array([i for i, e in enumerate(index.examples) if e.status != "ignored"], np.int64)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        used = np.array([row for row in block if index.examples[row].status == "used"], np.int64)
        found, images = decode_rows(
            index,
            used,
            spec.cache_size,
            spec.channels,
            spec.resize,
            max_pixels,
            alpha=spec.alpha,
        )
        good = np.array([found.examples[row].status == "used" for row in used], np.bool_)
        examples = tuple(found.examples[row] for row in block)
        if look is not None:
            look(images[good], [found.examples[row] for row in used[good]])
        answers = apply_rules(model.predictions(images[good], found, used[good]), wanted)
        yield _with_errors(answers, examples), examples
        done = start + len(block)
        rate = done / max(1e-6, time.monotonic() - began)
        watch(Progress(stage="predict", done=done, total=len(rows), unit="images", rate=rate))


def predict_index(
    model: Predictor,
    index: Index,
    max_pixels: int,
    wanted: DecisionRules = NO_RULES,
    look: Look | None = None,
) -> tuple[Predictions, Index]:
    """Predictions for all rows but the ignored ones, and the index with their pixel hashes.

    Unreadable images are marked as excluded in it. `look` is called with the decoded images, block
    by block in the order of the predictions.
    """
    parts = list(predict_blocks(model, index, max_pixels, wanted=wanted, look=look))
    decoded = iter([example for _, examples in parts for example in examples])
    examples = tuple(e if e.status == "ignored" else next(decoded) for e in index.examples)
    if not parts:
        spec = model.spec
        nothing = np.zeros((0, spec.cache_size, spec.cache_size, spec.channels), np.uint8)
        parts = [
            (apply_rules(model.predictions(nothing, index, np.zeros(0, np.int64)), wanted), ())
        ]
    return Predictions.joined([found for found, _ in parts]), replace(index, examples=examples)


def _with_errors(answers: Predictions, examples: tuple[Example, ...]) -> Predictions:
    """The predictions with an error row for each unreadable image."""
    errors = [
        None if example.status == "used" else (example.reason or "it cannot be read")
        for example in examples
    ]
    if all(error is None for error in errors):
        return answers
    return answers.with_errors([example.path for example in examples], errors)
