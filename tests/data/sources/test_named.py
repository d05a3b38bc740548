"""Sets known by name: files on disk in their own formats, no network, and no pickle that runs."""

import hashlib
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torchvision.datasets as known
from PIL import Image

from striate.data.scan import open_row, read_index
from striate.data.sources import named
from striate.errors import SourceError, SourceMissingError, UsageError
from striate.values import Index, Options

RANDOM = np.random.default_rng(0)
IMAGES = np.random.default_rng(1).integers(0, 255, (12, 7, 6), np.uint8)
ROWS = RANDOM.integers(0, 255, (12, 3072), np.uint8)
LABELS = [n % 3 for n in range(12)]


def at(folder: Path) -> Options:
    return Options(data_root=str(folder))


def write(folder: Path, stem: str, rows: slice = slice(None)) -> None:
    """A pair of IDX files, as MNIST has them."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = IMAGES[rows], np.array(LABELS, np.uint8)[rows]
    for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
        head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        (folder / f"{stem}{kind}-ubyte").write_bytes(head + array.tobytes())


def plant_cifar(folder: Path, monkeypatch: pytest.MonkeyPatch, train: Any = None) -> Path:
    """CIFAR-10 with one batch to train and one to test, and their sums where torchvision looks."""
    batches = folder / "cifar-10-batches-py"
    batches.mkdir()
    contents = {
        "data_batch_1": train or {"data": ROWS, "labels": LABELS},
        "test_batch": {"data": ROWS[:6], "labels": LABELS[:6]},
        "batches.meta": {"label_names": ["airplane", "bird", "cat"]},
    }
    sums = {}
    for name, content in contents.items():
        pickled = pickle.dumps(content, 2).replace(b"numpy._core", b"numpy.core")
        (batches / name).write_bytes(pickled)
        sums[name] = hashlib.md5(pickled, usedforsecurity=False).hexdigest()
    made = known.CIFAR10
    monkeypatch.setattr(made, "train_list", [["data_batch_1", sums["data_batch_1"]]])
    monkeypatch.setattr(made, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(made, "meta", {**made.meta, "md5": sums["batches.meta"]})
    return batches


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(named, "_fetch_set", refuse)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def splits(index: Index) -> list[str]:
    return [example.split for example in index.examples]


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-py"])
@pytest.mark.parametrize("name", ["cifar10", "CIFAR-10"])
def test_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str, name: str) -> None:
    plant_cifar(tmp_path, monkeypatch)
    index = read_index(name, at(tmp_path / inside))
    assert (index.name, index.address) == ("cifar10", "cifar10")
    assert index.classes == ("airplane", "bird", "cat")
    assert splits(index) == ["test"] * 6 + ["train"] * 12
    expected = ROWS[1].reshape(3, 32, 32).transpose(1, 2, 0)
    assert (np.asarray(open_row(index, 7)) == expected).all()


def test_other_bytes_than_the_published_are_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = plant_cifar(tmp_path, monkeypatch)
    (batches / "test_batch").write_bytes(pickle.dumps({"data": ROWS, "labels": LABELS}, 2))
    with pytest.raises(SourceError, match="not the published file") as caught:
        read_index("cifar10", at(tmp_path))
    assert caught.value.exit_code == 3


class Runs:
    """What runs a program when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("it-ran"),)


def test_a_pickle_with_the_right_sum_still_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_cifar(tmp_path, monkeypatch, train={"data": Runs(), "labels": LABELS})
    with pytest.raises(SourceError, match="refers to"):
        read_index("cifar10", at(tmp_path))
    assert not Path("it-ran").exists()


@pytest.mark.parametrize("inside", ["MNIST/raw", "raw", "."])
def test_mnist(tmp_path: Path, inside: str) -> None:
    root = tmp_path / "here"
    write(root / inside, "train-", slice(9))
    write(root / inside, "t10k-", slice(9, None))
    if inside == "raw":
        root = root / "raw"
    index = read_index("mnist", at(root))
    assert (index.name, index.classes) == ("mnist", ("0", "1", "2"))
    assert splits(index) == ["test"] * 3 + ["train"] * 9
    assert (np.asarray(open_row(index, 0)) == IMAGES[9]).all()


def test_names_of_fashion(tmp_path: Path) -> None:
    write(tmp_path / "FashionMNIST" / "raw", "train-")
    assert read_index("fashion_mnist", at(tmp_path)).classes == (
        "Pullover",
        "T-shirt/top",
        "Trouser",
    )


def test_a_set_of_files(tmp_path: Path) -> None:
    for label in ("Forest", "River"):
        folder = tmp_path / "eurosat" / "2750" / label
        folder.mkdir(parents=True)
        for number in range(3):
            pixels = RANDOM.integers(0, 255, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.jpg")
    index = read_index("eurosat", at(tmp_path))
    assert index.classes == ("Forest", "River")
    assert index.examples[0].path == "eurosat/2750/Forest/0.jpg"
    assert index.examples[0].format == "JPEG"


def test_a_set_of_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = RANDOM.integers(0, 255, (32, 32, 3, 9), np.uint8)
    lists = {}
    for split in ("train", "test"):
        path = tmp_path / f"{split}_32x32.mat"
        scipy.io.savemat(path, {"X": pixels, "y": np.arange(1, 10)[:, None] % 3 + 8})
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        lists[split] = ["", path.name, digest]
    monkeypatch.setattr(known.SVHN, "split_list", lists)
    index = read_index("svhn", at(tmp_path))
    assert index.classes == ("0", "8", "9")
    assert splits(index) == ["test"] * 9 + ["train"] * 9
    assert (np.asarray(open_row(index, 4)) == pixels[..., 4]).all()


def test_a_folder_of_that_name_wins_and_that_is_said(tmp_path: Path) -> None:
    for label in ("ant", "bee"):
        (tmp_path / "work" / "cifar10" / label).mkdir(parents=True)
        for number in range(2):
            pixels = RANDOM.integers(0, 255, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "work" / "cifar10" / label / f"{number}.png")
    index = read_index("cifar10", Options())
    assert index.classes == ("ant", "bee")
    assert "read.local_name" in [note.code for note in index.notes]
    with pytest.raises(UsageError, match="--data-root"):
        read_index("cifar10", at(tmp_path))


def test_without_network_it_is_said_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceMissingError, match=r"could not download it: no network") as caught:
        read_index("cifar10", Options())
    assert caught.value.exit_code == 3
    assert "striate fit cifar10 --data-root" in caught.value.hint
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SourceMissingError, match="HF_HUB_OFFLINE"):
        read_index("mnist", Options())


def test_a_data_root_without_the_set_is_never_written(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SourceMissingError, match="no cifar-10-batches-py in it"):
        read_index("cifar10", at(empty))
    with pytest.raises(SourceMissingError, match="There is no folder"):
        read_index("cifar10", at(tmp_path / "nowhere"))
    assert not list(empty.iterdir())


def test_damage_is_said(tmp_path: Path) -> None:
    (tmp_path / "stl10_binary").mkdir()
    with pytest.raises(SourceError, match=r"stl10 in .* cannot be read"):
        read_index("stl10", at(tmp_path))


def test_a_misspelt_name_is_guessed() -> None:
    with pytest.raises(SourceMissingError) as caught:
        read_index("cifer10", Options())
    assert "Did you mean cifar10" in caught.value.hint
