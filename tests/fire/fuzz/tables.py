"""Tables: CSV, TSV, JSON lines."""

from collections.abc import Callable
from pathlib import Path

from tests.fire.fuzz.target import Target, of_file

from striate.data.formats.table_file import cell_text, read_table

CSV = 'image,label,split\ncat/1.png,cat,train\n"a, b.png",犬,test\ndog/2.png,dog,val\n'
JSON = '{"image": "cat/1.png", "label": "cat"}\n{"image": "a\\ud83d.png", "label": 3.0}\n'
CELLS = (
    b'"',
    b"\0",
    b"\r",
    b"\n",
    b",",
    b"\xff\xfe",
    b"[",
    b'{"a":',
    b"9" * 5000,
    b"1e999",
    b"NaN",
)


def _reader(ending: str) -> Callable[[bytes], object]:
    def read(path: Path) -> None:
        for column in read_table(path, ending).columns.values():
            for cell in column:
                cell_text(cell)

    return of_file(read, f"a{ending}")


TARGETS = (
    Target(
        name="csv",
        parse=_reader(".csv"),
        seeds={
            "utf-8": CSV.encode(),
            "utf-16": CSV.encode("utf-16"),
            "latin-1": CSV.replace("犬", "é").encode("latin-1"),
            "semicolons": CSV.replace(",", ";").encode(),
        },
        words=CELLS,
    ),
    Target(name="json_lines", parse=_reader(".jsonl"), seeds={"json": JSON.encode()}, words=CELLS),
)
