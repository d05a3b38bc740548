"""The layers' beginning is noted once, and stands beside their end, also after a restart."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.learn.made_context import some_context
from tests.train import made_training as made

from striate.learn.finetune.train_plan import LayerSnapshots
from striate.train.head import build_network
from striate.train.loop import train_network
from striate.values import RANDOM, LayerStates, ModelSpec


@pytest.fixture
def looking(tmp_path: Path) -> tuple[LayerSnapshots, Any]:
    cache, labels = made.stripes()
    of = made.plan(epochs=2)
    spec = ModelSpec(
        net="compact",
        settings=of.settings.value,
        classes=made.CLASSES,
        channels=1,
        input_size=16,
        cache_size=16,
        resize="squash",
        mean=made.MEAN,
        std=made.STD,
        taps=of.taps.value,
        strategy="scratch",
    )
    data = some_context(
        cache=cache,
        labels=labels,
        train=np.arange(90),
        index=SimpleNamespace(task="label"),
    )
    return LayerSnapshots(data, made.MACHINE.threads, spec, tmp_path), of


def trained(standing: LayerSnapshots, of: Any) -> LayerStates:
    data = standing.data
    network = build_network(standing.spec, RANDOM)
    train_network(
        network,
        of,
        data.cache,
        data.train,
        np.arange(90, 120),
        made.MACHINE,
        labels=data.labels,
        mean=made.MEAN,
        std=made.STD,
        checkpoint_dir=standing.folder,
        begun=standing.note(network),
    )
    return standing.in_the_end(network)


def test_three_moments_of_a_training_from_scratch(looking: tuple[LayerSnapshots, Any]) -> None:
    found = trained(*looking)
    assert len(found.drawn) == len(found.begun) == len(found.layers) > 0
    assert found.drawn[0].weight != found.begun[0].weight, "patches were whitened"
    assert found.begun[-1].weight != found.layers[-1].weight, "steps were taken"
    kept = {one.layer: one for one in found.weights_begun}
    assert sum(kept["backbone.blocks.0.0"].counts) == np.prod(kept["backbone.blocks.0.0"].shape)
    assert len(kept["backbone.whiten"].kernels) == 16
    assert "head" in kept
    assert all(layer.deviation > 0 for layer in found.begun if layer.weight and layer.gradient)


def test_a_training_that_is_gone_on_with_knows_its_beginning(
    looking: tuple[LayerSnapshots, Any],
) -> None:
    first, again = trained(*looking), trained(*looking)
    assert again.begun == first.begun
    assert again.drawn == first.drawn
