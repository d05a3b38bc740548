"""Archives: the rows of the folder that was packed, read in place; what is refused, and how."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.formats import opened_archive
from striate.data.scan import open_row, read_index
from striate.data.sources.archive import read_archive
from striate.data.sources.folder import read_folder
from striate.errors import SourceError, SourceMissingError
from striate.values import Index, Options

OPTIONS = Options()
ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
TREE = ("cat/1.png", "cat/deep/2.png", "dog/1.PNG", "dog/no-name", "dog/notes.txt", ".git/x.png")


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (9, 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def tree(*paths: str) -> dict[str, bytes]:
    """A picture of its own at each path, but a text where the name says so."""
    return {
        path: b"a text" if path.endswith(".txt") else picture(number)
        for number, path in enumerate(sorted(paths))
    }


def packed(target: Path, files: dict[str, bytes]) -> Path:
    """An archive of the kind that its name says."""
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in files.items():
                archive.writestr(path, content)
        return target
    kind = {".gz": "w:gz", ".tgz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2"}.get(target.suffix, "w:")
    with tarfile.open(target, kind) as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target


def spread(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("above", ["", "pets/", "a/b/"])
def test_an_archive_reads_like_the_folder_that_was_packed(
    tmp_path: Path, ending: str, above: str
) -> None:
    files = tree(*TREE, "cat/2.png", "dog/2.png")
    folder = read_index(str(spread(tmp_path / "pets", files)), OPTIONS)
    inside = {above + path: content for path, content in files.items()}
    archive = read_index(str(packed(tmp_path / f"pets{ending}", inside)), OPTIONS)
    assert archive.content_hash == folder.content_hash
    assert (archive.name, archive.classes) == ("pets", ("cat", "dog"))
    used = {e.path for e in archive.examples if e.status == "used"}
    assert used == {e.path for e in folder.examples if e.status == "used"}
    for row in archive.used():
        assert open_row(archive, int(row)) == files[archive.examples[row].path]


LAYOUTS = [
    ("train/a/1.png", "train/b/1.png", "test/a/2.png", "test/b/2.png"),
    ("Training/a/1.png", "Training/b/1.png", "dev/a/2.png", "dev/b/2.png", "extra/a/3.png"),
    ("train/1.png", "train/2.png", "bus/1.png", "bus/2.png"),
    ("train/x/1.png", "train/1.png", "bus/1.png", "bus/2.png"),
    ("train/a/1.png", "train/b/1.png", "bus/1.png", "bus/2.png"),
    ("train/a/1.png", "train/b/1.png", "test/1.png"),
    ("stray.png", "a/1.png", "a/2.png", "b/1.png", "b/2.png"),
    ("a/1.heic", "a/1.png", "a/2.png", "b/1.png", "b/2.png", "__MACOSX/a/1.png"),
]


@pytest.mark.parametrize("paths", LAYOUTS)
def test_the_rules_for_splits_are_those_of_folders(tmp_path: Path, paths: tuple[str, ...]) -> None:
    files = tree(*paths)
    folder = read_folder(str(spread(tmp_path / "set", files)), OPTIONS)
    archive = read_archive(str(packed(tmp_path / "set.zip", files)), OPTIONS)
    assert archive.given_splits == folder.given_splits
    assert archive.notes == folder.notes

    def rows(index: Index) -> list[tuple[str, ...]]:
        met = [e for e in index.examples if e.status != "ignored"]
        return [(e.path, e.split, e.label, e.status, e.reason) for e in met]

    assert rows(archive) == rows(folder)


def test_one_folder_of_pictures_is_a_class_and_no_wrapping(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has 1 class"):
        read_index(str(packed(tmp_path / "a.zip", tree("pets/1.png", "pets/2.png"))), OPTIONS)


def test_a_zip_with_a_password(tmp_path: Path) -> None:
    path = packed(tmp_path / "pets.zip", tree(*TREE))
    content = bytearray(path.read_bytes())
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(sign)
        while start >= 0:
            content[start + place] |= 1
            start = content.find(sign, start + 4)
    path.write_bytes(content)
    with pytest.raises(SourceError, match="protected by a password") as caught:
        read_index(str(path), OPTIONS)
    assert caught.value.exit_code == 3
    assert caught.value.hint


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", ["../evil.png", "cat/../../evil.png", "/etc/evil.png"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, ending: str, name: str) -> None:
    path = packed(tmp_path / f"pets{ending}", tree(*TREE, name))
    with pytest.raises(SourceError, match="names a file outside of itself"):
        read_index(str(path), OPTIONS)
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.6, 0.95])
def test_an_archive_that_was_cut_off_is_told_of(tmp_path: Path, ending: str, kept: float) -> None:
    path = packed(tmp_path / f"pets{ending}", tree(*TREE))
    content = path.read_bytes()
    # A tar is padded with zeros to 10 KiB: cut within what it holds.
    length = len(content.rstrip(b"\0")) if ending == ".tar" else len(content)
    path.write_bytes(content[: int(length * kept)])
    with pytest.raises(SourceError, match="damaged"):
        read_index(str(path), OPTIONS)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_no_archive_is_told_of(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"pets{ending}"
    path.write_bytes(b"not an archive at all, and quite long " * 30)
    with pytest.raises(SourceError, match="damaged"):
        read_index(str(path), OPTIONS)


def test_a_damaged_member_is_set_aside_alone(tmp_path: Path) -> None:
    files = tree("a/1.png", "a/2.png", "b/1.png", "b/2.png", "b/3.png")
    path = packed(tmp_path / "pets.zip", files)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("b/2.png").header_offset
    content[start + 60 : start + 90] = bytes(30)
    path.write_bytes(content)
    index = read_index(str(path), OPTIONS)
    aside = {e.path: e.reason for e in index.examples if e.status == "set_aside"}
    assert list(aside) == ["b/2.png"]
    assert "damaged inside the archive" in aside["b/2.png"]


def test_links_in_a_tar(tmp_path: Path) -> None:
    spread(tmp_path / "pets", tree("a/1.png", "a/2.png", "b/1.png", "b/2.png"))
    os.link(tmp_path / "pets/a/1.png", tmp_path / "pets/a/hard.png")
    (tmp_path / "pets/b/soft.png").symlink_to("../a/2.png")
    (tmp_path / "pets/b/lost.png").symlink_to("nowhere.png")
    for ending, kind in ((".tar", "w:"), (".tar.gz", "w:gz")):
        with tarfile.open(tmp_path / f"pets{ending}", kind) as archive:
            archive.add(tmp_path / "pets", "pets")
        index = read_index(str(tmp_path / f"pets{ending}"), OPTIONS)
        found = {e.path: (e.status, e.bytes_hash) for e in index.examples}
        assert found["a/hard.png"] == found["a/1.png"]
        assert found["b/soft.png"] == found["a/2.png"]
        assert found["b/lost.png"][0] == "set_aside"


def test_names_of_any_script(tmp_path: Path) -> None:
    files = tree("水仙/一 个.png", "水仙/2.png", "é/a\nb.png", "é/2.png")
    for ending in (".zip", ".tar.xz"):
        index = read_index(str(packed(tmp_path / f"set{ending}", files)), OPTIONS)
        assert set(index.classes) == {"水仙", "é"}
        assert {e.path for e in index.examples} == set(files)


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    packed(tmp_path / "pets.zip", tree(*TREE))
    with pytest.raises(SourceMissingError, match=r"no file .*petz\.zip") as caught:
        read_index(str(tmp_path / "petz.zip"), OPTIONS)
    assert "pets.zip" in caught.value.hint


def test_a_folder_named_like_an_archive_is_a_folder(tmp_path: Path) -> None:
    spread(tmp_path / "pets.zip", tree("a/1.png", "a/2.png", "b/1.png", "b/2.png"))
    assert read_index(str(tmp_path / "pets.zip"), OPTIONS).kind == "folder"


@pytest.mark.parametrize("most", [64, 1 << 20])
def test_memory_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(opened_archive._open_cached.cache_clear)
    opened_archive._open_cached.cache_clear()
    monkeypatch.setattr(opened_archive, "MOST_IN_MEMORY", most)
    files = tree("a/1.png", "a/2.png", "b/1.png", "b/2.png")
    path = packed(tmp_path / "set.tar.gz", files)
    index = read_index(str(path), OPTIONS)
    assert [open_row(index, row) for row in range(4)] == [files[e.path] for e in index.examples]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["set.tar.gz"]
