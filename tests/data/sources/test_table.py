"""Tables: columns by any name, splits and groups in them, and what is missing said at once."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from striate.data.scan import read, read_to_judge
from striate.errors import SourceError, SourceMissingError, UsageError
from striate.values import Index, Options

OPTIONS = Options()
ROWS = [
    ("pictures/1.png", "cat", "ann"),
    ("pictures/2.png", "cat", "bob"),
    ("pictures/3.png", "dog", "ann"),
    ("pictures/4.png", "dog", "eve"),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with four pictures in it."""
    (tmp_path / "pictures").mkdir()
    for number in range(1, 5):
        pixels = np.random.default_rng(number).integers(0, 255, (6, 7, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{number}.png")
    return tmp_path


def csv(place: Path, text: str, name: str = "pets.csv") -> str:
    (place / name).write_text(text, "utf-8")
    return str(place / name)


def listed(index: Index) -> list[tuple[str, str, str]]:
    return [(e.path, e.label, e.group) for e in index.examples]


HEAD = "image,label,group\n"
BODY = "".join(f"{','.join(row)}\n" for row in ROWS)


def frame() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=["image", "label", "group"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pets.csv", HEAD + BODY),
        ("pets.csv", "\ufeff" + (HEAD + BODY).replace("\n", "\r\n") + "\r\n"),
        ("pets.csv", (HEAD + BODY).replace(",", ";")),
        ("PETS.CSV", HEAD + BODY.replace("1.png", "./../pictures/1.png")),
        ("pets.tsv", (HEAD + BODY).replace(",", "\t")),
        (
            "pets.jsonl",
            "\n".join(
                json.dumps({"image": image, "label": label, "group": group})
                for image, label, group in ROWS
            ),
        ),
    ],
)
def test_every_kind_of_table_says_the_same(place: Path, name: str, text: str) -> None:
    index = read(csv(place, text, name), OPTIONS)
    assert listed(index) == ROWS
    assert (index.kind, index.name, index.classes) == ("table", name[:4], ("cat", "dog"))
    assert index.address == str(place / name)
    assert [note.code for note in index.notes] == ["read.groups"]


def test_frames_are_tables(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listed(read(frame(), Options(root=str(place)))) == ROWS
    monkeypatch.chdir(place)
    assert listed(read(frame(), OPTIONS)) == ROWS


def test_frames_of_polars(place: Path) -> None:
    polars = pytest.importorskip("polars")
    made = polars.DataFrame(ROWS, schema=["image", "label", "group"], orient="row")
    assert listed(read(made, Options(root=str(place)))) == ROWS


def test_parquet(place: Path) -> None:
    pytest.importorskip("pyarrow")
    frame().to_parquet(place / "pets.parquet")
    assert listed(read(str(place / "pets.parquet"), OPTIONS)) == ROWS
    (place / "pets.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        read(str(place / "pets.parquet"), OPTIONS)


def test_parquet_without_its_reader(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "pets.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SourceError, match="needs pyarrow") as caught:
        read(str(place / "pets.parquet"), OPTIONS)
    assert caught.value.hint == 'Type: pip install "striate[parquet]"'


def test_other_names_and_another_root(place: Path, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    text = "file,kind,who\n" + BODY.replace("pictures/", "")
    source = csv(tmp_path / "tables", text)
    root = str(place / "pictures")
    index = read(source, Options(image="file", label="kind", group="who", root=root))
    assert [(f"pictures/{path}", *rest) for path, *rest in listed(index)] == ROWS


def test_paths_may_be_absolute(place: Path, tmp_path: Path) -> None:
    text = HEAD + BODY.replace("pictures/", f"{place}/pictures/")
    assert listed(read(csv(place, text), OPTIONS)) == ROWS
    (tmp_path / "elsewhere").mkdir()
    index = read(csv(tmp_path / "elsewhere", text), OPTIONS)
    assert index.examples[0].path == f"{place}/pictures/1.png"


def test_numbers_are_labels_as_people_write_them(place: Path) -> None:
    made = frame().assign(label=[0.0, 0.0, 1.5, 1.5])
    assert read(made, Options(root=str(place))).classes == ("0", "1.5")


def test_given_splits(place: Path) -> None:
    rows = [f"{row[0]},{row[1]}" for row in ROWS]
    words = ("Train", "testing", "training", "TEST")
    text = "image,label,part\n" + "".join(f"{r},{w}\n" for r, w in zip(rows, words, strict=True))
    source = csv(place, text)
    assert read(source, Options(split="pool", split_column="part")).given_splits == ()
    options = Options(split_column="part", drop_rare=True)
    index = read_to_judge(source, options)
    assert index.classes == ("cat", "dog")
    index = read(source, options)
    assert index.given_splits == ("train", "test")
    assert [e.split for e in index.examples] == ["train", "test", "train", "test"]
    for wrong in (text.replace("testing", "later"), text.replace("testing", "")):
        with pytest.raises(SourceError, match=r"train, val or test is due") as caught:
            read(csv(place, wrong), options)
        assert "--split pool" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("file,label\n1,2\n", "has no column image; it has: file, label", "--image file"),
        ("image,Class\n1,2\n", "has no column label; it has: image, Class", "--label Class"),
        ("", "has no column image; it has: none at all", "--image"),
        ("image,label\na.png,b,c\n", "line 2, cannot be read: it has 3 cells where 2", "line"),
        ('image,label\n"a.png,b\n', "line 2, cannot be read", "Mend"),
        ("image,label,label\n1,2,3\n", "several columns named label", "name of its own"),
    ],
)
def test_a_faulty_table_is_told_of(place: Path, text: str, said: str, hint: str) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        read(csv(place, text), OPTIONS)
    assert hint in caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("line", ["{", "[1]", '"text"'])
def test_a_faulty_line_of_json_is_told_of(place: Path, line: str) -> None:
    with pytest.raises(SourceError, match="line 2, cannot be read"):
        read(csv(place, f'{{"image": "a", "label": "b"}}\n{line}\n', "pets.jsonl"), OPTIONS)


def test_a_table_that_is_no_text(place: Path) -> None:
    (place / "pets.csv").write_bytes("image,label\né,b\n".encode("latin-1"))
    with pytest.raises(SourceError, match="is not UTF-8"):
        read(str(place / "pets.csv"), OPTIONS)


def test_images_that_are_not_there_are_counted_and_three_are_named(place: Path) -> None:
    more = "".join(f"lost/{n}.png,cat,\n" for n in range(5))
    with pytest.raises(SourceMissingError) as caught:
        read(csv(place, HEAD + BODY + more), OPTIONS)
    assert "5 of the 9 images" in caught.value.sentence
    assert "lost/0.png, lost/1.png, lost/2.png, …" in caught.value.sentence
    assert "--root" in caught.value.hint
    with pytest.raises(SourceMissingError, match="no folder"):
        read(csv(place, HEAD + BODY), Options(root=str(place / "gone")))


def test_a_table_that_is_not_there(place: Path) -> None:
    csv(place, HEAD + BODY)
    with pytest.raises(SourceMissingError) as caught:
        read(str(place / "petz.csv"), OPTIONS)
    assert "pets.csv" in caught.value.hint


def test_odd_rows(place: Path) -> None:
    more = "pictures/1.png,cat,ann\npictures/2.png,dog,bob\n,cat,\n"
    body = BODY.replace("3.png,dog", "3.png,")
    found = read_to_judge(csv(place, HEAD + body + more), OPTIONS)
    reasons = {e.path: e.reason for e in found.examples if e.status == "set_aside"}
    assert reasons == {
        "pictures/2.png": "it is listed with several labels: cat, dog",
        "pictures/3.png": "its label is missing",
        "(row 7)": "no image is named",
    }
    assert [e.path for e in found.examples if e.status == "used"] == [
        "pictures/1.png",
        "pictures/4.png",
    ]


def test_an_asked_column_must_be_there(place: Path) -> None:
    source = csv(place, HEAD + BODY)
    for name in ("group", "split_column", "weight"):
        wanted: dict[str, Any] = {name: "site"}
        with pytest.raises(SourceError, match="has no column site"):
            read(source, Options(**wanted))


def test_weights_are_said_to_be_idle(place: Path) -> None:
    rows = "".join(f"{image},{label},2\n" for image, label, _ in ROWS)
    index = read(csv(place, "image,label,weight\n" + rows), OPTIONS)
    assert [note.code for note in index.notes] == ["read.weights_idle"]


@pytest.mark.parametrize("name", ["group", "image", "label", "split_column", "weight", "root"])
def test_only_tables_have_columns(place: Path, name: str) -> None:
    wanted: dict[str, Any] = {name: "site"}
    with pytest.raises(UsageError, match="only a table has columns"):
        read(str(place), Options(**wanted))
