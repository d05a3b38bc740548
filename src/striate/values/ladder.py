"""What every step from guessing to the chosen network buys, on the same images."""

from dataclasses import dataclass
from typing import Literal

from striate.values.evidence import Interval

RungName = Literal["majority", "shallow", "random", "pretrained", "chosen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One way to classify: `accuracy` on the images that judge, `seconds` to learn and judge.

    `train_images` is how many it learnt from, `dimensions` how many features it read.
    """

    name: RungName
    accuracy: Interval
    seconds: float
    train_images: int
    dimensions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The content of `ladder.json`: rungs from the simplest to the chosen one.

    `strategy` and `net` are those of the chosen rung. `train_images` and `judge_images` are how
    many there are; a rung may have learnt from fewer or be judged on fewer, drawn evenly.
    """

    schema: str = "striate/ladder/1"
    rungs: tuple[Rung, ...]
    strategy: str
    net: str
    evaluation: Literal["test-split", "cross-validation"]
    train_images: int
    judge_images: int
