"""TensorBoard event files read as columns of numbers, without its package."""

import math
import os
import struct
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

from striate.errors import SourceError
from striate.store.log_columns import LogColumn, drop_replaced_epochs

Series = list[tuple[float, float]]
HINT = "Name a TensorBoard event file, or the folder of a training log."
# Numbers of the fields that are read of TensorFlow's event.proto, summary.proto, tensor.proto.
STEP, VERSION, SUMMARY, VALUE, TAG, SIMPLE, TENSOR = 2, 3, 5, 1, 1, 2, 8
FORMATS = {1: "f", 2: "d"}
CONTENT, NUMBERS = 4, {1: 5, 2: 6}
VARINT, WIDE, BYTES, NARROW = 0, 1, 2, 5


def read_event_points(path: Path) -> list[LogColumn]:
    """The scalars of an event file, or of all in a folder, by tag; a sub-folder precedes its tags.

    So `validation/epoch_loss`, as Keras writes it, is what it says. Where a file has a scalar
    `epoch`, as Lightning's have, points stand at their epoch, else at their step. Raises
    `SourceError` where a file is no event file, or no scalar is found.
    """
    files = [path] if path.is_file() else sorted(path.rglob("*tfevents*"))
    found: dict[str, Series] = {}
    for file in files:
        folder = "" if path.is_file() else file.parent.relative_to(path).as_posix()
        before = "" if folder in ("", ".") else f"{folder}/"
        for tag, points in _points_by_epoch(_read_scalars(file)).items():
            found.setdefault(before + tag, []).extend(points)
    if not found:
        raise SourceError(f"{path} holds no scalars, so there are no curves to read.", HINT)
    return [_make_column(name, points) for name, points in found.items()]


def _make_column(name: str, points: Series) -> LogColumn:
    order = sorted(drop_replaced_epochs(points), key=lambda point: point[0])
    return LogColumn(
        name=name, places=tuple(p for p, _ in order), values=tuple(v for _, v in order)
    )


def _points_by_epoch(scalars: dict[str, Series]) -> dict[str, Series]:
    """Scalars by tag, each at the epoch logged for its step or the next one logged."""
    told = scalars.pop("epoch", [])
    epochs = sorted((step, epoch) for step, epoch in told if math.isfinite(epoch))
    if not epochs or not scalars:
        return scalars
    steps = [step for step, _ in epochs]
    last = len(steps) - 1
    return {
        tag: [(epochs[min(last, bisect_left(steps, step))][1], value) for step, value in points]
        for tag, points in scalars.items()
    }


def _read_scalars(file: Path) -> dict[str, Series]:
    """Scalars by tag, (step, value) each, in the order written."""
    found: dict[str, Series] = {}
    try:
        for event in _read_records(file):
            fields = list(_parse_fields(event))
            # A step of 0 is not written.
            step = next((float(_int(value)) for field, value in fields if field == STEP), 0.0)
            for field, summary in fields:
                if field == SUMMARY:
                    for tag, value in _summary_values(_bytes(summary)):
                        found.setdefault(tag, []).append((step, value))
    except (ValueError, struct.error, IndexError) as error:
        raise SourceError(
            f"{file} is not a TensorBoard event file, or it is damaged.", HINT
        ) from error
    except OSError as error:
        reason = str(error.strerror).lower()
        raise SourceError(f"{file} cannot be read: {reason}.", HINT) from error
    return found


def _read_records(file: Path) -> Iterator[bytes]:
    """The events of a file: length, its checksum, the event, its checksum (TFRecord).

    One that is cut short ends the file: a training that goes on is still writing it.
    """
    with file.open("rb") as opened:
        size, first = os.fstat(opened.fileno()).st_size, True
        while len(head := opened.read(12)) == 12:
            (length,) = struct.unpack("<Q", head[:8])
            if first and length > MOST_FIRST:
                raise ValueError(f"a first record of {length} bytes")
            if opened.tell() + length + 4 > size:
                return
            event = opened.read(length)
            if len(event) < length or len(opened.read(4)) < 4:
                return
            if first and VERSION not in dict(_parse_fields(event)):
                raise ValueError("no version")
            first = False
            yield event


def _summary_values(summary: bytes) -> Iterator[tuple[str, float]]:
    """Tags and numbers of a summary; newer writers store them as tensors of one number."""
    for field, value in _parse_fields(summary):
        if field != VALUE:
            continue
        parts = dict(_parse_fields(_bytes(value)))
        number = None
        if SIMPLE in parts:
            (number,) = struct.unpack("<f", _bytes(parts[SIMPLE]))
        elif TENSOR in parts:
            number = _tensor_scalar(_bytes(parts[TENSOR]))
        if number is not None and TAG in parts:
            yield _bytes(parts[TAG]).decode(), float(number)


def _tensor_scalar(tensor: bytes) -> float | None:
    """The number of a tensor with one float or double; None for any other."""
    parts = dict(_parse_fields(tensor))
    kind = parts.get(1)
    if not isinstance(kind, int) or kind not in FORMATS:
        return None
    held = parts.get(CONTENT) or parts.get(NUMBERS[kind])
    form = f"<{FORMATS[kind]}"
    if not isinstance(held, bytes) or len(held) != struct.calcsize(form):
        return None
    return float(struct.unpack(form, held)[0])


def _parse_fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and contents of a protocol buffer's fields; `ValueError` where it is none."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == VARINT:
            number, at = _read_varint(message, at)
            yield key >> 3, number
            continue
        if kind == BYTES:
            length, at = _read_varint(message, at)
        elif kind in (WIDE, NARROW):
            length = 8 if kind == WIDE else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + length > len(message):
            raise ValueError("a field beyond the end")
        yield key >> 3, message[at : at + length]
        at += length


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    """A protocol-buffer varint (7 bits a byte, least significant first), and where it ends."""
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _int(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("bytes where a number stands")
    return value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where bytes stand")
    return value


# The first event tells the version and, in newer files, who wrote it.
MOST_FIRST = 10_000
