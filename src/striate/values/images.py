"""Index, cache and split."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from striate.values.saying import Rows, Sentence, Task, names_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One file that was found: a row of `index.csv`. Its row number is its id everywhere."""

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
        """Equal for duplicates: the hash of pixels if known, else of bytes, else the path."""
        return self.pixels_hash or self.bytes_hash or self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The contents of a source: one row per file, in order of path.

    `kind` names the reader in `data/sources/` that opens a row; `given_splits` are those that the
    source has; `images` holds in-memory sources and is never written. `address` is the path or name
    of the source if it is not its root, such as a table's path. `task` is what to predict for an
    image: one `label`; several `labels`, written `a|b`, none of them `|`; or a `number`, and then
    there are no classes.
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
        """Whether all images in use are square: then all ways of resizing are the same."""
        return all(e.width == e.height for e in self.examples if e.status == "used")

    def firsts(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of `rows` are the first with their image and label: duplicates count once.

        Images are the same if their pixels are, or their bytes if pixels are not known.
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
        """Class number of every row; -1 if the row is not in use.

        For other tasks, a number for stratification: of the set of labels, or of the decile of the
        number. The array is shared and read-only.
        """
        if "labels" not in self._known:
            self._known["labels"] = _unwritable(self._class_numbers())
        found: Rows = self._known["labels"]
        return found

    def targets(self) -> NDArray[np.float64]:
        """Targets of every row, N x K: 1 for each class that it has, else 0.

        For the task `number`, N x 1 with the number. Rows that are not in use hold 0. The array is
        shared and read-only.
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
    """All decoded images: `images` is uint8 N x H x W x C, one row per row of the index.

    Rows that are not in use hold zeros. `resize` is how images were brought to this size; `alpha`
    means that the last channel is opacity.
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
    """Training, validation and test images, as rows of the index.

    `groups` has a group number for every row of the index; a group is in one split only.
    `evaluation` is `cross-validation` for small data sets: then `test` and `val` are empty, `train`
    holds every row and `folds` the fold (0..4) of every row of the index, -1 if not in use.
    `leaked` are test rows with a copy in train or val, which are not counted. `given_test` are the
    rows of a given test split that was excluded because it was too small, and `given_leaked` those
    of them with a copy in a given train or val.
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
        """The majority class of the training and validation images; the first of equals.

        `labels` has the class number of every row of the index. Always predicting this class is the
        baseline of the accuracy.
        """
        return int(np.bincount(labels[np.concatenate([self.train, self.val])]).argmax())


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Whether images that follow each other by file name are more similar than by chance.

    For `share` of `n` images the most similar image is within 3 places in the order of names
    (`number`: of the last number in them); `chance` is the expected share in random order, and `p`
    the p-value. `across` means that the order runs through the classes. `pattern` is a
    `--group-pattern` that keeps neighbours in one split, "" if there is none.
    """

    suspected: bool
    n: int
    share: float
    chance: float
    p: float
    order: Literal["name", "number"]
    across: bool
    pattern: str = ""
