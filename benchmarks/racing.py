"""Does a race of settings pay for the epochs that it takes?

    python benchmarks/racing.py SOURCE... --images 300 --epochs 64 --seeds 1 2 3

Of each source (a folder, or `demo`) some training images are drawn once a seed. Both ways have
the same epochs: the recipe of `scratch` trained for all of them, and a race that takes a quarter
of them before what it chose is trained for the rest. Both see the same validation images and are
judged on training images that neither trained nor chose; no test image is looked at. One line a
seed; then the mean difference with its spread.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import numpy as np

from striate.data.cache import build_cache
from striate.data.scan import read_index
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.split import split_index
from striate.learn.context import Budget, FitContext, FitData, RunPort
from striate.learn.finetune.successive_halving import race_settings
from striate.learn.finetune.train_plan import train_plan
from striate.learn.side_run import side_run
from striate.probe.stage_probes import gather_probes
from striate.strategy.plans import training_plan
from striate.train.fast.machine import measure_machine
from striate.values import (
    Cache,
    Choice,
    Evidence,
    Index,
    Options,
    Plan,
    Rows,
    Split,
    say,
    unwatched,
)
from striate.values.seeds import sample_rows

JUDGES = 1_000


def main() -> None:
    """Trains both ways on each source and prints what they reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--images", type=int, default=300, help="to train on")
    parser.add_argument("--val", type=int, default=200, help="validation images, at most")
    parser.add_argument("--epochs", type=int, default=64)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--set", help="choices asked for, as of `striate fit`")
    given = parser.parse_args()
    for source in given.sources:
        options = Options(strategy="scratch", set=given.set)
        index, cache = build_cache(read_index(source, options), options)
        split = split_index(index, find_duplicate_groups(index, cache), options)
        gains = []
        for seed in given.seeds:
            with tempfile.TemporaryDirectory() as folder:
                of_seed = replace(options, seed=seed)
                job, judges = _job(
                    index, cache, split, of_seed, given.images, given.val, Path(folder)
                )
                gains.append(_compare(source, job, judges, given.epochs))
        spread = stdev(gains) if len(gains) > 1 else float("nan")
        print(
            f"{source}: raced - recipe {100 * fmean(gains):+.2f} ± {100 * spread:.2f} points, "
            f"n={len(gains)}",
            flush=True,
        )


def _job(
    index: Index,
    cache: Cache,
    split: Split,
    options: Options,
    images: int,
    val_images: int,
    folder: Path,
) -> tuple[FitContext, Rows]:
    """A job on some of the training images, and others of them that judge."""
    train = sample_rows(split.train, images, options.seed, "racing train")
    judges = sample_rows(np.setdiff1d(split.train, train), JUDGES, options.seed, "racing judges")
    val = sample_rows(split.val, val_images, options.seed, "racing val")
    job = FitContext(
        data=FitData(
            index=index,
            cache=cache,
            train=train,
            val=val,
            groups=split.groups,
            feature_rows=train,
            seed=options.seed,
        ),
        budget=Budget(
            minutes=5.0,
            seconds_left=lambda: 1e9,
            judge_images=0,
        ),
        port=RunPort(
            checkpoints=folder,
            keep=lambda name, make, codec=None, **_: make(),
            publish=lambda name, value: None,
            usable=lambda classifier: None,
            watch=unwatched,
        ),
        options=replace(options, race=True),
        machine=measure_machine(),
        given_plan=None,
    )
    return job, judges


def _compare(source: str, job: FitContext, judges: Rows, epochs: int) -> float:
    """Accuracy on the judges of what was raced for, minus that of the recipe."""
    evidence = gather_probes(
        None,
        labels=job.data.labels,
        train_rows=job.data.train,
        val_rows=job.data.val,
        classes=job.data.index.classes,
        net="",
        input_size=0,
        image_size=job.data.cache.size,
        channels=job.data.cache.channels,
        speeds={"scratch": 1e3},
    )
    why = say("benchmark.why", "for a benchmark")
    recipe = training_plan(
        evidence,
        job.options,
        job.machine,
        Choice(value="scratch", why=why, ground="asked"),
        Choice(value=epochs, why=why, ground="measured"),
    )
    plan, seen = race_settings(job, recipe, None, evidence)
    old, new = (_reached(job, one, evidence, judges) for one in (recipe, plan))
    kept = [str(trial.settings["arm"]) for trial in seen.trials if trial.kept]
    told = ", ".join(
        f"{trial.settings['arm']} {trial.epochs}: {trial.accuracy.value:.3f}"
        for trial in seen.trials
    )
    print(
        f"{source} seed {job.data.seed}: recipe {old:.4f} in {recipe.epochs.value} epochs, "
        f"raced {new:.4f} in {plan.epochs.value} ({kept[0] if kept else 'recipe kept'}; "
        f"n={len(judges)}; {told})",
        flush=True,
    )
    return new - old


def _reached(job: FitContext, plan: Plan, evidence: Evidence, judges: Rows) -> float:
    folder = f"full-{plan.epochs.value}"
    classifier, _, _ = train_plan(side_run(job, folder), plan, None, evidence)
    found = classifier.probabilities(job.data.cache.images, judges).argmax(axis=1)
    return float((found == job.data.labels[judges]).mean())


if __name__ == "__main__":
    main()
