"""Reading sources: layouts, names, what is ignored or set aside and why, and what is refused."""

import os
import shutil
import socket
import time
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.data.odd_files import add_odd_files, damaged_files, encoded, scene

from striate.data.formats.unreadable import Unreadable
from striate.data.layout import is_hidden, suffix
from striate.data.scan import open_row, read_index, read_unlabelled
from striate.data.sources import folder as folder_source
from striate.data.sources.memory import LabelledPictures
from striate.errors import SourceError, SourceMissingError, UsageError
from striate.values import Index, Options

OPTIONS = Options()


def put(root: Path, *paths: str) -> Path:
    """Writes a picture of its own at each path."""
    for path in paths:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        kind = {".png": "PNG", ".gif": "GIF"}.get(target.suffix.lower(), "JPEG")
        target.write_bytes(encoded(scene(seed=abs(hash_of(path))), kind))
    return root


def hash_of(path: str) -> int:
    """A number for a path that is the same in every process."""
    return int.from_bytes(path.encode("utf-8", "surrogateescape")[-7:], "little")


def states(index: Index) -> dict[str, tuple[str, str]]:
    """Status and label of every path."""
    return {e.path: (e.status, e.label) for e in index.examples}


def pets(root: Path) -> Path:
    """Two classes of two pictures."""
    return put(root, "cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg")


def test_a_folder_per_class(tmp_path: Path) -> None:
    index = read_index(str(pets(tmp_path)), OPTIONS)
    assert index.classes == ("cat", "dog")
    assert [e.path for e in index.examples] == ["cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg"]
    assert index.given_splits == ()
    example = index.examples[0]
    assert (example.label, example.status, example.format, example.mode) == (
        "cat",
        "used",
        "JPEG",
        "RGB",
    )
    assert (example.width, example.height, example.orientation) == (64, 48, 1)
    assert example.bytes == (tmp_path / "cat/1.jpg").stat().st_size
    assert len(example.bytes_hash) == 32
    assert example.pixels_hash == ""
    assert open_row(index, 0) == (tmp_path / "cat/1.jpg").read_bytes()


def test_path_objects_and_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pets(tmp_path / "pets")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_index("~/pets", OPTIONS).classes == read_index(tmp_path / "pets", OPTIONS).classes


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (("train", "val", "test"), ("train", "val", "test")),
        (("Training", "Validation", "Testing"), ("train", "val", "test")),
        (("TRAIN", "dev"), ("train", "val")),
        (("train", "valid"), ("train", "val")),
        (("train", "test"), ("train", "test")),
        (("train",), ("train",)),
    ],
)
def test_given_splits(tmp_path: Path, names: Sequence[str], given: tuple[str, ...]) -> None:
    for name in names:
        pets(tmp_path / name)
    index = read_index(tmp_path, OPTIONS)
    assert index.given_splits == given
    assert index.classes == ("cat", "dog")
    assert {e.split for e in index.examples} == set(given)


def test_deeper_levels_are_read(tmp_path: Path) -> None:
    put(pets(tmp_path), "cat/2024/may/a.jpg", "dog/x/y/z/b.png")
    labels = states(read_index(tmp_path, OPTIONS))
    assert labels["cat/2024/may/a.jpg"] == ("used", "cat")
    assert labels["dog/x/y/z/b.png"] == ("used", "dog")


def test_classes_match_by_name_whatever_their_order_and_spelling(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    put(tmp_path, *(f"train/{name}/{n}.jpg" for name in (composed, "zoo") for n in range(2)))
    put(tmp_path, *(f"test/{name}/{n}.jpg" for name in ("zoo", decomposed) for n in range(2)))
    assert read_index(tmp_path, OPTIONS).classes == (composed, "zoo")


@pytest.mark.parametrize(
    "name", ["向日葵", "мак", "زهرة", "🌻", "a b", "x,y", 'q"q', "two\nlines", "=1+1"]
)
def test_class_names_of_any_script(tmp_path: Path, name: str) -> None:
    put(tmp_path, f"{name}/1.jpg", f"{name}/{name}.png", "other/1.jpg", "other/2.jpg")
    index = read_index(tmp_path, OPTIONS)
    assert index.classes == tuple(sorted([name, "other"]))
    assert {e.status for e in index.examples} == {"used"}


def test_names_that_are_no_utf8_are_read_and_shown(tmp_path: Path) -> None:
    pets(tmp_path)
    shutil.copy(tmp_path / "cat/1.jpg", os.fsencode(tmp_path) + b"/cat/\xff\xfe.jpg")
    index = read_index(tmp_path, OPTIONS)
    row = next(row for row, e in enumerate(index.examples) if "xff" in e.path)
    assert index.examples[row].path == "cat/\\xff\\xfe.jpg"
    assert index.examples[row].status == "used"
    assert open_row(index, row) == (tmp_path / "cat/1.jpg").read_bytes()


def test_two_names_that_read_the_same(tmp_path: Path) -> None:
    pets(tmp_path)
    put(tmp_path, "cat/\\xff.jpg")
    shutil.copy(tmp_path / "cat/1.jpg", os.fsencode(tmp_path) + b"/cat/\xff.jpg")
    same = [e for e in read_index(tmp_path, OPTIONS).examples if e.path == "cat/\\xff.jpg"]
    assert [e.status for e in same] == ["used", "set_aside"]


def test_upper_case_endings_and_wrong_endings(tmp_path: Path) -> None:
    put(pets(tmp_path), "cat/A.JPG", "dog/B.JpEg")
    (tmp_path / "cat/really_a_png.jpg").write_bytes(encoded(scene(), "PNG"))
    (tmp_path / "cat/no_ending").write_bytes(encoded(scene(), "PNG"))
    (tmp_path / "cat/picture.dat").write_bytes(encoded(scene(seed=3), "WEBP"))
    index = read_index(tmp_path, OPTIONS)
    assert {e.status for e in index.examples} == {"used"}
    formats = {e.path: e.format for e in index.examples}
    assert formats["cat/really_a_png.jpg"] == "PNG"
    assert formats["cat/picture.dat"] == "WEBP"


def test_hidden_and_other_files_are_ignored_with_a_reason(tmp_path: Path) -> None:
    put(pets(tmp_path), "cat/.hidden.jpg", ".git/x.jpg", "__MACOSX/cat/1.jpg", "stray.jpg")
    put(tmp_path, "cat/.ipynb_checkpoints/1.jpg")
    for name in ("cat/Thumbs.db", "cat/notes.txt", "readme.md", "cat/table.csv"):
        (tmp_path / name).write_text("text")
    index = read_index(tmp_path, OPTIONS)
    ignored = {e.path: e.reason for e in index.examples if e.status == "ignored"}
    assert ignored == {
        ".git": "hidden",
        "__MACOSX": "hidden",
        "cat/.hidden.jpg": "hidden",
        "cat/.ipynb_checkpoints": "hidden",
        "cat/Thumbs.db": "hidden",
        "cat/notes.txt": "not a picture",
        "cat/table.csv": "not a picture",
        "readme.md": "not in a class folder",
    }
    aside = {e.path: e.reason for e in index.examples if e.status == "set_aside"}
    assert aside == {"stray.jpg": "its label is missing: it is not in a class folder"}
    assert [note.code for note in index.notes] == ["read.stray"]


def test_damaged_and_odd_files_are_listed_each_with_its_reason(tmp_path: Path) -> None:
    pets(tmp_path)
    names = add_odd_files(tmp_path / "cat")
    index = read_index(tmp_path, OPTIONS)
    told = {e.path.split("/")[1]: e for e in index.examples}
    assert names <= set(told)
    decoding_needed = {"half.jpg", "short.jpg", "half.png", "half.tif", "half.bmp", "half.webp"}
    decoding_needed |= {"spoilt.png", "bomb.png"}
    for name in names - decoding_needed:
        assert told[name].status in {"set_aside", "ignored"}, name
        assert told[name].reason, name
    assert len({told[name].reason for name in names - decoding_needed}) >= 15


def test_a_pipe_never_blocks(tmp_path: Path) -> None:
    pets(tmp_path)
    os.mkfifo(tmp_path / "cat" / "pipe.jpg")
    os.mkfifo(tmp_path / "cat" / "pipe")
    began = time.monotonic()
    kinds = {
        e.path: e.reason for e in read_index(tmp_path, OPTIONS).examples if e.status == "set_aside"
    }
    assert kinds == dict.fromkeys(("cat/pipe", "cat/pipe.jpg"), "not a file but a pipe")
    with pytest.raises(SourceError, match=r"file|folder"):
        read_index(tmp_path / "cat" / "pipe", OPTIONS)
    assert read_unlabelled([tmp_path / "cat" / "pipe"]).examples[0].status == "set_aside"
    assert time.monotonic() - began < 30


def test_a_socket_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pets(tmp_path)
    monkeypatch.chdir(tmp_path / "cat")  # The name of a socket must be short.
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind("plug.jpg")
        reasons = [
            e.reason for e in read_index(tmp_path, OPTIONS).examples if e.status == "set_aside"
        ]
    assert reasons == ["not a file but a socket"]


def test_links_in_circles_come_to_an_end(tmp_path: Path) -> None:
    pets(tmp_path)
    (tmp_path / "cat/loop").symlink_to(tmp_path / "cat", target_is_directory=True)
    (tmp_path / "dog/up").symlink_to(tmp_path / "dog", target_is_directory=True)
    (tmp_path / "cat/a").symlink_to(tmp_path / "cat/b")
    (tmp_path / "cat/b").symlink_to(tmp_path / "cat/a")
    found = states(read_index(tmp_path, OPTIONS))
    assert found["cat/loop"] == ("ignored", "cat")
    assert found["cat/a"] == ("set_aside", "cat")
    assert sum(status == "used" for status, _ in found.values()) == 4


@pytest.mark.parametrize("above", ["set", "set/train"])
def test_a_link_to_itself_beside_the_classes_is_no_fault(tmp_path: Path, above: str) -> None:
    root = tmp_path / above
    pets(root)
    for place in (root, root.parent):
        (place / "itself").symlink_to("itself")
    found = states(read_index(root, OPTIONS))
    assert sum(status == "used" for status, _ in found.values()) == 4


def test_splits_inside_the_classes_are_told(tmp_path: Path) -> None:
    for name in ("train", "test"):
        for label in ("cat", "dog"):
            pets(tmp_path / "away")
            place = tmp_path / "set" / label / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(tmp_path / "away" / label, place)
    index = read_index(tmp_path / "set", OPTIONS)
    assert index.classes == ("cat", "dog")
    assert "read.splits_inside" in [note.code for note in index.notes]
    shutil.rmtree(tmp_path / "set" / "cat" / "test")
    codes = [note.code for note in read_index(tmp_path / "set", OPTIONS).notes]
    assert "read.splits_inside" not in codes  # a class may hold a folder of any name


def test_names_that_read_the_same_are_told_to_be_one_class(tmp_path: Path) -> None:
    pets(tmp_path)
    for form in ("NFC", "NFD"):
        shutil.copytree(tmp_path / "cat", tmp_path / unicodedata.normalize(form, "café"))
    index = read_index(tmp_path, OPTIONS)
    assert len(index.classes) == 3
    (note,) = [note for note in index.notes if note.code == "read.same_name"]
    assert note.figures["names"] == "café"


def test_class_folders_may_be_links(tmp_path: Path) -> None:
    pets(tmp_path / "elsewhere")
    (tmp_path / "set").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "elsewhere" / name)
    assert read_index(tmp_path / "set", OPTIONS).classes == ("cat", "dog")


def test_a_folder_that_cannot_be_read_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(pets(tmp_path), "cat/secret/1.jpg")
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(folder_source.os, "scandir", refusing)
    index = read_index(tmp_path, OPTIONS)
    aside = [(e.path, e.reason) for e in index.examples if e.status == "set_aside"]
    assert aside == [("cat/secret", "the folder cannot be read (Permission denied)")]


def test_a_file_without_permission_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(pets(tmp_path), "cat/3.jpg")
    opened = os.open

    def refusing(path: Any, *rest: Any) -> int:
        if str(path).endswith("3.jpg"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *rest)

    monkeypatch.setattr(os, "open", refusing)
    reasons = {e.path: e.reason for e in read_index(tmp_path, OPTIONS).examples}
    assert reasons["cat/3.jpg"] == "no permission to read it"


def test_a_class_named_train(tmp_path: Path) -> None:
    put(tmp_path, *(f"{name}/{n}.jpg" for name in ("bus", "car", "train") for n in range(2)))
    index = read_index(tmp_path, OPTIONS)
    assert index.classes == ("bus", "car", "train")
    assert index.given_splits == ()


def test_a_test_folder_without_labels_is_ignored(tmp_path: Path) -> None:
    pets(tmp_path / "train")
    put(tmp_path, "test/1.jpg", "test/2.jpg")
    index = read_index(tmp_path, OPTIONS)
    assert index.given_splits == ("train",)
    assert states(index)["test"] == ("ignored", "")
    assert [note.code for note in index.notes] == ["read.beside_splits"]


def test_one_of_the_splits_given_as_the_source(tmp_path: Path) -> None:
    pets(tmp_path / "pets" / "train")
    pets(tmp_path / "pets" / "test")
    index = read_index(tmp_path / "pets" / "train", OPTIONS)
    assert index.classes == ("cat", "dog")
    assert "give pets" in index.notes[0].text


def test_missing_source_names_its_neighbour(tmp_path: Path) -> None:
    pets(tmp_path / "flowers")
    with pytest.raises(SourceMissingError) as caught:
        read_index(tmp_path / "flowres", OPTIONS)
    assert caught.value.exit_code == 3
    assert "flowres" in caught.value.sentence
    assert str(tmp_path / "flowers") in caught.value.hint
    with pytest.raises(FileNotFoundError):
        read_index(tmp_path / "no" / "such" / "place", OPTIONS)


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ((), "holds no images"),
        (("1.jpg", "2.jpg"), "is in a class folder"),
        (("cat/1.jpg", "cat/2.jpg"), "has 1 class"),
        (("cat/1.jpg", "cat/2.jpg", "dog/1.jpg"), "The class dog"),
        (("train/cat/1.jpg", "train/cat/2.jpg", "test/cat/1.jpg"), "has 1 class"),
        (
            ("train/a/1.jpg", "train/a/2.jpg", "train/b/1.jpg", "test/zebra/1.jpg"),
            "zebra is in test but not in train",
        ),
    ],
)
def test_what_nothing_can_be_learnt_from(tmp_path: Path, paths: Sequence[str], said: str) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(SourceError, match=said) as caught:
        read_index(put(tmp_path / "set", *paths), OPTIONS)
    assert caught.value.exit_code == 3
    assert caught.value.hint


def test_a_file_as_source(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.jpg")
    with pytest.raises(SourceError, match="is a file"):
        read_index(tmp_path / "cat" / "1.jpg", OPTIONS)


def test_classes_one_level_deeper_are_pointed_at(tmp_path: Path) -> None:
    pets(tmp_path / "outer" / "inner")
    with pytest.raises(SourceError) as caught:
        read_index(tmp_path / "outer", OPTIONS)
    assert "outer/inner" in caught.value.hint


def test_nothing_but_damaged_pictures(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(damaged_files()["text.jpg"])
    with pytest.raises(SourceError, match="None of the 2 images"):
        read_index(tmp_path, OPTIONS)


def test_rare_classes_are_left_out_when_asked(tmp_path: Path) -> None:
    put(pets(tmp_path), "emu/1.jpg")
    (tmp_path / "yak").mkdir()
    (tmp_path / "yak" / "1.jpg").write_bytes(b"")
    with pytest.raises(SourceError, match="emu, yak"):
        read_index(tmp_path, OPTIONS)
    index = read_index(tmp_path, Options(drop_rare=True))
    assert index.classes == ("cat", "dog")
    assert states(index)["emu/1.jpg"] == ("ignored", "emu")
    assert index.notes[0].code == "read.dropped_rare"


def test_a_thousand_classes(tmp_path: Path) -> None:
    content = encoded(np.zeros((4, 4, 3), np.uint8), "PNG")
    for label in range(1000):
        (tmp_path / f"{label:04}").mkdir()
        for n in range(2):
            (tmp_path / f"{label:04}" / f"{n}.png").write_bytes(content)
    assert len(read_index(tmp_path, OPTIONS).classes) == 1000


def test_content_hash_follows_contents_and_labels(tmp_path: Path) -> None:
    first = read_index(pets(tmp_path), OPTIONS).content_hash
    assert read_index(tmp_path, OPTIONS).content_hash == first
    (tmp_path / "notes.txt").write_text("not a picture")
    assert read_index(tmp_path, OPTIONS).content_hash == first
    (tmp_path / "cat/2.jpg").rename(tmp_path / "dog/3.jpg")
    put(tmp_path, "cat/3.jpg")
    assert read_index(tmp_path, OPTIONS).content_hash != first


def test_the_order_of_listings_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = read_index(put(pets(tmp_path), "cat/x/1.jpg", "cat/y/1.jpg"), OPTIONS)
    listed = folder_source._entries

    def reversed_entries(*given: Any, **named: Any) -> Any:
        return list(reversed(listed(*given, **named)))

    monkeypatch.setattr(folder_source, "_entries", reversed_entries)
    assert read_index(tmp_path, OPTIONS) == index


def test_a_file_that_changes_after_it_was_listed(tmp_path: Path) -> None:
    index = read_index(pets(tmp_path), OPTIONS)
    (tmp_path / "cat/1.jpg").write_bytes(b"something else")
    with pytest.raises(Unreadable, match="changed"):
        open_row(index, 0)
    (tmp_path / "cat/1.jpg").unlink()
    with pytest.raises(Unreadable, match="does not exist"):
        open_row(index, 0)


def test_images_in_memory() -> None:
    images = [scene(seed=1), Image.fromarray(scene(seed=2)), scene(seed=3) / 255, scene(seed=4)]
    index = read_index((images, ["a", "b", "a", "b"]), OPTIONS)
    assert index.classes == ("a", "b")
    assert [e.mode for e in index.examples] == ["RGB"] * 4
    assert len({e.bytes_hash for e in index.examples}) == 4
    groups = read_index(
        LabelledPictures(images=images, labels=[0, 1, 0, 1], groups=list("xyxy")), OPTIONS
    )
    assert [e.group for e in groups.examples] == list("xyxy")


@pytest.mark.parametrize(
    "source",
    [
        3,
        None,
        (np.zeros((4, 8, 8)), ["a", "b"]),
        (np.zeros((4, 8)), list("abab")),
        (np.full((4, 8, 8), 7.0), list("abab")),
        LabelledPictures(images=np.zeros((4, 8, 8)), labels=list("abab"), groups=["x"]),
    ],
)
def test_wrong_arguments_are_usage_errors(source: Any) -> None:
    with pytest.raises(UsageError) as caught:
        read_index(source, OPTIONS)
    assert caught.value.hint


def test_images_without_labels_keep_their_order(tmp_path: Path) -> None:
    put(pets(tmp_path), "cat/.hidden.jpg", "new/9.png")
    (tmp_path / "cat" / "notes.txt").write_text("text")
    (tmp_path / "new" / "text.txt").write_text("text")
    index = read_unlabelled([tmp_path / "new/9.png", tmp_path / "cat", tmp_path / "new/text.txt"])
    names = [Path(e.path).name for e in index.examples]
    assert names == ["9.png", "1.jpg", "2.jpg", "text.txt"]
    assert [e.status for e in index.examples] == ["used"] * 3 + ["set_aside"]
    assert index.classes == ()
    gone = read_unlabelled([tmp_path / "nothing.jpg"]).examples[0]
    assert (gone.status, gone.reason) == ("set_aside", "it does not exist")


def test_formats_that_are_not_read_are_told_of_when_predicting(tmp_path: Path) -> None:
    for name in ("raw.nef", "phone.heic", "drawing.svg"):
        (tmp_path / name).write_bytes(damaged_files()[name])
    reasons = {Path(e.path).name: e.reason for e in read_unlabelled([tmp_path]).examples}
    assert "raw camera" in reasons["raw.nef"]
    assert "HEIC" in reasons["phone.heic"]
    assert "SVG" in reasons["drawing.svg"]


def test_images_from_memory_and_paths_mixed(tmp_path: Path) -> None:
    index = read_unlabelled([str(pets(tmp_path) / "cat/1.jpg"), scene(), Image.fromarray(scene())])
    assert [e.status for e in index.examples] == ["used"] * 3


def test_demo() -> None:
    index = read_index("demo", OPTIONS)
    assert len(index.examples) == 6000
    assert len(index.classes) == 10
    assert index.given_splits == ("train", "test")
    content = open_row(index, 0)
    assert isinstance(content, np.ndarray)
    assert content.shape == (28, 28)


def test_real_sets(real_set: Callable[[str], Path]) -> None:
    index = read_index(real_set("hymenoptera"), OPTIONS)
    assert index.given_splits == ("train", "val")
    assert len(index.used()) == 398
    assert {e.format for e in index.examples} == {"JPEG", "GIF"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.JPG", ".jpg"), ("a/b.c/d", ""), (".png", ""), ("a.tar.gz", ".gz"), ("x.", ".")],
)
def test_suffix(name: str, expected: str) -> None:
    assert suffix(name) == expected


@pytest.mark.parametrize("name", [".DS_Store", "__MACOSX", "thumbs.DB", "Desktop.ini"])
def test_hidden_names(name: str) -> None:
    assert is_hidden(name)
    assert not is_hidden("cat")
