"""Datasets and iterables of Python: tensors, names, splits, and the usual traps said plainly."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset
from torchvision.datasets import FakeData, ImageFolder

from striate.data.formats import array_file
from striate.data.scan import open_row, read_evaluation_index, read_index, read_unlabelled
from striate.data.sources import dataset
from striate.errors import SourceError, UsageError
from striate.values import Options

OPTIONS = Options()
PIXELS = np.random.default_rng(0).integers(0, 255, (12, 7, 6, 3), np.uint8)
NUMBERS = [n % 3 for n in range(12)]


class Pets:
    """A map-style dataset that is no torch class."""

    classes = ("ant", "bee", "cat")

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Any:
        if isinstance(self.items[number], Exception):
            raise self.items[number]
        return self.items[number]


def pairs(images: Any = PIXELS, labels: Any = NUMBERS) -> list[Any]:
    return list(zip(images, labels, strict=True))


@pytest.mark.parametrize(
    "images",
    [
        PIXELS,
        [Image.fromarray(p) for p in PIXELS],
        torch.from_numpy(PIXELS.transpose(0, 3, 1, 2).copy()),
        PIXELS.transpose(0, 3, 1, 2),
    ],
)
def test_pictures_of_any_kind_come_to_the_same(images: Any) -> None:
    index = read_index(Pets(pairs(images)), OPTIONS)
    assert (index.name, index.kind, index.classes) == ("pets", "dataset", ("ant", "bee", "cat"))
    assert [np.asarray(open_row(index, row)).tolist() for row in range(12)] == PIXELS.tolist()
    assert index.content_hash == read_index(Pets(pairs()), OPTIONS).content_hash


@pytest.mark.parametrize(
    "labels",
    [
        [np.int64(n) for n in NUMBERS],
        [torch.tensor(n) for n in NUMBERS],
        [torch.tensor([n]) for n in NUMBERS],
        [np.eye(3)[n] for n in NUMBERS],
        [float(n) for n in NUMBERS],
        ["ant bee cat".split()[n] for n in NUMBERS],
    ],
)
def test_labels_of_any_kind_come_to_the_same(labels: list[Any]) -> None:
    index = read_index(Pets(pairs(labels=labels)), OPTIONS)
    assert [e.label for e in index.examples] == [Pets.classes[n] for n in NUMBERS]


def test_floats_of_tensors_and_a_list_of_pairs() -> None:
    floats = torch.rand(12, 1, 7, 6, generator=torch.Generator().manual_seed(0))
    index = read_index(TensorDataset(floats, torch.tensor(NUMBERS)), OPTIONS)
    assert index.classes == ("0", "1", "2")
    assert (index.examples[0].mode, index.examples[0].width) == ("L", 6)
    assert read_index(pairs(), OPTIONS).name == "images"


def test_iterables_are_asked_once() -> None:
    index = read_index((pair for pair in pairs()), OPTIONS)
    assert len(index.examples) == 12
    assert (np.asarray(open_row(index, 7)) == PIXELS[7]).all()
    assert [item["label"] for item in [{"image": 1, "label": 2}]] == [2]
    dicts = ({"image": image, "label": label} for image, label in pairs())
    assert read_index(dicts, OPTIONS).content_hash == index.content_hash


def test_many_pictures_go_to_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_file, "MOST_IN_MEMORY", 50)
    index = read_index(iter(pairs()), OPTIONS)
    assert [np.asarray(open_row(index, row)).tolist() for row in range(12)] == PIXELS.tolist()


def test_names_behind_parts_and_chains() -> None:
    pets = Pets(pairs())
    whole: Any = ConcatDataset([Subset(pets, range(6)), Subset(pets, range(6, 12))])
    assert read_index(whole, OPTIONS).classes == ("ant", "bee", "cat")


def test_a_dict_gives_the_splits() -> None:
    index = read_index({"train": Pets(pairs()[:9]), "test": Pets(pairs()[9:])}, OPTIONS)
    assert index.given_splits == ("train", "test")
    assert [e.split for e in index.examples] == ["test"] * 3 + ["train"] * 9
    assert (np.asarray(open_row(index, 0)) == PIXELS[9]).all()
    assert read_evaluation_index({"test": Pets(pairs()[9:])}, OPTIONS).given_splits == ()
    with pytest.raises(UsageError, match="keys train, val, test; this one has left"):
        read_index({"left": pets} if (pets := Pets(pairs())) else {}, OPTIONS)


def test_a_dataset_of_files_is_read_from_its_files(tmp_path: Path) -> None:
    for number, label in enumerate(NUMBERS):
        (tmp_path / f"c{label}").mkdir(exist_ok=True)
        Image.fromarray(PIXELS[number]).save(tmp_path / f"c{label}" / f"{number}.png")
    index = read_index(ImageFolder(tmp_path), OPTIONS)
    assert index.examples[0].format == "PNG"
    assert index.classes == ("c0", "c1", "c2")


def test_random_transforms_are_said() -> None:
    noise = np.random.default_rng(0)

    class Random(Pets):
        def __getitem__(self, number: int) -> Any:
            return noise.integers(0, 255, (7, 6), np.uint8), NUMBERS[number]

    assert [n.code for n in read_index(Random(pairs()), OPTIONS).notes] == ["read.random_items"]
    assert not read_index(Pets(pairs()), OPTIONS).notes
    assert not read_index(FakeData(12, (3, 7, 6), 3), OPTIONS).notes


def test_an_item_that_fails_is_set_aside() -> None:
    index = read_index(Pets([*pairs(), OSError("disk gone")]), OPTIONS)
    assert index.examples[12].status == "set_aside"
    assert "OSError: disk gone" in index.examples[12].reason


def broken() -> Iterator[Any]:
    yield from pairs()
    raise RuntimeError("pipe gone")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (lambda: Pets(pairs(PIXELS / 100.0)), r"Item 0 holds floats from .* in \[0, 1\]"),
        (lambda: list(PIXELS), "Item 0 is a ndarray"),
        (lambda: Pets([(p, 1, 2) for p in PIXELS]), "a tuple of 3"),
        (lambda: Pets(pairs(labels=[np.ones(3)] * 12)), "label of Item 0"),
        (lambda: Pets(pairs(labels=[{"boxes": []}] * 12)), "label of Item 0"),
        (lambda: Pets(pairs(labels=[n + 1 for n in NUMBERS])), "has the class number 3"),
        (broken, "failed after 12 images: RuntimeError: pipe gone"),
        (lambda: [], "no images"),
        (
            lambda: DataLoader(TensorDataset(torch.zeros(12, 3, 7, 6), torch.zeros(12)), 4),
            "batch of shape",
        ),
    ],
)
def test_what_cannot_be_used_is_said(source: Any, told: str) -> None:
    with pytest.raises(SourceError, match=told) as caught:
        read_index(source(), OPTIONS)
    assert caught.value.exit_code == 3


def test_an_iterable_without_end_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "MOST_WITHOUT_LENGTH", 30)
    with pytest.raises(SourceError, match="given 30 images and may never end") as caught:
        read_index(itertools.cycle(pairs()), OPTIONS)
    assert "islice" in caught.value.hint


def test_what_is_no_source() -> None:
    for source in (3, None, PIXELS, b"photos"):
        with pytest.raises(UsageError, match="A source cannot be"):
            read_index(source, OPTIONS)


def test_predicting_takes_tensors_and_passes_labels_over() -> None:
    tensor = torch.from_numpy(PIXELS[0].transpose(2, 0, 1).copy())
    index = read_unlabelled([tensor, (PIXELS[1], 2)])
    assert [np.asarray(open_row(index, row)).tolist() for row in range(2)] == PIXELS[:2].tolist()
