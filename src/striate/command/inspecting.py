"""`striate inspect`: what is in a source, in words, as a page and as a table that `fit` reads."""

import os
from collections.abc import Iterator
from pathlib import Path

from striate.data.clean_table import COLUMNS, cleaned, table_rows
from striate.errors import UsageError
from striate.report.html import render
from striate.report.inspection import compose_inspection
from striate.report.language import pick_language, plain, words
from striate.stages.inspection import Inspected, inspect
from striate.store.files import whole, write_whole
from striate.store.tables import csv_line
from striate.values import Inspection, Options, Sentence, Watch, say

PAGE = "inspect.html"
# What tells a file of ours from another: the page's mark, the table's head.
PAGE_MARK = b'<p class="brand">striate</p>'
TABLE_MARK = csv_line(COLUMNS).encode()
START = 65_536
LISTED_KINDS = ("folder", "table")


def look_into(
    source: str, options: Options, page: str | None, table: str | None, watch: Watch
) -> tuple[Inspection, tuple[Sentence, ...]]:
    """The inspection of a source; writes its page and, where asked for, a clean table.

    The sentences tell what was written. Raises `UsageError` before anything is read where a
    file would be written into the source or over a file that is not striate's own.
    """
    page_path = _writable(Path(page or PAGE), source, PAGE_MARK, "--out")
    table_path = None if table is None else _writable(Path(table), source, TABLE_MARK, "--fix")
    done = inspect(source, options, watch)
    if table_path is not None and done.index.kind not in LISTED_KINDS:
        raise UsageError(
            f"--fix lists files, and {done.index.name} has none of its own to list.",
            "Unpack it into a folder, or leave --fix out.",
        )
    lang = pick_language(options.lang)
    report = compose_inspection(done.inspection, done.index, done.cache, lang)
    write_whole(page_path, render(report).encode("utf-8", "backslashreplace"))
    written = [say("inspect.page", "With pictures: {path}", path=str(page_path))]
    if table_path is not None:
        written.append(_write_table(done, table_path))
    return done.inspection, tuple(written)


def inspection_lines(
    inspection: Inspection, written: tuple[Sentence, ...], lang: str
) -> Iterator[str]:
    """The inspection for people: its name, then a line a sentence."""
    say = words(lang)
    yield inspection.name
    for sentence in (*inspection.told, *written):
        yield plain(say.sentence(sentence))


def _write_table(done: Inspected, path: Path) -> Sentence:
    clean = cleaned(done.index, done.families)
    doubts = {each.path: (each.doubt, each.suggested) for each in done.inspection.doubts}
    listed = {done.index.examples[row].path for row in clean.rows}
    with whole(path) as file:
        file.write(TABLE_MARK)
        for row in table_rows(done.index, clean.rows, path.parent, doubts):
            file.write(csv_line(row).encode("utf-8", "backslashreplace"))
    return say(
        "inspect.fixed",
        "{path} lists {n:,} images for striate fit. Left out: {copies:,} copies, "
        "{contradicting:,} under several labels, {leaked:,} that leak, {aside:,} that cannot be "
        "used. Doubtful labels are marked, not changed: {doubtful:,}. No file was touched.",
        path=str(path),
        n=len(clean.rows),
        copies=clean.copies,
        contradicting=clean.contradicting,
        leaked=clean.leaked,
        aside=clean.set_aside,
        doubtful=len(listed & set(doubts)),
    )


def _writable(path: Path, source: str, mark: bytes, flag: str) -> Path:
    """The path, where a file of ours may be written there."""
    inside = Path(source).is_dir() and Path(os.path.realpath(path)).is_relative_to(
        os.path.realpath(source)
    )
    if inside:
        raise UsageError(
            f"{path} would lie inside {source}, where striate writes nothing.",
            f"Name another place: {flag} FILE",
        )
    if path.is_dir() or (path.exists() and mark not in _start(path)):
        raise UsageError(
            f"{path} is there already, and striate did not write it.",
            f"Name another file: {flag} FILE",
        )
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}.", f"Name another file: {flag} FILE")
    return path


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(START)
