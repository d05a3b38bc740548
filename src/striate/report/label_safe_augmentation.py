"""Whether flipped and rotated images keep their labels: examples and measured gains."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.report.html import SMALL_IMAGE_SIDE, image_data_uri
from striate.report.language import Words
from striate.values import Block, CopyGain, Section, Values, shown


def label_safe_section(values: Values, words: Words) -> Section | None:
    """Some training images with augmented versions, and the gains; None if unmeasured."""
    measured = _measured_gains(values)
    if not measured:
        return None
    lead = [words(f"copies.{name}_{_gain_outcome(name, gain, values)}") for name, gain in measured]
    return Section(
        key="copies",
        title=words("copies.title"),
        lead=words("unit.space").join([*lead, words("copies.lead")]),
        blocks=(
            _gallery(values, [name for name, _ in measured], words),
            _table(measured, values, words),
        ),
    )


def _measured_gains(values: Values) -> list[tuple[str, CopyGain]]:
    evidence = values.evidence
    if evidence is None:
        return []
    pairs = (("flips", evidence.flips), ("rotations", evidence.rotations))
    return [(name, gain) for name, gain in pairs if gain is not None]


def _gain_outcome(name: str, gain: CopyGain, values: Values) -> str:
    """The suffix of the sentence: `help`, `no`, or `safe` if it helps but is not used."""
    if not gain.helps:
        return "no"
    return "safe" if name == "rotations" and values.plan.strategy.value == "scratch" else "help"


def _gallery(values: Values, names: list[str], words: Words) -> Block:
    """The first training image of some classes, original and augmented."""
    images, captions, alts = [], [], []
    for row in _pick_rows(values):
        picture, label = values.cache.images[row], values.index.examples[row].label
        for kind in ("plain", *names):
            images.append(image_data_uri(TRANSFORMS[kind](picture)))
            captions.append("\n".join((label, words(f"copies.{kind}"))))
            alts.append(f"{values.index.examples[row].path}: {words(f'copies.{kind}')}")
    return Block(
        kind="gallery",
        title=words("copies.gallery"),
        images=tuple(images),
        captions=tuple(captions),
        alts=tuple(alts),
        note=words("copies.gallery_note"),
        severity="samples sharp" if values.cache.size <= SMALL_IMAGE_SIDE else "samples",
    )


def _pick_rows(values: Values) -> list[int]:
    """Rows of training images, one per class, evenly spaced if there are many classes."""
    labels = values.index.labels()[values.split.train]
    classes = np.unique(labels)
    some = classes[
        np.linspace(0, len(classes) - 1, min(MOST_SHOWN, len(classes))).round().astype(int)
    ]
    return [int(values.split.train[np.argmax(labels == one)]) for one in some]


def _table(measured: list[tuple[str, CopyGain]], values: Values, words: Words) -> Block:
    names = ("copy", "gain", "log_loss", "right", "decision")
    return Block(
        kind="table",
        title=words("copies.table"),
        note=words("copies.table_note", n=f"{measured[0][1].n:,}"),
        header=tuple(words(f"copies.{name}") for name in names),
        rows=tuple(
            (
                words(f"copies.{name}"),
                f"{gain.gain:+.3f} ± {gain.error:.3f}",
                f"{shown(gain.log_loss)} → {shown(gain.log_loss - gain.gain)}",
                f"{gain.right_plain:,} → {gain.right_mirrored:,}",
                words(
                    "copies.used"
                    if _gain_outcome(name, gain, values) == "help"
                    else "copies.unused"
                ),
            )
            for name, gain in measured
        ),
    )


def _identity(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image


def flip_example(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image, flipped horizontally."""
    return np.ascontiguousarray(image[:, ::-1])


def rotate_example(image: NDArray[np.uint8], degrees: float = 15.0) -> NDArray[np.uint8]:
    """The image rotated by the largest angle used in training, borders reflected."""
    height, width = image.shape[:2]
    edges = ((height // 2, height // 2), (width // 2, width // 2), *(((0, 0),) * (image.ndim - 2)))
    wide = np.pad(image, edges, mode="symmetric")
    flat = np.squeeze(wide, 2) if wide.shape[2:] == (1,) else wide
    made = Image.fromarray(flat).rotate(degrees, Image.Resampling.BILINEAR)
    found = np.asarray(made).reshape(wide.shape)
    top, left = height // 2, width // 2
    return np.ascontiguousarray(found[top : top + height, left : left + width])


TRANSFORMS = {"plain": _identity, "flips": flip_example, "rotations": rotate_example}
MOST_SHOWN = 4
