"""Folders named after splits: never classes in silence, always where somebody says so."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.config.settings import check_settings
from striate.data.scan import read_index
from striate.errors import SourceError, UsageError
from striate.values import Index, Options

OPTIONS = Options()


def put(root: Path, *folders: str, names: Iterable[str] = ("1.png", "2.png", "3.png")) -> Path:
    """Pictures of these names in each of the folders."""
    for number, folder in enumerate(folders):
        for other, name in enumerate(names):
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(100 * number + other).integers(0, 255, (8, 9, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    return root


def packed(root: Path) -> Path:
    target = root.with_suffix(".zip")
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(root.rglob("*.*")):
            archive.write(path, path.relative_to(root))
    return target


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        (("train", "test"), "test, train"),
        (("Train", "VALID"), "Train, VALID"),
        (("training", "testing", "validation"), "testing, training, validation"),
        (("train", "test1"), "test1, train"),
        (("train_images", "test_images"), "test_images, train_images"),
        (("train2017", "val2017"), "train2017, val2017"),
        (("stage_2_train_images", "stage_2_test_images"), "stage_2_test_images"),
        (("trainset", "testset"), "testset, trainset"),
        (("train", "test/cat", "test/dog"), "test, train"),
        (("train", "sample"), "sample, train"),
        (("train", "unlabeled"), "train, unlabeled"),
        (("cat", "dog", "train", "test"), "test, train"),
        (("cat", "dog", "test"), "the folder test"),
        (("cat", "dog", "val"), "the folder val"),
        (("dev", "prod", "test"), "dev, test"),
        (("images/train", "images/val"), "images/train, images/val"),
        (("set/train", "set/test"), "set/test, set/train"),
        (("images", "labels"), "images, labels"),
        (("images", "masks"), "images, masks"),
        (("train/images", "train/masks", "val/images", "val/masks"), "images, masks"),
        (("JPEGImages", "SegmentationClass"), "JPEGImages, SegmentationClass"),
        (("fold-1", "fold-2", "fold-3"), "fold-1, fold-2, fold-3"),
        (("fold_0", "test"), "fold_0, test"),
        (("images",), "the folder images"),
        (("labeled", "unlabeled"), "labeled, unlabeled"),
        (("训练集", "测试集"), "测试集, 训练集"),
        (("测试", "猫", "狗"), "测试"),
        (("HAM_images_part_1", "HAM_images_part_2"), "HAM_images_part_1, HAM_images_part_2"),
        (("query", "gallery"), "gallery, query"),
    ],
)
def test_splits_are_refused_as_classes(
    tmp_path: Path, folders: tuple[str, ...], named: str
) -> None:
    root = put(tmp_path / "pets", *folders)
    for source in (root, packed(root)):
        with pytest.raises(SourceError) as caught:
            read_index(source, OPTIONS)
        assert caught.value.exit_code == 3
        for name in named.split(", "):  # an archive's single folder is passed over
            assert name.rpartition("/")[2] in caught.value.sentence
        assert "--label-pattern" in caught.value.hint
        assert "--classes-are-splits" in caught.value.hint


@pytest.mark.parametrize(
    "folders",
    [
        ("bus", "car", "train"),
        ("bus", "train"),
        ("invalid", "valid"),
        ("dev", "prod", "stage"),
        ("resting", "training"),
        ("test tube", "beaker"),
        ("val d'isere", "davos"),
        ("label printer", "mask", "scanner"),
        ("image of a cat", "image of a dog"),
        ("01", "02"),
        ("drawings", "photos"),
        ("trainer", "tester"),
        ("full", "half"),
        ("Stage 1", "Stage 2", "Stage 3"),
        ("set1", "set2"),
        ("sample_1", "sample_2"),
        ("Part 1", "Part 2"),
        ("训练师", "测试仪"),
    ],
)
def test_ordinary_classes_are_read_in_silence(tmp_path: Path, folders: tuple[str, ...]) -> None:
    root = put(tmp_path / "pets", *folders)
    for source in (root, packed(root)):
        index = read_index(source, OPTIONS)
        assert index.classes == folders or index.classes == tuple(sorted(folders))
        assert index.notes == ()


def test_given_splits_are_read_as_before(tmp_path: Path) -> None:
    root = put(tmp_path / "pets", *(f"{s}/{c}" for s in ("train", "test") for c in ("cat", "dog")))
    put(root, "train", names=("loose.png",))
    index = read_index(root, OPTIONS)
    assert index.given_splits == ("train", "test")
    assert index.classes == ("cat", "dog")
    assert [e.path for e in index.examples if e.status == "set_aside"] == ["train/loose.png"]


def test_classes_below_one_folder_are_pointed_at_as_before(tmp_path: Path) -> None:
    for folders in (("images/cat", "images/dog"), ("pets/train/cat", "pets/test/cat")):
        root = put(tmp_path / folders[0].replace("/", "-"), *folders)
        with pytest.raises(SourceError, match="1 class") as caught:
            read_index(root, OPTIONS)
        assert folders[0].partition("/")[0] in caught.value.hint


@pytest.mark.parametrize("folders", [("train", "test"), ("train/cat", "train/dog", "test/cat")])
def test_they_are_classes_where_somebody_says_so(tmp_path: Path, folders: tuple[str, ...]) -> None:
    root = put(tmp_path / "pets", *folders)
    for source in (root, packed(root)):
        index = read_index(source, Options(classes_are_splits=True))
        assert index.classes == ("test", "train")
        assert index.given_splits == ()


def test_where_names_tell_the_label_the_pattern_is_spelt_out(tmp_path: Path) -> None:
    names = [f"{name}.{n}.png" for name in ("cat", "dog") for n in range(4)]
    root = put(tmp_path / "pets", "train", "test", names=names)
    with pytest.raises(SourceError) as caught:
        read_index(root, OPTIONS)
    assert r"--label-pattern '^(\D+)\.\d+\.'" in caught.value.hint
    index: Index = read_index(root, Options(label_pattern=r"^(\D+)\.\d+\."))
    assert index.classes == ("cat", "dog")
    assert index.given_splits == ("train", "test")


def test_the_flag_is_of_no_use_for_a_table(tmp_path: Path) -> None:
    (tmp_path / "pets.csv").write_text("image,label\n", "utf-8")
    with pytest.raises(UsageError, match="--classes-are-splits"):
        read_index(tmp_path / "pets.csv", Options(classes_are_splits=True))


def test_names_and_folders_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        check_settings({"label_pattern": "(a)", "classes_are_splits": True})
