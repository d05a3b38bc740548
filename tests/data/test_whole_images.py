"""Preprocessing of whole images, against closed forms and scikit-learn's PCA."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from torch import nn

from striate.data.preprocess import (
    PerPixel,
    Whitening,
    count_components,
    fit_preprocessing_layer,
    make_preprocessing_layer,
    refuse_too_large,
)
from striate.data.sources.demo import load_demo
from striate.errors import UsageError
from striate.values import Cache, Preprocessing

SIZE = 8


def photos(n: int, channels: int = 3, size: int = SIZE, seed: int = 0) -> Cache:
    """Images whose neighbouring pixels go together, with a little noise: no direction is empty."""
    draw = np.random.default_rng(seed)
    coarse = draw.normal(128, 40, (n, size // 2, size // 2, channels))
    images = coarse.repeat(2, axis=1).repeat(2, axis=2) + draw.normal(0, 15, (n, size, size, 1))
    images += draw.normal(0, 8, images.shape)
    return Cache(images=images.clip(0, 255).astype(np.uint8), path="")


def fitted(kind: str, cache: Cache, rows: Any, eps: float = 0.0, components: int = 0) -> nn.Module:
    shape = (cache.channels, cache.size, cache.size)
    kept = count_components(components, int(np.prod(shape)), len(rows))
    how = Preprocessing(kind=kind, components=kept, eps=eps)
    layer = make_preprocessing_layer(how, shape)
    fit_preprocessing_layer(layer, how, cache, rows, cache.size)
    return layer


def seen(cache: Cache, rows: Any) -> torch.Tensor:
    """The images N x C x H x W as the layer is given them, in 0..1 and float64."""
    return torch.from_numpy(cache.images[rows]).permute(0, 3, 1, 2).double() / 255


@pytest.mark.parametrize("kind", ["pca", "zca"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_whitening_gives_the_identity_as_covariance(kind: str, channels: int) -> None:
    cache, rows = photos(900, channels), np.arange(900)
    layer = fitted(kind, cache, rows).double()
    made = layer(seen(cache, rows)).flatten(1)
    covariance = torch.cov(made.T, correction=0)
    assert (covariance - torch.eye(len(covariance))).abs().max() < 1e-3
    assert made.mean(dim=0).abs().max() < 1e-4


@pytest.mark.parametrize("n", [120, 900])
def test_pca_is_scikit_learns(n: int) -> None:
    """Fewer images than numbers, and more: two ways to the same directions."""
    cache, rows = photos(n), np.arange(n)
    layer = fitted("pca", cache, rows, components=20)
    assert isinstance(layer, Whitening)
    theirs = PCA(20, whiten=True, svd_solver="full").fit_transform(seen(cache, rows).flatten(1))
    ours = layer.double().coordinates(seen(cache, rows)).numpy() * ((n - 1) / n) ** 0.5
    signs = np.sign((ours * theirs).sum(axis=0))
    assert np.abs(ours - signs * theirs).max() < 1e-3
    # Laid out in front, zeros behind.
    made = layer(seen(cache, rows)).flatten(1)
    assert made.shape[1] == 3 * SIZE**2
    assert not made[:, 20:].any()


def test_zca_is_the_symmetric_inverse_root_of_the_covariance() -> None:
    cache, rows, eps = photos(900), np.arange(900), 0.1
    images = seen(cache, rows).flatten(1)
    covariance = torch.cov(images.T, correction=0)
    floor = eps * covariance.diagonal().mean()
    values, vectors = torch.linalg.eigh(covariance)
    root = vectors @ torch.diag((values + floor).rsqrt()) @ vectors.T
    made = fitted("zca", cache, rows, eps).double()(seen(cache, rows)).flatten(1)
    assert torch.allclose(made, (images - images.mean(dim=0)) @ root, atol=1e-4)


def test_kept_directions_are_white_and_the_others_gone() -> None:
    cache, rows = photos(60), np.arange(60)  # 192 numbers an image: 59 directions at most
    made = fitted("zca", cache, rows, components=500).double()(seen(cache, rows)).flatten(1)
    values = torch.linalg.eigvalsh(torch.cov(made.T, correction=0))
    assert torch.allclose(values[-59:], torch.ones(59, dtype=values.dtype), atol=1e-3)
    assert values[:-59].abs().max() < 1e-6


def test_per_pixel_is_what_numpy_says() -> None:
    cache, rows = photos(50), np.arange(0, 50, 2)
    images = seen(cache, rows)
    centred = fitted("pixel-centre", cache, rows)(images.float())
    assert torch.allclose(centred, (images - images.mean(dim=0)).float(), atol=1e-6)
    normal = fitted("pixel-normalise", cache, rows)(images.float())
    wanted = (images - images.mean(dim=0)) / images.std(dim=0, correction=0)
    assert torch.allclose(normal, wanted.float(), atol=1e-4)


@pytest.mark.parametrize("kind", ["pixel-centre", "pixel-normalise", "pca", "zca"])
def test_images_that_do_not_differ_divide_by_no_zero(kind: str) -> None:
    cache = Cache(images=np.full((5, 4, 4, 1), 9, np.uint8), path="")
    made = fitted(kind, cache, np.arange(5))(torch.rand(2, 1, 4, 4))
    assert made.isfinite().all()


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(["pixel-centre", "pixel-normalise", "pca", "zca"]),
    train=st.sets(st.integers(0, 29), min_size=2, max_size=20),
    seed=st.integers(0, 2**16),
)
def test_only_training_images_are_looked_at(kind: str, train: set[int], seed: int) -> None:
    """Whatever the other images are, what is fitted is the same to the bit."""
    cache, rows = photos(30, 1, 4), np.array(sorted(train))
    others = np.setdiff1d(np.arange(30), rows)
    changed = cache.images.copy()
    changed[others] = np.random.default_rng(seed).integers(0, 256, changed[others].shape)
    one, other = (
        fitted(kind, Cache(images=images, path=""), rows).state_dict()
        for images in (cache.images, changed)
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_real_images_come_out_white() -> None:
    """The demo set at 14 pixels: 4,000 images of 196 numbers, at eps = 0."""
    cache = Cache(images=load_demo().images[..., None], path="")
    how = Preprocessing(kind="zca", components=196)
    layer = make_preprocessing_layer(how, (1, 14, 14))
    rows = np.arange(4000)
    fit_preprocessing_layer(layer, how, cache, rows, 14)
    small = nn.functional.interpolate(
        torch.from_numpy(cache.images[rows]).permute(0, 3, 1, 2),
        size=(14, 14),
        mode="bilinear",
        antialias=True,
    )
    made = layer.double()(small.double() / 255).flatten(1)
    off = torch.cov(made.T, correction=0) - torch.eye(196)
    assert off.abs().max() < 1e-3


def test_kinds_by_channel_have_no_layer() -> None:
    for kind in ("normalise", "centre", "scale", "own"):
        assert isinstance(
            make_preprocessing_layer(Preprocessing(kind=kind), (3, 4, 4)), nn.Identity
        )
    assert isinstance(
        make_preprocessing_layer(Preprocessing(kind="pixel-centre"), (3, 4, 4)), PerPixel
    )


def test_what_is_too_large_or_too_little_is_said_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="128 x 128 x 3 = 49,152") as caught:
        refuse_too_large("zca", 128, 3)
    assert "input_size=36" in caught.value.hint
    refuse_too_large("zca", 36, 3)
    refuse_too_large("pixel-normalise", 1000, 3)
    with pytest.raises(UsageError, match="training images"):
        count_components(0, 10, 1)


def test_whitening_keeps_its_precision_beside_bfloat16() -> None:
    cache, rows = photos(900, 1), np.arange(900)
    layer, images = fitted("zca", cache, rows), seen(cache, rows).float()
    with torch.autocast("cpu", torch.bfloat16):
        inside = layer(images)
    assert torch.equal(inside, layer(images))
