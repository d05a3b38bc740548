"""Arrays: NumPy's `.npz`, IDX gzipped and plain."""

import gzip
import io
from pathlib import Path

import numpy as np
from tests.fire.fuzz.target import Target, of_file

from striate.data.sources.idx import read_idx_pictures as idx_images
from striate.data.sources.npz import read_npz
from striate.data.sources.npz import read_npz_pictures as npz_images
from striate.values import Options

PICTURES = np.arange(4 * 6 * 5, dtype=np.uint8).reshape(4, 6, 5)
COLOURS = np.repeat(PICTURES[..., None], 3, axis=3)


def _npz(packed: bool = False, **arrays: object) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **arrays)
    return file.getvalue()


NPZS = {
    "plain": _npz(images=COLOURS, labels=[0, 1, 0, 1]),
    "packed": _npz(packed=True, x_train=PICTURES, y_train=["a", "b", "a", "b"]),
    "named": _npz(x=PICTURES / 255, y=np.eye(2)[[0, 1, 0, 1]], classes=["a", "b"]),
    "objects": _npz(images=PICTURES, labels=np.array([{}, 1, 2, 3], object)),
    "fortran": _npz(data=np.asfortranarray(COLOURS), target=np.arange(4.0)),
    "bytes": _npz(images=PICTURES, labels=np.array([b"a", b"b", b"a", b"\xff"])),
}
IDX = b"\0\0\x08\3" + b"".join(n.to_bytes(4, "big") for n in PICTURES.shape) + PICTURES.tobytes()
WORDS = (b"'shape': ", b"(18446744073709551616, 1), ", b"4294967296, ", b"True", b"PK\1\2", b"|O")


def _read_npz(path: Path) -> None:
    for _, images in npz_images(path):
        images.sum()
    read_npz(path, Options())


def _read_idx(path: Path) -> None:
    for _, images in idx_images(path):
        images.sum()


TARGETS = (
    Target(name="npz", parse=of_file(_read_npz, "a.npz"), seeds=NPZS, words=WORDS),
    Target(
        name="idx",
        parse=of_file(_read_idx, "train-images-idx3-ubyte"),
        seeds={"idx": IDX, "floats": b"\0\0\x0d\1\0\0\0\2" + bytes(8)},
    ),
    Target(
        name="idx_gz",
        parse=of_file(_read_idx, "train-images-idx3-ubyte.gz"),
        seeds={"idx": gzip.compress(IDX, mtime=0)},
    ),
)
