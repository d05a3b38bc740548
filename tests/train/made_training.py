"""A set that a small network learns in a second, its plan and its network."""

from dataclasses import replace
from typing import Any

import numpy as np

from striate.train.head import Network, build_network
from striate.values import (
    RANDOM,
    Cache,
    Choice,
    Machine,
    ModelSpec,
    NetSettings,
    Plan,
    Rows,
    Tap,
    say,
)

CLASSES = ("across", "down", "plain")
MEAN, STD = (0.5,), (0.25,)
MACHINE = Machine(
    device="cpu",
    processor="any",
    threads=1,
    memory_bytes=2**30,
    precision="float32",
    precision_error=0.0,
    layout="channels_last",
    fused=False,
    batch_size=16,
)


def stripes(n: int = 120, size: int = 16) -> tuple[Cache, Rows]:
    """Grey images with stripes across, down, or none, in noise; and their class numbers."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    wave = 60 * np.sign(np.sin(np.arange(size) * np.pi / 2 + 0.1))
    images = rng.normal(128, 25, (n, size, size))
    images[labels == 0] += wave[:, None]
    images[labels == 1] += wave[None, :]
    pixels = images.clip(0, 255).astype(np.uint8)[..., None]
    return Cache(images=pixels, path=""), labels.astype(np.int64)


def plan(**changes: Any) -> Plan:
    """A plan for a few short epochs from scratch; changes are bare values of its choices."""
    why = say("test.why", "a test wants it")
    values: dict[str, Any] = {
        "strategy": "scratch",
        "net": "compact",
        "settings": NetSettings(width=0.125),
        "taps": (Tap(stage="top", pool="max"),),
        "alpha": 0.0,
        "input_size": 16,
        "epochs": 4,
        "batch_size": 16,
        "learning_rate": 0.05,
        "layer_decay": 1.0,
        "weight_decay": 5e-4,
        "optimizer": "sgd",
        "schedule": "one-cycle",
        "label_smoothing": 0.1,
        "dropout": 0.1,
        "augment": {"crop": 1.0, "noise": 0.5},
        "precision": "float32",
        "threads": 1,
        "inference_batch_size": 16,
        **changes,
    }
    choices: dict[str, Any] = {
        name: Choice(value=value, why=why, ground="convention") for name, value in values.items()
    }
    return Plan(seed=3, classes=CLASSES, **choices)


def network(of: Plan) -> Network:
    """The plan's network before its first step."""
    return build_network(
        ModelSpec(
            net=of.net.value,
            settings=of.settings.value,
            classes=of.classes,
            channels=1,
            input_size=16,
            cache_size=16,
            resize="squash",
            mean=MEAN,
            std=STD,
            taps=of.taps.value,
            dropout=of.dropout.value,
        ),
        RANDOM,
    )


def other_seed(of: Plan) -> Plan:
    """The same plan with another seed."""
    return replace(of, seed=of.seed + 1)
