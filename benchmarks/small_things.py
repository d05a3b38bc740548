"""What the small things cost: one image, 1,500 small pictures, one picture of 170 megapixels.

    python benchmarks/small_things.py RUN [RUN …]

Every figure comes from a process of its own: CPU seconds (user and system, all threads), seconds by
the clock and peak memory. `import torch` stands beside them, since no prediction can cost less.
Each is repeated and the median printed with the least and the most.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from striate.data.sources.demo import load_demo

REPEATS = 3
SMALL_PICTURES = 1500
LARGE_SIDE = 13_038  # 170 megapixels
LARGE_FORMATS = {
    "png-rgb": ("RGB", "png"),
    "png-rgba": ("RGBA", "png"),
    "png-16-bit": ("I;16", "png"),
    "png-palette": ("P", "png"),
    "jpeg": ("RGB", "jpg"),
    "tiff": ("RGB", "tif"),
}
CHILD = """
import json, resource, subprocess, sys, time
begun = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6,
                  done.returncode]))
"""


def measure(words: list[str], repeats: int = REPEATS) -> dict[str, list[float]]:
    """Clock seconds, CPU seconds and peak GB of a command, sorted, over some repeats."""
    rows = []
    for _ in range(repeats):
        told = subprocess.run(
            [sys.executable, "-c", CHILD, *words], capture_output=True, text=True, check=True
        )
        clock, cpu, memory, code = json.loads(told.stdout)
        assert code == 0, (words, told.stderr)
        rows.append((clock, cpu, memory))
    return {
        name: sorted(row[at] for row in rows) for at, name in enumerate(("clock", "cpu", "memory"))
    }


def tell(name: str, found: dict[str, list[float]], rest: str = "") -> None:
    """Print a row: the median of each figure with the least and the most."""
    parts = (
        f"{statistics.median(each):6.2f} ({each[0]:.2f}-{each[-1]:.2f})" for each in found.values()
    )
    print(f"| {name:34} | {' | '.join(parts)} | {rest} |", flush=True)


def write_small_pictures(folder: Path) -> None:
    """PNG files of 28 px, as many as `SMALL_PICTURES`."""
    folder.mkdir()
    for number, pixels in enumerate(load_demo().images[:SMALL_PICTURES]):
        Image.fromarray(pixels.squeeze()).save(folder / f"{number:04}.png")


def write_large_picture(path: Path, mode: str) -> None:
    """A picture of 170 megapixels with a pattern that compresses, in the mode asked for."""
    ramp = np.add.outer(np.arange(LARGE_SIDE) // 64, np.arange(LARGE_SIDE) // 64)
    if mode == "I;16":
        image = Image.fromarray((ramp * 97 % 65536).astype(np.uint16))
    else:
        image = Image.fromarray((ramp % 256).astype(np.uint8)).convert(mode)
    image.save(path)


def main(runs: list[str]) -> None:
    """Measure `import torch`, then each run on one and on many small pictures, then large ones."""
    Image.MAX_IMAGE_PIXELS = None
    print(f"load before: {os.getloadavg()[0]:.2f}, cores: {os.cpu_count()}")
    print("| what | clock, s | CPU, s | peak memory, GB | |\n|---|---|---|---|---|")
    tell("import torch", measure([sys.executable, "-c", "import torch"]))
    with tempfile.TemporaryDirectory() as place:
        small = Path(place, "small")
        write_small_pictures(small)
        one = str(next(iter(sorted(small.iterdir()))))
        for run in runs:
            predict = [sys.executable, "-m", "striate", "predict", run]
            first = measure([*predict, one])
            tell(f"{Path(run).name}: one image", first)
            many = measure([*predict, str(small)])
            more = statistics.median(many["clock"]) - statistics.median(first["clock"])
            rate = (SMALL_PICTURES - 1) / more
            tell(f"{Path(run).name}: {SMALL_PICTURES} of 28 px", many, f"{rate:,.0f} images/s")
        predict = [sys.executable, "-m", "striate", "predict", runs[0]]
        for name, (mode, suffix) in LARGE_FORMATS.items():
            path = Path(place, f"{name}.{suffix}")
            write_large_picture(path, mode)
            tell(f"170 megapixels, {name}", measure([*predict, str(path)], 1))
            path.unlink()
    print(f"load after: {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
