"""How fast pictures come to the network: striate's cache against ImageFolder with a DataLoader.

    python benchmarks/decode.py [FOLDER] [--size 224] [--repeats 5]

FOLDER holds a sub-folder per class; without one, 480 JPEGs of 500 x 400 (about 46 kB) are made.
Both sides give N x 3 x S x S tensors, squashed to S x S, normalised. First epoch: from files on
disk, in striate's case reading headers, hashing and writing the cache included. Later epochs: the
same loader again, with its workers kept alive, against batches from the cache. Variants are
interleaved; medians are printed.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from striate.data.batches import images_to_device, iterate_batches, normalise_batch
from striate.data.cache import build_cache
from striate.data.scan import read_index
from striate.values import Options

MEAN = STD = (0.5, 0.5, 0.5)
BATCH = 32


def main() -> None:
    """Prints pictures a second of every way and the ratio to the first."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = args.folder or made_pictures(Path(place) / "pictures", 480)
        first, later = measured(folder, Path(place), args.size, args.repeats)
    print(f"{folder}, torch {torch.__version__}, {os.cpu_count()} cores, size {args.size}")
    for title, rates in (("first epoch", first), ("later epochs", later)):
        base = next(iter(rates.values()))
        for name, rate in rates.items():
            print(f"{title:13} {name:34} {rate:8.0f} /s  x{rate / base:.2f}")


def measured(
    folder: Path, place: Path, size: int, repeats: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Pictures a second of each way, in the first epoch and in later ones."""
    count = len(ImageFolder(folder))
    loaders = {n: loader(folder, size, n) for n in (2, 0)}
    first = {
        "ImageFolder + DataLoader(2)": lambda: drained(loader(folder, size, 2)),
        "ImageFolder + DataLoader(0)": lambda: drained(loaders[0]),
        "striate read + cache + batches": lambda: from_files(folder, place, size),
    }
    index, _ = build_cache(read_index(folder, Options()), Options())
    later = {
        "DataLoader(2), workers kept": lambda: drained(loaders[2]),
        "striate batches from the cache": lambda: from_cache(folder, size),
    }
    drained(loaders[2])
    assert len(index.used()) == count
    return (
        {name: count / seconds for name, seconds in interleaved(first, repeats).items()},
        {name: count / seconds for name, seconds in interleaved(later, repeats).items()},
    )


def interleaved(ways: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Median seconds of each way; they take turns, so that a busy moment meets all."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    return {name: median(times) for name, times in seconds.items()}


def loader(folder: Path, size: int, workers: int) -> DataLoader[object]:
    """What most tutorials show."""
    steps = transforms.Compose(
        [transforms.Resize((size, size)), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    )
    return DataLoader(
        ImageFolder(folder, steps), BATCH, num_workers=workers, persistent_workers=workers > 0
    )


def drained(loader: DataLoader[object]) -> None:
    """One epoch."""
    for _ in loader:
        pass


def from_files(folder: Path, place: Path, size: int) -> None:
    """One epoch with nothing cached before."""
    kept = os.environ.get("STRIATE_CACHE")
    with tempfile.TemporaryDirectory(dir=place) as fresh:
        os.environ["STRIATE_CACHE"] = fresh
        from_cache(folder, size)
    os.environ.pop("STRIATE_CACHE")
    if kept is not None:
        os.environ["STRIATE_CACHE"] = kept


def from_cache(folder: Path, size: int) -> None:
    """One epoch from the cache, which is looked up (headers and hashes read) or made."""
    index, cache = build_cache(read_index(folder, Options()), Options())
    for rows in iterate_batches(index.used(), BATCH, seed=0):
        normalise_batch(images_to_device(cache.images[rows]), MEAN, STD, size=size)


def made_pictures(folder: Path, count: int) -> Path:
    """JPEGs of 500 x 400 with detail at every scale, in two classes."""
    generator = np.random.default_rng(0)
    for number in range(count):
        total = np.zeros((400, 500, 3))
        for cells in (5, 20, 80, 200):
            noise = generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
            total += np.asarray(Image.fromarray(noise).resize((500, 400), 3)) / 4
        target = folder / str(number % 2) / f"{number:04}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(total.astype(np.uint8)).save(target, quality=80)
    return folder


if __name__ == "__main__":
    main()
