"""The results of `striate inspect`."""

from dataclasses import dataclass
from typing import Literal

from striate.values.evidence import Doubt, Outlier
from striate.values.findings import ImageCounts
from striate.values.images import Series
from striate.values.saying import Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """Images of a class, without duplicates, and in the planned splits."""

    name: str
    images: int
    distinct: int
    train: int
    val: int
    test: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Duplicates, files of one image: equal `bytes`, equal `pixels`, or `near` (saved again).

    `labels` holds the label of every path; several different ones contradict each other.
    """

    kind: Literal["bytes", "pixels", "near"]
    paths: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def contradicts(self) -> bool:
        """Whether its files have different labels."""
        return len(set(self.labels)) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """An evaluated image of the given splits, and its duplicate in another split."""

    path: str
    split: str
    copy: str
    copy_split: str
    kind: Literal["bytes", "pixels", "near"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A file that cannot be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The contents of a source, before any training; printed by `striate inspect --json`.

    `told` holds the sentences, in order. `formats` and `sizes` ("width x height") count images in
    use, the most frequent first; `turned` counts those rotated by their EXIF tag. `copies` are
    families of duplicates, contradicting ones included; `leaks` are between given splits.
    `named_groups` counts the groups given by the user. `doubts` are possible label errors, the most
    suspicious first, among `labels_looked_at` images; `outliers` are images far from all others.
    """

    schema: str = "striate/inspection/1"
    name: str
    source: str
    images: ImageCounts
    classes: tuple[ClassCount, ...]
    formats: dict[str, int]
    sizes: dict[str, int]
    turned: int
    set_aside: tuple[Aside, ...]
    copies: tuple[Family, ...]
    leaks: tuple[Leak, ...]
    given_splits: tuple[str, ...]
    named_groups: int
    evaluation: Literal["test-split", "cross-validation"]
    series: Series | None
    doubts: tuple[Doubt, ...] = ()
    labels_looked_at: int = 0
    outliers: tuple[Outlier, ...] = ()
    told: tuple[Sentence, ...]
    seconds: float
