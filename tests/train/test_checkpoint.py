import os
from pathlib import Path

import pytest
import torch
from tests.train.made_training import plan
from torch import nn

from striate.errors import MachineError
from striate.train import checkpoint
from striate.train.checkpoint import (
    Checkpoint,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from striate.train.optimizer import Optimizer, build_optimizer
from striate.values import Sentence


def state(fingerprint: str = "f") -> Checkpoint:
    tensors = {"a.weight": torch.arange(6.0).view(2, 3)}
    return Checkpoint(
        fingerprint=fingerprint,
        plan=plan(),
        epochs=(),
        held={3: {"a.weight": torch.zeros(2, 3)}, 12: {"a.weight": torch.ones(2, 3)}},
        network=tensors,
        optimizer={"0/1/momentum_buffer": torch.ones(2), "0/1/step": torch.tensor(3.0)},
    )


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "deeper", state())
    found = load_checkpoint(tmp_path / "deeper", "f")
    assert found is not None
    assert found.plan == plan()
    assert torch.equal(found.network["a.weight"], state().network["a.weight"])
    assert sorted(found.held) == [3, 12]
    assert torch.equal(found.held[12]["a.weight"], torch.ones(2, 3))
    assert found.optimizer["0/1/step"] == 3
    assert [p.name for p in (tmp_path / "deeper").iterdir()] == [checkpoint.NAME]


def test_a_checkpoint_of_another_training_is_not_used(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, state("other"))
    assert load_checkpoint(tmp_path, "f") is None


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "missing", "bit", "facts"])
def test_a_damaged_checkpoint_is_not_used(tmp_path: Path, damage: str) -> None:
    save_checkpoint(tmp_path, state())
    path = tmp_path / checkpoint.NAME
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        bit = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
        broken = {
            "cut": content[:-5],
            "noise": b"\xff" * 40 + content[40:],
            "empty": b"",
            "bit": bit,
            "facts": content.replace(b'fingerprint\\": \\"f', b'fingerprint\\": \\"g'),
        }
        path.write_bytes(broken[damage])
        assert path.read_bytes() != content
    told: list[Sentence] = []
    assert load_checkpoint(tmp_path, "f", told.append) is None
    assert [note.code for note in told] == ["train.mended"] * (damage != "missing")


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(MachineError, match="cannot be written"):
        save_checkpoint(blocked / "checkpoints", state())


def test_a_failed_write_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, state())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match=r"disk is full: .*training\.safetensors"):
        save_checkpoint(tmp_path, state("new"))
    assert load_checkpoint(tmp_path, "f") is not None
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon"])
def test_an_optimizer_restored_steps_as_the_one_saved(tmp_path: Path, name: str) -> None:
    first, second = laid_out_net(), laid_out_net()
    ours, theirs = optimizer(first, name), optimizer(second, name)
    step(first, ours)
    step(second, theirs)
    fresh = optimizer(second, name)
    restore_optimizer(fresh, optimizer_tensors(theirs))
    step(first, ours)
    step(second, fresh)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def laid_out_net() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 3))
    return net.to(memory_format=torch.channels_last)


def optimizer(net: nn.Sequential, name: str) -> Optimizer:
    return build_optimizer(name, [list(net.parameters())], 0.01)


def step(net: nn.Sequential, optimizer: Optimizer) -> None:
    images = torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(1))
    net(images.contiguous(memory_format=torch.channels_last)).square().mean().backward()
    optimizer.step(0.05)
