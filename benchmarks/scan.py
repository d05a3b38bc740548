"""How fast a folder is accounted for: striate against ImageFolder, Pillow's verify and imagehash.

    pip install imagehash
    python benchmarks/scan.py FOLDER [--images 50000] [--repeats 3]

FOLDER holds a sub-folder per class, such as the training part of CIFAR-10 as JPEG files; the
first N images of it are taken, in links to the files, so that every way reads the same ones.

Compared is what a careful person does before training: list the files with their classes, see
that each can be opened, and find equal images. The usual way is `ImageFolder`, `Image.verify` and
a hash of `imagehash`, which decodes; its cheapest (`average_hash`) and its best known (`phash`)
are timed, one after the other and in two processes. striate's way is `read` (headers, sizes,
rotation, a hash of the bytes: equal files), and, with `build_cache`, also every image decoded, a
hash of its pixels (equal pixels whatever the file) and the images at hand for training. The ways
take turns; medians and ranges are printed, and what each found.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing import Pool
from pathlib import Path
from statistics import median

import imagehash
import PIL
from PIL import Image
from torchvision.datasets import ImageFolder

from striate.data.cache import build_cache
from striate.data.scan import read_index
from striate.values import Options

Seen = tuple[int, int]


def main() -> None:
    """Prints seconds, images a second and the ratio to the usual way, for every way."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["STRIATE_CACHE"] = f"{place}/cache"
        folder = linked(args.folder, Path(place) / "images", args.images)
        seconds, seen = interleaved(ways(folder), args.repeats)
    usual = median(seconds["ImageFolder + verify + average_hash"])
    print(f"{args.images:,} images, Pillow {PIL.__version__}, {os.cpu_count()} cores")
    for name, times in seconds.items():
        images, equal = seen[name]
        print(
            f"{name:45} {median(times):6.2f} s ({min(times):.2f} to {max(times):.2f}) "
            f"{images / median(times):7.0f} /s  x{usual / median(times):.1f}  "
            f"{images:,} images, {equal:,} equal to an earlier one"
        )


def ways(folder: Path) -> dict[str, Callable[[], Seen]]:
    """Each way gives the images it accounted for, and those equal to an earlier one."""
    return {
        "ImageFolder + verify + average_hash": lambda: usual_way(folder, average_hash),
        "ImageFolder + verify + phash": lambda: usual_way(folder, phash),
        "the same with average_hash, in 2 processes": lambda: usual_way(folder, average_hash, 2),
        "striate read (equal files)": lambda: striate_way(folder, pixels=False),
        "striate read + cache (equal pixels)": lambda: striate_way(folder, pixels=True),
    }


def usual_way(folder: Path, looked_at: Callable[[str], str], processes: int = 1) -> Seen:
    """Listing, verifying and hashing by the libraries that most people use."""
    paths = [path for path, _ in ImageFolder(folder).samples]
    if processes == 1:
        hashes = [looked_at(path) for path in paths]
    else:
        with Pool(processes) as pool:
            hashes = pool.map(looked_at, paths, chunksize=256)
    return len(paths), len(paths) - len(set(hashes))


def average_hash(path: str) -> str:
    """Verifies a picture and gives imagehash's cheapest hash of it."""
    verify(path)
    with Image.open(path) as image:
        return str(imagehash.average_hash(image))


def phash(path: str) -> str:
    """Verifies a picture and gives imagehash's best known hash of it."""
    verify(path)
    with Image.open(path) as image:
        return str(imagehash.phash(image))


def verify(path: str) -> None:
    """As Pillow's pages say: the picture must be opened anew afterwards."""
    with Image.open(path) as image:
        image.verify()


def striate_way(folder: Path, *, pixels: bool) -> Seen:
    """The same by striate; the cache is made anew every time."""
    kept = os.environ["STRIATE_CACHE"]
    with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
        os.environ["STRIATE_CACHE"] = fresh
        index = read_index(folder, Options())
        if pixels:
            index, _ = build_cache(index, Options())
    os.environ["STRIATE_CACHE"] = kept
    used = [example for example in index.examples if example.status == "used"]
    counts = Counter(e.pixels_hash if pixels else e.bytes_hash for e in used)
    return len(used), len(used) - len(counts)


def interleaved(
    ways: dict[str, Callable[[], Seen]], repeats: int
) -> tuple[dict[str, list[float]], dict[str, Seen]]:
    """Seconds of each way and what it saw; they take turns, so that a busy moment meets all."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    seen: dict[str, Seen] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            seen[name] = way()
            seconds[name].append(time.perf_counter() - began)
    return seconds, seen


def linked(source: Path, target: Path, count: int) -> Path:
    """A folder of links to the first `count` files, as many of each class as there are."""
    files = sorted(path for path in source.glob("*/*") if path.is_file())
    by_class = sorted(files, key=lambda path: (path.name, path.parent.name))[:count]
    for path in by_class:
        (target / path.parent.name).mkdir(parents=True, exist_ok=True)
        os.link(path, target / path.parent.name / path.name)
    return target


if __name__ == "__main__":
    main()
