"""Labels from names: what a pattern captures, what it does not fit, and what is suggested."""

from pathlib import Path

import pytest
from tests.data.test_split_words import packed, put

from striate import cli
from striate.config.settings import check_settings
from striate.data.name_labels import suggest_pattern
from striate.data.scan import read_evaluation_index, read_index
from striate.errors import SourceError, UsageError
from striate.values import Options

PETS = tuple(f"{name}_{n}.png" for name in ("great dane", "pug") for n in range(3))


def labels(source: Path, pattern: str) -> dict[str, str]:
    index = read_index(source, Options(label_pattern=pattern))
    return {e.path: e.label for e in index.examples if e.status == "used"}


@pytest.mark.parametrize(
    ("pattern", "classes"),
    [
        (r"(.+)_\d+", {"great dane", "pug"}),
        (r"^(.+)_\d+\.png$", {"great dane", "pug"}),
        (r"/([^/]+)_\d+\.png$", {"great dane", "pug"}),
        (r"^(?:great )?(?P<label>[a-z]+)_(\d)", {"dane", "pug"}),
        (r"^(great )?(?P<label>[a-z]+)_(\d)", {"dane", "pug"}),
        (r"_(\d)", {"0", "1", "2"}),
    ],
)
def test_what_is_captured_is_the_label(tmp_path: Path, pattern: str, classes: set[str]) -> None:
    flat = put(tmp_path / "flat", "", names=PETS)
    deep = put(tmp_path / "deep", "a/b", names=PETS)
    for source in (flat, packed(flat), deep, packed(deep)):
        found = labels(source, pattern)
        assert set(found.values()) == classes
        assert len(found) == 6


def test_a_pattern_with_a_slash_is_looked_for_in_the_path(tmp_path: Path) -> None:
    root = put(tmp_path / "pets", "left/cat", "left/dog", "right/cat", "right/dog")
    assert set(labels(root, r"^(\w+)/").values()) == {"left", "right"}
    assert set(labels(root, r"/(\w+)/").values()) == {"cat", "dog"}


def test_splits_that_folders_give_are_kept_and_what_does_not_fit_is_set_aside(
    tmp_path: Path,
) -> None:
    root = put(tmp_path / "pets", "train", "test", names=PETS)
    put(root, "test", "other", names=("17.png",))
    put(root, "other", names=("pug_9.png",))
    (root / "train" / "notes.txt").write_text("no picture")
    for source in (root, packed(root)):
        index = read_index(source, Options(label_pattern=r"(.+)_\d"))
        rows = {e.path: (e.split, e.status) for e in index.examples}
        assert index.given_splits == ("train", "test")
        assert rows["train/pug_1.png"] == ("train", "used")
        assert rows["test/pug_1.png"] == ("test", "used")
        assert rows["test/17.png"] == ("test", "set_aside")
        assert rows["other/pug_9.png"] == ("", "ignored")
        assert rows["train/notes.txt"][1] == "ignored"
        assert [note.code for note in index.notes] == ["read.pattern_unfit"]
        assert len(read_index(source, Options(label_pattern=r"(.+)_\d", split="pool")).used()) == 12


def test_an_unlabelled_test_folder_is_no_given_split(tmp_path: Path) -> None:
    root = put(tmp_path / "pets", "train", names=PETS)
    put(root, "test")
    index = read_index(root, Options(label_pattern=r"(.+)_\d"))
    assert index.given_splits == ("train",)
    assert len(index.used()) == 6


def test_strict_refuses_what_does_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = put(tmp_path / "pets", "", names=(*PETS, "17.png"))
    code = cli.run(("fit", str(root), "--label-pattern", r"(.+)_\d", "--strict", "-q"))
    assert code == 4
    assert "17.png" in capsys.readouterr().err


def test_a_pattern_that_fits_nothing_is_no_source(tmp_path: Path) -> None:
    root = put(tmp_path / "pets", "", names=PETS)
    for source in (root, packed(root)):
        with pytest.raises(SourceError, match="matches none of the 6") as caught:
            read_index(source, Options(label_pattern="<(.+)>"))
        assert caught.value.exit_code == 3
        assert "great dane_0.png" in caught.value.sentence
        assert r"'^(\D+)_\d+\.'" in caught.value.hint


@pytest.mark.parametrize("pattern", ["(", "[a-z]+", "(a{999999999})"])
def test_a_faulty_pattern_is_a_faulty_command(pattern: str) -> None:
    with pytest.raises(UsageError, match="label_pattern") as caught:
        check_settings({"label_pattern": pattern})
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        ([f"{k}.{n}.jpg" for k in ("cat", "dog") for n in range(9)], r"^(\D+)\.\d+\."),
        ([f"{k}_{n}.JPG" for k in ("beagle", "great_dane") for n in range(9)], r"^(\D+)_\d+\."),
        ([f"{k}-{n}.png" for k in ("猫", "狗") for n in range(9)], r"^(\D+)-\d+\."),
        ([f"{k} ({n}).png" for k in ("cat", "dog") for n in range(9)], r"^(\D+?) ?\(?\d+\)?\."),
        ([f"{k}{n}.png" for k in ("cat", "dog") for n in range(9)], r"^(\D+?) ?\(?\d+\)?\."),
        ([f"IMG_{n}.jpg" for n in range(20)], ""),
        ([f"{n}.jpg" for n in range(20)], ""),
        ([f"{chr(97 + n)}_1.jpg" for n in range(20)], ""),
        ([f"2024-01-{n:02}_{n}.jpg" for n in range(20)], ""),
        (["cat.1.txt", "dog.1.txt", "cat.2.txt", "dog.2.txt"], ""),
        ([], ""),
    ],
)
def test_names_suggest_a_pattern_or_none(names: list[str], pattern: str) -> None:
    assert suggest_pattern(names) == pattern


def test_a_flat_folder_whose_names_tell_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        read_index(put(tmp_path / "pets", "", names=PETS), Options())
    assert r"--label-pattern '^(\D+)_\d+\.'" in caught.value.hint


def test_what_a_model_is_judged_on_may_be_named_or_in_folders(tmp_path: Path) -> None:
    options = Options(label_pattern=r"(.+)_\d")
    flat = put(tmp_path / "flat", "", names=PETS)
    folders = put(tmp_path / "folders", "great dane", "pug", names=("x.png", "y.png"))
    for source in (flat, packed(flat), folders):
        assert read_evaluation_index(source, options).classes == ("great dane", "pug")
