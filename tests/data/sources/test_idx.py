"""IDX files, MNIST's format: folders and pairs, gzipped or plain, and damage said plainly."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from striate.data.scan import open_row, read_index, read_unlabelled
from striate.errors import SourceError, SourceMissingError
from striate.values import Index, Options

OPTIONS = Options()
IMAGES = np.random.default_rng(0).integers(0, 255, (12, 7, 6), np.uint8)
LABELS = (np.arange(12) % 3).astype(np.uint8)


def idx(array: NDArray[Any]) -> bytes:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return head + array.tobytes()


def write(folder: Path, stem: str = "", rows: slice = slice(None), packed: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in ((f"{stem}images-idx3", IMAGES), (f"{stem}labels-idx1", LABELS)):
        content = idx(array[rows])
        path = folder / f"{name}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
    return folder


def pixels(index: Index, row: int) -> NDArray[Any]:
    return np.asarray(open_row(index, row))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("inside", ["", "raw"])
def test_a_folder_with_both_splits(tmp_path: Path, packed: bool, inside: str) -> None:
    folder = tmp_path / "digits"
    write(folder / inside, "train-", slice(9), packed)
    write(folder / inside, "t10k-", slice(9, None), packed)
    index = read_index(folder, OPTIONS)
    assert (index.name, index.kind, index.classes) == ("digits", "idx", ("0", "1", "2"))
    assert index.given_splits == ("train", "test")
    assert [e.split for e in index.examples] == ["test"] * 3 + ["train"] * 9
    assert (pixels(index, 1) == IMAGES[10]).all()
    assert (pixels(index, 4) == IMAGES[1]).all()


def test_the_unpacked_file_is_read_where_both_are_there(tmp_path: Path) -> None:
    write(write(tmp_path, "train-"), "train-", packed=True)
    assert len(read_index(tmp_path, OPTIONS).examples) == 12


def test_one_pair_brings_no_split(tmp_path: Path) -> None:
    write(write(tmp_path, "train-"), "t10k-", slice(6))
    index = read_index(tmp_path / "t10k-images-idx3-ubyte", OPTIONS)
    assert index.given_splits == ()
    assert len(index.examples) == 6
    assert (
        read_index(tmp_path / "t10k-labels-idx1-ubyte", OPTIONS).content_hash == index.content_hash
    )
    alone = read_unlabelled([tmp_path / "t10k-images-idx3-ubyte"])
    assert [pixels(alone, row).tolist() for row in range(6)] == IMAGES[:6].tolist()


def test_several_sets_in_a_folder_are_told_apart(tmp_path: Path) -> None:
    for name in ("emnist-letters", "emnist-digits"):
        write(write(tmp_path, f"{name}-train-", slice(9)), f"{name}-test-", slice(9, None))
    with pytest.raises(
        SourceError, match="several data sets: emnist-digits, emnist-letters"
    ) as caught:
        read_index(tmp_path, OPTIONS)
    assert "emnist-digits" in caught.value.hint
    assert read_index(tmp_path / "emnist-letters", OPTIONS).given_splits == ("train", "test")


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    write(tmp_path)
    labels = tmp_path / "labels-idx1-ubyte"
    labels.write_bytes(idx(LABELS[:5]))
    with pytest.raises(SourceError, match="12 images, but labels-idx1-ubyte holds 5 labels"):
        read_index(tmp_path, OPTIONS)
    labels.unlink()
    with pytest.raises(SourceMissingError, match="no labels beside"):
        read_index(tmp_path, OPTIONS)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("cut", [0, 3, 9, 100, -1])
def test_damage_is_said(tmp_path: Path, packed: bool, cut: int) -> None:
    write(tmp_path, packed=packed)
    path = next(tmp_path.glob("images*"))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(SourceError, match="damaged"):
        read_index(tmp_path, OPTIONS)


def test_another_format_under_the_name(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "images-idx3-ubyte").write_bytes(b"<html>not found</html>")
    with pytest.raises(SourceError, match="does not begin like an IDX file"):
        read_index(tmp_path, OPTIONS)
