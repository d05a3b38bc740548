"""CIFAR's files -> arrays, without running anything that a pickle could hold."""

import hashlib
import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.formats.read_file import path_to_text, read_file
from striate.data.formats.unreadable import Unreadable
from striate.errors import SourceError

# All that Krizhevsky's files name; anything else in a pickle could run a program.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


def read_batches(
    folder: Path, files: Sequence[tuple[str, str]]
) -> tuple[NDArray[np.uint8], list[int]]:
    """Images N x 32 x 32 x 3 and class numbers of some batch files with their MD5.

    A file is opened only where its bytes are those that were published. Raises `SourceError`.
    """
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for name, digest in files:
        batch = _unpickle_batch(folder / name, digest)
        images.append(np.asarray(batch["data"], np.uint8).reshape(-1, 3, 32, 32))
        labels += batch["labels"] if "labels" in batch else batch["fine_labels"]
    return np.ascontiguousarray(np.concatenate(images).transpose(0, 2, 3, 1)), labels


def read_class_names(folder: Path, name: str, digest: str, key: str) -> list[str]:
    """The names of the classes in CIFAR's file of such. Raises `SourceError`."""
    return [str(each) for each in _unpickle_batch(folder / name, digest)[key]]


class _ArrayUnpickler(pickle.Unpickler):
    """Knows NumPy's arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The maker of an array; raises `UnpicklingError` for anything else."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}")
        if name == "encode":
            return _encode_latin1
        if name == "_reconstruct":
            return np.empty(0).__reduce__()[0]
        return getattr(np, name)


def _encode_latin1(text: str, _: str) -> bytes:
    """Bytes, which protocol 2 writes as text."""
    return text.encode("latin1")


def _unpickle_batch(path: Path, digest: str) -> dict[str, Any]:
    try:
        content = read_file(path)
    except Unreadable as error:
        raise SourceError(
            f"{path_to_text(path)} cannot be read: {error.reason}.", _ADVICE
        ) from None
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != digest:
        raise SourceError(
            f"{path_to_text(path)} is not the published file (its MD5 differs), so it is "
            "not opened: it could run code.",
            _ADVICE,
        )
    try:
        found = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:
        raise SourceError(f"{path_to_text(path)} cannot be read: {error}.", _ADVICE) from None
    return dict(found)


_ADVICE = "Download the data set again, or save its images in an .npz file."
