"""One odd file: its name, how it comes to be, and what must become of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Odd:
    """A file of the odd folder, relative to the folder of its class.

    `content` is what it holds; `place` makes what is no regular file. `reason` is a part of
    what the index must say of it, `pixels` what must be seen, H x W x C, by at most `within`
    grey levels of difference in the mean. A `name` of bytes is no UTF-8; `row` is then how
    the index writes it.
    """

    name: str | bytes
    status: Literal["used", "set_aside", "ignored"] = "used"
    reason: str = ""
    content: bytes = b""
    place: Callable[[Path], None] | None = None
    pixels: NDArray[Any] | None = None
    within: float = 0.0
    row: str = ""

    @property
    def path(self) -> str:
        """How the index writes the name."""
        return self.row or str(self.name)
