"""Event files of TensorBoard are read without its package, as torch, Keras and Lightning write."""

import struct
from pathlib import Path

import pytest

from striate.errors import SourceError
from striate.store.event_files import read_event_points
from striate.store.training_log import read_training_log

LOGS = Path(__file__).parent / "logs"


def varint(number: int) -> bytes:
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def part(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def simple(tag: str, number: float) -> bytes:
    return part(1, part(1, tag.encode()) + varint(2 << 3 | 5) + struct.pack("<f", number))


def tensor(tag: str, number: float, kind: int, field: int) -> bytes:
    content = struct.pack("<f" if kind == 1 else "<d", number)
    held = varint(1 << 3) + varint(kind) + part(2, b"") + part(field, content)
    return part(1, part(1, tag.encode()) + part(8, held))


def record(step: int, summary: bytes = b"", version: bytes = b"") -> bytes:
    event = varint(1 << 3 | 1) + struct.pack("<d", 1.7e9)
    event += varint(2 << 3) + varint(step) if step else b""
    event += part(3, version) if version else part(5, summary)
    return struct.pack("<Q", len(event)) + b"\0" * 4 + event + b"\0" * 4


VERSION = record(0, version=b"brain.Event:2")


def written(folder: Path, *records: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.out.tfevents.1").write_bytes(VERSION + b"".join(records))
    return folder


def test_a_file_that_torch_wrote() -> None:
    """`logs/one.tfevents` is of torch.utils.tensorboard's SummaryWriter (tensorboard 2.21)."""
    curves = read_training_log(LOGS / "one.tfevents")
    assert curves.epochs == tuple(range(30))
    assert curves.columns["val_loss"] == "Loss/test"
    assert curves.train_loss[0] == pytest.approx(2.06)
    assert curves.val_accuracy[-1] == pytest.approx(0.8 - 0.5 * 0.8**29)


@pytest.mark.parametrize(("kind", "field"), [(1, 4), (1, 5), (2, 4), (2, 6)])
def test_keras_has_a_folder_a_split_and_tensors(tmp_path: Path, kind: int, field: int) -> None:
    for name, losses in (("train", (2.0, 1.5, 1.0)), ("validation", (2.25, 1.75, 1.25))):
        rows = (tensor("epoch_loss", loss, kind, field) for loss in losses)
        written(tmp_path / name, *(record(step, row) for step, row in enumerate(rows)))
    curves = read_training_log(tmp_path)
    assert curves.train_loss == (2.0, 1.5, 1.0)
    assert curves.val_loss == (2.25, 1.75, 1.25)


def test_lightning_tells_the_epoch_of_its_steps(tmp_path: Path) -> None:
    rows = []
    for epoch in range(3):
        rows += [record(50 * epoch + k, simple("train_loss", 4 - epoch)) for k in (9, 29, 49)]
        rows.append(record(50 * epoch + 49, simple("val_loss", 5 - epoch)))
        rows.append(record(50 * epoch + 49, simple("epoch", epoch)))
    curves = read_training_log(written(tmp_path, *rows))
    assert curves.epochs == (0, 1, 2)
    assert curves.train_loss == (4.0, 3.0, 2.0)
    assert curves.val_loss == (5.0, 4.0, 3.0)


def test_what_a_training_did_before_it_went_back_is_forgotten(tmp_path: Path) -> None:
    losses = [(0, 4.0), (1, 9.0), (2, 9.0), (1, 3.0), (2, 2.0)]
    folder = written(tmp_path, *(record(step, simple("loss", loss)) for step, loss in losses))
    assert read_event_points(folder)[0].values == (4.0, 3.0, 2.0)


def test_a_file_that_is_still_being_written(tmp_path: Path) -> None:
    rows = [record(step, simple("loss", 3 - step)) for step in range(3)]
    whole = written(tmp_path / "whole", *rows)
    cut = written(tmp_path / "cut", *rows[:2], rows[2][:-7])
    assert read_event_points(whole)[0].values == (3.0, 2.0, 1.0)
    assert read_event_points(cut)[0].values == (3.0, 2.0)


def test_other_tensors_are_passed_over(tmp_path: Path) -> None:
    text = part(1, part(1, b"note") + part(8, varint(1 << 3) + varint(7) + part(8, b"hello")))
    two = part(1, part(1, b"pair") + part(8, varint(1 << 3) + varint(1) + part(4, b"\0" * 8)))
    folder = written(tmp_path, record(0, text), record(0, two), record(0, simple("loss", 1.0)))
    assert [points.name for points in read_event_points(folder)] == ["loss"]


@pytest.mark.parametrize(
    "content",
    [
        b"no event file at all, but a text of some length",
        record(0, simple("loss", 1.0)),
        VERSION + struct.pack("<Q", 3) + b"\0" * 4 + b"\xff\xff\xff" + b"\0" * 4,
        VERSION + record(1, part(1, varint(2 << 3 | 5) + b"\0")),
    ],
)
def test_what_is_no_event_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="not a TensorBoard event file, or it is damaged"):
        read_training_log(path)


def test_no_scalars(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no scalars"):
        read_training_log(written(tmp_path))
