"""What a model is to answer for: pictures that tables list and archives hold, in their order."""

import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from striate.data.scan import open_row, read_unlabelled
from striate.errors import SourceError
from striate.values import Index, Options


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with pictures 1 to 3 of that many pixels in width."""
    (tmp_path / "new").mkdir()
    for number in (1, 2, 3):
        pixels = np.full((4, number, 3), number * 40, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "new" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def widths(index: Index) -> list[int]:
    return [example.width for example in index.examples]


def test_a_table_gives_a_row_for_each_of_its_rows_in_its_order(place: Path) -> None:
    lines = ("image,label", "new/3.png,cat", "new/1.png,", "new/3.png,dog", ",", "new/9.png,cat")
    Path("new.csv").write_text("\n".join(lines) + "\n", "utf-8")
    index = read_unlabelled(["new.csv", "new/2.png"])
    assert widths(index) == [3, 1, 3, 0, 0, 2]
    assert [e.path for e in index.examples] == [
        *("new/3.png", "new/1.png", "new/3.png", "(row 4)", "new/9.png", "new/2.png")
    ]
    assert [e.status for e in index.examples] == [*["used"] * 3, *["set_aside"] * 2, "used"]
    assert index.examples[3].reason == "the row names no image"
    assert not {e.label for e in index.examples} - {""}
    assert isinstance(open_row(index, 0), bytes)


def test_a_table_of_images_only_and_its_root(place: Path) -> None:
    (place / "lists").mkdir()
    table = place / "lists" / "new.jsonl"
    table.write_text('{"image": "2.png"}\n{"image": "1.png"}\n', "utf-8")
    index = read_unlabelled([table], Options(root=str(place / "new")))
    assert widths(index) == [2, 1]
    assert [e.path for e in index.examples] == [str(place / "new" / f"{n}.png") for n in (2, 1)]
    frame = pd.DataFrame({"file": ["new/3.png", "new/2.png"]})
    assert widths(read_unlabelled([frame], Options(image="file"))) == [3, 2]
    with pytest.raises(SourceError, match="has no column file"):
        read_unlabelled([table], Options(image="file"))


@pytest.mark.parametrize("name", ["new.zip", "new.tar", "new.tar.gz"])
def test_an_archive_gives_its_pictures_wherever_they_stand(place: Path, name: str) -> None:
    files = {"a.png": "new/2.png", "deep/er/b.png": "new/1.png", "deep/c": "new/3.png"}
    Path("notes.txt").write_text("no picture")
    Path("raw.nef").write_bytes(b"raw")
    Path("broken.jpg").write_bytes(b"no picture either")
    for other in ("notes.txt", "raw.nef", "broken.jpg"):
        files[f"deep/{other}"] = other
    files["__MACOSX/a.png"] = "new/2.png"
    if name == "new.zip":
        with zipfile.ZipFile(name, "w") as packed:
            for inner, file in files.items():
                packed.write(file, inner)
    else:
        with tarfile.open(name, "w:gz" if name.endswith("gz") else "w") as packed_tar:
            for inner, file in files.items():
                packed_tar.add(file, inner)
    index = read_unlabelled([name])
    status = {e.path.removeprefix(f"{name}/"): (e.status, e.width) for e in index.examples}
    assert status == {
        "a.png": ("used", 2),
        "deep/broken.jpg": ("set_aside", 0),
        "deep/c": ("used", 3),
        "deep/er/b.png": ("used", 1),
        "deep/raw.nef": ("set_aside", 0),
    }


def test_an_archive_that_is_damaged_is_told_of(place: Path) -> None:
    Path("new.zip").write_bytes(b"PK\3\4 and then nothing")
    with pytest.raises(SourceError, match="damaged"):
        read_unlabelled(["new.zip"])
