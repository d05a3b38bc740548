"""Are whole images white after whitening: how far is their covariance from the identity?

    python benchmarks/whitening.py SETS/cifar10 SETS/gtsrb32 SETS/chinese_digits --size 32

For each set up to `--images` training images, brought to `--size` pixels as a network would see
them; ZCA and PCA fitted to them at eps = 0. Printed are the directions kept (those in which the
images differ) and the largest entry by which the covariance of the whitened coordinates, computed
in float32 as in a network, is off the identity; and the same for images that were not looked at,
which need not be white. Nothing is tuned by these figures.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.data.batches import images_to_device, normalise_batch
from striate.data.cache import build_cache
from striate.data.preprocess import Whitening, count_components, fit_preprocessing_layer
from striate.data.scan import read_index
from striate.values import Cache, Options, Preprocessing, Rows
from striate.values.seeds import make_rng


def main() -> None:
    """A line a set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+", help="image sets")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--images", type=int, default=5000)
    given = parser.parse_args()
    print("| set | images | numbers | kept | off the identity | unseen images | off |")
    print("|---|---|---|---|---|---|---|")
    for source in given.sources:
        print(_line(source, given.size, given.images), flush=True)


def _line(source: str, size: int, most: int) -> str:
    options = Options()
    index, cache = build_cache(read_index(source, options), options)
    rows = make_rng(0, "whitening").permutation(index.used())
    seen, unseen = rows[: min(most, len(rows) // 2)], rows[len(rows) // 2 :][:most]
    shape = (cache.channels, size, size)
    kept = count_components(0, int(np.prod(shape)), len(seen))
    layer = Whitening(shape, kept, turn_back=False)
    fit_preprocessing_layer(layer, Preprocessing(kind="pca", components=kept), cache, seen, size)
    found = int((layer.scale > 0).sum())
    return (
        f"| {Path(source).name} | {len(seen):,} | {int(np.prod(shape)):,} | {found:,} | "
        f"{_off(layer, cache, seen, size):.1e} | {len(unseen):,} | "
        f"{_off(layer, cache, unseen, size):.1e} |"
    )


def _off(layer: Whitening, cache: Cache, rows: Rows, size: int) -> float:
    """The largest entry of the covariance minus the identity, over the directions kept."""
    blocks = [rows[start : start + 500] for start in range(0, len(rows), 500)]
    made_NK = torch.cat([layer.coordinates(_images(cache.images[part], size)) for part in blocks])
    made_NK = made_NK[:, layer.scale > 0].double()
    covariance_KK = torch.cov(made_NK.T, correction=0)
    return float((covariance_KK - torch.eye(len(covariance_KK))).abs().max())


def _images(images_NHWC: NDArray[np.uint8], size: int) -> Tensor:
    channels = images_NHWC.shape[3]
    images = images_to_device(images_NHWC, "cpu", "contiguous")
    return normalise_batch(images, (0.0,) * channels, (1.0,) * channels, torch.float32, size)


if __name__ == "__main__":
    main()
