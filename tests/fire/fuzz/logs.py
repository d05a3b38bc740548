"""Logs of trainings: TensorBoard's event files, tables and JSON of any program."""

import json
import struct

from tests.fire.fuzz.target import Target, of_file

from striate.store.training_log import read_training_log


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def event(step: int, tag: str, value: float, tensor: bool) -> bytes:
    one = field(8, b"\x08\1" + field(4, struct.pack("<f", value)))
    held = one if tensor else b"\x15" + struct.pack("<f", value)
    return b"\x10" + bytes([step]) + field(5, field(1, field(1, tag.encode()) + held))


def framed(message: bytes) -> bytes:
    return struct.pack("<Q", len(message)) + bytes(4) + message + bytes(4)


def events(tensor: bool) -> bytes:
    head = b"\x09" + struct.pack("<d", 1.0) + field(3, b"brain.Event:2")
    rows = [
        framed(event(step, tag, 1 / (step + 1), tensor))
        for step in range(3)
        for tag in ("loss", "val_loss", "epoch")
    ]
    return framed(head) + b"".join(rows)


ROWS = [{"epoch": e, "loss": 1.0 / (e + 1), "val_loss": 1.2 / (e + 1)} for e in range(4)]
BY_COLUMN = {name: [row[name] for row in ROWS] for name in ROWS[0]}
JSONS = {
    "rows": json.dumps(ROWS).encode(),
    "columns": json.dumps(BY_COLUMN).encode(),
    "trainer": json.dumps({"log_history": ROWS}).encode(),
    "lines": b"\n".join(json.dumps(row).encode() for row in ROWS),
    "python": b"\n".join(repr(row).encode() for row in ROWS),
    "frame": json.dumps({n: dict(enumerate(c)) for n, c in BY_COLUMN.items()}).encode(),
    "by_row": json.dumps(dict(enumerate(ROWS))).encode(),
}
TABLE = "\n".join([",".join(ROWS[0]), *(",".join(map(str, row.values())) for row in ROWS)])
TABLES = {
    "csv": TABLE.encode(),
    "tabs": TABLE.replace(",", "\t").encode(),
    "bars": TABLE.replace(",", " | ").encode(),
    "semicolons": TABLE.replace(",", ";").replace(".", ",").encode("utf-16"),
}
WORDS = (b"NaN", b"1e999", b"9" * 5000, b"{", b"[", b'{"a":', b'"', "²".encode(), b"3/30", b"[]:")

TARGETS = (
    Target(
        name="event_files",
        parse=of_file(read_training_log, "events.out.tfevents.1"),
        seeds={"simple": events(False), "tensors": events(True)},
        words=[b"\xff" * 8, b"\x15\0\0\x80\x7f", b"epoch", struct.pack("<f", float("nan"))],
    ),
    Target(
        name="json_logs", parse=of_file(read_training_log, "log.json"), seeds=JSONS, words=WORDS
    ),
    Target(
        name="log_tables", parse=of_file(read_training_log, "log.csv"), seeds=TABLES, words=WORDS
    ),
)
