"""The values of a fit -> the Summary that `summary.json` holds and `--json` prints."""

import importlib.metadata
import platform
from pathlib import Path

import numpy as np

from striate.values import (
    Finding,
    History,
    ImageCounts,
    Index,
    Machine,
    MachineSummary,
    Plan,
    PlanSummary,
    Score,
    Seconds,
    Split,
    Summary,
    Verdict,
)

TASK_NAMES = {"label": "single-label", "labels": "multi-label", "number": "number"}
UNJUDGED = Verdict(code="unjudged", sentence="Not evaluated yet.")


def count_images(index: Index, split: Split) -> ImageCounts:
    """How many images were met, used, set aside, ignored, and where the used ones went.

    `distinct` counts different pictures among the used ones; `test` counts the images that the
    stated accuracy rests on: leaked ones are not among them, and copies count once. `leaked`
    counts those of a given test split that was set aside, too.
    """
    status = [example.status for example in index.examples]
    pictures = {e.pixels_hash or e.bytes_hash for e in index.examples if e.status == "used"}
    judged = split.train if split.evaluation == "cross-validation" else split.test
    counting = ~np.isin(judged, split.leaked) & index.firsts(judged)
    return ImageCounts(
        met=len(status),
        used=status.count("used"),
        set_aside=status.count("set_aside"),
        ignored=status.count("ignored"),
        distinct=len(pictures),
        train=len(split.train),
        val=len(split.val),
        test=int(counting.sum()),
        leaked=len(split.leaked) + len(split.given_leaked),
    )


def summarise_run(
    *,
    run: str,
    index: Index,
    split: Split,
    test: Score | None,
    val: Score | None,
    plan: Plan,
    history: History | None,
    seconds: Seconds,
    machine: Machine,
    verdict: Verdict = UNJUDGED,
    findings: tuple[Finding, ...] = (),
    finished: bool = True,
) -> Summary:
    """The summary of a fit; `findings` holds the codes of those that were found."""
    return Summary(
        run=run,
        finished=finished,
        task=TASK_NAMES[index.task],
        classes=index.classes,
        images=count_images(index, split),
        test=test,
        val=val,
        plan=PlanSummary(
            strategy=plan.strategy.value,
            net=plan.net.value,
            weights="none" if plan.strategy.value == "scratch" else _weights(plan),
            input_size=plan.input_size.value,
            because=tuple(sentence.text for sentence in plan.because),
        ),
        kept_epoch=history.kept_epoch if history else 0,
        epochs=len(history.epochs) if history else 0,
        verdict=verdict,
        findings=tuple(finding.code for finding in findings if finding.outcome == "found"),
        seconds=seconds,
        machine=MachineSummary(
            device=machine.device, threads=machine.threads, precision=plan.precision.value
        ),
        versions=package_versions(),
    )


def _weights(plan: Plan) -> str:
    """Which weights the training began with: the name of their file, or ImageNet."""
    return Path(plan.weights.value).name or "ImageNet"


def package_versions() -> dict[str, str]:
    """Versions of everything that can change a prediction, read without importing any of it."""
    packages = ("striate", "torch", "torchvision", "timm", "numpy", "Pillow", "scikit-learn")
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found
