"""From a file of weights to its tensors; the first bytes tell the format.

No code in a file is ever run: pickles are read by torch with `weights_only=True` only.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from striate.errors import ModelError
from striate.weights.soundness import find_non_finite

Tensors = dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightsFile:
    """The tensors of a file, in its order; `net` is the network that it names, or ""."""

    tensors: Tensors
    net: str = ""


def read_weights(path: Path) -> Tensors:
    """The tensors of a weights file, out of whatever they are wrapped in: `open_weights`."""
    return open_weights(path).tensors


def open_weights(path: Path) -> WeightsFile:
    """A weights file: safetensors, or a file of `torch.save`, without any code in it.

    Tensors in `state_dict`, `model` or similar are taken out, averaged ones first. Raises
    `ModelError` if the file is missing, empty, damaged, of another kind, holds NaN or infinite
    numbers, or would run code.
    """
    found = _open_file(path)
    wild = find_non_finite(found.tensors)
    if wild:
        raise ModelError(
            f"The weights file {path} holds NaN or infinite numbers, in {wild}.",
            f"The training that wrote it diverged, or the file is damaged. {INCOMPLETE_HINT}",
        )
    return found


def _open_file(path: Path) -> WeightsFile:
    begin = _read_beginning(path)
    kind = _detect_kind(begin)
    if kind == SAFETENSORS:
        return _read_safetensors(path)
    if kind in FOREIGN_HINTS:
        raise ModelError(f"The weights file {path} is {kind}, not tensors.", FOREIGN_HINTS[kind])
    content = _read_pickle(path)
    net = _find_net_name(content)
    for wrap in WRAPPER_KEYS:
        if isinstance(content, dict) and isinstance(content.get(wrap), dict):
            content = content[wrap]
    if not isinstance(content, dict):
        content = {}
    tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
    if not tensors:
        raise ModelError(f"The weights file {path} holds no tensors.", SAVE_HINT)
    return WeightsFile(tensors=tensors, net=net)


def _read_beginning(path: Path) -> bytes:
    if path.is_dir():
        inside = next((path / name for name in USUAL_FILES if (path / name).is_file()), None)
        raise ModelError(
            f"{path} is a folder, not a weights file.",
            f"Type --weights {inside}." if inside else "Give a file in it.",
        )
    if not path.is_file():
        raise ModelError(
            f"There is no weights file {path}.", "Check the name after --weights, or leave it out."
        )
    try:
        with path.open("rb") as file:
            begin = file.read(256)
    except OSError as error:
        raise ModelError(
            f"The weights file {path} cannot be read: {error.strerror}.", "Look at its permissions."
        ) from error
    if not begin:
        raise ModelError(f"The weights file {path} is empty.", INCOMPLETE_HINT)
    return begin


def _detect_kind(begin: bytes) -> str:
    """What a file is by its first bytes; `torch` also where they tell nothing."""
    for mark, kind in FILE_SIGNATURES:
        if begin.startswith(mark):
            return kind
    # A safetensors file begins with the length of its header, in eight bytes, and the header.
    return SAFETENSORS if begin[8:9] == b"{" else "torch"


def _read_safetensors(path: Path) -> WeightsFile:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
        tensors = dict(safetensors.torch.load_file(path))
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        raise _damaged_file_error(path, error) from error
    if not tensors:
        raise ModelError(f"The weights file {path} holds no tensors.", SAVE_HINT)
    return WeightsFile(tensors=tensors, net=_find_net_name(facts) or _net_name_in_config(path))


def _read_pickle(path: Path) -> Any:
    try:
        with path.open("rb") as file:  # of a name, torch would look at the ending
            return torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        if "TorchScript" in str(error):
            raise ModelError(
                f"The weights file {path} is a TorchScript program, and striate runs no code "
                "from a file.",
                "Save only its weights: torch.save(net.state_dict(), FILE)",
            ) from error
        raise _damaged_file_error(path, error) from error
    except Exception as error:  # pickle's own errors have no common base but this
        raise ModelError(
            f"The weights file {path} holds more than tensors, so it could run code; or "
            "it is damaged. striate does not open it.",
            "Save it as .safetensors, or with torch.save(net.state_dict(), FILE).",
        ) from error


def _damaged_file_error(path: Path, error: Exception) -> ModelError:
    lines = str(error).strip().splitlines()
    told = lines[0].rstrip(".") if lines else type(error).__name__
    return ModelError(f"The weights file {path} is damaged: {told}.", INCOMPLETE_HINT)


def _find_net_name(content: Any) -> str:
    """The network that a checkpoint or a file's facts name: timm writes `arch`."""
    if not isinstance(content, dict):
        return ""
    named = (content.get(key) for key in ("arch", "architecture"))
    return next((name for name in named if isinstance(name, str)), "")


def _net_name_in_config(path: Path) -> str:
    """The network that the hub's `config.json` beside a file names."""
    try:
        return _find_net_name(json.loads((path.parent / "config.json").read_bytes()))
    except (OSError, ValueError):
        return ""


SAFETENSORS = "safetensors"
WRAPPER_KEYS = ("state_dict_ema", "state_dict", "model_ema", "model_state_dict", "model")
USUAL_FILES = ("model.safetensors", "pytorch_model.bin")
INCOMPLETE_HINT = "Give an undamaged copy."
SAVE_HINT = "Give a file of weights, as torch.save(net.state_dict(), FILE) writes it."
FILE_SIGNATURES = (
    (b"\x89HDF", "an HDF5 file, as Keras writes it"),
    (b"GGUF", "a GGUF file"),
    (b"version https://git-lfs", "a pointer of Git LFS"),
    (b"<", "a page of HTML or XML"),
)
FOREIGN_HINTS = {
    "an HDF5 file, as Keras writes it": "Name weights of torch: .safetensors, .pt or .pth.",
    "a GGUF file": "Name weights of torch: .safetensors, .pt or .pth.",
    "a pointer of Git LFS": "Type in its folder: git lfs pull",
    "a page of HTML or XML": "Download the file itself, not the page that offers it.",
}
