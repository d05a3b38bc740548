"""Files of tables: whatever stands in the cells comes back, whatever the bytes nothing else."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from striate.data.formats.table_file import cell_text, read_table
from striate.errors import SourceError

QUICK = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
SAMPLE = 'image;label\n"a;1.png";"cat\nand dog"\nb.png;d"og\n# remark\nc.png;pâté\n'.encode()
LINES = b'{"image": "a.png", "label": ["x", 1.0, null]}\n{"image": "b.png", "label": {}}\n'


@QUICK
@given(
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_cells_come_back(
    tmp_path: Path, rows: list[tuple[str, str]], codec: str, delimiter: str, end: str
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("image", "label of the row"), *rows, ("last", "x" * 40)])
    (tmp_path / "t.csv").write_bytes(file.getvalue().encode(codec))
    encoding = "auto" if codec != "utf-16-le" else codec
    found = read_table(tmp_path / "t.csv", ".csv", encoding).columns
    told = zip(found["image"], found["label of the row"], strict=True)

    def plain(pair: tuple[str, str]) -> tuple[str, ...]:
        return tuple(cell_text(cell.replace("\r\n", "\n")) for cell in pair)

    assert [plain(pair) for pair in told] == [plain(pair) for pair in [*rows, ("last", "x" * 40)]]


@QUICK
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
@given(
    st.sampled_from([SAMPLE, LINES, SAMPLE.decode().encode("utf-16"), b""]),
    st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=3)), max_size=6),
)
def test_damaged_tables_are_read_or_refused(
    tmp_path: Path, ending: str, content: bytes, changes: list[tuple[int, bytes]]
) -> None:
    for place, new in changes:
        content = content[:place] + new + content[place + len(new) + place % 2 :]
    (tmp_path / f"t{ending}").write_bytes(content)
    bound = csv.field_size_limit()
    hint, lengths = "read", set[int]()
    try:
        found = read_table(tmp_path / f"t{ending}", ending)
        lengths = {len(cells) for cells in found.columns.values()}
    except SourceError as error:
        hint = error.hint
    assert hint
    assert len(lengths) <= 1
    assert csv.field_size_limit() == bound


def test_cells_longer_than_the_csv_module_likes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"image,mask\na.png,{'x' * 10**6}\n")
    assert len(read_table(tmp_path / "t.csv", ".csv").columns["mask"][0]) == 10**6


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, ""),
        (float("nan"), ""),
        (3.0, "3"),
        (True, "True"),
        (b"a\xff", "a\\xff"),
        (" a ", "a"),
    ],
)
def test_what_cells_say(value: object, said: str) -> None:
    assert cell_text(value) == said
    assert cell_text("\ud800") == "\\ud800"
