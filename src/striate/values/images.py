"""What was found: index, cache, split."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from striate.values.saying import Rows, Sentence, Task, names_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One file that was met: a row of `index.csv`. Its id is its row, everywhere, for good."""

    path: str
    split: str = ""
    label: str = ""
    group: str = ""
    status: Literal["used", "set_aside", "ignored"] = "used"
    reason: str = ""
    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    orientation: int = 1
    bytes: int = 0
    bytes_hash: str = ""
    pixels_hash: str = ""

    @property
    def picture(self) -> str:
        """What it shows, equal for copies: hash of pixels where known, else of bytes, else path."""
        return self.pixels_hash or self.bytes_hash or self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What a source holds: a row for every file met, in order of path.

    `kind` names the reader in `data/sources/` that opens a row; `given_splits` are those
    that the source itself brings; `images` holds in-memory sources and is never written.
    `address` is what the source is known by where that is not its root, such as a table's path.
    `task` is what is to be learnt of an image: one label; several `labels`, written `a|b`, none
    of them `|`; or a `number`, and then there are no classes.
    """

    root: str
    name: str
    kind: str
    classes: tuple[str, ...]
    examples: tuple[Example, ...]
    given_splits: tuple[str, ...] = ()
    notes: tuple[Sentence, ...] = ()
    content_hash: str = ""
    images: Sequence[Any] | None = None
    address: str = ""
    task: Task = "label"
    # What is worked out of the examples is worked out once: a loop over all of them is slow.
    _known: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def used(self) -> Rows:
        """Rows of the examples in use, ascending."""
        return np.array([i for i, e in enumerate(self.examples) if e.status == "used"], np.int64)

    @property
    def square(self) -> bool:
        """Whether every image in use is a square: then any way to bring it to one is the same."""
        return all(e.width == e.height for e in self.examples if e.status == "used")

    def firsts(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of `rows` are the first with their picture and label: copies count once.

        Pictures are the same where their pixels are, or their bytes where pixels are not known.
        """
        seen: set[tuple[str, str]] = set()
        first = np.zeros(len(rows), np.bool_)
        for place, row in enumerate(rows):
            example = self.examples[row]
            picture = (example.picture, example.label)
            first[place] = picture not in seen
            seen.add(picture)
        return first

    def labels(self) -> Rows:
        """Class number of every row; -1 where the row is not in use.

        Of other tasks it tells what is alike: the same set of labels, the same tenth of the
        numbers. The array is shared and cannot be written.
        """
        if "labels" not in self._known:
            self._known["labels"] = _unwritable(self._class_numbers())
        found: Rows = self._known["labels"]
        return found

    def targets(self) -> NDArray[np.float64]:
        """What is to be learnt of every row, N x K: 1 for each class that it has, else 0.

        Of the task `number` it is N x 1, the number. Rows that are not in use hold 0. The array is
        shared and cannot be written.
        """
        if "targets" not in self._known:
            self._known["targets"] = _unwritable(self._target_table())
        found: NDArray[np.float64] = self._known["targets"]
        return found

    def _class_numbers(self) -> Rows:
        if self.task == "number":
            return self._tenths()
        names = self.classes
        if self.task == "labels":
            names = tuple(sorted({e.label for e in self.examples if e.status == "used"}))
        number = {name: k for k, name in enumerate(names)}
        return np.array(
            [number[e.label] if e.status == "used" else -1 for e in self.examples], np.int64
        )

    def _target_table(self) -> NDArray[np.float64]:
        if self.task == "number":
            numbers = [float(e.label) if e.status == "used" else 0.0 for e in self.examples]
            return np.array(numbers, np.float64).reshape(-1, 1)
        number = {name: k for k, name in enumerate(self.classes)}
        table = np.zeros((len(self.examples), len(self.classes)))
        for row in self.used():
            label = self.examples[row].label
            for name in names_in(label) if self.task == "labels" else (label,):
                table[row, number[name]] = 1.0
        return table

    def _tenths(self) -> Rows:
        numbers, rows = self.targets()[:, 0], self.used()
        cuts = np.quantile(numbers[rows], np.linspace(0.1, 0.9, 9)) if len(rows) else np.zeros(0)
        tenths = np.full(len(numbers), -1, np.int64)
        tenths[rows] = np.searchsorted(np.unique(cuts), numbers[rows], side="right")
        return tenths


def _unwritable(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Every image decoded once: `images` is uint8, a row an index row, N x H x W x C.

    Rows that are not in use hold zeros. `resize` is how an image came to this size; `alpha` tells
    that the last channel says how opaque a pixel is.
    """

    images: NDArray[np.uint8]
    path: str
    resize: Literal["squash", "crop", "pad"] = "squash"
    alpha: bool = False

    @property
    def size(self) -> int:
        """Height and width of the cached images in pixels."""
        return int(self.images.shape[1])

    @property
    def channels(self) -> int:
        """Channels of the cached images: 1 for grey, 3 for colour, others as the images have."""
        return int(self.images.shape[3])


def _no_rows() -> Rows:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Who trains, who chooses, who judges: rows of the index.

    `groups` gives every row of the index a group number; a group is on one side only.
    `evaluation` is `cross-validation` for tiny sets: then `test` and `val` are empty, `train`
    holds every row and `folds` gives the fold (0..4) of every row of the index, -1 for unused.
    `leaked` are test rows that have a copy in train or val: they do not count. `given_test` are
    the rows of a given test split that was set aside, as it could not judge, and `given_leaked`
    those of them that have a copy in a given train or val.
    """

    train: Rows
    val: Rows
    test: Rows
    groups: Rows
    leaked: Rows
    evaluation: Literal["test-split", "cross-validation"] = "test-split"
    folds: Rows | None = None
    notes: tuple[Sentence, ...] = ()
    given_test: Rows = field(default_factory=_no_rows)
    given_leaked: Rows = field(default_factory=_no_rows)

    def majority(self, labels: Rows) -> int:
        """The class that most images learnt from have (training and validation); the first of such.

        `labels` has the class number of every row of the index. It is the one baseline: always
        answering it, judged on the images that judge the model, is the majority class's accuracy.
        """
        return int(np.bincount(labels[np.concatenate([self.train, self.val])]).argmax())


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Whether images that follow each other by name are more alike than chance.

    `share` of `n` images have their nearest look-alike within 3 places in the order of names
    (`number`: of the last number in them); `chance` is what that share would be were the order
    drawn by lot, and `p` how rarely lot reaches it. `across` tells that the order runs through
    the classes. `pattern` is a `--group-pattern` that keeps neighbours on one side, "" for none.
    """

    suspected: bool
    n: int
    share: float
    chance: float
    p: float
    order: Literal["name", "number"]
    across: bool
    pattern: str = ""
