"""Makes the demo set of the package from Debian's `dataset-fashion-mnist`: two sheets of pictures.

Usage: python scripts/make_demo.py [FOLDER OF THE FOUR .gz FILES]
"""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SOURCE = Path("/usr/share/datasets/fashion-mnist")
TARGET = Path(__file__).resolve().parents[1] / "src" / "striate" / "data" / "demo_set"
NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat")
NAMES += ("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
PER_CLASS = {"train": 500, "test": 100}
PREFIX = {"train": "train", "test": "t10k"}
COLUMNS = 100
SEED = 20170825  # The day on which Fashion-MNIST was published.


def make(source: Path, target: Path) -> None:
    """Writes `train.png`, `test.png` and `demo.json` into `target`; the same bytes each time."""
    target.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(SEED)
    for split, count in PER_CLASS.items():
        images, labels = _read(source, PREFIX[split])
        rows = np.concatenate(
            [
                np.sort(generator.choice(np.flatnonzero(labels == k), count, replace=False))
                for k in range(len(NAMES))
            ]
        )
        Image.fromarray(_sheet(images[rows])).save(target / f"{split}.png", optimize=True)
    facts = {"classes": NAMES, "per_class": PER_CLASS, "columns": COLUMNS, "side": 28}
    (target / "demo.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _read(source: Path, prefix: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images = gzip.decompress((source / f"{prefix}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((source / f"{prefix}-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28)
    return pixels, np.frombuffer(labels, np.uint8, offset=8)


def _sheet(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures in reading order, `COLUMNS` a line, as one grey picture."""
    lines = len(images) // COLUMNS
    grid = images.reshape(lines, COLUMNS, 28, 28)
    return grid.transpose(0, 2, 1, 3).reshape(lines * 28, COLUMNS * 28)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE, TARGET)
