"""How much fire there is: a little in `make slow`, all of it in `make fire`."""

import os
from typing import TypeVar

T = TypeVar("T")

FULL = os.environ.get("STRIATE_FIRE", "small") == "full"


def by_size(small: T, full: T) -> T:
    """What a test takes of something: in `make slow`, and in `make fire`."""
    return full if FULL else small
