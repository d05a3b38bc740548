import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.nets import find_net
from striate.train.fast.forward_pass import compute_features, compute_logits, images_per_batch
from striate.train.fast.inference import FastNetwork, optimise_for_inference
from striate.train.head import Network, all_taps
from striate.values import Machine, ModelSpec, NetSettings, Progress

MACHINE = Machine(
    device="cpu",
    processor="",
    threads=2,
    memory_bytes=0,
    precision="float32",
    precision_error=0.0,
    layout="channels_last",
    fused=True,
    batch_size=4,
)
NAME = "efficientnet-lite0"


@pytest.fixture(scope="module")
def network() -> Network:
    backbone = find_net(NAME).build(NAME, NetSettings(), 3, None)
    network = Network(backbone, all_taps(backbone.stage_names), 3).eval()
    width = sum(network.widths)
    weights = torch.randn(width, 3, generator=torch.Generator().manual_seed(0)) / width**0.5
    network.set_head(weights, torch.zeros(3), torch.zeros(width), torch.ones(width))
    return network


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def quick(network: Network, request: pytest.FixtureRequest) -> FastNetwork:
    return optimise_for_inference(network, machine=MACHINE, precision=request.param)


@pytest.fixture(scope="module")
def spec(network: Network) -> ModelSpec:
    """Batches of 4 * (224 / 160)^2 = 8 images."""
    return ModelSpec(
        net=NAME,
        settings=NetSettings(),
        classes=("a", "b", "c"),
        channels=3,
        input_size=160,
        cache_size=40,
        resize="squash",
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        taps=network.taps,
        batch_size=4,
    )


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    made = np.random.default_rng(0).integers(0, 256, (30, 5, 5, 3), np.uint8)
    return made.repeat(8, axis=1).repeat(8, axis=2)


def rows(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)


ALL = np.arange(30, dtype=np.int64)


def test_an_image_does_not_depend_on_those_beside_it(
    quick: FastNetwork, spec: ModelSpec, images: NDArray[np.uint8]
) -> None:
    whole = compute_features(quick, images, ALL, spec, MACHINE)
    assert whole.shape == (30, sum(quick.network.widths))
    assert whole.dtype == np.float32
    for part in (ALL[7:], ALL[::-1], rows(29), rows(3, 3, 17)):
        assert np.array_equal(compute_features(quick, images, part, spec, MACHINE), whole[part])


def test_threads_change_nothing_but_the_time(
    quick: FastNetwork, spec: ModelSpec, images: NDArray[np.uint8]
) -> None:
    one = compute_features(quick, images, ALL, spec, replace(MACHINE, threads=1))
    three = compute_features(quick, images, ALL, spec, replace(MACHINE, threads=3))
    assert np.array_equal(one, three)


def test_a_fresh_copy_gives_the_same_bytes(
    network: Network, spec: ModelSpec, images: NDArray[np.uint8]
) -> None:
    for precision in ("float32", "bfloat16"):
        one, other = (
            optimise_for_inference(network, machine=MACHINE, precision=precision) for _ in range(2)
        )
        first = compute_features(one, images, ALL, spec, MACHINE)
        assert np.array_equal(first, compute_features(other, images, ALL, spec, MACHINE))


def test_they_are_the_networks_own_features(
    network: Network, spec: ModelSpec, images: NDArray[np.uint8]
) -> None:
    spec = replace(spec, input_size=40)
    quick = optimise_for_inference(network, machine=MACHINE)
    x = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    with torch.inference_mode():
        features, logits = network.pooled(x).numpy(), network(x).numpy()
    found = compute_features(quick, images, ALL, spec, MACHINE)
    np.testing.assert_allclose(found, features, atol=2e-4)
    np.testing.assert_allclose(compute_logits(quick, images, ALL, spec, MACHINE), logits, atol=2e-4)


def test_a_mirrored_model_sees_both_sides_alike(
    network: Network, spec: ModelSpec, images: NDArray[np.uint8]
) -> None:
    quick, both = optimise_for_inference(network, machine=MACHINE), replace(spec, mirror=True)
    turned = np.ascontiguousarray(images[:, :, ::-1])
    found = compute_logits(quick, images, ALL, both, MACHINE)
    np.testing.assert_allclose(found, compute_logits(quick, turned, ALL, both, MACHINE), atol=1e-5)
    assert not np.allclose(found, compute_logits(quick, images, ALL, spec, MACHINE))


def test_small_images_go_in_larger_batches(spec: ModelSpec) -> None:
    assert images_per_batch(spec) == 8
    assert images_per_batch(replace(spec, input_size=224)) == 4
    assert images_per_batch(replace(spec, input_size=448)) == 4
    assert images_per_batch(replace(spec, input_size=8)) == 256


def test_a_watcher_is_told_to_the_end(
    network: Network, spec: ModelSpec, images: NDArray[np.uint8]
) -> None:
    told: list[Progress] = []
    compute_features(
        optimise_for_inference(network, machine=MACHINE), images, ALL, spec, MACHINE, told.append
    )
    assert [p.done for p in told] == [8, 16, 24, 30]
    assert [p.finished for p in told] == [False, False, False, True]
    assert all(p.total == 30 and p.rate > 0 for p in told)


def test_no_rows_give_no_features(
    network: Network, spec: ModelSpec, images: NDArray[np.uint8]
) -> None:
    found = compute_features(
        optimise_for_inference(network, machine=MACHINE), images, rows(), spec, MACHINE
    )
    assert found.shape == (0, sum(network.widths))


class Failing(FastNetwork):
    def pooled(self, images_NCHW: Tensor) -> Tensor:
        raise RuntimeError("out of memory")


def test_a_fault_in_a_worker_comes_out_and_nothing_is_left_running(
    network: Network, spec: ModelSpec, images: NDArray[np.uint8]
) -> None:
    quick = Failing(network, network, torch.float32, torch.channels_last)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="out of memory"):
        compute_features(quick, images, ALL, spec, MACHINE)
    assert threading.active_count() == before


def test_an_interrupt_stops_what_waits(
    network: Network, spec: ModelSpec, images: NDArray[np.uint8]
) -> None:
    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        compute_features(
            optimise_for_inference(network, machine=MACHINE), images, ALL, spec, MACHINE, interrupt
        )
    assert threading.active_count() == before


def test_torch_is_left_as_it_was(
    network: Network, spec: ModelSpec, images: NDArray[np.uint8]
) -> None:
    before = torch.get_num_threads()
    compute_features(
        optimise_for_inference(network, machine=MACHINE), images, rows(0), spec, MACHINE
    )
    assert torch.get_num_threads() == before
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.is_grad_enabled()
