"""What a parser must hold to, whatever bytes it is given, and the bytes that try it."""

import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from hypothesis import strategies as st

from striate.data.formats.unreadable import Unreadable
from striate.errors import StriateError

MOST_SECONDS = 10.0
# Beyond what the process holds: the libraries' own pools, and a hundred times the input.
SPARE_BYTES, TIMES = 256 << 20, 100
NO_MEMORY = "not enough memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A parser: `parse` reads bytes with it, `seeds` are whole inputs by name.

    `words` are bytes that mean something to the parser, put in where chance would not.
    """

    name: str
    parse: Callable[[bytes], object]
    seeds: Mapping[str, bytes]
    words: Sequence[bytes] = ()


def must_hold(target: Target, content: bytes) -> None:
    """Parses some bytes: a result or an error of striate's, soon, and without much memory.

    Raises whatever else comes out of the parser, and `AssertionError` where it took too long.
    """
    started = time.monotonic()
    with little_memory(len(content)):
        try:
            target.parse(content)
        except (StriateError, Unreadable) as error:
            if NO_MEMORY in str(error):
                raise MemoryError(str(error)) from error
    seconds = time.monotonic() - started
    assert seconds < MOST_SECONDS, f"{target.name}: {seconds:.1f} s for {len(content):,} bytes"


@contextmanager
def little_memory(size: int) -> Iterator[None]:
    """No more address space than is in use, and what `size` bytes of input may cost."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    bound = pages * resource.getpagesize() + SPARE_BYTES + TIMES * size
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (bound, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def of_file(read: Callable[[Path], object], name: str) -> Callable[[bytes], object]:
    """A parser of files as a parser of bytes; every file has a name of its own: readers cache."""

    def parse(content: bytes) -> None:
        path = _folder() / str(next(_NUMBERS)) / name
        path.parent.mkdir()
        try:
            path.write_bytes(content)
            read(path)
        finally:
            path.unlink()
            path.parent.rmdir()

    return parse


def _folder() -> Path:
    if not _FOLDERS:
        _FOLDERS.append(tempfile.TemporaryDirectory(prefix="striate-fuzz-"))
    return Path(_FOLDERS[0].name)


_NUMBERS = count()
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []

# Drawing bytes ------------------------------------------------------------------------------------

_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)


@st.composite
def inputs(draw: st.DrawFn, target: Target) -> bytes:
    """A whole input with some faults in it, or some bytes of no kind."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=200))
    content = bytearray(target.seeds[draw(st.sampled_from(sorted(target.seeds)))])
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(content)))
        kind = draw(st.sampled_from(_KINDS))
        _KINDS_BY_NAME[kind](draw, target, content, place)
    return bytes(content)


def _flip(draw: st.DrawFn, target: Target, content: bytearray, place: int) -> None:
    if place < len(content):
        content[place] ^= 1 << draw(st.integers(0, 7))


def _number(draw: st.DrawFn, target: Target, content: bytearray, place: int) -> None:
    """A number at the edge of its kind, in either order of bytes."""
    width, order = draw(st.sampled_from([1, 2, 4, 8])), draw(st.sampled_from(["little", "big"]))
    number = draw(st.sampled_from(_EDGES)) % (1 << 8 * width)
    content[place : place + width] = number.to_bytes(width, order)


def _cut(draw: st.DrawFn, target: Target, content: bytearray, place: int) -> None:
    del content[place : place + draw(st.sampled_from([1, 2, 4, 16, len(content)]))]


def _repeat(draw: st.DrawFn, target: Target, content: bytearray, place: int) -> None:
    part = content[place : place + draw(st.integers(1, 64))]
    content[place:place] = part * draw(st.sampled_from([1, 2, 50, 2000]))


def _put(draw: st.DrawFn, target: Target, content: bytearray, place: int) -> None:
    words = list(target.words) or [b"\0", b"\xff"]
    content[place:place] = draw(st.sampled_from(words)) * draw(st.sampled_from([1, 1, 2, 3000]))


def _splice(draw: st.DrawFn, target: Target, content: bytearray, place: int) -> None:
    other = target.seeds[draw(st.sampled_from(sorted(target.seeds)))]
    start = draw(st.integers(0, len(other)))
    content[place:] = other[start:]


_KINDS_BY_NAME = {
    "flip": _flip,
    "number": _number,
    "cut": _cut,
    "repeat": _repeat,
    "put": _put,
    "splice": _splice,
}
_KINDS = ("number", "flip", "put", "cut", "repeat", "splice")
