"""`ImageClassifier`: the fitting procedure as a scikit-learn classifier, without a run folder."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from rich.console import Console
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from striate.config.settings import check_settings
from striate.data.cache import decode_rows
from striate.data.estimator_input import find_pixel_range, list_pictures, reshape_rows
from striate.data.scan import read_unlabelled
from striate.errors import SourceError, SourceMissingError, UsageError
from striate.learn.fit import fit_model
from striate.learn.in_memory import check_readable, context_in_memory, row_batches
from striate.predict.classifier import Classifier
from striate.probe.features import extract_features
from striate.report.language import choose_language
from striate.report.terminal import open_progress_watcher
from striate.store.clock import TimeBudget
from striate.train.fast.machine import apply_machine, measure_machine
from striate.train.head import build_network
from striate.values import (
    RANDOM,
    Cache,
    Index,
    Machine,
    ModelSpec,
    Options,
    Rows,
    Watch,
    unwatched,
)


class ImageClassifier(
    ClassNamePrefixFeaturesOutMixin,
    ClassifierMixin,
    TransformerMixin,
    BaseEstimator,
):
    """An image classifier that follows scikit-learn's conventions.

    `X` is a list (or an array, a series, one column) of paths, PIL images or arrays; or one array N
    x H x W or N x H x W x C, uint8 or floats in [0, 1]. With `image_shape`, such as `(8, 8)`, `X`
    is N x D instead, and each row is reshaped to an image; one side may be -1. Rows of uint8, or of
    floats in [0, 1], are used unchanged; others are scaled by the minimum and maximum of the
    training rows.

    `fit` uses all of `X` and makes no test split. `minutes` is the time budget of one fit;
    `strategy`, `net`, `weights` and `device` are those of `striate fit`; `random_state` is its
    seed. `verbose` shows the progress.

    Fitted attributes: `classes_`, `plan_` (every setting with its reason), `evidence_` (what was
    measured before), `classifier_` (the model), and for rows `n_features_in_` and `pixel_range_`.
    """

    def __init__(
        self,
        *,
        minutes: float = 5.0,
        strategy: str = "auto",
        net: str = "auto",
        weights: str | None = None,
        image_shape: tuple[int, ...] | None = None,
        device: str = "auto",
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.minutes = minutes
        self.strategy = strategy
        self.net = net
        self.weights = weights
        self.image_shape = image_shape
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, groups: Any = None) -> "ImageClassifier":
        """Fit to images and labels; the same images in any order give the same model.

        Images with the same entry in `groups` (one patient, one writer) stay together if images are
        held out for validation. Raises `ValueError` if `X`, `y` or a parameter is wrong or an image
        cannot be read, `FileNotFoundError` if one does not exist.
        """
        options = self._options()
        y = validate_data(self, y=y)
        pictures = self._pictures(X, reset=True)
        check_consistent_length(pictures, y, groups)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise SourceError(
                f"All {len(y)} labels are {self.classes_[0]!r}, so there is only one class.",
                "Give images of at least two classes.",
            )
        with _exclusive_random_state(), _open_watcher(self.verbose) as watch:
            clock = TimeBudget(options.minutes)
            index = _label_index(_read_unlabelled(pictures), self.classes_, numbers, groups)
            machine = _machine_with_threads(options.device)
            with (
                apply_machine(machine),
                context_in_memory(index, options, machine, clock, watch) as context,
            ):
                learned = fit_model(context)
        self.plan_, self.evidence_ = learned.plan, learned.evidence
        self.classifier_ = learned.classifier
        self._n_features_out = sum(learned.classifier.network.widths)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of every image."""
        numbers = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[numbers]
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Calibrated probabilities N x K float32, in the order of `classes_`; rows sum to 1.

        Raises `ValueError` if an image cannot be read: leaving it out would shift the others.
        """
        check_is_fitted(self)
        return self._of_blocks(X, self.classifier_.probabilities)

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Features N x D float32: the input of the model's last, linear layer."""
        check_is_fitted(self)
        return self._of_blocks(X, self._features)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        rows = self.image_shape is not None
        tags.input_tags.two_d_array = rows
        tags.input_tags.three_d_array = not rows
        tags.input_tags.string = not rows
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "classifier_" in state:
            state["classifier_"] = _Packed.of(state["classifier_"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        packed = state.get("classifier_")
        unpacked = {"classifier_": packed.classifier()} if packed else {}
        super().__setstate__({**state, **unpacked})

    def _options(self) -> Options:
        """The parameters as settings of a fit; raises `UsageError` with every fault."""
        names = ("minutes", "strategy", "net", "weights", "device")
        seed = self.random_state
        if seed is None or isinstance(seed, np.random.RandomState):
            seed = check_random_state(seed).randint(2**31)
        return check_settings(
            {"seed": seed, **{name: getattr(self, name) for name in names}},
            spelt=lambda name: "random_state" if name == "seed" else name,
            hint="help(striate.ImageClassifier) lists the parameters.",
        )

    def _pictures(self, X: Any, *, reset: bool) -> Sequence[Any]:
        """The images in `X`, one per entry, not read yet."""
        if self.image_shape is None:
            return list_pictures(X, type(self).__name__)
        rows_ND = validate_data(self, X, reset=reset)
        if reset:
            self.pixel_range_ = find_pixel_range(rows_ND)
        return reshape_rows(rows_ND, self.pixel_range_, self.image_shape)

    def _of_blocks(
        self, X: Any, compute: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """The result of `compute` for all images, decoded as in `fit`, block by block."""
        spec = self.classifier_.spec
        index = _read_unlabelled(self._pictures(X, reset=False))
        found = []
        with _exclusive_random_state(), apply_machine(_machine_with_threads(self.device)):
            for rows in row_batches(index.used()):
                decoded, images = decode_rows(
                    index, rows, spec.cache_size, spec.channels, spec.resize, alpha=spec.alpha
                )
                check_readable(decoded)
                found.append(compute(images))
        return np.concatenate(found)

    def _features(self, images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        machine = _machine_with_threads(self.device)
        cache, rows = Cache(images=images_NHWC, path=""), np.arange(len(images_NHWC))
        network, spec = self.classifier_.network, self.classifier_.spec
        return extract_features(network, cache, rows, spec, machine).values


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packed:
    """A pickled model: its specification, and its weights as bytes of a safetensors file."""

    spec: ModelSpec
    weights: bytes

    @staticmethod
    def of(classifier: Classifier) -> "_Packed":
        tensors = classifier.network.state_dict().items()
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors}
        return _Packed(spec=classifier.spec, weights=safetensors.torch.save(plain))

    def classifier(self) -> Classifier:
        network = build_network(self.spec, RANDOM)
        network.load_state_dict(safetensors.torch.load(self.weights))
        return Classifier(spec=self.spec, network=network.eval())


def _read_unlabelled(pictures: Sequence[Any]) -> Index:
    """An index of unlabelled images, each with its header checked."""
    for picture in pictures:
        if not isinstance(picture, str | os.PathLike):
            continue
        path = Path(picture).expanduser()
        if path.is_dir():
            raise UsageError(
                f"{picture} is a folder, not an image.", "Give the paths of the images in it."
            )
        if not os.path.lexists(path):
            raise SourceMissingError(f"There is no file {picture}.", "Check the path.")
    index = read_unlabelled(pictures)
    check_readable(index)
    return index


def _label_index(index: Index, classes: NDArray[Any], numbers: Rows, groups: Any) -> Index:
    """The index with a label and a group for every image; classes in scikit-learn's order."""
    names = tuple(str(name) for name in classes)
    owners = [""] * len(numbers) if groups is None else [str(group) for group in groups]
    examples = tuple(
        replace(example, label=names[number], group=owner)
        for example, number, owner in zip(index.examples, numbers, owners, strict=True)
    )
    return replace(index, classes=names, examples=examples)


def _machine_with_threads(device: str) -> Machine:
    """The machine with the threads available here: `n_jobs` processes share the cores."""
    machine = measure_machine(device)
    return replace(machine, threads=min(machine.threads, torch.get_num_threads()))


@contextmanager
def _open_watcher(verbose: bool) -> Iterator[Watch]:
    if not verbose:
        yield unwatched
        return
    console = Console()
    console = console if console.is_jupyter else Console(stderr=True)
    with open_progress_watcher(console, "auto", choose_language("auto")) as watch:
        yield watch


@contextmanager
def _exclusive_random_state() -> Iterator[None]:
    """Run one fit at a time in a process, and restore torch's random state afterwards.

    Threads and kernels are settings of the whole process: two fits in two threads would each
    restore the other's settings.
    """
    with _FIT_LOCK, torch.random.fork_rng(devices=[]):
        yield


_FIT_LOCK = threading.RLock()
