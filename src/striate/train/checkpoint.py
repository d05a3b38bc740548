"""Training checkpoints: the state after an epoch in one safetensors file, without pickle."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from striate.store.checksums import CHANGED_TEXT, CHECKSUM_FIELD, json_checksum
from striate.store.files import ensure_folder, error_reason_text, write_atomically
from striate.train.optimizer import Optimizer
from striate.values import Epoch, Plan, Sentence, say
from striate.weights.soundness import tensors_digest

Tensors = dict[str, Tensor]


NAME = "training.safetensors"
PARTS = ("network", "optimizer", "average")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """Everything needed to resume a training exactly.

    `plan` is the plan as executed so far; `held` are the weights of the promising epochs by number,
    `average` is their moving average, empty if the plan has none. `fingerprint` identifies plan and
    data: a checkpoint with another one is not used.
    """

    fingerprint: str
    plan: Plan
    epochs: tuple[Epoch, ...]
    held: Mapping[int, Tensors]
    network: Tensors
    optimizer: Tensors
    average: Tensors = field(default_factory=dict)


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the previous checkpoint atomically.

    Raises `MachineError` if the disk is full or the folder is not writable.
    """
    tensors = {
        f"{part}/{name}": tensor.detach().cpu().contiguous()
        for part in PARTS
        for name, tensor in getattr(checkpoint, part).items()
    }
    for number, state in checkpoint.held.items():
        tensors |= {f"held/{number}/{n}": t.detach().cpu().contiguous() for n, t in state.items()}
    facts: dict[str, Any] = {
        "fingerprint": checkpoint.fingerprint,
        "plan": msgspec.json.encode(checkpoint.plan).decode(),
        "held": sorted(checkpoint.held),
        "epochs": msgspec.to_builtins(checkpoint.epochs),
    }
    facts[CHECKSUM_FIELD] = json_checksum(facts, tensors_digest(tensors))
    content = safetensors.torch.save(tensors, metadata={"striate": json.dumps(facts)})
    write_atomically(ensure_folder(folder) / NAME, content)


def load_checkpoint(
    folder: Path, fingerprint: str, tell: Callable[[Sentence], None] = lambda note: None
) -> Checkpoint | None:
    """The checkpoint in a folder; None if it is missing, damaged, or of another training.

    Damage is reported.
    """
    path = folder / NAME
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["striate"])
            # The open safetensors file cannot be iterated; it has only `keys`.
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if facts.get(CHECKSUM_FIELD) and facts[CHECKSUM_FIELD] != json_checksum(
            facts, tensors_digest(tensors)
        ):
            raise ValueError(CHANGED_TEXT)
        if facts["fingerprint"] != fingerprint:
            return None
        return Checkpoint(
            fingerprint=fingerprint,
            plan=msgspec.json.decode(facts["plan"], type=Plan),
            epochs=msgspec.convert(facts["epochs"], tuple[Epoch, ...]),
            held={number: _tensors_of_part(tensors, f"held/{number}") for number in facts["held"]},
            network=_tensors_of_part(tensors, "network"),
            optimizer=_tensors_of_part(tensors, "optimizer"),
            average=_tensors_of_part(tensors, "average"),
        )
    except FileNotFoundError:
        return None
    except (OSError, safetensors.SafetensorError, AttributeError, KeyError, ValueError) as error:
        note = say(
            "train.mended",
            "The saved training state {path} is damaged ({reason}); training starts again from "
            "the beginning.",
            path=str(path),
            reason=error_reason_text(path, error),
        )
        tell(note)
        return None


def optimizer_tensors(optimizer: Optimizer) -> Tensors:
    """The optimizer's state as named tensors: part / parameter / name."""
    return {
        f"{k}/{number}/{name}": tensor
        for k, part in enumerate(optimizer.parts)
        for number, state in part.state_dict()["state"].items()
        for name, tensor in state.items()
        if isinstance(tensor, Tensor)
    }


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore the state of `optimizer_tensors`, in each parameter's own memory layout.

    The layout matters: kernels iterating in another order may round differently.
    """
    for k, part in enumerate(optimizer.parts):
        parameters = [p for group in part.param_groups for p in group["params"]]
        for number, parameter in enumerate(parameters):
            prefix = f"{k}/{number}/"
            for name, tensor in tensors.items():
                if name.startswith(prefix):
                    part.state[parameter][name.removeprefix(prefix)] = _match_layout(
                        tensor, parameter
                    )


def _match_layout(tensor: Tensor, parameter: Tensor) -> Tensor:
    if tensor.shape != parameter.shape:
        return tensor.clone()
    return torch.empty_like(parameter).copy_(tensor)


def _tensors_of_part(tensors: Tensors, part: str) -> Tensors:
    prefix = f"{part}/"
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
