"""TensorBoard's event files -> columns of numbers; its package is an extra."""

from pathlib import Path
from typing import Any

from striate.errors import MachineError, SourceError
from striate.store.log_columns import Points

EVERY = {"scalars": 0, "tensors": 0}


def event_points(path: Path) -> list[Points]:
    """The scalars of an event file, or of all in a folder, by tag; a sub-folder precedes its tags.

    So `validation/epoch_loss`, as Keras writes it, is what it says. Raises `MachineError` where
    the package is not there, and `SourceError` where no scalar is found.
    """
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError as error:
        raise MachineError(
            f"{path} is of TensorBoard, whose package is not installed.",
            "Type: pip install 'striate[tensorboard]'",
        ) from error
    files = [path] if path.is_file() else sorted(path.rglob("*tfevents*"))
    if not files:
        raise SourceError(f"{path} holds no event files of TensorBoard.", "Name a CSV file.")
    found: dict[str, list[tuple[float, float]]] = {}
    for file in files:
        events = EventAccumulator(str(file), size_guidance=EVERY)
        events.Reload()
        folder = "" if path.is_file() else file.parent.relative_to(path).as_posix()
        before = "" if folder in ("", ".") else f"{folder}/"
        for tag, points in _scalars(events):
            found.setdefault(before + tag, []).extend(points)
    if not found:
        raise SourceError(f"{path} holds no scalars.", "Name a folder with a training's log.")
    return [_column(name, points) for name, points in found.items()]


def _scalars(events: Any) -> list[tuple[str, list[tuple[float, float]]]]:
    """Scalars by tag; newer writers store them as tensors of one number."""
    tags = events.Tags()
    found = [
        (tag, [(float(e.step), float(e.value)) for e in events.Scalars(tag)])
        for tag in tags["scalars"]
    ]
    from tensorboard.util.tensor_util import make_ndarray

    for tag in tags["tensors"]:
        arrays = [(float(e.step), make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)]
        if arrays and all(a.size == 1 and a.dtype.kind == "f" for _, a in arrays):
            found.append((tag, [(step, float(a)) for step, a in arrays]))
    return found


def _column(name: str, points: list[tuple[float, float]]) -> Points:
    order = sorted(points)
    return Points(name=name, places=tuple(p for p, _ in order), values=tuple(v for _, v in order))
