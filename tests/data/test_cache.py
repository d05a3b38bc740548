"""The cache: sizes, found again, set aside, bounded, whole or absent, as predicting sees it."""

import errno
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.data.made_index import made_index
from tests.data.odd_files import add_odd_files, encoded, scene

from striate.data import cache as cache_module
from striate.data import cache_folder, form
from striate.data.cache import build_cache, decode_images, decode_rows
from striate.data.form import working_channels, working_size
from striate.data.formats.decode import decode_image
from striate.data.scan import read_index, read_unlabelled
from striate.errors import MachineError, SourceError
from striate.store.files import UNFINISHED, open_atomically
from striate.values import Index, Options, Progress

OPTIONS = Options()


@pytest.fixture(autouse=True)
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of each test's own."""
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes of six pictures of 64 x 48."""
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for n in range(6):
            content = encoded(scene(seed=10 * label + n), "PNG" if n % 2 else "JPEG")
            (tmp_path / "pets" / name / f"{n}.img").write_bytes(content)
    return tmp_path / "pets"


def sized(*sides: tuple[int, int], mode: str = "RGB") -> Index:
    """An index of pictures of these widths and heights."""
    index = made_index({"a": len(sides)})
    examples = tuple(
        replace(e, width=width, height=height, mode=mode)
        for e, (width, height) in zip(index.examples, sides, strict=True)
    )
    return replace(index, examples=examples)


def test_every_image_lies_in_its_row(pets: Path) -> None:
    index, cache = build_cache(read_index(pets, OPTIONS), OPTIONS)
    assert cache.images.shape == (12, 64, 64, 3)
    assert cache.images.dtype == np.uint8
    for row, example in enumerate(index.examples):
        decoded = decode_image((pets / example.path).read_bytes(), 64, 3)
        assert np.array_equal(cache.images[row], decoded.pixels)
        assert example.pixels_hash == decoded.pixels_hash


def test_the_second_call_decodes_nothing(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (pets / "cat" / "bad.jpg").write_bytes(encoded(scene())[:900])
    first = build_cache(read_index(pets, OPTIONS), OPTIONS)
    monkeypatch.setattr(cache_module, "decode_image", None)
    again = build_cache(read_index(pets, OPTIONS), OPTIONS)
    assert again[0] == first[0]
    assert np.array_equal(again[1].images, first[1].images)


def test_other_contents_make_another_cache(pets: Path) -> None:
    _, first = build_cache(read_index(pets, OPTIONS), OPTIONS)
    (pets / "cat" / "0.img").write_bytes(encoded(scene(seed=99)))
    _, second = build_cache(read_index(pets, OPTIONS), OPTIONS)
    assert first.path != second.path
    assert not np.array_equal(first.images[0], second.images[0])


def test_a_cut_cache_file_is_made_again(pets: Path) -> None:
    _, cache = build_cache(read_index(pets, OPTIONS), OPTIONS)
    expected = np.array(cache.images)
    del cache
    for file in Path(os.environ["STRIATE_CACHE"], "images").glob("*.npy"):
        file.write_bytes(file.read_bytes()[:-100])
    assert np.array_equal(build_cache(read_index(pets, OPTIONS), OPTIONS)[1].images, expected)


def damage_images(content: bytearray) -> bytes:
    half = len(content) // 2
    return bytes(content[:half]) + bytes(255 - byte for byte in content[half:])


def flip_a_bit(content: bytearray) -> bytes:
    content[len(content) // 3] ^= 8
    return bytes(content)


@pytest.mark.parametrize("suffix", ["npy", "json"])
@pytest.mark.parametrize(
    "damage",
    [damage_images, flip_a_bit, lambda content: b"", lambda content: b"[1", lambda content: b"{}"],
)
def test_a_damaged_entry_heals_and_says_so(pets: Path, suffix: str, damage: Any) -> None:
    index, cache = build_cache(read_index(pets, OPTIONS), OPTIONS)
    expected = np.array(cache.images)
    del cache
    (file,) = Path(os.environ["STRIATE_CACHE"], "images").glob(f"*.{suffix}")
    file.write_bytes(damage(bytearray(file.read_bytes())))
    told: list[Progress] = []
    again, cache = build_cache(read_index(pets, OPTIONS), OPTIONS, told.append)
    assert again == index
    assert np.array_equal(cache.images, expected)
    assert [p.note.code for p in told if p.note] == ["cache.mended"]
    told.clear()
    build_cache(read_index(pets, OPTIONS), OPTIONS, told.append)
    assert told == []  # found, and whole


def test_the_folder_may_go_while_images_are_decoded(pets: Path, cache_home: Path) -> None:
    gone: list[Progress] = []

    def remove(progress: Progress) -> None:
        if not gone:
            shutil.rmtree(cache_home)
        gone.append(progress)

    _, cache = build_cache(read_index(pets, OPTIONS), OPTIONS, remove)
    assert cache.images.any()
    assert Path(cache.path).exists()


def test_a_folder_that_keeps_other_bytes_is_told(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_folder, "block_checksums", lambda content, threads: (1,))
    with pytest.raises(MachineError, match="change after they are written") as caught:
        build_cache(read_index(pets, OPTIONS), OPTIONS)
    assert "STRIATE_CACHE" in caught.value.hint


def test_entries_of_earlier_versions_go_after_a_month(pets: Path, cache_home: Path) -> None:
    cache_home.mkdir(parents=True)
    for name, days in (("old", 40), ("young", 3)):
        for suffix, content in ((".npy", b"x"), (".json", b"[]")):
            file = cache_home / f"{name}{suffix}"
            file.write_bytes(content)
            os.utime(file, (time.time() - days * 24 * 3600,) * 2)
    _, cache = build_cache(read_index(pets, OPTIONS), OPTIONS)
    assert not list(cache_home.glob("old.*"))
    assert len(list(cache_home.glob("young.*"))) == 2
    assert Path(cache.path).exists()


def test_what_cannot_be_read_is_set_aside_and_zero(pets: Path) -> None:
    names = add_odd_files(pets / "cat")
    index, cache = build_cache(read_index(pets, OPTIONS), OPTIONS)
    for row, example in enumerate(index.examples):
        if example.path.split("/")[1] in names:
            assert example.status in {"set_aside", "ignored"}
            assert example.reason
            assert not cache.images[row].any()
    assert len(index.used()) == 12
    assert cache.size == 64


def test_warnings_become_a_note_on_the_image(pets: Path) -> None:
    content = encoded(scene())
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0" + b"\x01\x01" * 10
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (pets / "cat" / "odd.jpg").write_bytes(content[:2] + segment + content[2:])
    index, _ = build_cache(read_index(pets, OPTIONS), OPTIONS)
    odd = next(e for e in index.examples if e.path == "cat/odd.jpg")
    assert odd.status == "used"
    assert "EXIF" in odd.reason


def test_a_class_of_nothing_but_damaged_images_is_refused(pets: Path) -> None:
    (pets / "emu").mkdir()
    for n in range(3):
        (pets / "emu" / f"{n}.jpg").write_bytes(encoded(scene(seed=n))[:900])
    with pytest.raises(SourceError, match="emu"):
        build_cache(read_index(pets, OPTIONS), OPTIONS)
    options = Options(drop_rare=True)
    index, _ = build_cache(read_index(pets, options), options)
    assert index.classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("sides", "size"),
    [
        ([(32, 32)] * 3, 32),
        ([(28, 28)], 28),
        ([(64, 48)] * 5, 64),
        ([(40, 30), (40, 40), (50, 50)], 40),
        ([(100, 80), (120, 90), (300, 200)], 120),
        ([(500, 400)] * 3, 224),
        ([(32, 32)] * 5 + [(4000, 3000)] * 2, 32),
        ([(32, 32)] * 2 + [(4000, 3000)] * 5, 224),
        ([(1, 1)] * 3, 1),
    ],
)
def test_working_size(sides: list[tuple[int, int]], size: int) -> None:
    assert working_size(sized(*sides)) == size


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch, pets: Path) -> None:
    monkeypatch.setattr(form, "MOST_BYTES", 12 * 3 * 50 * 50)
    index, cache = build_cache(read_index(pets, OPTIONS), OPTIONS)
    assert cache.size == 48
    assert [note.code for note in index.notes] == ["cache.bounded"]
    assert "48 x 48" in index.notes[0].text


def test_one_channel_only_where_all_are_grey() -> None:
    assert working_channels(sized((8, 8), (8, 8), mode="L")) == 1
    assert working_channels(sized((8, 8), mode="I;16")) == 1
    assert working_channels(sized((8, 8), mode="P")) == 3
    mixed = sized((8, 8), (8, 8), mode="L")
    mixed = replace(mixed, examples=(mixed.examples[0], replace(mixed.examples[1], mode="RGB")))
    assert working_channels(mixed) == 3


def test_predicting_sees_the_pixels_of_the_cache(pets: Path) -> None:
    index, cache = build_cache(read_index(pets, OPTIONS), OPTIONS)
    new = read_unlabelled([pets / e.path for e in index.examples])
    rows = np.arange(12)
    assert np.array_equal(decode_images(new, rows, cache.size, cache.channels), cache.images)
    some = np.array([7, 2])
    assert np.array_equal(decode_images(new, some, 64, 3), cache.images[some])


def test_rows_that_cannot_be_decoded_come_back_set_aside(tmp_path: Path) -> None:
    (tmp_path / "good.jpg").write_bytes(encoded(scene()))
    (tmp_path / "bad.jpg").write_bytes(encoded(scene())[:900])
    index = read_unlabelled([tmp_path / "bad.jpg", tmp_path / "good.jpg"])
    assert [e.status for e in index.examples] == ["used", "used"]
    index, images = decode_rows(index, np.array([0, 1]), 32, 3)
    assert [e.status for e in index.examples] == ["set_aside", "used"]
    assert not images[0].any()
    assert images[1].any()


def test_images_in_memory_are_cached_too() -> None:
    images = [scene(seed=n) for n in range(4)]
    index, cache = build_cache(read_index((images, list("abab")), OPTIONS), OPTIONS)
    assert cache.images.shape == (4, 64, 64, 3)
    assert np.array_equal(cache.images[2], decode_image(images[2], 64, 3).pixels)
    assert index.examples[0].pixels_hash


def test_a_watcher_is_told(pets: Path) -> None:
    told: list[Progress] = []
    build_cache(read_index(pets, OPTIONS), OPTIONS, told.append)
    assert {progress.stage for progress in told} == {"cache"}
    assert (told[-1].done, told[-1].total, told[-1].unit) == (12, 12, "images")


def test_a_watcher_that_fails_leaves_nothing_behind(pets: Path, cache_home: Path) -> None:
    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_cache(read_index(pets, OPTIONS), OPTIONS, interrupt)
    assert list(cache_home.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_nothing_behind(
    pets: Path, cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache_folder.CacheWriter, "put", full)
    with pytest.raises(MachineError, match="disk is full") as caught:
        build_cache(read_index(pets, OPTIONS), OPTIONS)
    assert "STRIATE_CACHE" in caught.value.hint
    assert list(cache_home.iterdir()) == []


def test_want_of_memory_is_told_and_sets_nothing_aside(
    pets: Path, cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(cache_module, "decode_image", no_room)
    with pytest.raises(MachineError, match=r"0\.img"):
        build_cache(read_index(pets, OPTIONS), OPTIONS)
    assert list(cache_home.iterdir()) == []


def test_a_cache_folder_that_cannot_be_made(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "file"))
    with pytest.raises(MachineError, match="cannot be written"):
        build_cache(read_index(pets, OPTIONS), OPTIONS)


def test_what_was_used_longest_ago_makes_room(
    pets: Path, cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(seed: int) -> Path:
        (pets / "cat" / "0.img").write_bytes(encoded(scene(seed=seed)))
        return Path(build_cache(read_index(pets, OPTIONS), OPTIONS)[1].path)

    caches = [build(seed) for seed in (100, 101, 102)]
    for age, cache in ((30, caches[0]), (20, caches[1]), (10, caches[2])):
        then = time.time() - age
        os.utime(cache.with_suffix(".json"), (then, then))
    build(100)  # Found again: now the youngest.
    monkeypatch.setattr(cache_folder, "MOST_BYTES", 3 * 12 * 64 * 64 * 3 + 1000)
    newest = build(103)
    assert [cache.exists() for cache in caches] == [True, False, True]
    assert newest.exists()


def test_what_killed_runs_left_behind_is_removed_after_a_day(pets: Path, cache_home: Path) -> None:
    cache_home.mkdir(parents=True)
    for name, age in (("old.part", 2 * 24 * 3600), ("young.part", 60)):
        (cache_home / name).write_bytes(b"x")
        os.utime(cache_home / name, (time.time() - age,) * 2)
    build_cache(read_index(pets, OPTIONS), OPTIONS)
    assert {file.name for file in cache_home.glob("*.part")} == {"young.part"}


def test_what_a_killed_run_left_goes_at_the_next_start_and_what_is_written_stays(
    pets: Path, cache_home: Path
) -> None:
    cache_home.mkdir(parents=True)
    left = [cache_home / f".a.npy.12345678{UNFINISHED}", cache_home.parent / f".m.1{UNFINISHED}"]
    for path in left:
        path.write_bytes(b"half")
    with open_atomically(cache_home / "b.npy") as file:
        build_cache(read_index(pets, OPTIONS), OPTIONS)
        file.write(b"all")
    assert (cache_home / "b.npy").read_bytes() == b"all"
    assert not any(path.exists() for path in left)


def test_facts_that_cannot_be_written_leave_no_images(
    pets: Path, cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise MachineError("The disk is full.", "Make room.")

    monkeypatch.setattr(cache_folder, "write_atomically", full)
    with pytest.raises(MachineError):
        build_cache(read_index(pets, OPTIONS), OPTIONS)
    assert list(cache_home.iterdir()) == []


def test_a_large_photo_among_small_ones(pets: Path) -> None:
    Image.fromarray(scene(1500, 2000)).save(pets / "cat" / "large.jpg")
    index, cache = build_cache(read_index(pets, OPTIONS), OPTIONS)
    row = next(row for row, e in enumerate(index.examples) if e.path == "cat/large.jpg")
    small = np.asarray(Image.fromarray(scene(1500, 2000)).resize((64, 64), 2), np.float64)
    assert np.abs(cache.images[row] - small).mean() < 3
