"""The settings that name columns of a table: who needs them, and what to say where they miss."""

from collections.abc import Sequence
from dataclasses import fields, replace

from striate.errors import SourceError, UsageError
from striate.spelling import nearest
from striate.values import Options

OF_TABLES = ("group", "image", "label", "split_column", "weight", "root")
OF_FOLDERS = ("label_pattern", "classes_are_splits")
OF_ARRAYS = ("group", "image", "label", "split_column")

# What such columns are called elsewhere, to suggest what to type.
_ALSO_CALLED = {
    "image": ("path", "file", "filename", "file_name", "filepath", "image_path", "img", "id"),
    "label": ("class", "category", "target", "y", "classname", "species", "diagnosis"),
}


def asked(options: Options, name: str) -> bool:
    """Whether a setting is another than its default."""
    default = {field.name: field.default for field in fields(Options)}[name]
    return bool(getattr(options, name) != default)


def must_be_of_use(kind: str, options: Options) -> None:
    """Raises `UsageError` where a column is named and the source has no columns or arrays."""
    if asked(options, "data_root") and kind != "named":
        raise UsageError(
            "--data-root: only a set known by name has one, and the source is none "
            "(what is here on disk comes before names).",
            "Leave it out, or give a name such as cifar10 or mnist.",
        )
    for name in OF_FOLDERS:
        if asked(options, name) and kind not in ("folder", "archive"):
            raise UsageError(
                f"--{name.replace('_', '-')}: only a folder, or an archive of one, has labels in "
                "the names of files and folders, and the source is neither.",
                "Leave it out, or give the folder.",
            )
    of_use: tuple[str, ...] = {"table": OF_TABLES, "npz": OF_ARRAYS}.get(kind, ())
    idle = [name for name in OF_TABLES if name not in of_use and asked(options, name)]
    if idle:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in idle)
        raise UsageError(
            f"{flags}: only a table has columns, and the source is none.",
            "Groups can also be read from the paths: --group-pattern REGEX"
            if "group" in idle
            else "Leave it out, or give a table (.csv, .tsv, .jsonl, .parquet).",
        )


def to_judge(options: Options) -> Options:
    """The settings to read images by that a model is only judged on: splits do not matter."""
    return replace(options, split="pool", group=Options().group, group_pattern=None)


def must_have(name: str, column: str, columns: Sequence[str], table: str) -> None:
    """Raises `SourceError` where a table lacks the column that serves as image or label."""
    if column in columns:
        return
    known = [c for c in columns if c.casefold() in (column.casefold(), *_ALSO_CALLED.get(name, ()))]
    guess = known[0] if known else nearest(column, columns) or "NAME"
    listed = ", ".join(columns[:20]) + (", …" if len(columns) > 20 else "")
    raise SourceError(
        f"{table} has no column {column}; it has: {listed or 'none at all'}.",
        f"Name it: --{name.replace('_', '-')} {guess}",
    )
