"""Which pretrained networks may be taken: the one that comes along, files, the hub's leavings."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from striate.errors import ModelError
from striate.learn.linear import backbone_sources
from striate.learn.linear.backbone_sources import (
    BackboneSource,
    available_backbones,
    backbone_from_file,
)
from striate.nets import find_net
from striate.values import RANDOM, NetSettings

LITE0 = "efficientnet-lite0"


def saved(name: str, path: Path) -> str:
    net = find_net(name).build(name, NetSettings(), 3, RANDOM)
    own = net.net if hasattr(net, "net") else net
    safetensors.torch.save_file(own.state_dict(), path)
    return str(path)


def test_what_the_hub_left_here_is_at_hand_but_not_the_same_network_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = ("no_such_net.v1", "resnet10t.c3_in1k", "tf_efficientnet_lite0.in1k")
    monkeypatch.setattr(backbone_sources, "list_cached_models", lambda: left)
    assert available_backbones() == (
        BackboneSource(net=LITE0),
        BackboneSource(net="resnet10t.c3_in1k"),
    )


@pytest.mark.parametrize("file", ["resnet10t.safetensors", "resnet10t-0a1b.safetensors"])
def test_a_file_is_for_the_network_that_its_name_says(tmp_path: Path, file: str) -> None:
    weights = saved("resnet10t", tmp_path / file)
    assert backbone_from_file(weights) == BackboneSource(net="resnet10t", weights=weights)
    assert backbone_from_file(weights).title == f"resnet10t ({file})"


def test_a_file_is_for_the_network_that_stands_beside_it(tmp_path: Path) -> None:
    weights = saved("resnet10t", tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet10t"}))
    assert backbone_from_file(weights).net == "resnet10t"


def test_a_file_that_names_nothing_is_for_what_it_fits(tmp_path: Path) -> None:
    assert backbone_from_file(saved(LITE0, tmp_path / "mine.safetensors")).net == LITE0
    misnamed = saved(LITE0, tmp_path / "resnet10t.safetensors")
    assert backbone_from_file(misnamed).net == LITE0


def test_a_file_that_fits_nothing_is_refused_with_a_way_on(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(3, 3)}, path)
    with pytest.raises(ModelError, match=r"mine\.safetensors") as caught:
        backbone_from_file(str(path))
    assert "--net" in caught.value.hint
