"""A saved model: its specification and tensors, written together or refused.

The specification in the metadata of `weights.safetensors` counts. `model.json` is a copy for people
and other programs: it is equal or missing.
"""

import json
import math
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
from torch import Tensor

from striate.errors import ModelError
from striate.store.checksums import CHANGED_TEXT, CHECKSUM_FIELD, json_checksum
from striate.store.files import check_schema, ensure_folder, open_atomically, write_atomically
from striate.values import PREPROCESSING, Calibration, ModelSpec
from striate.values.models import OWN
from striate.weights.soundness import find_non_finite, tensors_digest

WEIGHTS = "weights.safetensors"
SPEC = "model.json"
REMAKE_HINT = "Restore an undamaged copy, or start again: striate fit SOURCE --restart"

Tensors = dict[str, Tensor]


WAIT_SECONDS = 0.05


def write_model(folder: Path, spec: ModelSpec, tensors: Mapping[str, Tensor]) -> None:
    """Write both files so that a reader never sees a mix of two models.

    Raises `MachineError` if the disk is full or the folder is not writable.
    """
    ensure_folder(folder)
    plain: dict[str, Any] = msgspec.to_builtins(spec)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(
        plain | {CHECKSUM_FIELD: json_checksum(plain, tensors_digest(tensors))}, ensure_ascii=False
    )
    content = safetensors.torch.save(tensors, metadata={"striate": text})
    with open_atomically(folder / WEIGHTS) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # a full disk shows here, and leaves both files as they were
        with suppress(OSError):  # what cannot be removed is told where it cannot be replaced
            (folder / SPEC).unlink(missing_ok=True)
    write_atomically(folder / SPEC, msgspec.json.format(text.encode(), indent=2))


def read_model(folder: Path) -> tuple[ModelSpec, Tensors]:
    """The specification and the tensors of a model.

    Raises `ModelError` if a file is missing, changed, of a newer striate, if the two disagree, or a
    value is invalid.
    """
    plain, tensors = _read_both(folder, with_tensors=True)
    path = folder / WEIGHTS
    if plain.get(CHECKSUM_FIELD) and plain[CHECKSUM_FIELD] != json_checksum(
        plain, tensors_digest(tensors)
    ):
        raise _damaged_error(path, ValueError(CHANGED_TEXT))
    wild = find_non_finite(tensors)
    if wild:
        raise _damaged_error(path, ValueError(f"{wild} holds NaN or infinite numbers"))
    return _parse_spec(plain, path), tensors


def read_spec(folder: Path) -> ModelSpec:
    """The specification of a saved model, without loading its weights: as `read_model`."""
    return _parse_spec(_read_both(folder, with_tensors=False)[0], folder / WEIGHTS)


def _read_both(folder: Path, *, with_tensors: bool) -> tuple[dict[str, Any], Tensors]:
    """The specification and tensors of the weights file, once `model.json` agrees.

    Retried if another process is just writing them.
    """
    for left in (2, 1, 0):
        plain, tensors = _read_weights(folder / WEIGHTS, with_tensors)
        try:
            _check_same_spec(folder / SPEC, plain)
        except ModelError:
            if not left:
                raise
            time.sleep(WAIT_SECONDS)
        else:
            break
    return plain, tensors


def _read_weights(path: Path, with_tensors: bool) -> tuple[dict[str, Any], Tensors]:
    if not path.exists():
        raise ModelError(
            f"There is no model in {path.parent}.",
            "Make one with `striate fit`, or give the folder of a finished run.",
        )
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            plain = json.loads((file.metadata() or {})["striate"])
            names = file.keys() if with_tensors else ()
            tensors = {name: file.get_tensor(name) for name in names}
        if not isinstance(plain, dict):
            raise ValueError("its specification is not a JSON object")
    except (safetensors.SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise _damaged_error(path, error) from error
    return plain, tensors


def _check_same_spec(path: Path, plain: dict[str, Any]) -> None:
    """Raise `ModelError` if there is a `model.json` that differs."""
    try:
        said = json.loads(path.read_bytes())
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError) as error:
        raise _contradiction_error(path, f"is damaged: {_first_line(error)}") from error
    if said == plain:
        return
    known = said if isinstance(said, dict) else {}
    names = [name for name in (*plain, *known) if known.get(name) != plain.get(name)]
    raise _contradiction_error(
        path, f"does not match {WEIGHTS} in {', '.join(dict.fromkeys(names))}"
    )


def _contradiction_error(path: Path, how: str) -> ModelError:
    return ModelError(
        f"{path} {how}.",
        f"The values in {WEIGHTS} are used. If that is the model you mean, delete "
        f"{path}; else restore both files from an undamaged copy.",
    )


def _parse_spec(plain: dict[str, Any], path: Path) -> ModelSpec:
    check_schema(plain, ModelSpec, path)
    try:
        spec = msgspec.convert(plain, ModelSpec)
    except msgspec.ValidationError as error:
        raise _damaged_error(path, error) from error
    fault = find_spec_fault(spec)
    if fault:
        raise _damaged_error(path, ValueError(fault))
    return replace(spec, checksum="")


def find_spec_fault(spec: ModelSpec) -> str:
    """What makes a specification invalid, beyond the bounds of single values; "" if nothing."""
    classes = len(spec.classes)
    least = {"label": 2, "labels": 1, "number": 0}[spec.task]
    if len(set(spec.classes)) < classes or classes < least:
        return f"its classes are {list(spec.classes)[:5]}"
    for name, values in (("mean", spec.mean), ("std", spec.std)):
        if len(values) != spec.channels:
            return f"its {name} has {len(values)} values, but images have {spec.channels} channels"
    if not spec.taps:
        return "its head reads no features"
    if spec.task == "labels" and len(spec.thresholds) != classes:
        return f"it has {len(spec.thresholds)} thresholds for {classes} labels"
    if spec.preprocess.kind not in (*PREPROCESSING, OWN):
        return f"its preprocessing is {spec.preprocess.kind!r}"
    numbers = (
        spec.temperature,
        *spec.mean,
        *spec.std,
        *spec.thresholds,
        *_calibration_values(spec.calibration),
    )
    if not all(math.isfinite(number) for number in numbers):
        return "one of its numbers is NaN or infinite"
    return ""


def _calibration_values(calibration: Calibration | None) -> tuple[float, ...]:
    if calibration is None:
        return ()
    return calibration.sure, calibration.unsure, calibration.slope, calibration.intercept


def _damaged_error(path: Path, error: Exception) -> ModelError:
    return ModelError(f"{path} is damaged: {_first_line(error)}.", REMAKE_HINT)


def _first_line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.strip().splitlines()[0].rstrip(".") if text.strip() else type(error).__name__
