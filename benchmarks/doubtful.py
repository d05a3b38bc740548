"""How many planted wrong labels stand among the most doubtful: flips 5 %, looks at the first 8 %.

    python benchmarks/doubtful.py FOLDER… [--seeds 3] [--minutes …]

Each folder is read and split as `striate fit` does; the labels of 5 % of its training and
validation images are changed to another class, drawn evenly by the seed.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from striate.data.cache import build_cache
from striate.data.scan import read_index
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.split import split_index
from striate.learn.linear.linear_model import PRETRAINED, tapped_spec
from striate.metrics.intervals import wilson
from striate.nets import find_net
from striate.probe.features import extract_features
from striate.probe.outlier_scores import left_out_probabilities, rank_label_errors
from striate.train.fast.machine import apply_machine, measure_machine
from striate.train.head import all_taps, build_network
from striate.values import Index, Options, Rows

FLIPPED, LOOKED_AT, SIZE = 0.05, 0.08, 128


def main() -> None:
    """Prints a line a folder: hits a seed, and the share of all with its interval."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    machine = measure_machine()
    with apply_machine(machine):
        for folder in given.folders:
            index, rows, groups, features = _features(folder)
            found = [_found(index, rows, groups, features, seed) for seed in range(given.seeds)]
            hit, planted = (sum(counts) for counts in zip(*found, strict=True))
            share = wilson(hit, planted)
            print(
                f"{folder.name}: n = {len(rows)}, seeds {given.seeds}: "
                f"{', '.join(f'{h}/{p}' for h, p in found)} within the first {LOOKED_AT:.0%}; "
                f"together {share.value:.1%} ({share.low:.1%}–{share.high:.1%})"
            )


def _features(folder: Path) -> tuple[Index, Rows, Rows, np.ndarray]:
    index = read_index(folder, Options())
    index, cache = build_cache(index, Options())
    groups = find_duplicate_groups(index, cache)
    split = split_index(index, groups, Options())
    rows = np.sort(np.concatenate([split.train, split.val]))
    machine, taps = measure_machine(), all_taps(find_net(PRETRAINED).card(PRETRAINED).stages)
    spec = tapped_spec(PRETRAINED, SIZE, taps, index, cache, machine)
    table = extract_features(build_network(spec), cache, rows, spec, machine)
    return index, rows, groups[rows], table.values


def _found(
    index: Index, rows: Rows, groups: Rows, features: np.ndarray, seed: int
) -> tuple[int, int]:
    """Planted labels among the first, and how many were planted."""
    rng = np.random.default_rng(seed)
    wrong = rng.choice(rows, round(FLIPPED * len(rows)), replace=False)
    examples = list(index.examples)
    for row in wrong:
        others = [name for name in index.classes if name != examples[row].label]
        examples[row] = replace(examples[row], label=str(rng.choice(others)))
    flipped = replace(index, examples=tuple(examples))
    labels = flipped.labels()[rows]
    probabilities = left_out_probabilities(features, labels, len(index.classes), groups)
    doubts = rank_label_errors(probabilities, flipped, rows)[: round(LOOKED_AT * len(rows))]
    return len({doubt.row for doubt in doubts} & set(wrong.tolist())), len(wrong)


if __name__ == "__main__":
    main()
