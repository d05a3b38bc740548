"""A fit without a run folder, for images in memory: decode to a temporary cache, and split."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np

from striate.config.overrides import parse_overrides, training_options
from striate.data.cache import decode_rows
from striate.data.cache_folder import CacheFolder
from striate.data.form import image_form
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.portions import assign_portions, split_groups
from striate.data.split.split import FEWEST_TEST, FEWEST_TEST_A_CLASS, MOST_VAL, VAL_SHARE
from striate.errors import MachineError, SourceError
from striate.learn.context import Budget, FitContext, FitData, RunPort
from striate.store.clock import TimeBudget
from striate.store.files import Codec, values_digest
from striate.values import CLOSED_FORM, Cache, Index, Machine, Options, Rows, Watch

T = TypeVar("T")


BLOCK = 1024  # images


@contextmanager
def context_in_memory(
    index: Index, options: Options, machine: Machine, clock: TimeBudget, watch: Watch
) -> Iterator[FitContext]:
    """The context of a fit on all images of an index; its files are deleted when it ends.

    The result does not depend on the order of the images. A validation part is held out if
    requested and there are enough images; there is no test part, which is the caller's. Raises
    `SourceError` if an image cannot be read, `MachineError` if the disk is full.
    """
    with TemporaryDirectory(prefix="striate-") as folder:
        index, cache = _decode_index(_sort_index(index), options, Path(folder))
        groups = find_duplicate_groups(index, cache)
        train, val = _split_validation(index, groups, options)
        yield FitContext(
            data=FitData(
                index=index,
                cache=cache,
                train=train,
                val=val,
                groups=groups,
                feature_rows=index.used(),
                seed=options.seed,
            ),
            budget=Budget(minutes=options.minutes, seconds_left=clock.remaining, judge_images=0),
            port=RunPort(
                checkpoints=Path(folder),
                keep=_MemoryCache(),
                publish=lambda name, value: None,
                usable=lambda classifier: None,
                watch=watch,
            ),
            options=training_options(options, parse_overrides(options.set)),
            machine=machine,
            given_plan=None,
        )


def check_readable(index: Index) -> None:
    """Raise `SourceError` if an image of the index cannot be read."""
    aside = [example for example in index.examples if example.status != "used"]
    if aside:
        raise SourceError(
            f"{len(aside):,} of {len(index.examples):,} images cannot be read, the first being "
            f"{aside[0].path}: {aside[0].reason}.",
            "Leave them out of X and y; `striate fit` sets such images aside by itself.",
        )


def row_batches(rows: Rows) -> Iterator[Rows]:
    """The rows in order, in blocks small enough to decode in memory."""
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]


@dataclass(frozen=True, slots=True)
class _MemoryCache:
    """A stage cache in memory: each value is computed once."""

    held: dict[tuple[str, str], Any] = field(default_factory=dict)

    def __call__(
        self,
        name: str,
        make: Callable[[], T],
        codec: Codec[T] | None = None,
        *,
        inputs: Sequence[str] | None = None,
        also: Any = None,
    ) -> T:
        key = (name, values_digest(also))
        if key not in self.held:
            self.held[key] = make()
        value: T = self.held[key]
        return value


def _sort_index(index: Index) -> Index:
    """The index in an order that depends on its contents alone."""
    order = sorted(range(len(index.examples)), key=lambda row: _sort_key(index, row))
    assert index.images is not None
    return replace(
        index,
        examples=tuple(index.examples[row] for row in order),
        images=[index.images[row] for row in order],
    )


def _sort_key(index: Index, row: int) -> tuple[str, str, str]:
    example = index.examples[row]
    return example.bytes_hash, example.label, example.group


def _decode_index(index: Index, options: Options, folder: Path) -> tuple[Index, Cache]:
    """The index completed by decoding, and all images in one memory-mapped file."""
    form = image_form(index)
    size, channels = form.size, form.channels
    kept = CacheFolder(path=folder)
    try:
        with kept.writer("images", (len(index.examples), size, size, channels)) as writer:
            for rows in row_batches(index.used()):
                index, images = decode_rows(
                    index, rows, size, channels, max_pixels=options.max_pixels, alpha=form.alpha
                )
                check_readable(index)
                for row, image in zip(rows, images, strict=True):
                    writer.put(int(row), image)
            writer.finish(b"null")
    except MachineError as error:
        raise MachineError(
            error.sentence, "Name a folder with room that you can write: export TMPDIR=/path"
        ) from None
    # The split draws by path; a place in an order made of contents is the same on any machine.
    examples = tuple(replace(e, path=f"{row:09d}") for row, e in enumerate(index.examples))
    path = kept.images("images")
    return replace(index, examples=examples), Cache(
        images=np.load(path, mmap_mode="r"), path=str(path), alpha=form.alpha
    )


def _split_validation(index: Index, groups: Rows, options: Options) -> tuple[Rows, Rows]:
    """Training and validation rows; closed-form models choose by leave-one-out instead."""
    everything, nothing = index.used(), np.zeros(0, np.int64)
    if options.strategy in CLOSED_FORM:
        return everything, nothing
    parts = assign_portions(
        split_groups(index, groups, options.seed), {"val": (VAL_SHARE, MOST_VAL)}
    )
    train, val = (np.array(sorted(parts[name]), np.int64) for name in ("train", "val"))
    different = val[index.firsts(val)]
    per_class = np.bincount(index.labels()[different], minlength=len(index.classes))
    if per_class.sum() < FEWEST_TEST or per_class.min() < FEWEST_TEST_A_CLASS:
        return everything, nothing
    return train, val
