"""The predictions of a model: one row per image, in the order given."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from striate.values.saying import Rows, Task

UNKNOWN = "unknown"
UNSURE = "unsure"
# Rows and classes that a short word of many predictions names.
SHOWN = 5


class Prediction(NamedTuple):
    """The prediction for one image.

    `label` is None if there is an `error`, the reason why there is no prediction. `probability` is
    that of the label; NaN with an error, with several labels, and with a number.
    """

    path: str
    label: str | None
    probability: float
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Predictions:
    """Labels and probabilities for some images, in the order given.

    `probabilities` is N x K float32 with rows that sum to 1; `truth` is the class number of every
    image, -1 if unknown.

    With several labels, `probabilities` holds that of each label, `thresholds` K the threshold of
    each, and `targets` N x K the true labels. With a number, `probabilities` is N x 0, `numbers`
    holds N predictions and `targets` N x 1 the truth. `marked` N x K holds the predicted labels if
    other thresholds were used, as in each fold. For both tasks `truth` is 0 if the truth is known.

    `familiarity` N is the typicality: the p-value of being in distribution. If requested: `sets` N
    x K are conformal sets, `unknown` N marks images of none of the classes, `decided` N x 2 holds
    the class of least expected cost and that cost, `unsure` N marks predictions below their class's
    precision threshold, and `flagged` N x K the classes at or above their recall threshold.

    `errors` N gives the reason why an image has no prediction, else None. Such a row has the label
    None, the class -1, and NaN for every probability. `len` counts the rows; iterating or an
    integer index gives a `Prediction`; a slice or an array of indices gives the predictions of
    these rows.
    """

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    probabilities: NDArray[np.float32]
    truth: Rows
    task: Task = "label"
    thresholds: tuple[float, ...] = ()
    numbers: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    targets: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    marked: NDArray[np.bool_] | None = None
    familiarity: NDArray[np.float32] | None = None
    sets: NDArray[np.bool_] | None = None
    unknown: NDArray[np.bool_] | None = None
    decided: NDArray[np.float64] | None = None
    unsure: NDArray[np.bool_] | None = None
    flagged: NDArray[np.bool_] | None = None
    errors: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        """Without `errors`, no row has an error."""
        if not self.errors:
            object.__setattr__(self, "errors", (None,) * len(self.paths))

    # Answers -------------------------------------------------------------------------------------

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Which rows have no prediction, N."""
        return np.array([error is not None for error in self.errors], np.bool_)

    @property
    def said(self) -> NDArray[np.bool_]:
        """Which labels are predicted for every image, N x K: those at or above their threshold."""
        if self.marked is not None:
            return self.marked
        return self.probabilities >= np.asarray(self.thresholds, np.float32)

    @property
    def predicted(self) -> Rows:
        """Number of the most probable class of every image; ties go to the first class.

        With costs it is the class of least expected cost; -1 if there is no prediction.
        """
        numbers: Rows = (
            self.probabilities.argmax(axis=1).astype(np.int64)
            if self.decided is None
            else np.nan_to_num(self.decided[:, 0]).astype(np.int64)
        )
        numbers[self.failed] = -1
        return numbers

    @property
    def stated(self) -> NDArray[np.float32]:
        """The probability of every image's predicted class; NaN if there is no prediction."""
        found: NDArray[np.float32] = self.probabilities[np.arange(len(self.paths)), self.predicted]
        return found

    @property
    def labels(self) -> tuple[str | None, ...]:
        """Name of the most probable class of every image; `a|b` of several, or the number.

        `unknown` if requested and the image is none of the classes, `unsure` if the prediction does
        not reach its class's threshold; None if there is no prediction.
        """
        pairs = zip(self.texts, self.errors, strict=True)
        return tuple(text if error is None else None for text, error in pairs)

    @property
    def texts(self) -> tuple[str, ...]:
        """`labels` as texts: empty if there is no prediction."""
        failed = self.failed
        if self.task == "number":
            names = [str(number) for number in self.numbers]
        elif self.task == "labels":
            names = [
                "|".join(name for name, one in zip(self.classes, row, strict=True) if one) or "|"
                for row in self.said
            ]
        else:
            names = [self.classes[k] if k >= 0 else "" for k in self.predicted]
        for marks, word in ((self.unsure, UNSURE), (self.unknown, UNKNOWN), (failed, "")):
            if marks is not None:
                names = [word if m else name for name, m in zip(names, marks, strict=True)]
        return tuple(names)

    @property
    def set_names(self) -> tuple[str, ...]:
        """The classes in every image's set, the most probable first: `a|b`; empty without sets."""
        return self._named(self.sets)

    @property
    def flagged_names(self) -> tuple[str, ...]:
        """The classes at or above their recall threshold, as in `set_names`; may be empty."""
        return self._named(self.flagged)

    def _named(self, marks: NDArray[np.bool_] | None) -> tuple[str, ...]:
        if marks is None:
            return ()
        order = np.argsort(-self.probabilities, axis=1, kind="stable")
        return tuple(
            "|".join(self.classes[k] for k in ranked if held[k])
            for ranked, held in zip(order, marks, strict=True)
        )

    # Rows ----------------------------------------------------------------------------------------

    def take(self, rows: Rows) -> "Predictions":
        """The predictions of some rows, by their indices, in that order."""
        kept: dict[str, Any] = {name: value[rows] for name, value in self._by_row()}
        paths = tuple(self.paths[row] for row in rows)
        return replace(self, paths=paths, errors=tuple(self.errors[row] for row in rows), **kept)

    def answered(self) -> "Predictions":
        """The predictions without rows that have an error."""
        return self.take(np.flatnonzero(~self.failed)) if self.failed.any() else self

    def with_errors(self, paths: Sequence[str], errors: Sequence[str | None]) -> "Predictions":
        """All rows: these predictions where `errors` is None, error rows elsewhere.

        `paths` and `errors` are those of all rows.
        """
        places = np.array([place for place, error in enumerate(errors) if error is None], np.int64)
        kept: dict[str, Any] = {}
        for name, value in self._by_row():
            kept[name] = np.full((len(errors), *value.shape[1:]), _EMPTY[name], value.dtype)
            kept[name][places] = value
        return replace(self, paths=tuple(paths), errors=tuple(errors), **kept)

    @staticmethod
    def joined(parts: "Sequence[Predictions]") -> "Predictions":
        """All parts as one, in order; at least one is needed."""
        kept: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name, _ in parts[0]._by_row()
        }
        return replace(
            parts[0],
            paths=tuple(path for part in parts for path in part.paths),
            errors=tuple(error for part in parts for error in part.errors),
            **kept,
        )

    def _by_row(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Arrays with one row per image, by name."""
        without = {"label": ("numbers", "targets"), "labels": ("numbers",), "number": ()}
        for name in _EMPTY:
            value = getattr(self, name)
            if value is not None and name not in without[self.task]:
                yield name, value

    def __len__(self) -> int:
        return len(self.paths)

    def __bool__(self) -> bool:
        """True, even for no images."""
        return True

    def __iter__(self) -> Iterator[Prediction]:
        stated = self.stated if self.task == "label" else np.full(len(self), np.nan)
        rows = zip(self.paths, self.labels, stated, self.errors, strict=True)
        return (Prediction(path, label, float(p), error) for path, label, p, error in rows)

    @overload
    def __getitem__(self, place: int) -> Prediction: ...

    @overload
    def __getitem__(self, place: "slice | Sequence[int] | NDArray[Any]") -> "Predictions": ...

    def __getitem__(self, place: Any) -> Any:
        rows = np.arange(len(self))[place]
        return next(iter(self.take(rows[None]))) if rows.ndim == 0 else self.take(rows)

    def __repr__(self) -> str:
        failed = int(self.failed.sum())
        named = ", ".join(self.classes[:SHOWN]) + (", …" if len(self.classes) > SHOWN else "")
        facts = [f"{len(self):,} image{'s' * (len(self) != 1)}"]
        if self.task != "number":
            facts.append(f"{len(self.classes):,} {_CLASSES[self.task]}: {named:.200}")
        if failed:
            facts.append(f"{failed:,} that could not be read")
        lines = [f"Predictions({'; '.join(facts)})"]
        for each in self[:SHOWN]:
            share = "" if np.isnan(each.probability) else f"  {each.probability:.3f}"
            said = f"error: {each.error}" if each.error is not None else f"{each.label}{share}"
            lines.append(f"  {each.path[-60:]}  {said:.80}")
        if len(self) > SHOWN:
            lines.append(f"  … and {len(self) - SHOWN:,} more")
        return "\n".join(lines)

    def to_frame(self) -> Any:
        """The predictions as a pandas DataFrame: path, predicted, probability, a column per class.

        If some image has no prediction, a last column `error` gives the reason.
        """
        import pandas as pd

        frame = pd.DataFrame({"path": self.paths})
        frame["predicted"] = self.numbers if self.task == "number" else list(self.labels)
        if self.task == "label":
            frame["probability"] = self.stated
            if self.familiarity is not None:
                frame["familiarity"] = self.familiarity
            if self.sets is not None:
                frame["set"] = self.set_names
            if self.flagged is not None:
                frame["flagged"] = self.flagged_names
            if self.decided is not None:
                frame["expected_cost"] = self.decided[:, 1]
        for k, name in enumerate(self.classes):
            frame[f"p:{name}"] = self.probabilities[:, k]
        if self.failed.any():
            frame["error"] = list(self.errors)
        return frame


_CLASSES = {"label": "classes", "labels": "labels"}
# What stands in the row of an image without an answer.
_EMPTY: dict[str, Any] = {
    "probabilities": np.nan,
    "truth": -1,
    "numbers": np.nan,
    "targets": 0.0,
    "marked": False,
    "familiarity": np.nan,
    "sets": False,
    "unknown": False,
    "decided": np.nan,
    "unsure": False,
    "flagged": False,
}
