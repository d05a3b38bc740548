"""Event files of TensorBoard, where its package is installed; what is said where it is not."""

import sys
import warnings
from pathlib import Path

import pytest

from striate.errors import MachineError, SourceError
from striate.store.training_log import read_log


def test_without_the_package_it_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "tensorboard.backend.event_processing.event_accumulator"
    monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "events.out.tfevents.1").touch()
    with pytest.raises(MachineError) as caught:
        read_log(tmp_path)
    assert "pip install 'striate[tensorboard]'" in caught.value.hint


def test_event_files_are_read(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        for folder, losses in (("train", (2.0, 1.5, 1.0)), ("validation", (2.1, 1.7, 1.3))):
            writer = EventFileWriter(str(tmp_path / folder))
            for step, loss in enumerate(losses):
                value = Summary.Value(tag="epoch_loss", simple_value=loss)
                writer.add_event(Event(step=step, summary=Summary(value=[value])))
            writer.close()
        curves = read_log(tmp_path)
        (tmp_path / "empty").mkdir()
        with pytest.raises(SourceError, match="no event files"):
            read_log(tmp_path / "empty")
    assert curves.train_loss == pytest.approx((2.0, 1.5, 1.0))
    assert curves.val_loss == pytest.approx((2.1, 1.7, 1.3))
