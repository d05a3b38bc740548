"""Which epoch do real trainings keep? Test accuracy by criterion, and what early stopping costs.

    python benchmarks/kept_epoch.py SETS cifar10 sign_digits chinese_digits --seeds 0 1

Small trainings from scratch, 40 epochs on 400 images, 150 for validation, 800 for the test, which
no criterion sees. Three recipes: rates that rise and fall to zero (with and without crops), and
constant ones. Every training goes to its end and is recorded; criteria are then applied to the
record. Results are kept in `--store` after every training. `--table` prints what is there.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ablation
import numpy as np

from striate.data.cache import build_cache
from striate.data.preprocess import fit_scaling
from striate.data.scan import read_index
from striate.train import loop
from striate.train.best_epoch import choose_kept_epoch, should_stop_early
from striate.train.fast.machine import measure_machine
from striate.train.head import build_network
from striate.train.steps import evaluate_network
from striate.values import RANDOM, Epoch, ModelSpec, Options, Rows
from striate.values.seeds import make_rng

TRAIN, VAL, TEST, EPOCHS = 400, 150, 800, 40
RATE = 0.06
RECIPES: dict[str, dict[str, Any]] = {
    "one-cycle": {},
    "one-cycle, no crops": {"augment": {}},
    "constant, no crops": {"schedule": "constant", "augment": {}},
}


def main() -> None:
    """Trains what is missing, keeps it, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--store", type=Path, default=Path("benchmarks/results/kept_epoch.json"))
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    found = dict(json.loads(given.store.read_text())) if given.store.exists() else {}
    for name in [] if given.table else given.names:
        for seed in given.seeds:
            for key, record in _records(given.sets / name, name, seed, given.size, found):
                found[key] = record
                given.store.write_text(json.dumps(found) + "\n")
    print(table(found))


def _records(source: Path, name: str, seed: int, size: int, known: Any) -> Any:
    missing = {r: c for r, c in RECIPES.items() if f"{name}/{seed}/{r}" not in known}
    if not missing:
        return
    options = Options()
    index, cache = build_cache(read_index(str(source), options), options)
    used = np.flatnonzero([example.status == "used" for example in index.examples])
    drawn = make_rng(seed, "real").permutation(used)
    train, val = np.sort(drawn[:TRAIN]), np.sort(drawn[TRAIN : TRAIN + VAL])
    test = np.sort(drawn[TRAIN + VAL : TRAIN + VAL + TEST])
    mean, std = fit_scaling(cache, train)
    course = ablation.Course(
        cache=cache,
        labels=index.labels(),
        train=train,
        test=test,
        mean=mean,
        std=std,
        classes=index.classes,
        machine=replace(measure_machine(), threads=1),
    )
    for recipe, choices in missing.items():
        yield f"{name}/{seed}/{recipe}", _trained(course, choices, seed, size, val)


def _trained(
    course: ablation.Course, choices: dict[str, Any], seed: int, size: int, val: Rows
) -> dict[str, list[float]]:
    """Losses and accuracies of validation and test images, an epoch each."""
    common = {"epochs": EPOCHS, "batch_size": 50, "input_size": size, "learning_rate": RATE}
    variant = ablation.Variant(
        about="", choices={**common, "stopping": "never", **choices}, settings={"width": 0.25}
    )
    plan = ablation._plan(course, variant, seed)
    spec = ModelSpec(
        net="compact",
        settings=plan.settings.value,
        classes=course.classes,
        channels=course.cache.channels,
        input_size=size,
        cache_size=course.cache.size,
        resize=course.cache.resize,
        mean=course.mean,
        std=course.std,
        taps=plan.taps.value,
        precision=course.machine.precision,
        batch_size=256,
        strategy="scratch",
    )
    tested: list[float] = []

    def looked(network: Any, plan: Any, feed: Any, rows: Rows) -> tuple[float, float]:
        tested.append(evaluate_network(network, plan, feed, course.test)[1])
        return evaluate_network(network, plan, feed, rows)

    loop.evaluate = looked  # the only look at every epoch's weights
    net, given = build_network(spec, RANDOM), {"labels": course.labels}
    history = loop.train_network(
        net,
        plan,
        course.cache,
        course.train,
        val,
        course.machine,
        mean=course.mean,
        std=course.std,
        **given,
    ).history
    return {
        "val_loss": [epoch.val_loss for epoch in history.epochs],
        "val_accuracy": [epoch.val_accuracy for epoch in history.epochs],
        "test_accuracy": tested,
    }


def table(found: dict[str, dict[str, list[float]]]) -> str:
    """Test accuracy by criterion and recipe, against the most right on validation, paired."""
    lines = [
        "| recipe | criterion | test accuracy | against most right, points ± se | n |",
        "|---" * 5 + "|",
    ]
    for recipe in RECIPES:
        some = [record for key, record in found.items() if key.endswith(f"/{recipe}")]
        base: list[float] = []
        for name, criterion in CRITERIA.items():
            got = [r["test_accuracy"][criterion(r) - 1] for r in some]
            base = base or got
            more = 100 * (np.array(got) - np.array(base))
            error = more.std(ddof=1) / len(more) ** 0.5 if len(more) > 1 else float("nan")
            value = f"{100 * np.mean(got):.1f} %"
            lines.append(
                f"| {recipe} | {name} | {value} | {more.mean():+.2f} ± {error:.2f} | {len(more)} |"
            )
    return "\n".join(lines)


def _epochs(record: dict[str, list[float]]) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(
            epoch=number + 1,
            step=number + 1,
            lr=0.0,
            train_loss=0.0,
            train_accuracy=0.0,
            val_loss=loss,
            val_accuracy=0.0,
            seconds=0.0,
            pictures_per_second=0.0,
        )
        for number, loss in enumerate(record["val_loss"])
    )


def _most_right(record: dict[str, list[float]]) -> int:
    pairs = zip(record["val_accuracy"], record["val_loss"], strict=True)
    return 1 + max(enumerate(pairs), key=lambda pair: (pair[1][0], -pair[1][1]))[0]


def _smoothed(record: dict[str, list[float]]) -> int:
    epochs = _epochs(record)
    return choose_kept_epoch(epochs, range(1, len(epochs) + 1))


def _stopped(record: dict[str, list[float]]) -> int:
    epochs = _epochs(record)
    over = (n for n in range(1, len(epochs)) if should_stop_early("always", "", epochs[:n]))
    end = next(over, len(epochs))
    return choose_kept_epoch(epochs[:end], range(1, end + 1))


CRITERIA: dict[str, Callable[[dict[str, list[float]]], int]] = {
    "most right, then least loss (before)": _most_right,
    "least validation loss": lambda record: 1 + int(np.argmin(record["val_loss"])),
    "last epoch": lambda record: len(record["val_loss"]),
    "least smoothed loss (now)": _smoothed,
    "the same, stopped early always": _stopped,
}


if __name__ == "__main__":
    main()
