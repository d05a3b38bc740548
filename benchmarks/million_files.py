"""What a folder of a million files costs in memory and time, listed but not there.

    python benchmarks/million_files.py [--files 1000000] [--classes 100]

The listing is made up (`os.scandir`) and so is the content of each file, a small JPEG with its
number in it, so that no disk is needed; everything after that is what `read` does. Each count is
measured in a process of its own, by the peak of its resident memory above that before reading;
the slope over the counts is the cost of a file.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from stat import S_IFDIR, S_IFREG
from typing import Any
from unittest.mock import patch

import numpy as np

from striate.data import scan
from striate.data.scan import read_index
from striate.data.sources import folder
from striate.values import Options

ROOT = "/made-up"
# The header of a JPEG of 32 x 32, which is all that is read; the number of the file follows.
JPEG = bytes.fromhex("ffd8ffc000110800200020030122000211010311 01".replace(" ", ""))


def main() -> None:
    """Prints MiB and seconds of growing counts, and bytes a file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        print(*cost(args.one, args.classes))
        return
    counts = [args.files // parts for parts in (8, 4, 2, 1)]
    peaks = []
    for count in counts:
        command = [sys.executable, __file__, "--one", str(count), "--classes", str(args.classes)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peak, seconds = map(float, done.stdout.split())
        peaks.append(peak)
        print(f"{count:9,} files  {peak / 2**20:7.0f} MiB  {peak / count:6.0f} bytes a file  "
              f"{seconds:6.1f} s", flush=True)  # fmt: skip
    slope, start = np.polyfit(counts, peaks, 1)
    worst = max(
        abs(peak - start - slope * count) for count, peak in zip(counts, peaks, strict=True)
    )
    print(f"a line of {slope:.0f} bytes a file; farthest from it {worst / max(peaks):.1%}")


class Entry:
    """A directory entry that nothing is behind."""

    def __init__(self, above: str, name: str, facts: os.stat_result) -> None:
        self.name, self.path, self.facts = name, f"{above}/{name}", facts

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.facts.st_mode == S_IFDIR

    def is_file(self) -> bool:
        """Whether it is a file."""
        return not self.is_dir()

    def is_symlink(self) -> bool:
        """There are no links here."""
        return False

    def stat(self) -> os.stat_result:
        """Kind and size."""
        return self.facts


def cost(count: int, classes: int) -> tuple[int, float]:
    """Bytes of memory and seconds that reading so many files takes."""
    file = os.stat_result((S_IFREG, 0, 0, 1, 0, 0, len(JPEG) + 8, 0, 0, 0))
    place = os.stat_result((S_IFDIR, 0, 0, 1, 0, 0, 0, 0, 0, 0))

    def entries(above: Path, *, strict: bool = False) -> list[Any]:
        above_ = str(above)
        if above_ == ROOT:
            return [Entry(ROOT, f"class{k:03}", place) for k in range(classes)]
        return [Entry(above_, f"image{n:07}.jpg", file) for n in range(count // classes)]

    def content(path: Any, most: int | None = None) -> bytes:
        return JPEG + int.from_bytes(str(path)[-14:].encode()).to_bytes(16)[-8:]

    numbers = iter(range(1, classes + 1))
    real = Path.stat

    def stat(self: Path, **named: Any) -> os.stat_result:
        if str(self).startswith(f"{ROOT}/"):
            return os.stat_result((S_IFDIR, next(numbers), 99, 1, 0, 0, 0, 0, 0, 0))
        return real(self, **named)

    with (
        patch.multiple(
            folder,
            _entries=entries,
            read_file=content,
            _must_be_folder=lambda root: None,
            _given_splits=lambda root: {},
        ),
        patch.object(scan, "read_file", content),
        patch.object(Path, "stat", stat),
    ):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        index = read_index(ROOT, Options())
        seconds = time.perf_counter() - began
    assert len(index.used()) == count // classes * classes
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024, seconds


if __name__ == "__main__":
    main()
