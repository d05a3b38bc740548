import os
import socket
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from striate.errors import ModelError, UsageError
from striate.nets import RANDOM, find_net, pretrained
from striate.nets.pretrained import fit_weights, read_weights
from striate.values import NetSettings

SMALL = "resnet10t"


def build(name: str, weights: str | None = RANDOM, channels: int = 3) -> nn.Module:
    return find_net(name).build(name, NetSettings(), channels, weights)


@pytest.mark.parametrize("name", [SMALL, "mobilenetv3_small_050", "convnext_atto", "densenet121"])
def test_any_network_of_timm_shows_its_stages(name: str) -> None:
    net = build(name)
    card = find_net(name).card(name)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    maps = net.train().stages(images)
    assert card.stages == net.stage_names
    assert tuple(m.shape[1] for m in maps) == net.stage_channels
    assert net.stage_names[-1] == "top"
    assert card.parameters == sum(p.numel() for p in net.parameters())
    assert card.multiply_adds > 1e7
    grouped = [id(p) for group in net.depth_groups() for p in group]
    assert sorted(grouped) == sorted(id(p) for p in net.parameters())
    maps[-1].square().mean().backward()
    without = [n for n, p in net.named_parameters() if p.grad is None]
    assert not without


def test_the_card_costs_no_forward_pass_and_is_kept() -> None:
    assert find_net(SMALL).card(SMALL) is find_net(SMALL).card(SMALL)
    assert find_net(SMALL).card(SMALL).mean == (0.485, 0.456, 0.406)


def test_an_unknown_network_is_a_wrong_command() -> None:
    with pytest.raises(UsageError, match="resnet_that_is_not"):
        find_net("resnet_that_is_not")


def test_more_channels_than_three_are_taken() -> None:
    assert build(SMALL, channels=4).stages(torch.zeros(1, 4, 64, 64))[-1].isfinite().all()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth"])
def test_weights_come_from_a_file(tmp_path: Path, suffix: str) -> None:
    net = build(SMALL)
    tensors = {k: v + 1 for k, v in net.net.state_dict().items()}
    tensors["fc.weight"], tensors["fc.bias"] = torch.zeros(7, 512), torch.zeros(7)
    path = tmp_path / f"mine{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        torch.save({"state_dict": {f"module.{k}": v for k, v in tensors.items()}}, path)
    mine = build(SMALL, str(path))
    for name, tensor in net.net.state_dict().items():
        assert torch.equal(mine.net.state_dict()[name], tensor + 1)


def test_tensors_of_other_names_are_taken_in_order() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    tensors = {f"other{k}": v.clone() for k, v in enumerate(net.state_dict().values())}
    tensors["other0"] += 5
    tensors["classifier"] = torch.zeros(9)
    before = net[0].weight.detach().clone()
    fit_weights(net, tensors, "a file")
    assert torch.equal(net[0].weight, before + 5)


def test_weights_of_another_network_are_named_tensor_by_tensor(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    tensors = dict(build(SMALL).net.state_dict())
    del tensors["layer1.0.conv1.weight"]
    tensors["layer2.0.conv1.weight"] = torch.zeros(3, 3)
    safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, path)
    with pytest.raises(ModelError) as caught:
        build(SMALL, str(path))
    assert "layer1.0.conv1.weight is missing" in caught.value.sentence
    assert "layer2.0.conv1.weight is 3x3 where the net has" in caught.value.sentence
    assert str(path) in caught.value.sentence
    assert "--net" in caught.value.hint


@pytest.mark.parametrize("name", ["cut.safetensors", "cut.pth", "noise.pt", "empty.safetensors"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    whole = tmp_path / f"whole{Path(name).suffix}"
    tensors = {"weight": torch.zeros(1000)}
    if whole.suffix == ".safetensors":
        safetensors.torch.save_file(tensors, whole)
    else:
        torch.save(tensors, whole)
    content = {"cut": whole.read_bytes()[:500], "noise": os.urandom(2000), "empty": b""}
    path = tmp_path / name
    path.write_bytes(content[path.stem])
    with pytest.raises(ModelError) as caught:
        read_weights(path)
    assert str(path) in caught.value.sentence
    assert caught.value.hint


def test_a_file_without_tensors_or_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.pt"
    torch.save([1, 2], path)
    with pytest.raises(ModelError, match="no tensors"):
        read_weights(path)
    with pytest.raises(ModelError, match="There is no weights file"):
        read_weights(tmp_path / "absent.pt")


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.mark,)


def test_code_in_a_weights_file_is_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "exploded"
    path = tmp_path / "bomb.pt"
    torch.save({"weight": torch.zeros(1), "bomb": Bomb(mark)}, path)
    with pytest.raises(ModelError, match="more than tensors") as caught:
        read_weights(path)
    assert "safetensors" in caught.value.hint
    assert not mark.exists()


def test_a_hub_that_is_forbidden_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(pretrained, "_answers", lambda address: pytest.fail("asked"))
    monkeypatch.setattr(pretrained, "_cached", lambda hub_id: False)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE") as caught:
        build(SMALL, None)
    assert "--weights FILE" in caught.value.hint


def test_a_hub_that_does_not_answer_is_passed_over_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(pretrained, "_cached", lambda hub_id: False)
        monkeypatch.setattr(pretrained, "HUB_SECONDS", 0.2)
        begun = time.monotonic()
        with pytest.raises(ModelError, match="did not answer"):
            build(SMALL, None)
        assert time.monotonic() - begun < 30


def test_a_network_without_pretrained_weights_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "_answers", lambda address: pytest.fail("asked"))
    with pytest.raises(ModelError, match="no pretrained weights"):
        build("convnext_atto_rms", None)
