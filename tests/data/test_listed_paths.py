"""What tables call images: without folder or ending, in another case, of another machine."""

from pathlib import Path

import pytest

from striate.data.listed_paths import find_listed_files
from striate.errors import SourceError, SourceMissingError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with some files, which need not be pictures."""
    for path in (
        *("1.jpg", "train/1.jpg", "train/2.PNG", "train/3.tif", "train/deep/4.jpeg"),
        *("train/5.jpg", "train/5.png", "train/6.txt", "a b/ü.jpg"),
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


def paths(root: Path, *cells: str, name: str = "train") -> list[str]:
    return [
        each.path if not each.reason else "" for each in find_listed_files(cells, root, name).images
    ]


def codes(root: Path, *cells: str, name: str = "train") -> list[str]:
    return [note.code for note in find_listed_files(cells, root, name).notes]


def test_paths_as_they_are(root: Path) -> None:
    cells = ("1.jpg", "./train/../train/1.jpg", str(root / "train" / "2.PNG"), "a b/ü.jpg")
    assert paths(root, *cells) == ["1.jpg", "train/1.jpg", "train/2.PNG", "a b/ü.jpg"]
    assert codes(root, *cells) == []
    assert paths(root / "train", "../1.jpg", f"file://{root}/a%20b/%C3%BC.jpg") == [
        *("../1.jpg", f"{root}/a b/ü.jpg")
    ]


def test_names_without_folder_or_ending(root: Path) -> None:
    assert paths(root, "2", "3", "deep/4") == ["train/2.PNG", "train/3.tif", "train/deep/4.jpeg"]
    assert paths(root, "1", "2.png", "6") == ["train/1.jpg", "train/2.PNG", ""]
    assert paths(root, "2", "1", "x", name="train_labels") == ["train/2.PNG", "train/1.jpg", ""]
    assert paths(root, "1", "2", "3", name="labels") == [
        "train/1.jpg",
        "train/2.PNG",
        "train/3.tif",
    ]
    assert codes(root, "2", "3") == ["read.found_in"]
    found = find_listed_files(["5", "2"], root, "train").images
    assert found[0].reason == "several files have this name: 5.jpg, 5.png"
    assert paths(root, "5.png", "2") == ["train/5.png", "train/2.PNG"]


def test_names_in_another_case(root: Path) -> None:
    assert paths(root, "TRAIN/2.png", "Train/Deep/4.JPEG", "1.JPG") == [
        *("train/2.PNG", "train/deep/4.jpeg", "1.jpg")
    ]
    (root / "Train").mkdir()
    assert paths(root, "TRAIN/2.png", "1.jpg") == ["", "1.jpg"]


def test_an_ending_that_is_another_is_not_that_file(root: Path) -> None:
    assert paths(root, "train/3.png", "1.jpg") == ["", "1.jpg"]


def test_a_folder_that_only_happens_to_hold_some_is_not_taken(root: Path) -> None:
    cells = ["1.jpg", "3", *(f"lost{n}" for n in range(9))]
    assert paths(root, *cells, name="labels")[:3] == ["1.jpg", "", ""]


def test_two_folders_that_fit_are_both_named(root: Path) -> None:
    for n in (1, 2, 3):
        (root / "test" / f"{n}.jpg").parent.mkdir(exist_ok=True)
        (root / "test" / f"{n}.jpg").touch()
    with pytest.raises(SourceError, match="test and train") as caught:
        paths(root, "2", "3", name="labels")
    assert f"--root {root}/test or --root {root}/train" in caught.value.hint
    assert paths(root, "2", "3", name="test") == ["test/2.jpg", "test/3.jpg"]
    assert paths(root, "2", "3", "deep/4", name="labels")[2] == "train/deep/4.jpeg"


def test_backslashes_and_other_disks(root: Path) -> None:
    assert paths(root, "train\\1.jpg", ".\\train\\deep\\4.jpeg") == [
        *("train/1.jpg", "train/deep/4.jpeg")
    ]
    assert codes(root, "train\\1.jpg") == ["read.backslashes"]
    cells = (
        "C:\\data\\train\\1.jpg",
        "C:\\data\\train\\2.PNG",
        "C:\\data\\1.jpg",
        "C:\\data\\9.jpg",
    )
    assert paths(root, *cells) == ["train/1.jpg", "train/2.PNG", "1.jpg", ""]
    assert codes(root, *cells) == ["read.prefix", "read.backslashes", "read.listed_gone"]
    cells = ("/kaggle/input/set/train/1.jpg", "/kaggle/input/set/train/deep/4.jpeg")
    assert paths(root, *cells) == ["train/1.jpg", "train/deep/4.jpeg"]


def test_a_prefix_is_one_for_all(root: Path) -> None:
    cells = ("/old/train/2.PNG", "/old/train/3.tif", "/old/train/x/1.jpg")
    assert paths(root, *cells) == ["train/2.PNG", "train/3.tif", ""]


def test_what_is_no_file_is_told_apart(root: Path) -> None:
    cells = ("1.jpg", "", "https://a.b/1.jpg", "S3://a/1.jpg", "x\0y", "x" * 10**6, "=A1", "train")
    found = find_listed_files(cells, root, "train")
    assert [each.reason for each in found.images] == [
        *("", "the row names no image", *["it is a URL, and striate does not download images"] * 2),
        *(
            *["it is not a valid path"] * 2,
            "the file is listed but does not exist",
            "it is a folder, not a file",
        ),
    ]
    assert max(len(each.path) for each in found.images) < 100
    assert [note.code for note in found.notes] == ["read.listed_gone", "read.urls"]


def test_nothing_there_is_told_with_the_place(root: Path) -> None:
    with pytest.raises(SourceMissingError, match="None of the 2") as caught:
        find_listed_files(["new/1.jpg", "new/2.jpg"], root, "train")
    assert f"{root}/new/1.jpg" in caught.value.hint
    assert "--root" in caught.value.hint
    with pytest.raises(SourceError, match="does not download"):
        find_listed_files(["http://a.b/1.jpg", ""], root, "train")
    assert (
        find_listed_files(["~nobody-there.jpg", "~/nothing.jpg", "1.jpg"], root, "x").images[2].path
    )
