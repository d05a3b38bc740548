"""Is the number true? Small folders, the stated accuracy with its interval, and the truth beside.

    python benchmarks/trust.py scratch/sets/cifar10 --store scratch/trust --chart FILE.svg

Folders are drawn from CIFAR-10: 2 to 10 classes of 20 to 200 images, each folder as it is and once
more with exact copies planted, 30 % of its files. Two ways give each an accuracy with a 95 %
interval:

- *striate*: copies grouped, the split by its rules (five folds where a test split would be tiny),
  the linear strategy (exact ridge on taps of EfficientNet-Lite0, 64 pixels, chosen by
  leave-one-out), judged by its own score;
- *by file*: 20 % of the files drawn by class as validation, copies not looked for, and the stage
  and penalty with the best accuracy there, which is the accuracy that is stated, with Wilson's
  interval.

The truth is the accuracy of the model that each delivers on 10,000 images of these classes that
were never in the folder, weighted to the folder's mix of classes. Prints how often the interval
holds it (with the 95 % Wilson interval of that share), the mean of stated minus true, and the mean
width. Frozen features of all 60,000 images are computed once and kept in `--store`.
"""

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from striate.data.cache import decode_rows
from striate.data.scan import read_index
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.split import FOLDS, split_index
from striate.learn.linear.linear_model import tapped_spec
from striate.metrics.intervals import softmax, wilson
from striate.metrics.score import score_predictions
from striate.nets import find_net
from striate.probe.features import FeatureTable, all_taps, extract_features
from striate.probe.ridge import prepare_ridge
from striate.probe.spectrum import compute_spectrum
from striate.probe.stage_probes import ProbeResults, probe_taps
from striate.train.fast.machine import measure_machine
from striate.train.head import build_network
from striate.values import Cache, Index, Options, Predictions, Rows, Tap
from striate.values.seeds import make_rng

NET, SIZE, STAGES = "efficientnet-lite0", 64, 3
FEWEST, MOST = 20, 200
COPIES = 0.3
UNSEEN = 10_000
VALIDATION = 0.2
PENALTIES = np.logspace(-4, 4, 25)
PROBES = ("top", "taps", "all")
WAYS = {"striate": "striate", "by file": "split by file, best on validation"}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The whole set: pixels and features of every row of an index."""

    index: Index
    pixels: NDArray[np.uint8]
    values: NDArray[np.float32]
    taps: tuple[Tap, ...]
    widths: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A small folder: `rows[i]` of the whole set is its file i; `unseen` were never in it."""

    seed: int
    index: Index
    rows: Rows
    cache: Cache
    table: FeatureTable
    unseen: Rows
    unseen_values: NDArray[np.float32]
    unseen_labels: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was stated of a folder, and what is true."""

    seed: int
    way: str
    copies: bool
    evaluation: str
    files: int
    n: int
    stated: float
    low: float
    high: float
    true: float

    @property
    def held(self) -> bool:
        """Whether the interval holds the truth."""
        return self.low <= self.true <= self.high


def main() -> None:
    """Measures, prints the table, draws the chart."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="CIFAR-10 as folders")
    parser.add_argument("--store", type=Path, default=Path("scratch/trust"))
    parser.add_argument("--folders", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first folder")
    parser.add_argument("--jobs", type=int, default=2, help="processes at work")
    parser.add_argument("--read", type=Path, help="outcomes of an earlier call, not measured anew")
    parser.add_argument("--chart", type=Path)
    given = parser.parse_args()
    if given.read:
        found = [Outcome(**json.loads(line)) for line in given.read.read_text().splitlines()]
    else:
        found = _measured(given.source, given.store, given.folders, given.first, given.jobs)
    print(_table(found))
    if given.chart:
        _draw(found, given.chart)


def _measured(source: str, store: Path, folders: int, first: int, jobs: int) -> list[Outcome]:
    """The outcomes of all folders; they are also written into `store`."""
    _whole(source, store)  # so that the features are there before several ask for them
    begun = time.monotonic()
    found: list[Outcome] = []
    seeds = range(first, first + folders)
    path = store / f"outcomes-{first}-{folders}.jsonl"
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool, path.open("w") as lines:
        for outcomes in pool.map(partial(_outcomes, source, store), seeds):
            found += outcomes
            lines.writelines(json.dumps(asdict(outcome)) + "\n" for outcome in outcomes)
            lines.flush()
    print(f"{folders} folders, {time.monotonic() - begun:.0f} s; outcomes in {path}")
    return found


@cache
def _whole(source: str, store: Path) -> Whole:
    """The set read, decoded and looked at by the network; features are found again in `store`."""
    index = read_index(source, Options())
    index, pixels = decode_rows(index, index.used(), 32, 3)
    stages = find_net(NET).card(NET).stages
    taps = tuple(tap for tap in all_taps(stages[-STAGES:]) if tap.pool == "mean")
    cache, machine = Cache(images=pixels, path=""), measure_machine("cpu")
    spec = tapped_spec(NET, SIZE, taps, index, cache, machine)
    network = build_network(spec)
    kept = store / f"{NET}-{SIZE}-{STAGES}.npy"
    if not kept.exists():
        table = extract_features(network, cache, index.used(), spec, machine)
        print(f"features: {len(table.rows) / table.seconds:.0f} images/s")
        store.mkdir(parents=True, exist_ok=True)
        np.save(kept, table.values)
    return Whole(index=index, pixels=pixels, values=np.load(kept), taps=taps, widths=network.widths)


def _outcomes(source: str, store: Path, seed: int) -> list[Outcome]:
    """Both ways on one folder, without and with copies."""
    whole = _whole(source, store)
    found = []
    for copies in (False, True):
        folder = _folder(whole, seed, copies)
        found += [_by_striate(folder, copies), _by_file(folder, copies)]
    return found


def _folder(whole: Whole, seed: int, copies: bool) -> Folder:
    """A folder of some classes, its sizes even in logarithm, classes within 30 % of each other."""
    draw = make_rng(seed, "folder")
    every = whole.index.labels()
    classes = np.sort(draw.choice(10, draw.integers(2, 11), replace=False))
    size = np.exp(draw.uniform(np.log(FEWEST), np.log(MOST)))
    taken = []
    for k in classes:
        wanted = int(np.clip(round(size * draw.uniform(0.7, 1.3)), FEWEST, MOST))
        taken.append(draw.choice(np.flatnonzero(every == k), wanted, replace=False))
    rows = np.concatenate(taken)
    rest = np.setdiff1d(np.flatnonzero(np.isin(every, classes)), rows)
    unseen = np.sort(draw.choice(rest, UNSEEN, replace=False))
    if copies:
        planted = round(len(rows) * COPIES / (1 - COPIES))
        rows = np.concatenate([rows, draw.choice(rows, planted)])
    examples = [
        replace(whole.index.examples[row], path=f"{number:05d}.jpg", split="")
        for number, row in enumerate(rows)
    ]
    index = replace(
        whole.index,
        classes=tuple(whole.index.classes[k] for k in classes),
        examples=tuple(examples),
        given_splits=(),
    )
    return Folder(
        seed=seed,
        index=index,
        rows=rows,
        cache=Cache(images=whole.pixels[rows], path=""),
        table=FeatureTable(
            rows=np.arange(len(rows), dtype=np.int64),
            taps=whole.taps,
            widths=whole.widths,
            values=whole.values[rows],
            seconds=0.0,
        ),
        unseen=unseen,
        unseen_values=whole.values[unseen],
        unseen_labels=np.searchsorted(classes, every[unseen]),
    )


def _by_striate(folder: Folder, copies: bool) -> Outcome:
    """The split by the rules, the linear strategy, the score: as `striate fit` does it."""
    groups = find_duplicate_groups(folder.index, folder.cache)
    split = split_index(folder.index, groups, Options(seed=folder.seed))
    labels = folder.index.labels()
    # With few images `refit` chooses once more on training and validation images together.
    delivered = _probed(folder, np.sort(np.concatenate([split.train, split.val])), groups)
    if split.folds is not None:
        judged = split.train
        table_NK = np.zeros((len(judged), len(folder.index.classes)), np.float32)
        for fold in np.unique(split.folds[judged]):
            out = split.folds[judged] == fold
            table_NK[out] = _probabilities(
                folder, _probed(folder, judged[~out], groups), judged[out]
            )
    else:
        judged = split.test
        table_NK = _probabilities(folder, delivered, judged)
    found = score_predictions(
        Predictions(
            classes=folder.index.classes,
            paths=tuple(folder.index.examples[row].path for row in judged),
            probabilities=table_NK,
            truth=labels[judged],
        ),
        groups=groups[judged],
        counted=~np.isin(judged, split.leaked),
        distinct=folder.index.firsts(judged),
        evaluation=split.evaluation,
        seed=folder.seed,
        folds=FOLDS if split.folds is not None else 0,
    )
    assert found is not None
    guess = delivered.fit.scores(folder.unseen_values[:, delivered.columns]).argmax(axis=1)
    return Outcome(
        seed=folder.seed,
        way="striate",
        copies=copies,
        evaluation=split.evaluation,
        files=len(folder.rows),
        n=found.n,
        stated=found.value,
        low=found.interval[0],
        high=found.interval[1],
        true=_true(folder, guess),
    )


def _probed(folder: Folder, rows: Rows, groups: Rows) -> ProbeResults:
    labels, classes = folder.index.labels(), len(folder.index.classes)
    return probe_taps(
        folder.table, labels, classes, rows, rows[:0], groups, folder.seed, only=PROBES
    )


def _probabilities(folder: Folder, probed: ProbeResults, rows: Rows) -> NDArray[np.float32]:
    scores_NK = probed.fit.scores(folder.table.values[np.ix_(rows, probed.columns)])
    return softmax(scores_NK, probed.fit.temperature)


def _by_file(folder: Folder, copies: bool) -> Outcome:
    """Files drawn for validation, copies not looked for; the best there is taken and stated."""
    labels, classes = folder.index.labels(), len(folder.index.classes)
    draw = make_rng(folder.seed, "by file")
    val = np.concatenate(
        [
            draw.permutation(members)[: max(1, round(VALIDATION * len(members)))]
            for members in (np.flatnonzero(labels == k) for k in range(classes))
        ]
    )
    train = np.setdiff1d(np.arange(len(labels)), val)
    path = prepare_ridge(
        folder.table.of(train), labels[train], classes, widths=list(folder.table.widths)
    )
    best, chosen = -1, (np.zeros(0, np.int64), np.zeros((0, 0)), np.zeros(0))
    for columns in _column_sets(folder.table):
        spectrum = compute_spectrum(path.table, columns)
        length = float(spectrum.eigenvalues.sum()) / spectrum.images
        values = folder.table.values[np.ix_(val, columns)]
        for alpha in PENALTIES:
            # The scaling goes into the weights: that of every image would take far longer.
            weights = spectrum.weights(length * alpha) / path.table.scale[columns, None]
            bias = spectrum.shares - path.table.mean[columns] @ weights
            right = int(((values @ weights + bias).argmax(axis=1) == labels[val]).sum())
            if right > best:
                best, chosen = right, (columns, weights, bias)
    columns, weights, bias = chosen
    guess = (folder.unseen_values[:, columns] @ weights + bias).argmax(axis=1)
    interval = wilson(best, len(val))
    return Outcome(
        seed=folder.seed,
        way="by file",
        copies=copies,
        evaluation="validation",
        files=len(folder.rows),
        n=len(val),
        stated=interval.value,
        low=interval.low,
        high=interval.high,
        true=_true(folder, guess),
    )


def _column_sets(table: FeatureTable) -> Sequence[Rows]:
    """Columns of the top, of the stages below, and of all: what striate chooses from, too."""
    return [table.columns(taps) for taps in (table.taps[-1:], table.taps[:-1], table.taps)]


def _true(folder: Folder, guess: NDArray[np.int64]) -> float:
    """Accuracy on unseen images, every class weighted by its share of the folder's files."""
    labels = folder.index.labels()
    right = guess == folder.unseen_labels
    classes = range(len(folder.index.classes))
    return sum(
        float((labels == k).mean()) * float(right[folder.unseen_labels == k].mean())
        for k in classes
    )


def _table(found: Sequence[Outcome]) -> str:
    """A Markdown table: a row for each way, with and without copies, and for each evaluation."""
    lines = [
        "| way | 30 % copies | folders | 95 % interval holds the truth | stated − true, points "
        "(± standard error) | mean width, points |",
        "|---|---|---|---|---|---|",
    ]
    for way in WAYS:
        for copies in (False, True):
            these = [o for o in found if o.way == way and o.copies == copies]
            lines.append(_line(way, copies, these))
            kinds = sorted({o.evaluation for o in these})
            if len(kinds) > 1:
                for kind in kinds:
                    part = [o for o in these if o.evaluation == kind]
                    lines.append(_line(f"– of these, {kind}", copies, part))
    return "\n".join(lines)


def _line(name: str, copies: bool, these: Sequence[Outcome]) -> str:
    held = wilson(sum(o.held for o in these), len(these))
    gap = 100 * np.array([o.stated - o.true for o in these])
    width = 100 * float(np.mean([o.high - o.low for o in these]))
    error = gap.std() / np.sqrt(len(gap))
    return (
        f"| {name} | {'yes' if copies else 'no'} | {len(these)} | {held.value:.1%} "
        f"({100 * held.low:.1f}–{100 * held.high:.1f}) | {gap.mean():+.1f} ± {error:.1f} | "
        f"{width:.1f} |"
    )


def _draw(found: Sequence[Outcome], path: Path) -> None:
    """Stated accuracy over the true one, a line a folder for its interval, red where it fails."""
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "striate"})
    figure = Figure(figsize=(8.4, 4.6))
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for panel, way in zip(panels, WAYS, strict=True):
        these = [o for o in found if o.way == way and o.copies]
        held = wilson(sum(o.held for o in these), len(these))
        for holds, colour in ((True, "#7a9cc6"), (False, "#c8321e")):
            some = [o for o in these if o.held is holds]
            true = [100 * o.true for o in some]
            panel.vlines(
                true, [100 * o.low for o in some], [100 * o.high for o in some], colour, lw=0.8
            )
            panel.plot(true, [100 * o.stated for o in some], ".", color=colour, ms=4)
        panel.plot([40, 100], [40, 100], color="#444444", lw=1)
        panel.set_title(f"{WAYS[way]}\nholds the truth: {held.value:.1%}", fontsize=11)
        panel.set_xlabel("true accuracy, 10,000 unseen images (%)")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("stated accuracy and 95 % interval (%)")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    main()
