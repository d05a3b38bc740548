"""Tables: columns by any name, splits and groups in them, and what is missing said at once."""

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from striate.data.scan import read_evaluation_index, read_index
from striate.data.sources.table import read_table_source
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


def codes(index: Index) -> list[str]:
    return [note.code for note in index.notes]


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
    index = read_index(csv(place, text, name), OPTIONS)
    assert listed(index) == ROWS
    assert (index.kind, index.name, index.classes) == ("table", name[:4], ("cat", "dog"))
    assert index.address == str(place / name)
    assert [note.code for note in index.notes] == ["read.groups"]


def test_frames_are_tables(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listed(read_index(frame(), Options(root=str(place)))) == ROWS
    monkeypatch.chdir(place)
    assert listed(read_index(frame(), OPTIONS)) == ROWS


def test_frames_of_polars(place: Path) -> None:
    polars = pytest.importorskip("polars")
    made = polars.DataFrame(ROWS, schema=["image", "label", "group"], orient="row")
    assert listed(read_index(made, Options(root=str(place)))) == ROWS


def test_parquet(place: Path) -> None:
    pytest.importorskip("pyarrow")
    frame().to_parquet(place / "pets.parquet")
    assert listed(read_index(str(place / "pets.parquet"), OPTIONS)) == ROWS
    (place / "pets.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        read_index(str(place / "pets.parquet"), OPTIONS)


def test_parquet_without_its_reader(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "pets.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SourceError, match="needs pyarrow") as caught:
        read_index(str(place / "pets.parquet"), OPTIONS)
    assert caught.value.hint == 'Type: pip install "striate[parquet]"'


def test_other_names_and_another_root(place: Path, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    text = "file,kind,who\n" + BODY.replace("pictures/", "")
    source = csv(tmp_path / "tables", text)
    root = str(place / "pictures")
    index = read_index(source, Options(image="file", label="kind", group="who", root=root))
    assert [(f"pictures/{path}", *rest) for path, *rest in listed(index)] == ROWS


def test_paths_may_be_absolute(place: Path, tmp_path: Path) -> None:
    text = HEAD + BODY.replace("pictures/", f"{place}/pictures/")
    assert listed(read_index(csv(place, text), OPTIONS)) == ROWS
    (tmp_path / "elsewhere").mkdir()
    index = read_index(csv(tmp_path / "elsewhere", text), OPTIONS)
    assert index.examples[0].path == f"{place}/pictures/1.png"


def test_numbers_are_labels_as_people_write_them(place: Path) -> None:
    made = frame().assign(label=[0.0, 0.0, 1.5, 1.5])
    assert read_index(made, Options(root=str(place))).classes == ("0", "1.5")


def test_given_splits(place: Path) -> None:
    rows = [f"{row[0]},{row[1]}" for row in ROWS]
    words = ("Train", "testing", "training", "TEST")
    text = "image,label,part\n" + "".join(f"{r},{w}\n" for r, w in zip(rows, words, strict=True))
    source = csv(place, text)
    assert read_index(source, Options(split="pool", split_column="part")).given_splits == ()
    options = Options(split_column="part", drop_rare=True)
    index = read_evaluation_index(source, options)
    assert index.classes == ("cat", "dog")
    index = read_index(source, options)
    assert index.given_splits == ("train", "test")
    assert [e.split for e in index.examples] == ["train", "test", "train", "test"]
    for wrong in (text.replace("testing", "later"), text.replace("testing", "")):
        with pytest.raises(SourceError, match=r"must be train, val or test") as caught:
            read_index(csv(place, wrong), options)
        assert "--split pool" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("a,b\npictures,2\n", "has no column image; its columns are: a, b", "--image"),
        (
            "image,a,b\npictures/1.png,2,3\n",
            "has no column label; its columns are: image",
            "--label",
        ),
        ("image label\n1 2\n", "has no column label", "a semicolon"),
        ("pictures/1.png,cat\n", "must name the columns", "image,label"),
        ("", "has no column image; its columns are: none at all", "--image"),
        ("image,label\na.png,b,c\n", "line 2, cannot be read: it has 3 cells instead of 2", "line"),
        ('image,label\n"a.png,b\n', "line 2, cannot be read", "Correct"),
        ("image,label,label\n1,2,3\n", "several columns named label", "name of its own"),
    ],
)
def test_a_faulty_table_is_told_of(place: Path, text: str, said: str, hint: str) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        read_index(csv(place, text), OPTIONS)
    assert hint in caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("line", ["{", "[1]", '"text"'])
def test_a_faulty_line_of_json_is_told_of(place: Path, line: str) -> None:
    with pytest.raises(SourceError, match="line 2, cannot be read"):
        read_index(csv(place, f'{{"image": "a", "label": "b"}}\n{line}\n', "pets.jsonl"), OPTIONS)


def test_a_table_that_is_no_text(place: Path) -> None:
    for content, hint in (
        (b"image,label\n\0,b\n", "--encoding"),
        (b"PK\3\4\0\0\0\0", "Save it as CSV"),
        ("image,label\n1,кошка\n".encode("cp1251"), "--encoding"),
    ):
        (place / "pets.csv").write_bytes(content)
        with pytest.raises(SourceError, match="cannot be read as text") as caught:
            read_index(str(place / "pets.csv"), OPTIONS)
        assert hint in caught.value.hint
    (place / "pets.csv").write_bytes("image,label\né,b\n".encode("latin-1"))
    with pytest.raises(SourceError, match="cannot be read as text in utf-8"):
        read_index(str(place / "pets.csv"), Options(encoding="utf-8"))


def test_a_table_in_another_encoding_is_read_and_said_so(place: Path) -> None:
    text = HEAD + BODY.replace("cat", "gâteau")
    for codec, told in (("utf-16", "read.encoding"), ("cp1252", "read.encoding_guessed")):
        (place / "pets.csv").write_bytes(text.encode(codec))
        index = read_index(str(place / "pets.csv"), OPTIONS)
        assert index.classes == ("dog", "gâteau")
        assert told in codes(index)
    assert {**index.notes[0].figures} == {
        "table": "pets.csv",
        "encoding": "Windows-1252",
        "sample": "gâteau",
    }
    index = read_index(str(place / "pets.csv"), Options(encoding="cp1252"))
    assert codes(index) == ["read.groups"]


def test_files_that_are_not_there_are_set_aside(place: Path) -> None:
    more = "".join(f"lost/{n}.png,cat,\n" for n in range(5))
    index = read_index(csv(place, HEAD + BODY + more), OPTIONS)
    aside = {e.path: e.reason for e in index.examples if e.status == "set_aside"}
    assert aside == {f"lost/{n}.png": "the file is listed but does not exist" for n in range(5)}
    told = next(note.figures for note in index.notes if note.code == "read.listed_gone")
    assert (told["n"], told["of"]) == (5, 9)
    assert told["paths"] == "lost/0.png, lost/1.png, lost/2.png, …"
    with pytest.raises(SourceMissingError, match="None of the 4 images") as caught:
        read_index(csv(place, HEAD + BODY.replace("pictures/", "lost/")), OPTIONS)
    assert f"{place}/lost/1.png" in caught.value.hint
    assert "--root" in caught.value.hint
    with pytest.raises(SourceMissingError, match="no folder"):
        read_index(csv(place, HEAD + BODY), Options(root=str(place / "gone")))


def test_a_table_that_is_not_there(place: Path) -> None:
    csv(place, HEAD + BODY)
    with pytest.raises(SourceMissingError) as caught:
        read_index(str(place / "petz.csv"), OPTIONS)
    assert "pets.csv" in caught.value.hint


def test_odd_rows(place: Path) -> None:
    more = "pictures/1.png,cat,ann\npictures/2.png,dog,bob\n,cat,\n"
    body = BODY.replace("3.png,dog", "3.png,")
    found = read_evaluation_index(csv(place, HEAD + body + more), OPTIONS)
    reasons = {e.path: e.reason for e in found.examples if e.status == "set_aside"}
    assert reasons == {
        "pictures/2.png": "it is listed with several labels: cat, dog",
        "pictures/3.png": "its label is missing",
        "(row 7)": "the row names no image",
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
            read_index(source, Options(**wanted))


def test_weights_are_said_to_be_idle(place: Path) -> None:
    rows = "".join(f"{image},{label},2\n" for image, label, _ in ROWS)
    index = read_index(csv(place, "image,label,weight\n" + rows), OPTIONS)
    assert [note.code for note in index.notes] == ["read.weights_idle"]


@pytest.mark.parametrize("name", ["group", "image", "label", "split_column", "weight", "root"])
def test_only_tables_have_columns(place: Path, name: str) -> None:
    wanted: dict[str, Any] = {name: "site"}
    with pytest.raises(UsageError, match="the source is not a table"):
        read_index(str(place), Options(**wanted))


# What people have --------------------------------------------------------------------------------

BARE = "".join(f"{n},{'cat' if n < 3 else 'dog'}\n" for n in range(1, 5))


def labels(index: Index) -> list[tuple[str, str]]:
    return [(e.path.removeprefix("pictures/"), e.label) for e in index.examples]


WANTED = [("1.png", "cat"), ("2.png", "cat"), ("3.png", "dog"), ("4.png", "dog")]


@pytest.mark.parametrize(
    "text",
    [
        f"id,label\n{BARE}",
        f"image_id,breed\n{BARE}",
        f"Image,Id\n{BARE}",
        f"FileName;Class\n{BARE.replace(',', '.PNG;')}",
        f"img\tsite\ttarget\n{BARE.replace(',', chr(9) + 'here' + chr(9))}",
        f"image|label\n{BARE.replace(',', '|')}",
        f"sep=;\nimage;label\n{BARE.replace(',', ';')}",
        f"# made by hand\n\n#image,label\n{BARE}",
        f"image,label,\n{BARE.replace(chr(10), ',' + chr(10))}",
        f",image,label\n{''.join(f'{k},{line}' for k, line in enumerate(BARE.splitlines(True)))}",
        f"image,label,,\n{BARE}\n\n,,,\n,,,\n".replace("cat\n", "cat,,\n").replace(
            "dog\n", "dog,,\n"
        ),
        f"image,label\r{BARE}".replace("\n", "\r"),
        f"image,label,note,note\n{BARE}".replace("t\n", 't,"a\nb",\n').replace("g\n", "g,,\n"),
        f"图片,标签\n{BARE}",
        f"picture,kind\n{BARE}",
        f"image,class_id,class_name\n{BARE}".replace(",cat", ",0,cat").replace(",dog", ",1,dog"),
        f"path,id,label\n{BARE}".replace(",c", ".png,7,c").replace(",d", ".png,8,d"),
        f"who,where,label\n{BARE}".replace(",c", ".png,7,c").replace(",d", ".png,8,d"),
    ],
)
def test_tables_as_people_have_them_are_understood(place: Path, text: str) -> None:
    index = read_index(csv(place, text, "pictures.csv"), OPTIONS)
    assert labels(index) == WANTED
    plain = text.startswith(("image|label", "image,label", ",image", "sep=", "# made"))
    assert {"read.columns", "read.image_column"}.isdisjoint(codes(index)) == plain


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_other_kinds_of_tables_follow_the_same_rules(place: Path, ending: str) -> None:
    made = pd.DataFrame({"id": [1, 2, 3, 4, 9], "breed": ["cat", "cat", "dog", "dog", "dog"]})
    file = place / f"pictures.{ending}"
    if ending == "parquet":
        pytest.importorskip("pyarrow")
        made.to_parquet(file)
    else:
        made.to_json(file, orient="records", lines=True)
    index = read_index(str(file), OPTIONS)
    assert labels(index) == [("9", "dog"), *WANTED]
    assert codes(index) == ["read.columns", "read.found_in", "read.listed_gone"]
    if ending == "jsonl":
        made.to_json(file, orient="records")
        assert labels(read_index(str(file), OPTIONS)) == [("9", "dog"), *WANTED]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("img,picture,label\n1.png,2.png,a\n", "--image img or --image picture"),
        ("image,breed,species\n1.png,a,b\n2.png,a,c\n", "--label breed or --label species"),
        ("image,cat,dog\n1.png,1,0\n2.png,1,1\n", "--label cat,dog"),
        ("image,cat,dog,site\n1.png,1,0,7\n2.png,0,1,8\n", "--label cat,dog --task label"),
        ("image,size,site\n1.png,3,7\n2.png,5,8\n", "Name it: --label"),
    ],
)
def test_what_is_not_clear_is_named_with_what_to_type(place: Path, text: str, hint: str) -> None:
    with pytest.raises(SourceError) as caught:
        read_index(csv(place, text), Options(root=str(place / "pictures")))
    assert hint in caught.value.hint
    assert caught.value.exit_code == 3


def test_a_column_a_class_is_read_as_classes_when_asked(place: Path) -> None:
    text = "image,cat,dog\n1.png,1,0\n2.png,1,0\n3.png,0,1.0\n4.png,0,1\n"
    options = Options(label="cat,dog", task="label", root=str(place / "pictures"))
    index = read_index(csv(place, text), options)
    assert (labels(index), index.task, index.classes) == (WANTED, "label", ("cat", "dog"))
    for wrong in ("0,0", "1,1"):
        with pytest.raises(SourceError, match="needs one class"):
            read_index(csv(place, text.replace("0,1.0", wrong)), options)


def test_lines_that_cannot_be_read_are_set_aside_while_they_are_few(place: Path) -> None:
    rows = "".join(f"pictures/{n % 4 + 1}.png,{'cat' if n % 4 < 2 else 'dog'}\n" for n in range(19))
    text = f"image,label\n{rows}pictures/1.png,a,b\n# a comment\n"
    index = read_index(csv(place, text), OPTIONS)
    assert index.examples[0].path == "(line 21)"
    assert index.examples[0].reason == "it has 3 cells instead of 2"
    assert codes(index) == ["read.comments", "read.repeated"]
    with pytest.raises(SourceError, match="line 21, cannot be read"):
        read_index(csv(place, text + "x\n" * 3), OPTIONS)


def test_whole_numbers_are_written_one_way(place: Path) -> None:
    numbers = BARE.replace("cat", "1").replace("dog", "2").replace("1,1", "1,1.0")
    index = read_index(csv(place, "image,label\n" + numbers, "pictures.csv"), OPTIONS)
    assert index.classes == ("1", "2")
    assert "read.whole_numbers" in codes(index)
    made = pd.DataFrame({"image": [f"pictures/{n}.png" for n in (1, 2, 3, 4)]})
    for column in (np.array([1, 1, 2, 2], np.float32), pd.array([1, 1, 2, 2], "Int64")):
        assert read_index(made.assign(label=column), Options(root=str(place))).classes == ("1", "2")
    versions = made.assign(label=["1.0", "1.0", "1.1", "1.1"])
    assert read_index(versions, Options(root=str(place))).classes == ("1.0", "1.1")


def test_rows_that_contradict_each_other_are_set_aside(place: Path) -> None:
    rows = (
        "image,label,split,group\n1,cat,train,a\n1.png,cat,test,a\n2,cat,train,b\n2,cat,train,c\n"
    )
    more = "3,,train,\n3,dog,train,\n4,dog,train,\n4,dog,train,\n"
    index = read_table_source(csv(place, rows + more, "pictures.csv"), OPTIONS)
    assert {e.path[-5:]: (e.label, e.reason) for e in index.examples} == {
        "1.png": ("", "it is listed in several splits: train, test"),
        "2.png": ("", "it is listed in several groups: b, c"),
        "3.png": ("dog", ""),
        "4.png": ("dog", ""),
    }
    assert [note.figures["n"] for note in index.notes if note.code == "read.repeated"] == [4]


@pytest.mark.parametrize(
    ("rows", "separator"),
    [
        ("a;b|a|b|b;a", ";"),
        ('"a,b"|a|b|"b,c"|c|"a,c"', ","),
        ("haze primary|clear|clear primary water|haze water|water|primary", " "),
        ("red car|blue car|red bus|blue bus", ""),
        ("golden retriever|labrador|border collie|poodle", ""),
        ('"tench, Tinca tinca"|"goldfish, Carassius auratus"', ""),
        ("a b|b c|c d", ""),
    ],
)
def test_joined_labels_are_suggested(place: Path, rows: str, separator: str) -> None:
    each = [row for row in rows.split("|") for _ in (0, 1)]
    for n in range(len(each)):
        shutil.copy(place / "pictures" / f"{n % 4 + 1}.png", place / "pictures" / f"x{n}.png")
    text = "image,label\n" + "".join(f"x{n},{row}\n" for n, row in enumerate(each))
    source = csv(place, text, "pictures.csv")
    index = read_index(source, OPTIONS)
    flags = [n.figures["flag"] for n in index.notes if n.code == "read.perhaps_labels"]
    assert flags == ([f"--label-separator {shlex.quote(separator)}"] if separator else [])
    if not separator:
        return
    assert not [n for n in read_index(source, Options(task="label")).notes if "perhaps" in n.code]
    with pytest.raises(UsageError, match="not joined by") as caught:
        read_index(source, Options(task="labels"))
    assert flags[0] in caught.value.hint
    with pytest.raises(UsageError, match="--label-separator"):
        read_index(source, Options(task="label", label_separator=separator))
    found = read_index(source, Options(label_separator=separator))
    assert found.task == "labels"
    names = {n.strip() for row in each for n in row.strip('"').split(separator)}
    assert found.classes == tuple(sorted(names))
    once = source.replace("pictures.csv", "once.csv")
    Path(once).write_text(
        "image,label\n" + "".join(f"pictures/x{2 * n},{row}\n" for n, row in enumerate(each[::2]))
    )
    if separator != " ":
        with pytest.raises(SourceError) as wrong:
            read_index(once, OPTIONS)
        assert flags[0] in wrong.value.hint


def test_lists_in_cells_are_several_labels(place: Path) -> None:
    images = [f"pictures/{n}.png" for n in (1, 2, 3, 4)]
    made = pd.DataFrame({"image": images, "label": [["a", "b"], ["a"], ["b"], []]})
    index = read_index(made, Options(root=str(place)))
    assert (index.task, index.classes) == ("labels", ("a", "b"))
    assert [e.label for e in index.examples] == ["a|b", "a", "b", "|"]
