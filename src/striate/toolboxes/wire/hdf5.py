"""HDF5 through h5py, with nothing followed out of the file: no external or soft links, no
datasets that lie elsewhere, and no dataset larger than its file could hold.
"""

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from striate.toolboxes.graph import Array, ToolboxError

SIGNATURE = b"\x89HDF\r\n\x1a\n"


class SafeFile:
    """An HDF5 file in memory, read by paths of which every part is looked at."""

    def __init__(self, content: bytes) -> None:
        try:
            import h5py
        except ImportError as error:
            raise ToolboxError(
                "Reading it needs the package h5py.", 'Type: pip install "striate[toolboxes]"'
            ) from error
        self._h5py = h5py
        self._limit = 4 * len(content) + 2**26
        self._taken = 0
        try:
            self.root = h5py.File(io.BytesIO(content), "r")
        except (OSError, ValueError, RuntimeError) as error:
            raise ToolboxError(
                f"It is no whole HDF5 file: {str(error)[:80]}.", "Take a copy that is whole."
            ) from error

    def group(self, path: str) -> Any:
        """The group or dataset at a path; None where there is none."""
        place = self.root
        for part in [part for part in path.split("/") if part]:
            if not isinstance(place, self._h5py.Group):
                return None
            link = place.get(part, getlink=True)
            if link is None:
                return None
            if not isinstance(link, self._h5py.HardLink):
                raise ToolboxError(
                    f"The part {part!r} of {path!r} is a link to another place, which is not "
                    "followed."
                )
            place = place[part]
        return place

    def names(self, path: str) -> list[str]:
        """The names in a group, in the file's order; none where it is no group."""
        place = self.group(path)
        return list(place) if isinstance(place, self._h5py.Group) else []

    def array(self, path: str) -> Array:
        """The numbers of a dataset. Raises `ToolboxError` where it is none, or not in the file."""
        place = self.group(path)
        if not isinstance(place, self._h5py.Dataset):
            raise ToolboxError(f"There is no dataset {path!r}.", "Take a copy that is whole.")
        if place.is_virtual or place.external:
            raise ToolboxError(f"The dataset {path!r} lies in other files, which is not followed.")
        if place.dtype.kind not in "fiub" or place.shape is None:
            raise ToolboxError(f"The dataset {path!r} holds no numbers.")
        self._taken += place.dtype.itemsize * int(np.prod(place.shape, dtype=object))
        if self._taken > self._limit:
            raise ToolboxError(f"The dataset {path!r} would unpack to more than the file can hold.")
        found: Array = place[()]
        return np.asarray(found)

    def attribute(self, path: str, name: str) -> Any:
        """An attribute as text, a list of texts, or a number; None where there is none.

        A list that was too long for one attribute is put together from its parts.
        """
        place = self.group(path)
        if place is None:
            return None
        if name in place.attrs:
            return _plain(place.attrs[name])
        parts: list[Any] = []
        while f"{name}{len(parts)}" in place.attrs:
            parts.append(_plain(place.attrs[f"{name}{len(parts)}"]))
        return [each for part in parts for each in part] if parts else None

    def walk(self, path: str = "", depth: int = 0) -> Iterator[str]:
        """The paths of all datasets."""
        if depth > MOST_DEPTH:
            raise ToolboxError(f"Groups lie in each other more than {MOST_DEPTH} deep.")
        for name in self.names(path):
            inner = f"{path}/{name}"
            if isinstance(self.group(inner), self._h5py.Group):
                yield from self.walk(inner, depth + 1)
            else:
                yield inner


def parse_json(text: Any) -> Any:
    """JSON out of an attribute or a member; `ToolboxError` where it is none."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise ToolboxError("Its description is no JSON.", "Take a copy that is whole.") from error


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return [_plain(each) for each in value.tolist()]
    return value.item() if isinstance(value, np.generic) else value


MOST_DEPTH = 64
