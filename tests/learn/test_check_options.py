"""Settings that leave nothing of the images are refused before a second is spent on them."""

import itertools
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from tests.learn.made_context import some_context
from tests.train import made_training

from striate.config.overrides import parse_overrides
from striate.errors import ModelError, UsageError
from striate.learn.check_options import (
    RequestedFormat,
    check_network_fits,
    check_requested_network,
    lacks_pretrained_weights,
    network_fits,
    requested_format,
    smallest_input_size,
)
from striate.nets import find_net
from striate.stages.fit_run import read_given_plan
from striate.values import RANDOM, Cache, NetSettings, Options, Overrides, TrainingOptions

OWN = ("compact", "vgg-small", "lenet-5", "resnet-20")
SHAPES = [
    dict(zip(("kernel_size", "stride", "padding", "pool_size", "depth"), found, strict=True))
    for found in itertools.product((1, 4, 5), (1, 3), ("same", "valid"), (1, 3), (1, 2))
]


def runs(net: str, settings: NetSettings, size: int) -> bool:
    """Whether a real image comes through, asked of torch itself."""
    network = find_net(net).build(net, settings, 3, RANDOM).eval()
    try:
        with torch.inference_mode():
            maps = network.stages(torch.zeros(1, 3, size, size))
    except RuntimeError:
        return False
    return all(map_NCHW.numel() for map_NCHW in maps)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("net", OWN)
def test_what_is_said_to_fit_comes_through_and_nothing_else(net: str) -> None:
    family, said = find_net(net), []
    for shape in SHAPES:
        settings = NetSettings(width=0.125, **shape)
        said.append(network_fits(family, net, settings, 3, 20))
        assert said[-1] == runs(net, settings, 20), shape
    assert any(said)
    # LeNet-5 and ResNet-20 have shapes of their own, whatever is set.
    assert all(said) == (net in ("lenet-5", "resnet-20"))


def test_the_least_size_is_the_least() -> None:
    family, settings = find_net("compact"), NetSettings(padding="valid")
    least = smallest_input_size(family, "compact", settings, 3, 32)
    assert least is not None
    assert network_fits(family, "compact", settings, 3, least)
    assert not network_fits(family, "compact", settings, 3, least - 1)


def test_padding_valid_at_32_pixels_is_a_usage_error_that_names_what_fits() -> None:
    with pytest.raises(UsageError) as caught:
        check_network_fits("compact", NetSettings(padding="valid"), 3, 32)
    assert caught.value.exit_code == 2
    assert "compact with padding=valid leaves nothing of images of 32 pixels" in str(caught.value)
    for way in ("padding=same", "depth=1", "input_size=51"):
        assert f"--set {way}" in caught.value.hint
    check_network_fits("compact", NetSettings(padding="valid", depth=1), 3, 32)
    check_network_fits("compact", NetSettings(padding="valid"), 3, 51)


def test_where_no_size_fits_that_is_said() -> None:
    settings = NetSettings(padding="valid", kernel_size=15, dilation=8)
    with pytest.raises(UsageError, match="nor of any up to 1,024"):
        check_network_fits("compact", settings, 3, 32)


def job(channels: int = 3, **options: Any) -> Any:
    cache = Cache(images=np.zeros((4, 32, 32, channels), np.uint8), path="")
    overrides = parse_overrides(options.pop("set", None))
    training = TrainingOptions(overrides=overrides, **options)
    return some_context(cache=cache, given_plan=None, options=training)


@pytest.mark.parametrize("strategy", ["scratch", "auto"])
def test_what_is_asked_is_judged_at_the_size_that_the_network_would_see(strategy: str) -> None:
    with pytest.raises(UsageError, match="32 pixels"):
        check_requested_network(job(strategy=strategy, set="padding=valid"))
    check_requested_network(job(strategy=strategy, set="padding=valid input_size=64"))
    check_requested_network(job(strategy=strategy, net="vgg-small"))
    check_requested_network(job(strategy="linear", set="padding=valid"))


@pytest.mark.parametrize("strategy", ["linear", "layers", "shallow", "deep"])
def test_a_named_network_without_weights_is_for_training_from_scratch(strategy: str) -> None:
    with pytest.raises(UsageError, match="compact has no pretrained weights") as caught:
        check_requested_network(job(strategy=strategy, net="compact"))
    assert "--strategy scratch" in caught.value.hint
    check_requested_network(job(strategy=strategy, net="efficientnet-lite0"))
    assert lacks_pretrained_weights(TrainingOptions(net="compact"))
    assert not lacks_pretrained_weights(TrainingOptions(net="efficientnet-lite0"))


@pytest.mark.parametrize("strategy", ["linear", "layers", "shallow", "deep"])
def test_pretrained_networks_are_not_preprocessed_otherwise(strategy: str) -> None:
    with pytest.raises(UsageError, match=f"what {strategy} starts from keeps") as caught:
        check_requested_network(job(strategy=strategy, set="preprocess=zca"))
    assert "--strategy scratch" in caught.value.hint


def test_whole_images_are_whitened_only_where_they_are_small() -> None:
    check_requested_network(job(strategy="scratch", set="preprocess=zca"))
    with pytest.raises(UsageError, match="64 x 64 x 3 = 12,288"):
        check_requested_network(job(set="preprocess=pca input_size=64"))
    check_requested_network(job(strategy="scratch", set="preprocess=pixel-normalise input_size=64"))


def test_a_pull_to_pretrained_weights_is_refused_where_there_are_none() -> None:
    with pytest.raises(UsageError, match="--strategy scratch has none"):
        check_requested_network(job(strategy="scratch", set="l2_sp=0.1"))
    check_requested_network(job(strategy="scratch", set="l2_sp=0"))
    check_requested_network(job(strategy="deep", set="l2_sp=0.1"))


def test_grey_is_for_three_colours() -> None:
    check_requested_network(job(set="augment.grey=1"))
    with pytest.raises(UsageError, match="these images have 5 channels"):
        check_requested_network(job(channels=5, set="augment.grey=1"))
    check_requested_network(job(channels=5, set="augment.colour=1"))


def test_channels_and_resizing_are_asked_by_name_or_by_a_plan() -> None:
    assert requested_format(None, Overrides()) == RequestedFormat(None, "squash")
    asked = parse_overrides("channels=4 resize=pad")
    assert requested_format(None, asked) == RequestedFormat(4, "pad")
    given = made_training.plan(channels=2, resize="crop")
    assert requested_format(given, Overrides()) == RequestedFormat(2, "crop")
    with pytest.raises(UsageError, match="no way of resizing 'stretch'"):
        requested_format(made_training.plan(resize="stretch"), Overrides())


def test_a_plan_that_makes_up_a_way_of_resizing_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(msgspec.json.encode(made_training.plan(resize="stretch")))
    with pytest.raises(ModelError, match="resize is 'stretch'"):
        read_given_plan(Options(plan=str(file)))
