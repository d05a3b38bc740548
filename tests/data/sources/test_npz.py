"""NumPy archives: arrays by any usual name, splits, names of classes, and damage said plainly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from striate.data.formats import array_file
from striate.data.scan import open_row, read_evaluation_index, read_index, read_unlabelled
from striate.errors import SourceError, SourceMissingError, UsageError
from striate.values import Index, Options

OPTIONS = Options()
GREY = np.random.default_rng(0).integers(0, 255, (12, 7, 6), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 255, (12, 7, 6, 3), np.uint8)
NUMBERS = np.arange(12) % 3


def save(folder: Path, packed: bool = False, **arrays: Any) -> str:
    (np.savez_compressed if packed else np.savez)(folder / "set.npz", **arrays)
    return str(folder / "set.npz")


def pixels(index: Index, row: int) -> NDArray[Any]:
    return np.asarray(open_row(index, row))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("image", "label"),
    [("images", "labels"), ("x", "y"), ("X", "Y"), ("data", "target"), ("arr_0", "arr_1")],
)
def test_arrays_by_their_usual_names(tmp_path: Path, image: str, label: str, packed: bool) -> None:
    index = read_index(save(tmp_path, packed, **{image: GREY, label: NUMBERS}), OPTIONS)
    assert (index.name, index.kind, index.classes) == ("set", "npz", ("0", "1", "2"))
    assert [e.label for e in index.examples] == [str(n) for n in NUMBERS]
    assert index.examples[3].path == f"{image}/03"
    assert index.given_splits == ()
    assert not index.notes
    assert all((pixels(index, row) == GREY[row]).all() for row in range(12))


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("X_train", "y_train", "X_test", "y_test"),
        ("images_training", "labels_training", "images_testing", "labels_testing"),
    ],
)
def test_splits_in_the_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    arrays = dict(zip(names, (GREY[:8], NUMBERS[:8], GREY[8:], NUMBERS[8:]), strict=True))
    index = read_index(save(tmp_path, **arrays), OPTIONS)
    assert index.given_splits == ("train", "test")
    assert [e.split for e in index.examples].count("test") == 4
    row = next(i for i, e in enumerate(index.examples) if e.path == f"{names[2]}/1")
    assert (pixels(index, row) == GREY[9]).all()


def test_columns_of_labels_and_three_splits(tmp_path: Path) -> None:
    parts = {
        f"{split}_{what}": value[k::3]
        for k, split in enumerate(("train", "val", "test"))
        for what, value in (("images", COLOUR), ("labels", (np.arange(12) // 3 % 2)[:, None]))
    }
    index = read_index(save(tmp_path, **parts), OPTIONS)
    assert index.given_splits == ("train", "val", "test")
    assert index.classes == ("0", "1")
    assert index.examples[0].mode == "RGB"


def test_names_of_classes_groups_and_splits_as_arrays(tmp_path: Path) -> None:
    source = save(
        tmp_path,
        images=GREY,
        labels=NUMBERS,
        classes=np.array(["ant", "bee", "fly"]),
        groups=np.arange(12) // 2,
        split=np.array(["train"] * 8 + ["test"] * 4),
    )
    index = read_index(source, OPTIONS)
    assert index.classes == ("ant", "bee", "fly")
    assert [e.group for e in index.examples][:4] == ["0", "0", "1", "1"]
    assert [e.split for e in index.examples] == ["train"] * 8 + ["test"] * 4


def test_one_hot_labels_texts_and_channels_first(tmp_path: Path) -> None:
    index = read_index(save(tmp_path, x=np.moveaxis(COLOUR, 3, 1), y=np.eye(3)[NUMBERS]), OPTIONS)
    assert index.classes == ("0", "1", "2")
    assert (pixels(index, 5) == COLOUR[5]).all()
    texts = np.array(["猫", "狗", "bee"])[NUMBERS]
    assert read_index(save(tmp_path, x=GREY, y=texts), OPTIONS).classes == ("bee", "狗", "猫")


def test_other_names_by_options(tmp_path: Path) -> None:
    source = save(tmp_path, scans=GREY, diagnosis=NUMBERS, labels=NUMBERS[::-1])
    index = read_index(source, Options(image="scans", label="diagnosis"))
    assert [e.label for e in index.examples][:3] == ["0", "1", "2"]
    assert [note.code for note in index.notes] == ["read.unread_arrays"]
    with pytest.raises(UsageError, match="--root"):
        read_index(source, Options(root=str(tmp_path)))


def test_large_packed_arrays_are_not_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_file, "MOST_IN_MEMORY", 100)
    index = read_index(save(tmp_path, packed=True, images=COLOUR, labels=NUMBERS), OPTIONS)
    assert all((pixels(index, row) == COLOUR[row]).all() for row in range(12))
    loaded = array_file.list_npz_arrays(tmp_path / "set.npz")["images"].load()
    assert isinstance(loaded, np.memmap)
    plain = array_file.list_npz_arrays(Path(save(tmp_path, images=COLOUR)))["images"].load()
    assert isinstance(plain, np.memmap)


def test_one_class_is_enough_to_judge_and_no_label_to_predict(tmp_path: Path) -> None:
    assert read_evaluation_index(save(tmp_path, x=GREY, y=NUMBERS * 0), OPTIONS).classes == ("0",)
    index = read_unlabelled([save(tmp_path, images=GREY), GREY[0]])
    assert len(index.examples) == 13
    assert index.examples[3].path.endswith("set.npz/images/03")
    assert (pixels(index, 3) == GREY[3]).all()


def test_content_decides_the_hash(tmp_path: Path) -> None:
    one = read_index(save(tmp_path, packed=True, images=GREY, labels=NUMBERS), OPTIONS)
    same = read_index(save(tmp_path, images=GREY, labels=NUMBERS), OPTIONS)
    other = read_index(save(tmp_path, images=GREY, labels=NUMBERS[::-1].copy()), OPTIONS)
    assert one.content_hash == same.content_hash != other.content_hash


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"images": GREY}, r"no array of labels; its arrays are: images \(12, 7, 6\)"),
        ({"labels": NUMBERS}, "no array of images"),
        ({"foo": GREY, "bar": NUMBERS}, r"its arrays are: foo \(12, 7, 6\), bar \(12,\)"),
        ({}, "none at all"),
        ({"images": GREY, "labels": NUMBERS[:5]}, "12 images, but labels 5 entries"),
        ({"x_train": GREY, "y_train": NUMBERS, "x_test": GREY}, "no array of labels for test"),
        ({"images": GREY.reshape(12, -1), "labels": NUMBERS}, r"\(12, 42\)"),
        ({"images": GREY / 10.0, "labels": NUMBERS}, "floats from 0 to 25"),
        ({"images": GREY, "labels": np.ones((12, 3))}, "exactly one class"),
        (
            {"images": GREY, "labels": NUMBERS, "classes": np.array(["a", "b"])},
            "has the class number 2",
        ),
        ({"images": GREY, "labels": NUMBERS, "split": np.array(["no"] * 12)}, "has no as a split"),
        ({"images": GREY, "labels": np.array([None] * 12)}, "never loaded"),
        ({"images": np.array([GREY[0]] * 12 + [None], object)[:12], "labels": NUMBERS}, "never lo"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, arrays: dict[str, Any], told: str) -> None:
    with pytest.raises(SourceError, match=told) as caught:
        read_index(save(tmp_path, **arrays), OPTIONS)
    assert caught.value.exit_code == 3


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    source = Path(save(tmp_path, packed=True, images=GREY, labels=NUMBERS))
    content = source.read_bytes()
    source.write_bytes(content[:-40])
    with pytest.raises(SourceError, match="damaged"):
        read_index(source, OPTIONS)
    middle = content.index(b"images.npy") + 60
    source.write_bytes(content[:middle] + b"\xff" * 20 + content[middle + 20 :])
    with pytest.raises(SourceError, match="damaged"):
        read_index(source, OPTIONS)
    source.write_bytes(b"")
    with pytest.raises(SourceError, match="damaged"):
        read_index(source, OPTIONS)
    with pytest.raises(SourceMissingError, match="Did you mean"):
        read_index(tmp_path / "sets.npz", OPTIONS)
    np.save(tmp_path / "x.npy", GREY)
    with pytest.raises(SourceError, match="single array"):
        read_index(tmp_path / "x.npy", OPTIONS)
