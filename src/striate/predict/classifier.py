"""A trained model for inference: weights and `model.json` in, probabilities out."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from striate.data.cache import decode_images
from striate.errors import ModelError
from striate.metrics.probability_calibration import calibrate_scores
from striate.metrics.target_metrics import logistic
from striate.nets.foreign import remember_structure
from striate.predict.conformal import ood_pvalue
from striate.predict.model_files import REMAKE_HINT, WEIGHTS, read_model, write_model
from striate.probe.outlier_scores import nearest_cosine_distances
from striate.train.fast.forward_pass import answers_of
from striate.train.fast.inference import FastNetwork, optimise_for_inference
from striate.train.fast.machine import measure_machine
from striate.train.head import Network, build_network
from striate.train.torch_context import torch_context
from striate.values import (
    RANDOM,
    Example,
    HeldOut,
    Index,
    Machine,
    ModelSpec,
    Predictions,
    Rows,
    names_in,
)

HELD_OUT = "held_out."
STRUCTURE = "backbone.structure"  # of a network of another toolbox
_HELD_OUT = ("probabilities", "truth", "groups", "distances", "reference")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classifier:
    """A network with its weights, and all that turns an image into probabilities.

    `held_out` are the held-out images on which decision rules are based; None if none were kept.
    """

    spec: ModelSpec
    network: Network
    held_out: HeldOut | None = None
    _quick: dict[str, FastNetwork] = field(default_factory=dict, init=False, repr=False)

    def probabilities(
        self, images_NHWC: NDArray[np.uint8], rows: Rows | None = None
    ) -> NDArray[np.float32]:
        """Probabilities N x K of images decoded at `spec.cache_size`, or of some rows of them.

        For several labels one each; for a number the prediction itself, N x 1.
        """
        return activate_outputs(self.spec, self.logits(images_NHWC, rows))

    def logits(
        self, images_NHWC: NDArray[np.uint8], rows: Rows | None = None
    ) -> NDArray[np.float32]:
        """Logits N x K, independent of the rest of the batch.

        `rows` of a memory-mapped array are read batch by batch, so that memory stays bounded.
        """
        return self._read(images_NHWC, rows)[0]

    def deep_features(
        self, images_NHWC: NDArray[np.uint8], rows: Rows | None = None
    ) -> NDArray[np.float32]:
        """Last-stage features N x D: global average pooling of each feature map."""
        return self._read(images_NHWC, rows)[1]

    def _read(
        self, images_NHWC: NDArray[np.uint8], rows: Rows | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits N x K and deep features N x D, in one pass."""
        rows = np.arange(len(images_NHWC)) if rows is None else rows
        machine = measure_machine()
        logits, deep = answers_of(self._on(machine), images_NHWC, rows, self.spec, machine)
        if not np.isfinite(logits).all():
            raise ModelError(
                "The model's predictions are NaN or infinite: its weights are damaged, or "
                "its training diverged.",
                REMAKE_HINT,
            )
        return logits, deep

    def _on(self, machine: Machine) -> FastNetwork:
        """The network optimised for a machine, made once."""
        key = f"{machine.device} {machine.layout} {machine.fused} {self.spec.precision}"
        if key not in self._quick:
            self._quick[key] = optimise_for_inference(
                self.network, machine=machine, precision=self.spec.precision
            )
        return self._quick[key]

    def predict(self, index: Index, rows: Rows | None = None) -> Predictions:
        """Predictions for the used rows of an index, decoded as the training images were."""
        rows = index.used() if rows is None else rows
        images = decode_images(
            index,
            rows,
            self.spec.cache_size,
            self.spec.channels,
            self.spec.resize,
            alpha=self.spec.alpha,
        )
        return self.predictions(images, index, rows)

    def predictions(self, images_NHWC: NDArray[np.uint8], index: Index, rows: Rows) -> Predictions:
        """Predictions for decoded images; the truth is matched by class name, -1 if unknown."""
        if self.spec.task != "label":
            examples = [index.examples[row] for row in rows]
            return as_predictions(self.spec, examples, self.probabilities(images_NHWC))
        number = {name: k for k, name in enumerate(self.spec.classes)}
        logits, deep = self._read(images_NHWC)
        return Predictions(
            classes=self.spec.classes,
            paths=tuple(index.examples[row].path for row in rows),
            probabilities=activate_outputs(self.spec, logits),
            truth=np.array([number.get(index.examples[row].label, -1) for row in rows], np.int64),
            familiarity=self._familiarity(deep),
        )

    def _familiarity(self, deep_ND: NDArray[np.float32]) -> NDArray[np.float32] | None:
        known = self.held_out
        if known is None or not len(known.distances):
            return None
        far = nearest_cosine_distances(deep_ND, known.reference)
        return ood_pvalue(far, known.distances, known.groups)


def activate_outputs(spec: ModelSpec, logits_NK: NDArray[np.float32]) -> NDArray[np.float32]:
    """Outputs to predictions: softmax, a probability per label, or the number."""
    if spec.task == "number":
        return logits_NK
    if spec.task == "labels":
        return logistic(logits_NK)
    return calibrate_scores(logits_NK, spec.temperature, spec.calibration)


def as_predictions(
    spec: ModelSpec,
    examples: Sequence[Example],
    answers_NK: NDArray[np.float32],
    marked: NDArray[np.bool_] | None = None,
) -> Predictions:
    """Predictions of several labels or a number; the truth is read from the examples.

    `marked` N x K are the predicted labels if other thresholds than the model's were used.
    """
    known = np.array([bool(example.label) for example in examples], np.bool_)
    targets = np.zeros((len(examples), spec.outputs))
    number = {name: k for k, name in enumerate(spec.classes)}
    for row, example in enumerate(examples):
        label = example.label
        if not label:
            continue
        if spec.task == "number":
            targets[row, 0] = float(label)
        else:
            targets[row, [number[n] for n in names_in(label) if n in number]] = 1.0
    one = spec.task == "number"
    return Predictions(
        classes=spec.classes,
        paths=tuple(example.path for example in examples),
        probabilities=answers_NK[:, :0] if one else answers_NK,
        numbers=answers_NK[:, 0] if one else np.zeros(0, np.float32),
        truth=np.where(known, 0, -1).astype(np.int64),
        task=spec.task,
        thresholds=spec.thresholds,
        targets=targets,
        marked=marked,
    )


def save_classifier(classifier: Classifier, folder: Path) -> None:
    """Write `weights.safetensors` and `model.json` atomically.

    Held-out images are stored inside the weights file, as is the specification.
    """
    write_model(
        folder,
        classifier.spec,
        classifier.network.state_dict() | _held_out_to_tensors(classifier.held_out),
    )


def load_classifier(folder: Path) -> Classifier:
    """The model in a `model/` folder.

    Raises `ModelError` if it is missing, damaged, of a newer striate or inconsistent.
    """
    spec, tensors = read_model(folder)
    try:
        held_out = _held_out_from_tensors(spec, tensors)
        if STRUCTURE in tensors:
            remember_structure(spec.net, tensors[STRUCTURE])
        with torch_context(1):  # To copy so little, threads cost more than they do.
            network = build_network(spec, RANDOM)
            network.load_state_dict(tensors)
    except (RuntimeError, KeyError, ValueError) as error:
        raise ModelError(
            f"The weights in {folder / WEIGHTS} cannot be used: {_first_line(error)}.", REMAKE_HINT
        ) from error
    return Classifier(spec=spec, network=network.eval(), held_out=held_out)


def copy_with(classifier: Classifier, **changes: object) -> Classifier:
    """The same network with a changed specification, such as another temperature."""
    # The changes are fields of ModelSpec by name; mypy sees only `object`.
    return replace(classifier, spec=replace(classifier.spec, **changes))  # type: ignore[arg-type]


def with_held_out(classifier: Classifier, held_out: HeldOut | None) -> Classifier:
    """The same network with held-out images for decision rules."""
    spec = replace(classifier.spec, held_out=None if held_out is None else held_out.card)
    return replace(classifier, spec=spec, held_out=held_out)


def _held_out_to_tensors(held_out: HeldOut | None) -> dict[str, torch.Tensor]:
    """Held-out images as tensors stored with the weights; features in half precision."""
    if held_out is None:
        return {}
    arrays = {name: np.ascontiguousarray(getattr(held_out, name)) for name in _HELD_OUT}
    tensors = {HELD_OUT + name: torch.from_numpy(array) for name, array in arrays.items()}
    tensors[f"{HELD_OUT}reference"] = tensors[f"{HELD_OUT}reference"].half()
    return tensors


def _held_out_from_tensors(spec: ModelSpec, tensors: dict[str, torch.Tensor]) -> HeldOut | None:
    """The held-out images among the tensors of a model; they are removed from them."""
    found = {name: tensors.pop(name) for name in list(tensors) if name.startswith(HELD_OUT)}
    if spec.held_out is None:
        return None
    arrays = {name: found[HELD_OUT + name].numpy() for name in _HELD_OUT}
    arrays["reference"] = arrays["reference"].astype(np.float32)
    held_out = HeldOut(how=spec.held_out.how, **arrays)
    if not _is_consistent(held_out, spec):
        raise ValueError("the held-out images in it do not match each other")
    return held_out


def _is_consistent(held_out: HeldOut, spec: ModelSpec) -> bool:
    """Whether the held-out arrays have matching shapes and valid values."""
    n = len(held_out.truth)
    shapes = held_out.probabilities.shape == (n, spec.outputs) and held_out.groups.shape == (n,)
    truth = held_out.truth
    known = not n or (truth.min() >= 0 and truth.max() < spec.outputs)
    return shapes and known and len(held_out.distances) in (0, n) and held_out.reference.ndim == 2


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error) else type(error).__name__
