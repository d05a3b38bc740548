from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.nets import find_net
from striate.probe.features import FeatureTable, all_taps, extract_features
from striate.store.files import arrays_codec
from striate.train.head import build_network
from striate.values import Cache, Machine, ModelSpec, NetSettings, Progress, Tap

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
TAPS = (Tap(stage="one", pool="mean"), Tap(stage="one", pool="max"), Tap(stage="top", pool="mean"))


def table() -> FeatureTable:
    return FeatureTable(
        rows=np.array([4, 7, 9]),
        taps=TAPS,
        widths=(2, 2, 3),
        values=np.arange(21, dtype=np.float32).reshape(3, 7),
        seconds=1.0,
    )


def test_columns_stand_tap_after_tap() -> None:
    found = table()
    assert found.slices == dict(zip(TAPS, (slice(0, 2), slice(2, 4), slice(4, 7)), strict=True))
    assert found.columns(TAPS[:0:-1]).tolist() == [4, 5, 6, 2, 3]
    with pytest.raises(KeyError):
        found.columns([Tap(stage="two", pool="mean")])


def test_rows_are_those_of_the_index() -> None:
    found = table()
    assert np.array_equal(found.of(np.array([9, 4])), found.values[[2, 0]])
    assert np.array_equal(found.of(np.array([7]), [TAPS[1]]), [[9, 10]])
    with pytest.raises(KeyError):
        found.of(np.array([5]))


def test_a_table_survives_the_disk(tmp_path: Path) -> None:
    codec = arrays_codec(FeatureTable)
    path = tmp_path / "features.npz"
    with path.open("wb") as file:
        codec.write(table(), file)
    found = codec.read(path, {})
    assert np.array_equal(found.values, table().values)
    assert np.array_equal(found.rows, table().rows)
    assert found.slices == table().slices


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    card = find_net("efficientnet-lite0").card("efficientnet-lite0")
    return ModelSpec(
        net=card.name,
        settings=NetSettings(),
        classes=("a", "b"),
        channels=3,
        input_size=96,
        cache_size=32,
        resize="squash",
        mean=card.mean,
        std=card.std,
        taps=all_taps(card.stages),
        batch_size=4,
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_features_are_those_of_the_rows(spec: ModelSpec, channels: int) -> None:
    network = build_network(spec).eval()
    made = np.random.default_rng(0).integers(0, 256, (50, 32, 32, channels), np.uint8)
    cache = Cache(images=made, path="")
    told: list[Progress] = []
    rows = np.array([3, 40, 41, 7])
    found = extract_features(network, cache, rows, spec, MACHINE, told.append)
    assert found.taps == spec.taps
    assert found.widths == network.widths
    assert found.values.shape == (4, 2848)
    assert found.seconds > 0
    assert told[-1].finished
    others = extract_features(network, cache, np.arange(50), spec, MACHINE)
    assert np.array_equal(others.of(rows), found.values)


def test_grey_images_are_three_equal_channels(spec: ModelSpec) -> None:
    network = build_network(spec).eval()
    grey = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1), np.uint8)
    one = extract_features(network, Cache(images=grey, path=""), np.arange(4), spec, MACHINE)
    three = Cache(images=grey.repeat(3, axis=3), path="")
    np.testing.assert_allclose(
        one.values, extract_features(network, three, np.arange(4), spec, MACHINE).values, atol=1e-4
    )


def test_a_memory_map_that_is_only_readable_serves(spec: ModelSpec, tmp_path: Path) -> None:
    network = build_network(spec).eval()
    made = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    np.save(tmp_path / "images.npy", made)
    mapped = Cache(images=np.load(tmp_path / "images.npy", mmap_mode="r"), path="")
    found = extract_features(network, mapped, np.arange(6), spec, MACHINE)
    plain = extract_features(network, Cache(images=made, path=""), np.arange(6), spec, MACHINE)
    assert np.array_equal(found.values, plain.values)


def test_the_models_precision_counts_not_the_machines(spec: ModelSpec) -> None:
    """A model goes on computing as it was made, wherever it is taken."""
    network = build_network(spec).eval()
    made = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    cache, low = Cache(images=made, path=""), replace(MACHINE, precision="bfloat16")
    exact = extract_features(network, cache, np.arange(2), spec, MACHINE).values
    assert np.array_equal(extract_features(network, cache, np.arange(2), spec, low).values, exact)
    rough = extract_features(
        network, cache, np.arange(2), replace(spec, precision="bfloat16"), low
    ).values
    assert not np.array_equal(rough, exact)
    assert torch.get_num_threads() >= 1
