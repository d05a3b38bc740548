"""`striate inspect`: the check of a source as text, as a page and as a table for `fit`."""

import glob
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from striate.data.clean_table import COLUMNS, select_clean_rows, table_rows
from striate.errors import UsageError
from striate.report.html import render_page
from striate.report.inspection_page import compose_inspection
from striate.report.language import choose_language, load_words, plain_spaces
from striate.store.output_kinds import INSPECTION_PAGE, PAGE_GENERATOR, csv_kind
from striate.store.outputs import (
    OutputTarget,
    list_source_files,
    open_output,
    refuse_inputs,
    refuse_twice,
    resolve_output,
)
from striate.store.tables import csv_line
from striate.values import Inspection, Options, Sentence, Watch, say

if TYPE_CHECKING:
    from striate.stages.inspect import InspectedSource

PAGE = "inspect.html"
TABLE = csv_kind(*COLUMNS)
LISTED_KINDS = ("folder", "table")


def inspect_and_write(
    source: str,
    options: Options,
    page: str | None,
    table: str | None,
    watch: Watch,
    *,
    force: bool = False,
) -> tuple[Inspection, tuple[Sentence, ...]]:
    """The inspection of a source; writes its page and, where asked for, a clean table.

    The sentences tell what was written. Raises `UsageError` before anything is read where a
    file may not be written: `store.outputs`.
    """
    read = list_input_files(source, options)
    page_place = resolve_output(
        page or PAGE, INSPECTION_PAGE, flag="--out", inputs=read, force=force
    )
    table_place = resolve_output(table, TABLE, flag="--fix", inputs=read, force=force)
    refuse_twice(page_place, table_place)
    from striate.stages.inspect import inspect_source  # reaches torch

    done = inspect_source(source, options, watch)
    if table_place is not None and done.index.kind not in LISTED_KINDS:
        raise UsageError(
            f"--fix needs a folder or a table: {done.index.name} has no image files that "
            "could be listed.",
            "Unpack it into a folder, or leave --fix out.",
        )
    for place in (page_place, table_place):
        refuse_inputs(place, list_source_files(done.index))
    lang = choose_language(options.lang)
    report = compose_inspection(done.inspection, done.index, done.cache, lang)
    assert page_place is not None
    with open_output(page_place) as file:
        text = render_page(report, PAGE_GENERATOR)
        file.write(text.encode("utf-8", "backslashreplace"))
    shown = page or PAGE
    written = [say("inspect.page", "Report with images: {path}", path=shown)]
    if table is not None and table_place is not None:
        written.append(_write_table(done, table_place, table))
    return done.inspection, tuple(written)


def list_input_files(source: str, options: Options) -> list[Path]:
    """The files and folders that a command reads: the source, and an index.csv of `split`.

    If IDX files are given by a prefix, all files that begin with it.
    """
    named = Path(source)
    begun = [] if named.exists() else [*named.parent.glob(f"{glob.escape(named.name)}*")]
    return [named, *begun, Path(options.split)]


def inspection_lines(
    inspection: Inspection, written: tuple[Sentence, ...], lang: str
) -> Iterator[str]:
    """The inspection as lines of text: its name, then one line per sentence."""
    say = load_words(lang)
    yield inspection.name
    for sentence in (*inspection.told, *written):
        yield plain_spaces(say.sentence(sentence))


def _write_table(done: "InspectedSource", place: OutputTarget, shown: str) -> Sentence:
    clean = select_clean_rows(done.index, done.families)
    doubts = {each.path: (each.doubt, each.suggested) for each in done.inspection.doubts}
    listed = {done.index.examples[row].path for row in clean.rows}
    with open_output(place) as file:
        file.write(csv_line(COLUMNS).encode())
        for row in table_rows(done.index, clean.rows, Path(shown).parent, doubts):
            file.write(csv_line(row).encode("utf-8", "backslashreplace"))
    return say(
        "inspect.fixed",
        "{path} lists {n:,} images for striate fit. Left out: {copies:,} duplicates, "
        "{contradicting:,} with several labels, {leaked:,} leaked, {aside:,} "
        "unusable. {doubtful:,} possible label errors are marked, not changed. No "
        "image file was changed.",
        path=shown,
        n=len(clean.rows),
        copies=clean.copies,
        contradicting=clean.contradicting,
        leaked=clean.leaked,
        aside=clean.set_aside,
        doubtful=len(listed & set(doubts)),
    )
