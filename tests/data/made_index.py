"""Indexes of pictures that need not exist: what splits and groups are tested on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from striate.values import Cache, Example, Index


def made_index(counts: Mapping[str, int], split: str = "") -> Index:
    """An index with so many images of each class, every one with contents of its own."""
    examples = [
        Example(
            path=f"{split}/{label}/{n:05}",
            label=label,
            split=split,
            bytes_hash=f"{label}{n}{split}",
        )
        for label, count in counts.items()
        for n in range(count)
    ]
    return Index(
        root="made",
        name="made",
        kind="memory",
        classes=tuple(sorted(counts)),
        examples=tuple(sorted(examples, key=lambda example: example.path)),
    )


def with_given(parts: Mapping[str, Mapping[str, int]]) -> Index:
    """An index with given splits."""
    indexes = [made_index(counts, split) for split, counts in parts.items()]
    examples = [example for index in indexes for example in index.examples]
    return replace(
        indexes[0],
        classes=tuple(sorted({example.label for example in examples})),
        examples=tuple(sorted(examples, key=lambda example: example.path)),
        given_splits=tuple(parts),
    )


def cached(images: Sequence[NDArray[np.uint8]], labels: Sequence[str]) -> tuple[Index, Cache]:
    """An index and a cache of these images, H x W x C, all of one size."""
    examples = [
        Example(
            path=f"{n:05}",
            label=label,
            bytes_hash=f"bytes {n}",
            pixels_hash=f"{hash(image.tobytes())}",
            width=image.shape[1],
            height=image.shape[0],
        )
        for n, (image, label) in enumerate(zip(images, labels, strict=True))
    ]
    index = Index(
        root="made",
        name="made",
        kind="memory",
        classes=tuple(sorted(set(labels))),
        examples=tuple(examples),
    )
    return index, Cache(images=np.stack(images), path="")
