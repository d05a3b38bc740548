"""Networks that other toolboxes trained: their files to a graph, and a graph to a module.

`readers/` has one file a toolbox, `wire/` the byte formats that several share, `graph` the value
in the middle, `functions` what its operations compute, `build` the way to torch.
"""

import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from striate.toolboxes.graph import Array, Graph, ToolboxError
from striate.values import catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenFile:
    """A file or folder that was named, with its first bytes (none of a folder)."""

    path: Path
    head: bytes
    size: int

    @property
    def ending(self) -> str:
        """The end of its name in small letters, with the dot."""
        return self.path.suffix.lower()

    def read(self) -> bytes:
        """Its content. Raises `ToolboxError` where it cannot be read."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise ToolboxError(f"{self.path} cannot be read: {error.strerror}.") from error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedTensors:
    """What a file without a graph holds: tensors by the file's own names, in its order.

    They are laid on a list of layers. `roles` tells for a name what the toolbox's own order of
    axes means, where the file says it.
    """

    tensors: dict[str, Array]
    toolbox: str
    version: str = ""
    net: str = ""
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """A toolbox as a source of trained networks.

    `detect(files)` says how surely the files are of it: 0 not, 1 by their names, 2 by their bytes.
    `read(files)` gives their graph, or their tensors alone where they hold no graph; it may open
    files of the same stem beside them. It raises `ToolboxError` and runs nothing.
    """

    name: str
    endings: tuple[str, ...]
    detect: Callable[[Sequence[GivenFile]], int]
    read: Callable[[Sequence[GivenFile]], Graph | NamedTensors]


def read_files(paths: Sequence[Path]) -> Graph | NamedTensors:
    """The network, or the tensors, in files of one of the toolboxes, told by their first bytes.

    Raises `ToolboxError` where a file is missing, of no known toolbox, damaged, or not all there.
    """
    files = [_look_at(path) for path in paths]
    toolboxes: dict[str, Toolbox] = catalog.collect_constants("toolboxes.readers", "TOOLBOX")
    sure = {name: toolbox.detect(files) for name, toolbox in toolboxes.items()}
    best = max(sure, key=lambda name: sure[name])
    named = " and ".join(str(path) for path in paths)
    if not sure[best]:
        raise ToolboxError(
            f"{named} is of no toolbox that striate knows.",
            f"Known are: {', '.join(toolbox.name for toolbox in toolboxes.values())}.",
        )
    try:
        return toolboxes[best].read(files)
    except ToolboxError as error:
        raise ToolboxError(
            f"{named} ({toolboxes[best].name}): {error.sentence}", error.hint
        ) from error
    except DAMAGES as error:
        raise ToolboxError(
            f"{named} ({toolboxes[best].name}) is damaged, or of a form that is not known: "
            f"{type(error).__name__} {str(error)[:120]}.",
            "Take a copy that is whole.",
        ) from error


def _look_at(path: Path) -> GivenFile:
    if path.is_dir():
        return GivenFile(path=path, head=b"", size=0)
    if not path.is_file():
        raise ToolboxError(f"There is no file {path}.", "Check its name.")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        size = path.stat().st_size
    except OSError as error:
        raise ToolboxError(
            f"{path} cannot be read: {error.strerror}.", "Look at its permissions."
        ) from error
    if not head:
        raise ToolboxError(f"{path} is empty.", "Take a copy that is whole.")
    if head.startswith(b"version https://git-lfs"):
        raise ToolboxError(
            f"{path} is a pointer of Git LFS, not the file.", "Type in its folder: git lfs pull"
        )
    return GivenFile(path=path, head=head, size=size)


HEAD_BYTES = 4096
DAMAGES = (
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
    EOFError,
    OSError,
    AssertionError,
    RuntimeError,
    zlib.error,
)
