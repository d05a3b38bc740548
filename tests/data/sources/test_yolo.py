"""YOLO's folders: classes of whole images or of boxes, splits, names, and what is malformed."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate import cli
from striate.data.scan import open_row, read_evaluation_index, read_index
from striate.errors import SourceError, SourceMissingError, UsageError
from striate.values import Index, Options

OPTIONS = Options()
CROP = Options(crop=True)
CAT, DOG = "0 0.5 0.5 0.5 0.5\n", "1 0.25 0.25 0.5 0.5 0.9\n"
LABELS = {"a": CAT, "b": CAT + CAT, "c": DOG, "d": DOG + "\n"}


def put(
    root: Path, labels: Mapping[str, str], images: str = "images", texts: str = "labels"
) -> None:
    """A picture of 20 x 10 pixels and its text of boxes for each name."""
    for folder in (images, texts):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number, (name, text) in enumerate(labels.items()):
        pixels = np.random.default_rng(number).integers(0, 255, (10, 20, 3), np.uint8)
        Image.fromarray(pixels).save(root / images / f"{name}.png")
        (root / texts / f"{name}.txt").write_text(text, "utf-8")


def labels(index: Index) -> dict[str, str]:
    return {e.path: e.label for e in index.examples if e.status == "used"}


def aside(index: Index) -> dict[str, str]:
    return {e.path: e.reason for e in index.examples if e.status == "set_aside"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path / "pets", LABELS)
    (tmp_path / "pets" / "data.yaml").write_text("names: [cat, dog]\n", "utf-8")
    return tmp_path / "pets"


def test_an_image_has_the_class_of_its_boxes(root: Path) -> None:
    index = read_index(root, OPTIONS)
    assert (index.kind, index.task, index.classes) == ("yolo", "label", ("cat", "dog"))
    assert labels(index) == {
        "images/a.png": "cat",
        "images/b.png": "cat",
        "images/c.png": "dog",
        "images/d.png": "dog",
    }
    assert aside(index) == {}
    assert index.notes == ()
    assert open_row(index, int(index.used()[0])) == (root / "images/a.png").read_bytes()
    assert labels(read_index(root / "data.yaml", OPTIONS)) == labels(index)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("data.yaml", "names:\n  0: cat\n  1: dog\n"),
        ("data.yml", "nc: 2\nnames: ['cat', 'dog']\n"),
        ("classes.txt", "cat\ndog\n"),
        ("labels/classes.txt", "cat\r\ndog\r\n"),
        ("obj.names", "cat\ndog"),
    ],
)
def test_names_of_every_kind(root: Path, file: str, text: str) -> None:
    (root / "data.yaml").unlink()
    (root / file).write_text(text, "utf-8")
    assert read_index(root, OPTIONS).classes == ("cat", "dog")


def test_without_names_classes_are_numbers(root: Path) -> None:
    (root / "data.yaml").write_text("path: [unclosed", "utf-8")
    assert read_index(root, OPTIONS).classes == ("0", "1")


@pytest.mark.parametrize("form", ["images/{}|labels/{}", "{}/images|{}/labels"])
def test_splits_are_given(tmp_path: Path, form: str) -> None:
    images, texts = form.split("|")
    for split in ("train", "valid"):
        put(tmp_path, LABELS, images.format(split), texts.format(split))
    index = read_index(tmp_path, OPTIONS)
    assert index.given_splits == ("train", "val")
    assert {e.split for e in index.examples if e.status == "used"} == {"train", "val"}
    assert len(index.used()) == 8


def test_texts_beside_pictures_with_a_list_of_names(tmp_path: Path) -> None:
    put(tmp_path, LABELS, "obj_train_data", "obj_train_data")
    (tmp_path / "obj.names").write_text("cat\ndog\n", "utf-8")
    index = read_index(tmp_path, OPTIONS)
    assert (index.kind, index.classes) == ("yolo", ("cat", "dog"))


def test_several_classes_in_an_image_are_several_labels(root: Path) -> None:
    put(root, {**LABELS, "e": CAT + DOG, "f": "", "g": DOG + CAT})
    index = read_index(root, OPTIONS)
    assert index.task == "labels"
    assert labels(index)["images/e.png"] == "cat|dog"
    assert labels(index)["images/f.png"] == "|"
    assert [note.code for note in index.notes] == ["read.boxes_several"]
    single = read_index(root, Options(task="label"))
    assert single.task == "label"
    assert single.classes == ("cat", "dog")
    assert set(aside(single)) == {"images/e.png", "images/f.png", "images/g.png"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cat 0.5 0.5 0.5 0.5", "line 1 of labels/x.txt is not a valid box"),
        (CAT + "0 0.5 0.5", "line 2"),
        ("0 0.5 0.5 nan 0.5", "not a valid box"),
        ("0 inf 0.5 0.5 0.5", "not a valid box"),
        ("-1 0.5 0.5 0.5 0.5", "not a valid box"),
        ("0.5 0.5 0.5 0.5 0.5", "not a valid box"),
        ("0 0.5 0.5 0.5 0.5 0.5 0.5 0.5", "not a valid box"),
        ("0 60 40 120 80", "outside"),
        ("0 0.9 0.5 0.5 0.5", "outside"),
        ("0 0.5 0.5 0 0.5", "empty"),
        ("0 0.5 0.5 -0.5 0.5", "empty"),
        ("7 0.5 0.5 0.5 0.5", "the class number 7, but there are only 2"),
        ("1e300 0.5 0.5 0.5 0.5", "only 2 class names"),
        ("\0\0\0", "not a valid box"),
    ],
)
def test_what_is_malformed_is_set_aside(root: Path, text: str, said: str) -> None:
    put(root, {**LABELS, "x": text})
    assert said in aside(read_index(root, OPTIONS))["images/x.png"]
    assert any(said in reason for reason in aside(read_index(root, CROP)).values())


def test_what_is_missing_is_listed(root: Path) -> None:
    put(root, {**LABELS, "x": CAT, "y": CAT})
    (root / "labels/x.txt").unlink()
    (root / "images/y.png").unlink()
    (root / "labels/z.txt").write_bytes(b"\xff\xfe\x00")
    (root / "readme.png").write_bytes((root / "images/a.png").read_bytes())
    index = read_index(root, OPTIONS)
    assert set(aside(index)) == {"images/x.png", "labels/y.txt", "labels/z.txt"}
    assert {e.path for e in index.examples} >= {"readme.png", "data.yaml", "labels/a.txt"}
    assert len(index.used()) == 4


def test_every_box_is_an_image_and_those_of_one_stay_together(root: Path) -> None:
    index = read_index(root, CROP)
    assert labels(index) == {
        "images/a.png#1": "cat",
        "images/b.png#1": "cat",
        "images/b.png#2": "cat",
        "images/c.png#1": "dog",
        "images/d.png#1": "dog",
    }
    assert {e.group for e in index.examples if e.status == "used"} == {
        f"images/{name}.png" for name in "abcd"
    }
    row = next(row for row, e in enumerate(index.examples) if e.path == "images/c.png#1")
    pixels = np.asarray(Image.open(root / "images/c.png"))
    assert np.array_equal(open_row(index, row), pixels[:5, :10])


@pytest.mark.parametrize("pattern", [r"#(\d+)", r"{class}/?(\d*)", r"images/([ab])", r"(images)/a"])
def test_a_pattern_parts_no_boxes_of_one_image(root: Path, pattern: str) -> None:
    put(root, {**LABELS, "e": CAT + DOG})
    index = read_index(root, Options(crop=True, group_pattern=pattern))
    groups: dict[str, set[str]] = {}
    for example in index.examples:
        if example.status == "used":
            groups.setdefault(example.path.partition("#")[0], set()).add(example.group)
    assert all(len(each) == 1 and "" not in each for each in groups.values())


def test_boxes_are_cut_from_the_upright_image(root: Path) -> None:
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, :10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise: the left half is seen above
    Image.fromarray(pixels).save(root / "images/c.png", exif=exif)
    (root / "labels/c.txt").write_text("1 0.5 0.25 1 0.5\n", "utf-8")
    index = read_index(root, CROP)
    row = next(row for row, e in enumerate(index.examples) if e.path == "images/c.png#1")
    content = open_row(index, row)
    assert isinstance(content, np.ndarray)
    assert content.shape == (10, 10, 3)
    assert content.min() == 255
    assert (index.examples[row].width, index.examples[row].height) == (10, 10)


def test_outlines_are_boxes_too(root: Path) -> None:
    (root / "labels/c.txt").write_text("1 0.1 0.2 0.6 0.2 0.6 0.7 0.1 0.7\n", "utf-8")
    index = read_index(root, CROP)
    row = next(row for row, e in enumerate(index.examples) if e.path == "images/c.png#1")
    assert np.asarray(open_row(index, row)).shape == (5, 10, 3)


def test_nothing_left_is_no_source(tmp_path: Path) -> None:
    put(tmp_path, {"a": CAT, "b": "0 5 5 5 5"})
    (tmp_path / "images/a.png").write_bytes(b"no picture")
    for options in (OPTIONS, CROP):
        with pytest.raises(SourceError) as caught:
            read_index(tmp_path, options)
        assert caught.value.exit_code == 3


def test_aliases_that_would_fill_the_memory_are_refused(root: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    (root / "data.yaml").write_text("\n".join([*lines, "names: [*a59, *a59]"]), "utf-8")
    with pytest.raises(SourceError, match="without a name"):
        read_index(root, OPTIONS)


@pytest.mark.parametrize("text", ["names: cat", "names: {a: 1}", "names: []", "names: ['a|b', c]"])
def test_names_that_are_none_are_refused(root: Path, text: str) -> None:
    (root / "data.yaml").write_text(text, "utf-8")
    with pytest.raises(SourceError, match=r"data\.yaml"):
        read_index(root, OPTIONS)


def test_a_yaml_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "any.yaml").write_text("a: 1", "utf-8")
    with pytest.raises(SourceMissingError, match="images"):
        read_index(tmp_path / "any.yaml", OPTIONS)


@pytest.mark.parametrize("task", ["number", "labels"])
def test_boxes_say_no_such_task(root: Path, task: str) -> None:
    with pytest.raises(UsageError, match="--task"):
        read_index(root, Options(task=task, crop=True))


def test_class_folders_with_texts_beside_are_class_folders(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        put(tmp_path, {f"{name}{n}": CAT for n in range(3)}, name, name)
    (tmp_path / "classes.txt").write_text("cat\ndog\n", "utf-8")
    index = read_index(tmp_path, OPTIONS)
    assert (index.kind, index.classes, index.notes) == ("folder", ("cat", "dog"), ())


def test_boxes_are_of_yolo_and_coco_only(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        put(tmp_path, {"a": "", "b": ""}, name, name)
    with pytest.raises(UsageError, match="--crop"):
        read_index(tmp_path, CROP)


def test_a_model_is_judged_on_them(root: Path) -> None:
    put(root, {**LABELS, "e": CAT + DOG})
    assert read_evaluation_index(root, Options(task="label")).classes == ("cat", "dog")
    assert len(read_evaluation_index(root, Options(task="label")).used()) == 4
    assert len(read_evaluation_index(root, Options(task="label", crop=True)).used()) == 7
    assert labels(read_evaluation_index(root, Options(task="labels")))["images/e.png"] == "cat|dog"


def test_strict_refuses_what_is_malformed(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root.parent)
    put(root, {**LABELS, "x": "0 5 5 5 5"})
    assert cli.run(("fit", str(root), "--strict", "-q")) == 4
    assert "images/x.png" in capsys.readouterr().err
