"""The columns of a table: which hold image and label, and the errors if none does."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from striate.config.suggestions import nearest_word
from striate.data.layout import looks_like_picture
from striate.errors import SourceError, UsageError
from striate.values import ReadingOptions

TABLE_SETTINGS = (
    *("group", "image", "label", "split_column", "weight", "root"),
    *("encoding", "label_separator"),
)
FOLDER_SETTINGS = ("label_pattern", "classes_are_splits")
BOX_SETTINGS = ("yolo", "coco")
ARRAY_SETTINGS = ("group", "image", "label", "split_column")

# What such columns are called elsewhere, the surer names first.
_USUAL_NAMES: dict[str, tuple[frozenset[str], ...]] = {
    "image": (
        frozenset(
            "images path paths file files filename filenames filepath img imgs picture pictures "
            "photo photos file_name file_path image_path image_file image_name image_filename "
            "image_file_path img_path img_name img_file 图像 图片 文件 文件名 路径 图像路径".split()
        ),
        frozenset("id image_id img_id imageid image_index uuid key 编号".split()),
    ),
    "label": (
        frozenset(
            "labels class classes category categories target targets y classname class_name "
            "label_name category_name breed species diagnosis dx tag tags finding_labels disease "
            "variety 标签 类别 分类 类名".split()
        ),
        frozenset("label_id class_id category_id target_id classid labelid".split()),
    ),
}
_SAMPLE = 50
_MOST_NAMED = 20
YES = ("1", "1.0", "yes", "true", "y", "t")
NO = ("0", "0.0", "no", "false", "n", "f", "-1", "-1.0")


def is_set_by_user(options: ReadingOptions, name: str) -> bool:
    """Whether a setting is another than its default."""
    default = {field.name: field.default for field in fields(ReadingOptions)}[name]
    return bool(getattr(options, name) != default)


def refuse_useless_columns(kind: str, options: ReadingOptions) -> None:
    """Raises `UsageError` where a column is named and the source has no columns or arrays."""
    if is_set_by_user(options, "data_root") and kind != "named":
        raise UsageError(
            "--data-root is only for a data set known by name, and the source is not one "
            "(what is on disk is read first).",
            "Leave --data-root out, or give a name such as cifar10 or mnist.",
        )
    for name in FOLDER_SETTINGS:
        if is_set_by_user(options, name) and kind not in ("folder", "archive", *BOX_SETTINGS):
            raise UsageError(
                f"--{name.replace('_', '-')} reads labels from file names, so it needs a "
                "folder or an archive of one.",
                "Leave it out, or give the folder.",
            )
    if options.crop and kind not in BOX_SETTINGS:
        raise UsageError(
            "--crop needs boxes: images annotated for YOLO, or a JSON file of COCO.",
            "Leave --crop out, or give the folder with labels beside images, or the JSON file.",
        )
    of_use: tuple[str, ...] = {
        "table": TABLE_SETTINGS,
        "npz": ARRAY_SETTINGS,
        "coco": ("root",),
    }.get(kind, ())
    idle = [name for name in TABLE_SETTINGS if name not in of_use and is_set_by_user(options, name)]
    if idle:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in idle)
        raise UsageError(
            f"{flags}: these flags name columns, and the source is not a table.",
            "To read groups from the paths: --group-pattern REGEX"
            if "group" in idle
            else "Leave it out, or give a table (.csv, .tsv, .jsonl, .parquet).",
        )


def options_for_evaluation(options: ReadingOptions) -> ReadingOptions:
    """The settings to read images by that a model is only judged on: splits do not matter."""
    usual = ReadingOptions()
    return replace(
        options,
        split="pool",
        split_column=usual.split_column,
        weight=usual.weight,
        group=usual.group,
        group_pattern=None,
    )


def is_image_column_name(column: str) -> bool:
    """Whether a column's name is one that columns of images have."""
    name = _normalise_name(column)
    return name == "image" or any(name in tier for tier in _USUAL_NAMES["image"])


def find_image_column(
    columns: Mapping[str, Sequence[Any]],
    options: ReadingOptions,
    table: str,
    there: Callable[[Sequence[Any]], Sequence[str]],
) -> str:
    """The column of images: the one that was named, else by its name, else by its content.

    `there` gives the file behind each of some cells, or "" if there is none. Raises `SourceError`
    if there is no such column, or if several are possible.
    """
    if is_set_by_user(options, "image") or options.image in columns:
        require_columns("image", options.image, list(columns), table)
        return options.image
    for tier in (frozenset({"image"}), *_USUAL_NAMES["image"]):
        named = [column for column in columns if _normalise_name(column) in tier]
        if len(named) < 2:
            if named:
                return named[0]
            continue
        files = {column: there(columns[column][:_SAMPLE]) for column in named}
        found = [column for column in named if any(files[column])]
        if found and all(files[column] == files[found[0]] for column in found):
            return found[0]
        raise _ambiguous_column_error("image", found or named, table)
    # Only what ends like a picture: a class 1 is no image though there may be a file 1.png.
    some = {c: [v for v in columns[c][:_SAMPLE] if looks_like_picture(str(v))] for c in columns}
    found = [column for column in columns if any(there(some[column]))]
    if len(columns) == 1 or len(found) == 1:
        return (found or list(columns))[0]
    if found:
        raise _ambiguous_column_error("image", found, table)
    raise _missing_column_error("image", options.image, list(columns), table)


def find_label_columns(
    columns: Mapping[str, Sequence[Any]],
    options: ReadingOptions,
    table: str,
    image: str,
    text: Callable[[Any], str],
) -> tuple[str, ...]:
    """The column of labels, or several columns with yes or no for a label each.

    The named one, else by its name, else the only one left. `text` gives the text of a cell. Raises
    `SourceError` if there is none, or if several are possible.
    """
    several = tuple(name.strip() for name in options.label.split(","))
    if is_set_by_user(options, "label") or options.label in columns:
        wanted = (options.label,) if options.label in columns else several
        for column in wanted:
            require_columns("label", column, list(columns), table)
        return wanted
    others = [
        column
        for column in columns
        if column not in (image, options.split_column, options.group, options.weight)
        and not column.startswith("(column ")
    ]
    for tier in (frozenset({"label"}), *_USUAL_NAMES["label"]):
        named = [column for column in others if _normalise_name(column) in tier]
        if named:
            return (_pick_equivalent_column(named, columns, table, text),)
    marks = [c for c in others if {text(v).casefold() for v in columns[c]} <= {*YES, *NO}]
    if len(others) == 1:
        return (others[0],)
    if len(marks) > 1 and any(map(len, columns.values())):
        raise _indicator_columns_error(marks, columns, table, text)
    raise _missing_column_error("label", options.label, list(columns), table)


def _pick_equivalent_column(
    named: list[str],
    columns: Mapping[str, Sequence[Any]],
    table: str,
    text: Callable[[Any], str],
) -> str:
    """Of several columns named like labels, the one to use: they must be equivalent."""
    cells = {column: [text(value) for value in columns[column]] for column in named}
    for column in named[1:]:
        pairs = set(zip(cells[named[0]], cells[column], strict=True))
        if not len(pairs) == len(set(cells[named[0]])) == len(set(cells[column])):
            raise _ambiguous_column_error("label", named, table)
    words = [c for c in named if not all(each.replace(".", "").isdigit() for each in cells[c])]
    return (words or named)[0]


def require_columns(name: str, column: str, columns: Sequence[str], table: str) -> None:
    """Raises `SourceError` where a table lacks the column that serves as image or label."""
    if column not in columns:
        raise _missing_column_error(name, column, columns, table)


def _missing_column_error(
    name: str, column: str, columns: Sequence[str], table: str
) -> SourceError:
    called = {column.casefold(), *(word for tier in _USUAL_NAMES.get(name, ()) for word in tier)}
    known = [each for each in columns if _normalise_name(each) in called]
    guess = known[0] if known else nearest_word(column, columns) or "NAME"
    listed = ", ".join(each[:60] for each in columns[:_MOST_NAMED])
    listed += ", …" if len(columns) > _MOST_NAMED else ""
    hint = f"Name it: {_flag_text(name, guess)}"
    if guess == "NAME":
        hint += "; the first line of a table must name its columns"
    if len(columns) == 1:
        hint += "; columns are separated by a comma, a semicolon, a tab or a |"
    return SourceError(
        f"{table} has no column {column}; its columns are: {listed or 'none at all'}.", hint
    )


def _ambiguous_column_error(name: str, columns: Sequence[str], table: str) -> SourceError:
    return SourceError(
        f"Which column of {table} holds the {name}s is not clear: {' or '.join(columns)}.",
        f"Name it: {' or '.join(_flag_text(name, column) for column in columns)}",
    )


def _indicator_columns_error(
    marks: list[str],
    columns: Mapping[str, Sequence[Any]],
    table: str,
    text: Callable[[Any], str],
) -> SourceError:
    rows = zip(*(columns[column] for column in marks), strict=True)
    once = all(sum(text(cell).casefold() in YES for cell in row) == 1 for row in rows)
    flags = _flag_text("label", ",".join(marks))
    listed = ", ".join(marks[:_MOST_NAMED]) + (", …" if len(marks) > _MOST_NAMED else "")
    told = "and one of them yes in every row: a class" if once else "of a label each"
    return SourceError(
        f"{table} has no column label; {listed} say yes or no{', ' if once else ' '}{told}.",
        f"Type: {flags} --task label" if once else f"Type: {flags}",
    )


def _flag_text(name: str, value: str) -> str:
    return f"--{name.replace('_', '-')} {shlex.quote(value)}"


def _normalise_name(column: str) -> str:
    """A column's name in lower case, with `_` between its words."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.strip())
    return re.sub(r"[\W_]+", "_", spaced.casefold()).strip("_")
