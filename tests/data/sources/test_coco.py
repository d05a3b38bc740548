"""COCO's JSON: where images are looked for, classes of images or boxes, and what is malformed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.data.scan import open_row, read_evaluation_index, read_index
from striate.errors import SourceError, SourceMissingError
from striate.values import Index, Options

OPTIONS = Options()
CROP = Options(crop=True)
Said = dict[str, Any]


def said(names: str = "abcd") -> Said:
    """A JSON: a and b hold a cat each, all others a dog each; b's cat is there twice."""
    return {
        "images": [
            {"id": n, "file_name": f"{name}.png", "width": 20, "height": 10}
            for n, name in enumerate(names)
        ],
        "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [
            {"id": k, "image_id": n, "category_id": 3 if n < 2 else 9, "bbox": [2, 1, 10, 5]}
            for k, n in enumerate((*range(len(names)), 1))
        ],
    }


def put(folder: Path, names: str = "abcd") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        pixels = np.random.default_rng(ord(name)).integers(0, 255, (10, 20, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def write(file: Path, content: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return file


def labels(index: Index) -> dict[str, str]:
    return {Path(e.path).name: e.label for e in index.examples if e.status == "used"}


def aside(index: Index) -> dict[str, str]:
    return {e.path: e.reason for e in index.examples if e.status == "set_aside"}


EXPECTED = {"a.png": "cat", "b.png": "cat", "c.png": "dog", "d.png": "dog"}


@pytest.mark.parametrize(
    ("file", "images"),
    [
        ("set.json", "."),
        ("set.json", "images"),
        ("annotations/set.json", "."),
        ("annotations/instances_all.json", "all"),
        ("annotations/instances_all.json", "images/all"),
    ],
)
def test_images_are_found_around_the_json(tmp_path: Path, file: str, images: str) -> None:
    put(tmp_path / images)
    index = read_index(write(tmp_path / file, said()), OPTIONS)
    assert (index.kind, index.task, index.classes) == ("coco", "label", ("cat", "dog"))
    assert labels(index) == EXPECTED
    assert aside(index) == {}
    assert open_row(index, 0) == (tmp_path / images / "a.png").read_bytes()


def test_a_root_is_named(tmp_path: Path) -> None:
    put(tmp_path / "far/away")
    file = write(tmp_path / "set.json", said())
    assert labels(read_index(file, Options(root=str(tmp_path / "far/away")))) == EXPECTED
    with pytest.raises(SourceMissingError, match="None of the 4") as caught:
        read_index(file, OPTIONS)
    assert "--root" in caught.value.hint


@pytest.mark.parametrize(
    "layout",
    [
        ("annotations/instances_{}2017.json", "{}2017"),
        ("annotations/instances_{}.json", "images/{}"),
        ("{}/_annotations.coco.json", "{}"),
    ],
)
def test_a_folder_with_splits(tmp_path: Path, layout: tuple[str, str]) -> None:
    for split, names in (("train", "abcd"), ("valid", "efgh")):
        put(tmp_path / layout[1].format(split), names)
        write(tmp_path / layout[0].format(split), said(names))
    for options in (OPTIONS, CROP):
        index = read_index(tmp_path, options)
        assert index.given_splits == ("train", "val")
        assert len(index.used()) == (10 if options.crop else 8)
        assert all(open_row(index, row) is not None for row in index.used())


def test_several_classes_and_none(tmp_path: Path) -> None:
    content = said("abcdef")
    content["annotations"][5]["image_id"] = 0
    content["annotations"][2]["category_id"] = 3
    put(tmp_path, "abcdef")
    file = write(tmp_path / "set.json", content)
    index = read_index(file, Options(drop_rare=True))
    assert index.task == "labels"
    assert labels(index)["a.png"] == "cat|dog"
    assert labels(index)["f.png"] == "|"
    assert [note.code for note in index.notes] == ["read.boxes_several"]
    assert set(aside(read_index(file, Options(task="label")))) == {"a.png", "f.png"}
    assert read_evaluation_index(file, Options(task="label")).classes == ("cat", "dog")


def test_boxes_are_images(tmp_path: Path) -> None:
    put(tmp_path)
    index = read_index(write(tmp_path / "set.json", said()), CROP)
    assert labels(index) == {
        "a.png#1": "cat",
        "b.png#1": "cat",
        "b.png#2": "cat",
        "c.png#1": "dog",
        "d.png#1": "dog",
    }
    pixels = np.asarray(Image.open(tmp_path / "a.png"))
    assert np.array_equal(open_row(index, 0), pixels[1:6, 2:12])
    assert {e.group for e in index.examples} == {"a.png", "b.png", "c.png", "d.png"}


def entry(**changed: Any) -> Callable[[Said], None]:
    return lambda content: content["annotations"][0].update(changed)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (entry(category_id=4), "unknown category"),
        (entry(category_id=None), "unknown category"),
        (entry(category_id=[3]), "unknown category"),
        (entry(image_id=77), "its image is not in the list"),
        (entry(image_id={}), "its image is not in the list"),
        (entry(bbox=[2, 1, 100, 5]), "outside"),
        (entry(bbox=[-9, 1, 10, 5]), "outside"),
        (entry(bbox=[2, 1, 0, 5]), "empty"),
        (entry(bbox=[2, 1, "x", 5]), "not valid"),
        (entry(bbox=[2, 1, float("nan"), 5]), "not valid"),
        (entry(bbox=[10**400, 1, 2, 5]), "not valid"),
        (entry(bbox="2 1 10 5"), "not valid"),
        (lambda content: content["annotations"].append(7), "its image is not in the list"),
        (lambda content: content["images"].append([]), "no id or no file_name"),
        (lambda content: content["images"].append({"id": 50}), "no id or no file_name"),
        (lambda content: content["images"].append({"id": 50, "file_name": "z.png"}), "missing"),
        (lambda content: content["images"].append({"id": 5, "file_name": "z.png"}), "another"),
    ],
)
def test_what_is_malformed_is_set_aside(
    tmp_path: Path, change: Callable[[Said], None], reason: str
) -> None:
    put(tmp_path, "abcdef")
    content = said("abcdef")
    content["annotations"][2]["category_id"] = 3
    change(content)
    file = write(tmp_path / "set.json", content)
    for options in (Options(drop_rare=True), CROP):
        assert any(reason in told for told in aside(read_index(file, options)).values())


def test_a_size_that_is_another_is_noticed(tmp_path: Path) -> None:
    put(tmp_path, "abcdef")
    content = said("abcdef")
    content["images"][0].update(width=10, height=20)
    content["annotations"][0]["bbox"] = [1, 1, 5, 5]
    index = read_index(write(tmp_path / "set.json", content), CROP)
    assert "10 x 20" in aside(index)["a.png#1"]


@pytest.mark.parametrize("content", ["", "[]", "{", "{}", "[" * 100_000, '{"images": 3}', "null"])
def test_a_json_of_something_else(tmp_path: Path, content: str) -> None:
    with pytest.raises(SourceError, match="JSON") as caught:
        read_index(write(tmp_path / "set.json", content), OPTIONS)
    assert caught.value.exit_code == 3


def test_two_names_of_a_category(tmp_path: Path) -> None:
    put(tmp_path)
    content = said()
    content["categories"].append({"id": 3, "name": "cow"})
    with pytest.raises(SourceError, match="two names"):
        read_index(write(tmp_path / "set.json", content), OPTIONS)
