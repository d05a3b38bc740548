"""Pickles: arrays and dictionaries are read, and nothing is ever called."""

import collections
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from striate import cli
from striate.toolboxes import read_files
from striate.toolboxes.graph import ToolboxError
from striate.toolboxes.wire.pickles import Record, read_pickle


@pytest.mark.parametrize("protocol", range(2, 6))
def test_arrays_come_as_they_were(protocol: int) -> None:
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "c": np.array(3, np.int64),
        "d": np.arange(3, dtype=">i2"),
        "e": collections.OrderedDict(x=[1, (2, "three")]),
    }
    found, end = read_pickle(pickle.dumps(arrays, protocol))
    assert end == len(pickle.dumps(arrays, protocol))
    for name in "abcd":
        assert np.array_equal(found[name], arrays[name])
        assert found[name].shape == arrays[name].shape
    assert found["e"] == {"x": [1, (2, "three")]}


class Payload:
    """Would write a file if it were unpickled."""

    def __init__(self, called: object, *given: object) -> None:
        self.called, self.given = called, given

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.called, self.given


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("called", [os.system, eval, exec, os.mkdir, getattr, pickle.loads])
def test_a_call_is_refused(protocol: int, called: object) -> None:
    content = pickle.dumps({"a": Payload(called, "touch here", "x")}, protocol)
    with pytest.raises(ToolboxError, match="could run code"):
        read_pickle(content)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
        b"\x80\x02cos\nsystem\n.",
        b"\x80\x02(S'x'\nios\nsystem\n.",
        b"\x80\x02cposix\nsystem\n\x85R.",
        b"\x80\x02csite_packages.tool\nrun\n)R.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02cnumpy\ndtype\n(X\x02\x00\x00\x00O8K\x00K\x01tR.",
    ],
)
def test_every_way_to_a_name_is_closed(content: bytes) -> None:
    try:
        found, _ = read_pickle(content)
    except ToolboxError:
        return
    assert isinstance(found, Record)  # a type that no array was made of


def test_an_array_of_objects_is_refused() -> None:
    with pytest.raises(ToolboxError):
        read_pickle(pickle.dumps(np.array([{}, []], object), 4))


def test_every_truncation_is_refused() -> None:
    content = pickle.dumps({"a": np.arange(5.0), "b": [1, 2]}, 4)
    for length in range(len(content)):
        with pytest.raises(ToolboxError):
            read_pickle(content[:length])


def test_a_memo_of_any_number_takes_no_memory() -> None:
    assert read_pickle(b"\x80\x02K\x05r\xff\xff\xff\x7f.")[0] == 5


@pytest.mark.parametrize("new", [True, False])
def test_a_payload_in_a_checkpoint_ends_with_five(
    tmp_path: Path, new: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "ran"
    content = {"weight": torch.zeros(3), "evil": Payload(os.mkdir, str(target))}
    torch.save(content, tmp_path / "evil.pt", _use_new_zipfile_serialization=new)
    assert cli.run(["weights", str(tmp_path / "evil.pt")]) == 5
    assert "mkdir" in capsys.readouterr().err
    assert not target.exists()


@pytest.mark.parametrize("new", [True, False])
def test_views_of_torch_are_read_and_truncations_refused(tmp_path: Path, new: bool) -> None:
    base = torch.arange(20.0).reshape(4, 5)
    path = tmp_path / "views.pt"
    torch.save(
        {"base": base, "cut": base[1:3, 2:4], "turned": base.t(), "half": base.bfloat16()},
        path,
        _use_new_zipfile_serialization=new,
    )
    tensors = read_files([path]).tensors
    assert np.array_equal(tensors["cut"], base[1:3, 2:4].numpy())
    assert np.array_equal(tensors["turned"], base.t().numpy())
    assert np.array_equal(tensors["half"], base.numpy())
    content = path.read_bytes()
    for length in range(16, len(content) - 1, 37):
        path.write_bytes(content[:length])
        with pytest.raises(ToolboxError):
            read_files([path])
