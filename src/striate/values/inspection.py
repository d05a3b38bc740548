"""What `striate inspect` finds in a source."""

from dataclasses import dataclass
from typing import Literal

from striate.values.evidence import Doubt, Outlier
from striate.values.findings import ImageCounts
from striate.values.images import Series
from striate.values.saying import Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """How many images a class has, how many different pictures, and where they would go."""

    name: str
    images: int
    distinct: int
    train: int
    val: int
    test: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Files that show one picture: equal `bytes`, equal `pixels`, or `near`, saved anew.

    `labels` has the label of every path; several of them contradict each other.
    """

    kind: Literal["bytes", "pixels", "near"]
    paths: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def contradicts(self) -> bool:
        """Whether its files stand under different labels."""
        return len(set(self.labels)) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A judging image of the given splits, and the same picture in another of them."""

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
    """What is in a source, before any training; printed by `striate inspect --json`.

    `told` says it in words, in order. `formats` and `sizes` ("width x height") count images in
    use, the commonest first; `turned` are those that their EXIF tag turns upright. `copies` are
    families of several files, contradicting ones among them; `leaks` are between given splits.
    `named_groups` counts the groups that the user named. `doubts` are labels that the images
    speak against, the most doubtful first, among `labels_looked_at` images; `outliers` are
    images unlike all others.
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
