from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from striate.errors import HubError, ModelError, UsageError
from striate.nets import find_net, pretrained
from striate.values import RANDOM, NetSettings
from striate.weights import hub

SMALL = "resnet10t"


def build(name: str, weights: str | None = RANDOM, channels: int = 3) -> nn.Module:
    return find_net(name).build(name, NetSettings(), channels, weights)


@pytest.mark.parametrize(
    "name",
    [
        *(SMALL, "mobilenetv3_small_050", "convnext_atto", "densenet121", "efficientnet_b0"),
        *("regnetx_002", "vgg11_bn", "ghostnet_050", "dla46_c"),
    ],
)
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


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnet_18", "resnet18"), ("EfficientNet-B0", "efficientnet_b0"), ("resnet18.a1_in2k", "a1")],
)
def test_a_misspelt_network_is_met_with_the_nearest_of_timm(name: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_net(name)
    assert f"Did you mean {near}" in caught.value.hint or near in caught.value.hint


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "deit_tiny_patch16_224", "twins_svt_small"]
)
def test_a_transformer_is_refused_with_another_to_take(name: str) -> None:
    with pytest.raises(UsageError, match="no convolutional network") as caught:
        find_net(name).card(name)
    assert "--net resnet18" in caught.value.hint


def test_a_network_with_several_tops_is_refused() -> None:
    with pytest.raises(UsageError, match="several maps"):
        find_net("hrnet_w18_small").card("hrnet_w18_small")


def test_a_network_that_does_not_take_every_size_is_refused() -> None:
    with pytest.raises(UsageError, match="pixels alone"):
        find_net("bat_resnext26ts").card("bat_resnext26ts")


def test_preprocessing_and_size_are_those_of_the_weights() -> None:
    card = find_net("tf_efficientnetv2_b0").card("tf_efficientnetv2_b0")
    assert (card.input_size, card.mean) == (192, (0.485, 0.456, 0.406))
    card = find_net("mobilenetv3_large_100.miil_in21k").card("mobilenetv3_large_100.miil_in21k")
    assert (card.mean, card.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert card.pretrained == "miil_in21k"


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


def test_weights_of_another_network_are_named_tensor_by_tensor(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    tensors = dict(build(SMALL).net.state_dict())
    del tensors["layer1.0.conv1.weight"]
    tensors["layer2.0.conv1.weight"] = torch.zeros(3, 3)
    safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, path)
    with pytest.raises(ModelError) as caught:
        build(SMALL, str(path))
    assert "layer1.0.conv1.weight is missing" in caught.value.sentence
    assert "layer2.0.conv1.weight has the shape 3x3, but the network needs" in caught.value.sentence
    assert str(path) in caught.value.sentence
    assert "--net" in caught.value.hint


def test_weights_of_a_deeper_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "resnet14t.safetensors"
    net = find_net("resnet14t").build("resnet14t", NetSettings(), 3, RANDOM)
    safetensors.torch.save_file(net.net.state_dict(), path)
    with pytest.raises(ModelError, match=r"is too many|the network needs"):
        build(SMALL, str(path))


def test_the_classifier_of_a_file_is_left_out_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    tensors = {**build(SMALL).net.state_dict(), "fc.weight": torch.zeros(7, 512)}
    safetensors.torch.save_file(tensors, path)
    (note,) = build(SMALL, str(path)).notes
    assert note.code == "weights.head"
    assert "fc.weight" in note.text
    assert build(SMALL).notes == ()


def test_a_hub_that_cannot_be_asked_leaves_no_stack_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(hub, "is_cached", lambda hub_id: False)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE") as caught:
        build(SMALL, None)
    assert "--weights FILE" in caught.value.hint
    assert caught.value.exit_code == 5


def test_whatever_goes_wrong_in_fetching_is_the_hubs(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, **more: object) -> None:
        raise KeyError("what nobody thought of")

    monkeypatch.setattr(pretrained, "fetch_weights", lambda *_: None)
    monkeypatch.setattr("timm.create_model", broken)
    with pytest.raises(HubError, match="what nobody thought of"):
        build(SMALL, None)


def test_a_network_without_pretrained_weights_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "fetch_weights", lambda *_: pytest.fail("asked"))
    with pytest.raises(ModelError, match="no pretrained weights"):
        build("convnext_atto_rms", None)
