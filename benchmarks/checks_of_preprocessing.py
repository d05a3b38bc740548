"""Does the check of preprocessing find images that are fed as the weights were not trained?

`python benchmarks/checks_of_preprocessing.py SETS` feeds 64 images of each set, drawn anew for
every seed, to the pretrained network that striate carries: as its card says, and in six ways that
it was not trained on. Recall is the share of the ill runs in which the check found it; precision
is that number over itself and the alarms where all was as the card says. The ways that keep the
range are told too, though the check does not claim to see them.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from striate.data.scan import read_index
from striate.diagnose import preprocessing
from striate.nets import find_net
from striate.probe.similarity import measure_layer_shift
from striate.train.head import all_taps, build_network
from striate.values import Cache, ModelSpec, NetSettings, Options
from striate.values.seeds import make_rng

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests import made

NET, SIZE, IMAGES = "efficientnet-lite0", 128, 64
Pixels = NDArray[np.uint8]
Three = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Way:
    """How images are fed: what is done to their pixels, then mean and spread in units of 1."""

    pixels: Callable[[Pixels], Pixels] = lambda images: images
    scaled: Callable[[Three, Three], tuple[Three, Three]] = lambda mean, std: (mean, std)


def turned(images: Pixels) -> Pixels:
    """Blue first, as OpenCV reads files."""
    return np.ascontiguousarray(images[..., ::-1])


def inverted(images: Pixels) -> Pixels:
    """Black for white."""
    return np.asarray(255 - images)


def times(factor: float) -> Callable[[Three, Three], tuple[Three, Three]]:
    """Values so many times as large as [0, 1], neither centred nor scaled."""
    return lambda mean, std: ((0.0,) * len(mean), (1 / factor,) * len(std))


def twice(mean: Three, std: Three) -> tuple[Three, Three]:
    """Values that are centred and scaled already, centred and scaled again."""
    return (
        tuple(m + s * m for m, s in zip(mean, std, strict=True)),
        tuple(s * s for s in std),
    )


WELL = "as the card says"
WAYS = {
    WELL: Way(),
    "0 to 255": Way(scaled=times(255.0)),
    "0 to 65,535": Way(scaled=times(65535.0)),
    "0 to 1": Way(scaled=times(1.0)),
    "normalised twice": Way(scaled=twice),
    "blue first": Way(pixels=turned),
    "inverted": Way(pixels=inverted),
}


def shifts(source: str, seeds: range) -> dict[str, list[float]]:
    """The shift of the first stage in every way, one for each seed."""
    card = find_net(NET).card(NET)
    spec = ModelSpec(
        net=NET,
        settings=NetSettings(),
        classes=("a", "b"),
        channels=3,
        input_size=SIZE,
        cache_size=SIZE,
        resize="squash",
        mean=card.mean,
        std=card.std,
        taps=all_taps(card.stages),
        precision="float32",
    )
    network = build_network(spec, None)
    index = read_index(source, Options())
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for seed in seeds:
        some = make_rng(seed, "images").permutation(index.used())[:IMAGES]
        drawn = _pixels([f"{index.root}/{index.examples[row].path}" for row in some])
        for name, way in WAYS.items():
            cache = Cache(images=way.pixels(drawn), path="", resize="squash")
            mean, std = way.scaled(spec.mean, spec.std)
            fed = replace(spec, mean=mean, std=std)
            told = measure_layer_shift(network, cache, np.arange(len(drawn)), fed)
            found[name].append(next(iter(told.values())))
    return found


def _pixels(paths: list[str]) -> Pixels:
    """Images N x 128 x 128 x 3."""
    opened = [Image.open(path).convert("RGB").resize((SIZE, SIZE)) for path in paths]
    return np.stack([np.asarray(image) for image in opened])


def is_found(shift: float) -> bool:
    """Whether the check finds it where the first stage is so far from home."""
    values = made.values(images=40, size=4)
    assert values.evidence is not None
    evidence = replace(values.evidence, shift={"stem": shift})
    return preprocessing.check_preprocessing(replace(values, evidence=evidence)).outcome == "found"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+", help="image sets")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(given.first, given.first + given.seeds)
    every: dict[str, list[float]] = {name: [] for name in WAYS}
    for source in given.sources:
        for name, values in shifts(source, seeds).items():
            every[name] += values
    alarms = sum(is_found(shift) for shift in every[WELL])
    print("| fed | shift in nats, least to most | found | recall | false alarms | precision |")
    print("|---" * 6 + "|")
    for name, values in every.items():
        right, span = sum(map(is_found, values)), f"{min(values):,.3g} to {max(values):,.3g}"
        if name == WELL:
            print(f"| {name} | {span} | | | {alarms} of {len(values)} | |")
            continue
        print(
            f"| {name} | {span} | {right}/{len(values)} | {right / len(values):.2f} | "
            f"{alarms} of {len(every[WELL])} | {right / max(1, right + alarms):.2f} |"
        )


if __name__ == "__main__":
    main()
