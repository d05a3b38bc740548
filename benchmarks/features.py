"""How fast features are here against a plain loop, and what the precision costs.

    python benchmarks/features.py                       # speed
    python benchmarks/features.py SOURCE... --agreement  # predictions in each precision

Speed: one pass of EfficientNet-Lite0 over images of 224 pixels, ours as `striate fit` does it
(scaling and every stage's pooling included) and timm's as a plain loop does it (float32, eager,
contiguous, top pooled, images ready), at every batch size; the ways take turns and each shows the
median and the best of the rounds. The ratio is of medians, to the plain loop at *its* best batch.

Agreement: a ridge on every tap, fitted on the train split and read on the test split, with
features in plain float32, in bfloat16 as torch alone rounds it, and as striate does.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from striate.data.cache import build_cache
from striate.data.scan import read_index
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.split import split_index
from striate.nets import find_net
from striate.probe.ridge import fit_ridge_path
from striate.train.fast.bf16 import synthetic_images
from striate.train.fast.forward_pass import compute_features
from striate.train.fast.inference import FastNetwork, optimise_for_inference
from striate.train.fast.machine import measure_machine
from striate.train.head import Network, all_taps, build_network
from striate.values import Machine, ModelSpec, NetSettings, Options

NET = "efficientnet-lite0"
PLAIN_BATCHES = (1, 2, 4, 8, 16, 32)
ROUNDS = 7
IMAGES = 32


def main() -> None:
    """Prints the speeds, or how far predictions agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="*")
    parser.add_argument("--agreement", action="store_true")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    machine = measure_machine("cpu")
    print(f"{machine.processor}, {machine.threads} threads, torch {torch.__version__}")
    for sentence in machine.why:
        print(sentence.text)
    if given.agreement:
        for source in given.sources:
            _agreement(source, machine)
    else:
        _speed(machine, given.rounds)


def _speed(machine: Machine, rounds: int) -> None:
    spec, network = _network(224)
    images = (synthetic_images(IMAGES, 3, 224) + 1) * 127.5
    images_NHWC = images.permute(0, 2, 3, 1).contiguous().to(torch.uint8).numpy()
    ways: dict[str, Callable[[], None]] = {}
    for size in PLAIN_BATCHES:
        ways[f"plain timm, batch {size}"] = _plain_loop(network, images / 127.5 - 1, size)
    for batch in sorted({4, 8, 16, machine.batch_size}):
        for precision in ("float32", "bfloat16"):
            quick = optimise_for_inference(network, machine=machine, precision=precision)
            there = replace(spec, batch_size=batch)
            ways[f"striate {precision}, batch {batch}"] = _ours(quick, images_NHWC, there, machine)
    seconds = _turns(ways, rounds)
    speeds = {name: [IMAGES / s for s in found] for name, found in seconds.items()}
    for name, found in speeds.items():
        print(f"{name:30s} {median(found):7.1f} images/s, best {max(found):7.1f}")
    plain = max(median(v) for k, v in speeds.items() if k.startswith("plain"))
    chosen = f"striate {machine.precision}, batch {machine.batch_size}"
    print(f"{chosen}: x{median(speeds[chosen]) / plain:.2f} of the plain loop at its best batch")


def _turns(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round; the round in which kernels are built does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, run in ways.items():
            begun = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def _plain_loop(network: Network, images: torch.Tensor, size: int) -> Callable[[], None]:
    import timm

    net = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    net.load_state_dict(network.backbone.state_dict())
    batches = [images[k : k + size].contiguous() for k in range(0, len(images), size)]

    def run() -> None:
        with torch.inference_mode():
            for batch in batches:
                net(batch)

    return run


def _ours(
    quick: FastNetwork, images_NHWC: NDArray[np.uint8], spec: ModelSpec, machine: Machine
) -> Callable[[], None]:
    rows = np.arange(len(images_NHWC), dtype=np.int64)
    return lambda: void(compute_features(quick, images_NHWC, rows, spec, machine))


def void(_: object) -> None:
    """What a pass gives is not looked at here."""


def _agreement(source: str, machine: Machine) -> None:
    options = Options()
    index, cache = build_cache(read_index(source, options), options)
    split = split_index(index, find_duplicate_groups(index, cache), options)
    labels, classes = index.labels(), len(index.classes)
    train = np.sort(np.concatenate([split.train, split.val]))
    test = split.test
    spec, network = _network(cache.size)
    plain = replace(machine, fused=False)
    ways = {
        "float32": optimise_for_inference(network, machine=plain, precision="float32"),
        "bfloat16, torch alone": _rounded(network, plain),
        "bfloat16, striate": optimise_for_inference(network, machine=machine, precision="bfloat16"),
        "float32, striate": optimise_for_inference(network, machine=machine, precision="float32"),
    }
    exact = None
    for name, quick in ways.items():
        rows = np.concatenate([train, test])
        values = compute_features(quick, cache.images, rows, spec, machine)
        fit = fit_ridge_path(values[: len(train)], labels[train], classes)
        found = fit.scores(values[len(train) :]).argmax(axis=1)
        exact = found if exact is None else exact
        right, same = (found == labels[test]).mean(), (found == exact).mean()
        print(f"{source}: {name:22s} accuracy {right:.4f}, as float32 {same:.4f}, n={len(test)}")


def _rounded(network: Network, machine: Machine) -> FastNetwork:
    """bfloat16 for all layers, as `net.bfloat16()` gives it, on the fused kernels."""
    quick = optimise_for_inference(
        network, machine=replace(machine, fused=True), precision="float32"
    )

    class Rounded(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.maps = quick.maps.to(torch.bfloat16)

        def forward(self, images_NCHW: torch.Tensor) -> list[torch.Tensor]:
            maps: list[torch.Tensor] = self.maps(images_NCHW.to(torch.bfloat16))
            return maps

    return FastNetwork(quick.network, Rounded(), torch.float32, torch.channels_last)


def _network(cache_size: int) -> tuple[ModelSpec, Network]:
    card = find_net(NET).card(NET)
    spec = ModelSpec(
        net=NET,
        settings=NetSettings(),
        classes=("",),
        channels=3,
        input_size=card.input_size,
        cache_size=cache_size,
        resize="squash",
        mean=card.mean,
        std=card.std,
        taps=all_taps(card.stages),
        batch_size=8,
    )
    return spec, build_network(spec)


if __name__ == "__main__":
    main()
