"""The labels in the rows of a table: one, several, or a number, as text."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from striate.data.columns import NO, YES
from striate.data.formats.table_file import cell_text
from striate.errors import SourceError
from striate.values import ReadingOptions, Sentence, say

WHOLE_NUMBER = re.compile(r"[+-]?\d+(\.0+)?")


def read_row_labels(
    columns: Mapping[str, Sequence[Any]], names: Sequence[str], options: ReadingOptions, title: str
) -> tuple[list[str], tuple[Sentence, ...]]:
    """What every row of a table says of its image, as the task writes it, and notes.

    `names` are the column of labels, or several that say yes or no of a label each; `title` is
    what messages call the table. Raises `SourceError` where a cell says neither yes nor no, or is
    no label.
    """
    if len(names) > 1:
        joined = _join_indicator_labels(columns, names, title)
        return (_labels_from_indicators(joined, title) if options.task == "label" else joined), ()
    cells = [_label_text(cell) for cell in columns[names[0]]]
    if options.label_separator:
        parted = [(cell, cell.split(options.label_separator)) for cell in cells]
        return [normalise_multi_labels(parts) if cell else "" for cell, parts in parted], ()
    return _normalise_whole_numbers(cells)


def _label_text(cell: Any) -> str:
    if isinstance(cell, list | tuple) or getattr(cell, "ndim", 0) == 1:
        return normalise_multi_labels([cell_text(part) for part in cell])
    if isinstance(cell, dict):
        raise SourceError(
            f"A label must be text or a number, not {cell!r:.60}.",
            "Name another column with --label.",
        )
    return unicodedata.normalize("NFC", cell_text(cell))


def normalise_multi_labels(names: Iterable[str]) -> str:
    """Labels as the task writes several of one image; `|` where there are none."""
    return "|".join(filter(None, (name.strip() for name in names))) or "|"


def _normalise_whole_numbers(cells: list[str]) -> tuple[list[str], tuple[Sentence, ...]]:
    """Labels with 1.0 written 1 where all are whole numbers, as they are when numbers are typed."""
    if not all(WHOLE_NUMBER.fullmatch(cell) for cell in cells if cell):
        return cells, ()
    plain = [cell.partition(".")[0] for cell in cells]
    both = set(cells) & set(plain) and set(cells) - set(plain)
    if len(set(plain)) == len(set(cells)) or not both:
        return plain, ()
    told = say("read.whole_numbers", "Labels such as 1.0 and 1 are treated as the same label.")
    return plain, (told,)


def _labels_from_indicators(joined: list[str], title: str) -> list[str]:
    """The one label of every row of a table with a column a class."""
    for number, label in enumerate(joined):
        if "|" in label:
            named = "none" if label == "|" else label.replace("|", " and ")
            raise SourceError(
                f"Row {number + 1:,} of {title} needs one class, not {named}.",
                "Correct that row; or leave --task label out if an image may have several labels.",
            )
    return joined


def _join_indicator_labels(
    columns: Mapping[str, Sequence[Any]], names: Sequence[str], title: str
) -> list[str]:
    """The labels `a|b` of every row, from columns that say yes or no; `|` where none is yes."""
    found = []
    for number in range(len(columns[names[0]])):
        cells = {name: cell_text(columns[name][number]).casefold() for name in names}
        for name, cell in cells.items():
            if cell not in (*YES, *NO):
                raise SourceError(
                    f"Row {number + 1:,} of {title} has {cell or 'nothing'} in the column {name}, "
                    "which must hold 1 or 0, yes or no.",
                    "Correct that row, or name other columns with --label.",
                )
        found.append("|".join(name for name in names if cells[name] in YES) or "|")
    return found
