"""`striate predict`: from the words of a command line to one row per image."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from striate.command.decision_flags import DecisionRequest
from striate.command.prediction_rows import expand_patterns, prediction_lines
from striate.data.scan import read_unlabelled
from striate.errors import SourceError, StrictError, UsageError
from striate.predict.batch_predict import predict_blocks
from striate.predict.decision_rules import DecisionRules, derive_rules, describe_rules
from striate.run import Run
from striate.store.output_kinds import PREDICTIONS_KIND
from striate.store.outputs import OutputTarget, list_source_files, refuse_inputs, resolve_output
from striate.values import Example, Index, ReadingOptions, Watch

if TYPE_CHECKING:
    from striate.predict.classifier import Classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The arguments of `predict`: which images, and how predictions are written.

    `image` and `root` say how a table names images; `excel` is for spreadsheets.
    """

    run: str
    words: Sequence[str]
    as_json: bool = False
    top: int | None = None
    excel: bool = False
    image: str | None = None
    root: str | None = None
    out: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """A model, the images to predict, and those that could not be read so far."""

    classifier: "Classifier"
    max_pixels: int
    index: Index
    wanted: DecisionRules
    asking: Asking
    place: OutputTarget | None
    aside: list[Example] = field(default_factory=list)

    def told(self) -> Iterator[str]:
        """Notes on how tables were read, and the thresholds of the decision rules."""
        yield from (note.text for note in self.index.notes)
        yield from describe_rules(self.wanted)

    def lines(self, watch: Watch) -> Iterator[str]:
        """The predictions, block by block; images that cannot be read are collected."""
        blocks = predict_blocks(self.classifier, self.index, self.max_pixels, watch, self.wanted)
        how = self.asking
        return prediction_lines(blocks, how.as_json, how.top, self.aside, excel=how.excel)

    def refuse_failures(self, *, strict: bool) -> None:
        """Raise `SourceError` if no image could be read, `StrictError` if one could not."""
        met = sum(example.status != "ignored" for example in self.index.examples)
        if not self.aside:
            return
        first = f"{self.aside[0].path}: {self.aside[0].reason}"
        if len(self.aside) == met:
            raise SourceError(
                f"None of {met:,} images could be read; {first}.", "Give other images."
            )
        if strict:
            raise StrictError(
                f"{len(self.aside):,} of {met:,} images could not be read, and --strict "
                f"allows none; {first}.",
                "Repair or remove these images, or leave --strict out.",
            )


def answering(asking: Asking, wishes: DecisionRequest) -> Answering:
    """The model of a run and the images to predict.

    Raises `UsageError` if flags exclude each other or the output may not be written, `SourceError`
    if there are no images.
    """
    if asking.as_json and asking.excel:
        raise UsageError("--json and --excel exclude each other.", "Leave one of them out.")
    file = Path(asking.run)
    run = None if file.is_file() else Run.load(asking.run)
    listed = sys.stdin.buffer.read() if "-" in asking.words else None
    given = expand_patterns(asking.words, listed)
    read = [*given, *filter(None, [wishes["costs"], "/dev/stdin" if listed is not None else None])]
    place = resolve_output(
        asking.out, PREDICTIONS_KIND, flag="--out", inputs=read, force=asking.force
    )
    if run is None:
        # Torch is loaded for it: what may not be written is refused before.
        from striate.predict.foreign_model import read_file_model

        classifier, usual = read_file_model(file), ReadingOptions()
        image, max_pixels = usual.image, usual.max_pixels
    else:
        classifier, settings = run.classifier, run.record.settings
        image, max_pixels = settings.image, settings.max_pixels
    acts = derive_rules(classifier, **wishes)
    image = asking.image or image
    index = read_unlabelled(given, ReadingOptions(image=image, root=asking.root))
    refuse_inputs(place, list_source_files(index))
    others = sum(example.status == "ignored" for example in index.examples)
    if len(index.examples) == others:
        met = f"; {others:,} other files were ignored" if others else ""
        raise SourceError(
            f"No images were found{met}.", "Give image files, or a folder that holds some."
        )
    return Answering(
        classifier=classifier,
        max_pixels=max_pixels,
        index=index,
        wanted=acts,
        asking=asking,
        place=place,
    )
