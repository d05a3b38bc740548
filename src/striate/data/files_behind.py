"""A dataset of torchvision that lies in files -> their paths and labels, without decoding."""

from pathlib import Path
from typing import Any

# Where torchvision's datasets keep paths and labels: together, or one beside the other.
_TOGETHER = ("samples", "_samples")
_BESIDE = ("_image_files", "_images")


def files_behind(dataset: Any) -> list[tuple[str, Any]]:
    """The path and the label of every item; nothing where a transform would change them.

    Nothing also where the dataset is no class of torchvision or does not lie in files: then its
    items must be asked for.
    """
    changed = any(
        getattr(dataset, name, None) is not None
        for name in ("transform", "target_transform", "transforms")
    )
    if changed or not type(dataset).__module__.startswith("torchvision."):
        return []
    found: list[tuple[str, Any]] = []
    for name in _TOGETHER:
        if isinstance(pairs := getattr(dataset, name, None), list):
            found = [(str(path), label) for path, label in pairs]
    for name in _BESIDE:
        if isinstance(paths := getattr(dataset, name, None), list):
            labels = getattr(dataset, "_labels", [])
            found = [(str(path), label) for path, label in zip(paths, labels, strict=False)]
    whole = len(found) == len(dataset) and found and Path(found[0][0]).is_file()
    return found if whole else []
