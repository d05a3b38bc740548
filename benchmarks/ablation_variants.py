"""The variants of the ablation: each changes one thing of the recipe, or of another variant."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What differs from the base: choices of the plan, settings of the net, or the whitening."""

    about: str
    against: str = "base"
    choices: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    whiten: bool = True


RAW = "no whitening"
PREPROCESSING = {
    "scale": "to 0..1 only",
    "centre": "mean of each channel",
    "pixel-centre": "mean of each pixel",
    "pixel-normalise": "mean and deviation of each pixel",
    "pca": "coordinates of whole images",
    "zca": "whole images whitened",
}
SGD: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.1}
PLAIN: dict[str, Any] = {"normalisation": "none"}
VARIANTS: dict[str, Variant] = {
    "base": Variant(about="the recipe"),
    "no whitening": Variant(about="first layer random and trained", whiten=False),
    "torch initialisation": Variant(about="no identity", choices={"initialisation": "torch"}),
    "kaiming": Variant(about="normal, He et al.", choices={"initialisation": "kaiming"}),
    "orthogonal": Variant(about="orthogonal", choices={"initialisation": "orthogonal"}),
    "LSUV": Variant(about="unit variance, layer by layer", choices={"initialisation": "lsuv"}),
    "calibrated": Variant(about="input's variance", choices={"initialisation": "calibrated"}),
    "no normalisation": Variant(about="instead of batch normalisation", settings=PLAIN),
    "group normalisation": Variant(about="instead of batch", settings={"normalisation": "group"}),
    "no normalisation, LSUV": Variant(
        about="calibration where nothing normalises",
        against="no normalisation",
        choices={"initialisation": "lsuv"},
        settings=PLAIN,
    ),
    "no normalisation, calibrated": Variant(
        about="calibration where nothing normalises",
        against="no normalisation",
        choices={"initialisation": "calibrated"},
        settings=PLAIN,
    ),
    "dropout 0.2": Variant(about="of features", choices={"dropout": 0.2}),
    "spatial dropout 0.1": Variant(about="of maps", settings={"spatial_dropout": 0.1}),
    "SGD": Variant(about="Nesterov momentum, rate 0.1", choices=SGD),
    "SGD, no L2": Variant(about="0 for 5e-4", against="SGD", choices={**SGD, "weight_decay": 0.0}),
    "SGD, L2 5e-3": Variant(
        about="ten times as much", against="SGD", choices={**SGD, "weight_decay": 5e-3}
    ),
    "SGD, L1 1e-4": Variant(about="beside L2", against="SGD", choices={**SGD, "l1": 1e-4}),
    "SGD, no normalisation": Variant(
        about="identity initialisation", against="SGD", choices=SGD, settings=PLAIN
    ),
    "SGD, no normalisation, torch": Variant(
        about="torch's weights",
        against="SGD, no normalisation",
        choices={**SGD, "initialisation": "torch"},
        settings=PLAIN,
    ),
    "SGD, no normalisation, LSUV": Variant(
        about="unit variance, layer by layer",
        against="SGD, no normalisation",
        choices={**SGD, "initialisation": "lsuv"},
        settings=PLAIN,
    ),
    "SGD, no normalisation, calibrated": Variant(
        about="input's variance",
        against="SGD, no normalisation",
        choices={**SGD, "initialisation": "calibrated"},
        settings=PLAIN,
    ),
    "no L2": Variant(about="0 for 5e-4", choices={"weight_decay": 0.0}),
    "L1 1e-4": Variant(about="beside L2", choices={"l1": 1e-4}),
    "no augmentation": Variant(about="images as they are", choices={"augment": {}}),
    "flip": Variant(about="crop and mirror", choices={"augment": {"crop": 1.0, "flip": 1.0}}),
    "EMA 0.95": Variant(about="the averaged weights judged", choices={"ema": 0.95}),
    "flip, cutmix": Variant(
        about="and rectangles of others",
        choices={"augment": {"crop": 1.0, "flip": 1.0}, "mix": "cutmix"},
    ),
    "constant rate": Variant(about="schedule", choices={"schedule": "constant"}),
    "step decay": Variant(about="schedule", choices={"schedule": "step"}),
    "cosine": Variant(about="schedule", choices={"schedule": "cosine"}),
    "plateau": Variant(about="schedule, by the training loss", choices={"schedule": "plateau"}),
    "kernel 5": Variant(about="for 3", settings={"kernel_size": 5}),
    "kernel 1": Variant(about="for 3", settings={"kernel_size": 1}),
    "stride 2": Variant(about="of the first layer, for 1", settings={"stride": 2}),
    "one convolution a block": Variant(about="for 2", settings={"depth": 1}),
    "padding valid": Variant(
        about="whole windows only, one convolution a block",
        against="one convolution a block",
        settings={"padding": "valid", "depth": 1},
    ),
    "mean pooling": Variant(about="for max", settings={"pool": "mean"}),
    "pooling size 3": Variant(about="for 2", settings={"pool_size": 3}),
    "leaky ReLU": Variant(about="for ReLU", settings={"activation": "leaky_relu"}),
    "ELU": Variant(about="for ReLU", settings={"activation": "elu"}),
    "GELU": Variant(about="for ReLU", settings={"activation": "gelu"}),
    **{
        kind: Variant(about=about, choices={"preprocess": kind})
        for kind, about in PREPROCESSING.items()
    },
    **{
        f"{RAW}, {kind}": Variant(
            about=about, against=RAW, choices={"preprocess": kind}, whiten=False
        )
        for kind, about in PREPROCESSING.items()
    },
    "plain": Variant(
        about="SGD, nothing normalised, first layer trained",
        against="SGD, no normalisation",
        choices=SGD,
        settings=PLAIN,
        whiten=False,
    ),
    **{
        f"plain, {kind}": Variant(
            about=about,
            against="plain",
            choices={**SGD, "preprocess": kind},
            settings=PLAIN,
            whiten=False,
        )
        for kind, about in PREPROCESSING.items()
    },
}
