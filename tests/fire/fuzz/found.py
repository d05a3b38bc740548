"""Inputs that once broke a parser, each with the target that it broke; made when they are used."""

import gzip
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from typing import IO

from tests.fire.fuzz.every import TARGETS
from tests.fire.fuzz.logs import event, events, framed

MIB = 1 << 20
SWOLLEN = 400  # MiB, out of some hundred kilobytes
UNLIKE = 20_000  # rows or columns that have no name in common: 400 million cells
NESTED = b"[" * 100_000

Make = Callable[[], bytes]


def _unlike_columns() -> bytes:
    return json.dumps({f"c{k}": {f"r{k}": 1} for k in range(UNLIKE)}).encode()


def _unlike_rows() -> bytes:
    return json.dumps([{f"loss{k}": 1} for k in range(UNLIKE)]).encode()


def _unlike_lines() -> bytes:
    return b"\n".join(b'{"image%d": 1}' % k for k in range(UNLIKE))


def _empty_cells() -> bytes:
    return b"loss," * UNLIKE + b"a\n" + b"1\n" * UNLIKE


def _long_record(length: int) -> Make:
    return lambda: events(False) + struct.pack("<Q", length) + bytes(5)


def _epoch(number: float) -> Make:
    """An event file in which the epoch of a step is no number."""
    rows = (("loss", 1.0), ("epoch", number))
    told = b"".join(framed(event(1, tag, value, False)) for tag, value in rows)
    return lambda: events(False).split(framed(event(0, "loss", 1, False)))[0] + told


def _reasons(because: object) -> Make:
    plan = json.loads(TARGETS["plans"].seeds["plan"])
    return lambda: json.dumps({**plan, "because": because}).encode()


def _schema(name: str) -> Make:
    plan = json.loads(TARGETS["plans"].seeds["plan"])
    return lambda: json.dumps({**plan, "schema": name}).encode()


def _array(shape: str) -> Make:
    """An `.npz` of one array of 64 bytes that says it has another shape."""

    def make() -> bytes:
        file = io.BytesIO()
        head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".encode()
        with zipfile.ZipFile(file, "w") as archive:
            start = b"\x93NUMPY\1\0" + struct.pack("<H", len(head))
            archive.writestr("images.npy", start + head + bytes(64))
        return file.getvalue()

    return make


def _swollen_array_header() -> bytes:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("images.npy", "w") as member,
    ):
        member.write(b"\x93NUMPY\2\0" + struct.pack("<I", SWOLLEN * MIB))
        _fill(member)
    return file.getvalue()


def _swollen_tar_header(kind: bytes) -> Make:
    def make() -> bytes:
        entry = tarfile.TarInfo("x")
        entry.type, entry.size = kind, SWOLLEN * MIB
        file = io.BytesIO()
        with gzip.open(file, "wb", 1) as packed:
            packed.write(entry.tobuf(tarfile.USTAR_FORMAT))
            _fill(packed)
        return file.getvalue()

    return make


def _nameless_entry() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(""), b"")
    return file.getvalue()


def _fill(file: IO[bytes]) -> None:
    for _ in range(SWOLLEN):
        file.write(bytes(MIB))


FOUND: Mapping[str, Mapping[str, Make]] = {
    "headers": {"a frame cut off": lambda: bytes.fromhex("ffd8ffc1c1ff000000d9")},
    "json_logs": {
        "a digit that is no number": '{"²": {"loss": 1}, "1": {"loss": 2}}'.encode,
        "a list as a key": lambda: b'{[]: 1}\n{"loss": 2}',
        "a number of 5,000 digits": lambda: b'[{"loss": ' + b"1" * 5000 + b"}]",
        "a nested line": lambda: b'{"loss": 2}\n' + b'{"a":' * 5000 + b"1" + b"}" * 5000,
        "a loss after the last validation": lambda: json.dumps(
            [{"epoch": 0, "val_loss": 0.4}, {"epoch": 3, "loss": 0.25}]
        ).encode(),
        "columns without a row in common": _unlike_columns,
        "rows without a column in common": _unlike_rows,
    },
    "csv": {"empty cells alone": lambda: b"#,\xfb!`\xb3#\n,"},
    "log_tables": {"empty cells": _empty_cells},
    "event_files": {
        "a record without end": _long_record(2**64 - 1),
        "a record of many bytes": _long_record(2**62),
        "an endless epoch": _epoch(float("inf")),
        "an epoch that is no number": _epoch(float("nan")),
    },
    "json_lines": {"nested": lambda: NESTED, "lines without a name in common": _unlike_lines},
    "plans": {
        "a number for reasons": _reasons(5),
        "no reasons": _reasons(None),
        "nested": lambda: NESTED,
        "a schema in a schema": _schema("striate/plan/striate/plan/1"),
        "a schema of a raised digit": _schema("striate/plan/²"),
        "a schema without end": _schema("striate/plan/" + "9" * 5000),
    },
    "npz": {
        "pixels beyond 64 bits": _array("(4294967296, 4294967296, 1, 1)"),
        "an axis beyond 64 bits": _array("(18446744073709551620, 4, 4)"),
        "axes below nothing": _array("(-4, -4, 4)"),
        "a bracket that stays open": _array("((((4, 4, 4"),
        "a swollen header": _swollen_array_header,
    },
    "zip": {"an entry without a name": _nameless_entry},
    "packed_tar": {
        "swollen pax": _swollen_tar_header(tarfile.XHDTYPE),
        "swollen global pax": _swollen_tar_header(tarfile.XGLTYPE),
        "swollen long name": _swollen_tar_header(tarfile.GNUTYPE_LONGNAME),
    },
}
