"""Folders named after splits or parts of a data set are not classes, unless the user says so.

A `train` full of images without class folders beside such a `test` would become two classes, which
a model tells apart with ease: nothing that is measured later could show the mistake.
"""

import re
from collections.abc import Iterable

from striate.data.layout import SPLIT_NAMES, looks_like_picture, suffix
from striate.data.name_labels import suggest_pattern
from striate.errors import SourceError
from striate.values import Index, ReadingOptions

# Words that name a part of a set, words that do where a split stands beside them, and words that
# say nothing of their own (train_images, stage_1_test).
_PARTS = frozenset(
    (
        *("fold", "folds", "holdout", "unlabeled", "unlabelled", "labeled", "labelled"),
        *("trainval", "minival", "annotation", "annotations", "label", "labels", "mask", "masks"),
        *("bbox", "bboxes", "gt", "groundtruth", "imagesets", "jpegimages"),
        *("segmentationclass", "segmentationobject", "image", "images", "img", "imgs"),
        *("picture", "pictures", "pic", "pics", "frames", "jpg", "jpeg", "png", "dataset", "data"),
        *("query", "gallery", "图像", "图片", "标签", "标注"),
    )
)
_PARTS_BESIDE_SPLITS = frozenset(
    (
        *("extra", "eval", "evaluation", "infer", "inference", "submission", "sample", "samples"),
        *("split", "chunk", "shard"),
    )
)
_IMAGES = frozenset(("images", "imgs", "pictures", "pics", "photos", "frames"))
_IDLE = frozenset(("set", "stage", "raw", "full", "all", "ground", "truth"))
_CHINESE = {"训练": "train", "验证": "val", "测试": "test"}
_JOINED = re.compile(
    r"(train|training|test|testing|val|valid|validation|dev)(set|data|images?|img)"
)
# Of these a lone one, beside names that are no splits, may well be a class: bus, car, train.
_MAY_BE_CLASSES = frozenset(("train", "training", "valid", "dev"))
_SHOWN = 4


def refuse_splits_as_classes(index: Index, options: ReadingOptions) -> None:
    """Raises `SourceError` where folders became classes whose names are those of splits.

    That is: all have such names (or those of parts of a set: images, labels, fold1); or `train`
    stands beside `val` or `test`; or a `test` or `val` stands beside classes. A lone `train`,
    `valid` or `dev` beside others is a class.
    """
    if options.classes_are_splits or options.label_pattern or index.kind not in _FOLDERS:
        return
    paths = [
        (example.path, example.label)
        for example in index.examples
        if example.status == "used"
        and (looks_like_picture(example.path) or not suffix(example.path))
    ]
    labels = {label for _, label in paths}
    suspects = (
        _suspicious_folders(index, paths) if len(labels) == 1 else _suspicious_classes(labels)
    )
    if suspects:
        raise SourceError(
            f"{index.name} has {_join_folder_names(suspects)}, which "
            f"{_named_after_text(suspects)}, so the classes are not known.",
            _split_words_hint(path.rpartition("/")[2] for path, _ in paths),
        )


def split_of_path(path: str) -> str:
    """The split that the first of a path's folders with such a name stands for, or nothing."""
    roles = map(_name_role, path.split("/")[:-1])
    return next((role for role in roles if role in SPLIT_NAMES), "")


def _suspicious_classes(names: Iterable[str]) -> list[str]:
    """Those of some classes that are named after splits, where that makes them suspicious."""
    labels = set(names)
    if _parts_of_images(labels):
        return sorted(labels)
    roles = {label: role for label in labels if (role := _name_role(label))}
    if roles and roles.keys() == labels and set(roles.values()) - {_BESIDE}:
        return sorted(roles)
    splits = {label: role for label, role in roles.items() if role in SPLIT_NAMES}
    plain = {role for label, role in splits.items() if label.casefold() not in _MAY_BE_CLASSES}
    together = "train" in splits.values() and len(set(splits.values())) > 1
    return sorted(splits) if together or plain - {"train"} else []


def _parts_of_images(names: set[str]) -> bool:
    """Whether names differ by a number only and speak of images: set_images_part_1, …_2."""
    alike = {re.sub(r"\d+", "", name.casefold()) for name in names}
    return len(alike) == 1 < len(names) and bool(_IMAGES & set(_words(alike.pop())))


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", name.casefold())


def _suspicious_folders(index: Index, paths: list[tuple[str, str]]) -> list[str]:
    """The folder that holds everything, or those in it, where none of them holds folders."""
    folders = {path.rpartition("/")[0] for path, _ in paths}
    if index.given_splits or any(folder.count("/") > 1 for folder in folders):
        return []
    if all("/" not in folder for folder in folders):
        return _suspicious_classes(folders)
    top = next(iter(folders)).partition("/")[0]
    return [
        f"{top}/{name}"
        for name in _suspicious_classes(_drop_first_folder(folder) for folder in folders)
    ]


def _drop_first_folder(folder: str) -> str:
    return folder.partition("/")[2]


def _name_role(name: str) -> str:
    """The split or part of a set that a name stands for; empty where it may be a class."""
    roles = {_word_role(word) for word in _words(name) if word not in _IDLE}
    if "" in roles:
        return ""
    return next((role for role in (*SPLIT_NAMES, _PART, _BESIDE) if role in roles), "")


def _word_role(word: str) -> str:
    chinese = _CHINESE.get(word.removesuffix("集"))
    if chinese:
        return chinese
    joined = _JOINED.fullmatch(word)
    word = joined[1] if joined else word
    split = next((split for split, words in SPLIT_NAMES.items() if word in words), "")
    if split or word in _PARTS:
        return split or _PART
    return _BESIDE if word in _PARTS_BESIDE_SPLITS else ""


def _join_folder_names(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return f"the folder {shown}" if len(names) == 1 else f"the folders {shown}"


def _named_after_text(names: list[str]) -> str:
    kind = all(_name_role(name.rpartition("/")[2]) in SPLIT_NAMES for name in names)
    if len(names) == 1:
        return f"is named after {'a split' if kind else 'a part of a set'}, not after a class"
    return f"are named after {'splits' if kind else 'parts of a set'}, not after classes"


def _split_words_hint(names: Iterable[str]) -> str:
    pattern = suggest_pattern(names)
    by_name = f"--label-pattern '{pattern}'" if pattern else "--label-pattern REGEX"
    return (
        f"Give a table with the columns image and label, or {by_name} if the file "
        "names tell the class. If these folders are classes: --classes-are-splits"
    )


_PART, _BESIDE = "part", "beside splits"
_FOLDERS = ("folder", "archive")
