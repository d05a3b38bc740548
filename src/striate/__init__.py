"""striate: train a convolutional classifier on labelled images, and report how good it is."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Unpack

    from striate.config.settings import Settings
    from striate.errors import StriateError
    from striate.estimator import ImageClassifier
    from striate.run import Run
    from striate.values import Gradients, Watch

__all__ = ["ImageClassifier", "Run", "StriateError", "__version__", "fit", "gradients", "load"]

__version__ = "0.1.0"


def fit(source: Any, *, watch: "Watch | None" = None, **settings: "Unpack[Settings]") -> "Run":
    """Fit a classifier to labelled images and return its run.

    `source` is anything that the command takes, a dataset, an iterable of (image, label), or a pair
    (images, labels). `settings` are those of `striate fit`, with `_` for `-`: `minutes=2, seed=1,
    strategy="linear", out="mine"`; `striate.values.Options` lists them with their defaults. `watch`
    receives the progress; by default notebooks and terminals show it. Raises `StriateError`, with
    every wrong setting in one message.
    """
    from striate.config.settings import check_settings

    options = check_settings(settings, hint="help(striate.values.Options) lists them.")
    from rich.console import Console

    from striate.pipeline import fit as fit_now
    from striate.report.language import choose_language
    from striate.report.terminal import open_progress_watcher

    if watch is not None:
        return fit_now(source, options, watch)
    console = Console()
    if not console.is_jupyter:
        console = Console(stderr=True)
    mode = "auto" if console.is_jupyter or console.is_terminal else "quiet"
    with open_progress_watcher(console, mode, choose_language(options.lang)) as shown:
        return fit_now(source, options, shown)


def load(path: "str | Path") -> "Run":
    """The run in a folder that `striate fit` made: to predict, evaluate and inspect."""
    from striate.run import Run

    return Run.load(path)


def gradients(run: "Run", image: Any, label: str | None = None) -> "Gradients":
    """The loss of one image under the model of a run, and its gradient for every layer.

    `image` is a path, a PIL image or an array; `label` its class, by default the predicted one.
    Each gradient is checked by finite differences in float64. Raises `UsageError` for a class that
    the model does not have.
    """
    from striate.predict.backpropagation import compute_gradients

    return compute_gradients(run.classifier, image, label)


_HOMES = {
    "ImageClassifier": "striate.estimator",
    "Run": "striate.run",
    "StriateError": "striate.errors",
}


def __getattr__(name: str) -> Any:
    # The classes reach numpy, scikit-learn or torch; nobody waits for what they do not use.
    if name not in _HOMES:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
