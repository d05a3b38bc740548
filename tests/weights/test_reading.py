import json
import os
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from striate.errors import ModelError
from striate.weights.reading import open_weights, read_weights

TENSORS = {"conv.weight": torch.arange(8.0).reshape(2, 1, 2, 2), "conv.bias": torch.ones(2)}


def saved(path: Path, content: object = TENSORS) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(content, path)
    else:
        torch.save(content, path)
    return path


def refused(path: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        read_weights(path)
    assert str(path) in caught.value.sentence
    assert caught.value.hint
    assert caught.value.exit_code == 5
    return caught.value


@pytest.mark.parametrize("wrap", ["state_dict", "state_dict_ema", "model", "model_state_dict"])
def test_tensors_are_taken_out_of_their_wraps(tmp_path: Path, wrap: str) -> None:
    path = saved(tmp_path / "w.pth", {"epoch": 3, wrap: TENSORS, "optimizer": {"lr": 0.1}})
    found = read_weights(path)
    assert list(found) == list(TENSORS)
    assert all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


def test_averaged_tensors_come_first(tmp_path: Path) -> None:
    other = {name: tensor + 1 for name, tensor in TENSORS.items()}
    path = saved(tmp_path / "w.pth", {"state_dict": TENSORS, "state_dict_ema": other})
    assert torch.equal(read_weights(path)["conv.bias"], torch.full((2,), 2.0))


def test_a_file_is_known_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.safetensors").rename(tmp_path / "w.pt")
    assert list(read_weights(path)) == sorted(TENSORS)
    path = saved(tmp_path / "other.pt").rename(tmp_path / "other.safetensors")
    assert list(read_weights(path)) == list(TENSORS)


def test_the_network_that_a_file_names(tmp_path: Path) -> None:
    assert open_weights(saved(tmp_path / "a.pt")).net == ""
    timm = saved(tmp_path / "b.pt", {"arch": "resnet10t", "state_dict": TENSORS})
    assert open_weights(timm).net == "resnet10t"
    safe = saved(tmp_path / "c.safetensors")
    assert open_weights(safe).net == ""
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet14t"}))
    assert open_weights(safe).net == "resnet14t"
    (tmp_path / "config.json").write_text("[")
    assert open_weights(safe).net == ""


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, name: str, share: float) -> None:
    whole = saved(tmp_path / name, {"weight": torch.zeros(1000)}).read_bytes()
    path = tmp_path / f"cut-{name}"
    path.write_bytes(whole[: int(share * len(whole))])
    assert "damaged" in refused(path).sentence


@pytest.mark.parametrize("name", ["noise.safetensors", "noise.pt"])
def test_noise_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(os.urandom(2000))
    assert "damaged" in refused(path).sentence


def test_a_safetensors_file_with_a_foul_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes((2**40).to_bytes(8, "little") + b'{"a":1}')
    assert "damaged" in refused(path).sentence


def test_an_empty_file_a_folder_and_none(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.touch()
    assert "is empty" in refused(path).sentence
    assert "There is no weights file" in refused(tmp_path / "absent.pt").sentence
    assert "is a folder" in refused(tmp_path).sentence
    inside = saved(tmp_path / "model.safetensors")
    assert f"--weights {inside}" in refused(tmp_path).hint


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    assert "no tensors" in refused(saved(tmp_path / "list.pt", [1, 2])).sentence
    assert "no tensors" in refused(saved(tmp_path / "facts.pt", {"epoch": 3})).sentence
    assert "no tensors" in refused(saved(tmp_path / "none.safetensors", {})).sentence


@pytest.mark.parametrize(
    ("begin", "said", "hint"),
    [
        (b"\x89HDF\r\n\x1a\n", "Keras", ".safetensors"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS", "git lfs pull"),
        (b"<!doctype html><html>", "HTML", "Download"),
        (b"GGUF\x03\x00", "GGUF", ".safetensors"),
    ],
)
def test_files_of_another_kind_are_named(
    tmp_path: Path, begin: bytes, said: str, hint: str
) -> None:
    path = tmp_path / "w.pt"
    path.write_bytes(begin + b"\0" * 300)
    error = refused(path)
    assert said in error.sentence
    assert hint in error.hint


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["bomb.pt", "bomb.safetensors"])
def test_code_in_a_weights_file_is_never_run(tmp_path: Path, name: str, zipped: bool) -> None:
    mark = tmp_path / "exploded"
    path = tmp_path / name
    content = {"weight": torch.zeros(1), "bomb": Bomb(mark)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    error = refused(path)
    assert "more than tensors" in error.sentence
    assert "safetensors" in error.hint
    assert not mark.exists()


def test_a_whole_module_is_more_than_tensors(tmp_path: Path) -> None:
    assert "more than tensors" in refused(saved(tmp_path / "net.pt", nn.Linear(2, 2))).sentence


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="TorchScript ended with Python 3.14")
@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_a_program_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), str(path))
    assert "TorchScript" in refused(path).sentence


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pt")
    path.chmod(0)
    assert "cannot be read" in refused(path).sentence
