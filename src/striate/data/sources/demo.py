"""The source `demo`: the data set in the package."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.formats.header import Content
from striate.data.sources import SourceKind
from striate.values import Example, Index, ReadingOptions


def read_demo(source: object, options: ReadingOptions) -> Index:
    """The demo set with its own train and test split; paths are made up from its numbers."""
    demo = load_demo()
    examples = [
        Example(
            path=f"{split}/{label.replace('/', '-')}/{number:05d}",
            split=split,
            label=label,
        )
        for number, (label, split) in enumerate(zip(demo.labels, demo.splits, strict=True))
    ]
    return Index(
        root="demo",
        name="demo",
        kind="demo",
        classes=tuple(sorted(set(demo.labels))),
        examples=tuple(sorted(examples, key=lambda example: example.path)),
        given_splits=("train", "test"),
    )


def open_demo_row(index: Index, row: int) -> Content:
    """One picture as an array 28 x 28."""
    content: Content = load_demo().images[int(index.examples[row].path.rsplit("/", 1)[1])]
    return content


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DemoSet:
    """The demo set: `images` uint8 N x 28 x 28; the label and the split of each of them."""

    images: NDArray[np.uint8]
    labels: tuple[str, ...]
    splits: tuple[str, ...]


@cache
def load_demo() -> DemoSet:
    """The demo set, train before test, each in order of class. Fashion-MNIST, MIT licence."""
    folder = files("striate.data") / "demo_set"
    facts = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
    images: list[NDArray[np.uint8]] = []
    labels: list[str] = []
    splits: list[str] = []
    for split, per_class in facts["per_class"].items():
        with (folder / f"{split}.png").open("rb") as file:
            images.append(_cut_sheet(np.asarray(Image.open(file)), facts["side"]))
        labels += [name for name in facts["classes"] for _ in range(per_class)]
        splits += [split] * (per_class * len(facts["classes"]))
    return DemoSet(images=np.concatenate(images), labels=tuple(labels), splits=tuple(splits))


def _cut_sheet(sheet: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Cuts a sheet into its pictures, in reading order."""
    lines, columns = sheet.shape[0] // side, sheet.shape[1] // side
    grid = sheet.reshape(lines, side, columns, side).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(grid.reshape(-1, side, side))


SOURCE = SourceKind(
    name="demo",
    matches=lambda source: isinstance(source, str) and source == "demo",
    read=read_demo,
    open_row=open_demo_row,
)
