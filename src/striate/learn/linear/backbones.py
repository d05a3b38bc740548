"""The choice of a pretrained backbone: all at hand are compared on the same images.

The bundled one is read first, so that a model is usable early. The others are compared with it by a
linear model with leave-one-out, on a sample at the same input size; of those not significantly
worse than the best the fastest is taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from striate.errors import HubError
from striate.learn.context import FitContext, FitData
from striate.learn.linear.backbone_sources import (
    BackboneSource,
    available_backbones,
    backbone_from_file,
    foreign_backbone,
)
from striate.learn.linear.linear_model import (
    PRETRAINED,
    SHARE_OF_BUDGET,
    LinearProbes,
    build_tapped_network,
    choose_input_size,
    pretrained_spec,
    probe_network,
    read_features,
    weight_notes,
)
from striate.probe.features import FeatureTable, measure_forward_speed
from striate.probe.stage_probes import WHOLE, ProbeResults, probe_taps, within_standard_error
from striate.store.files import json_codec
from striate.train.head import Network
from striate.values import Figure, Probe, Progress, Rows, Sentence, Trial, say
from striate.values.seeds import sample_rows

T = TypeVar("T")


NETWORKS = "networks"
RACE_SHARE = 0.1  # of the whole budget
MOST_RACED, LEAST_RACED = 1000, 100  # images
SAME_SPEED = 0.8  # share of the fastest one's speed


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneRace:
    """The comparison's result: a line for each network, and the position of the one to take.

    `taken` counts the sources, with the network that was read first at position 0.
    """

    taken: int
    trials: tuple[Trial, ...]
    notes: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Candidate:
    """A compared network: its features, its speed and its leave-one-out result."""

    place: int
    offer: BackboneSource
    speed: float
    seconds: float
    probe: Probe
    right: NDArray[np.bool_]


def probe_first_backbone(context: FitContext) -> LinearProbes:
    """The first available network: the one requested, else the bundled one.

    One whose weights cannot be fetched is skipped with a note, unless a person or a plan named it.
    Raises `ModelError` if a weights file does not fit, or the named network is unavailable.
    """

    def probed(offer: BackboneSource, size: int) -> LinearProbes:
        return probe_network(context, offer.net, size, offer.weights)

    found, notes = first_available(context, _first_sources(context), probed)
    return replace(found, notes=(*notes, *found.notes))


def first_available(
    context: FitContext, offers: Sequence[BackboneSource], read: Callable[[BackboneSource, int], T]
) -> tuple[T, tuple[Sentence, ...]]:
    """What `read` returns for the first available source at its input size, and the skipped ones.

    Raises `HubError` if none is available.
    """
    notes: list[Sentence] = []
    for place, offer in enumerate(offers):
        size = (
            context.given_plan.input_size.value
            if context.given_plan
            else choose_input_size(context, offer.net)
        )
        try:
            return read(offer, size), tuple(notes)
        except HubError as error:
            if place + 1 == len(offers):
                raise
            notes.append(_describe_passed_over(error, offers[place + 1]))
            context.port.watch(Progress(stage="features", note=notes[-1]))
    raise AssertionError("there is always an offer")


def sources_for_one(context: FitContext) -> tuple[BackboneSource, ...]:
    """The sources when one network is read without comparison; an unnamed file is matched."""
    weights = context.options.weights
    if context.given_plan is None and context.options.net == "auto" and weights is not None:
        return (backbone_from_file(weights),)
    return _first_sources(context)[:2]


def choose_backbone(context: FitContext, first: LinearProbes) -> LinearProbes:
    """The best of all available backbones; `first` if there is nothing to compare with."""
    mine = BackboneSource(net=first.net, weights=first.weights)
    others = (
        () if context.given_plan or context.options.net != "auto" else _other_sources(context, mine)
    )
    if not others:
        return first
    race = context.port.keep(
        "networks.json", lambda: _race_backbones(context, first, others), json_codec(BackboneRace)
    )
    for note in race.notes:
        context.port.watch(Progress(stage="features", note=note))
    notes = (*first.notes, *race.notes)
    if not race.taken:
        return replace(first, networks=race.trials, notes=notes)
    offer = others[race.taken - 1]
    features = f"{NETWORKS}-{_file_name(offer)}.npz"
    found = probe_network(context, offer.net, first.input_size, offer.weights, features)
    return replace(found, networks=race.trials, notes=(*notes, *found.notes))


def _first_sources(context: FitContext) -> tuple[BackboneSource, ...]:
    """The sources to read first: the requested network alone, else those at hand."""
    options, given = context.options, context.given_plan
    if given is not None and given.strategy.value != "scratch":
        if given.weights.value and "@" in given.net.value:
            foreign_backbone(given.weights.value)  # so that it is known by its name
        return (BackboneSource(net=given.net.value, weights=given.weights.value or None),)
    usual = BackboneSource(net=PRETRAINED)
    if options.net == "auto":
        return (usual, *_other_sources(context, usual))
    return (BackboneSource(net=options.net, weights=options.weights),)


def _other_sources(context: FitContext, first: BackboneSource) -> tuple[BackboneSource, ...]:
    weights = context.options.weights
    own = () if weights is None else (backbone_from_file(weights),)
    return tuple(offer for offer in (*own, *available_backbones()) if offer != first)


def _race_backbones(
    context: FitContext, first: LinearProbes, others: Sequence[BackboneSource]
) -> BackboneRace:
    """The networks compared on the same images, without those that the budget does not allow."""
    data = context.data
    size, notes = first.input_size, []
    seconds = RACE_SHARE * 60 * context.budget.minutes / len(others)
    networks: dict[int, tuple[Network, float]] = {}
    for place, offer in enumerate(others, 1):
        network = build_tapped_network(context, offer.net, size, offer.weights)
        speed = _measure_speed(context, offer, network, size)
        fault = _too_slow_reason(context, offer, speed, seconds)
        if fault is None:
            networks[place] = network, speed
        else:
            notes.append(fault)
    affordable = min((int(speed * seconds) for _, speed in networks.values()), default=0)
    rows = sample_rows(data.feature_rows, min(MOST_RACED, affordable), data.seed, "networks")
    mine = BackboneSource(net=first.net, weights=first.weights)
    runners = []
    if networks:
        speed = _measure_speed(context, mine, first.network, size)
        runners = [_run_candidate(data, 0, mine, speed, first.table, rows)]
    for place, (network, speed) in networks.items():
        offer = others[place - 1]
        table = read_features(
            context, offer.net, network, size, rows, f"{NETWORKS}-{_file_name(offer)}-some.npz"
        )
        runners.append(_run_candidate(data, place, offer, speed, table, rows))
        notes += weight_notes(network)
    taken = _choose_best(runners, data.groups[np.intersect1d(data.train, rows)])
    trials = tuple(_make_trial(runner, runners[taken], size) for runner in runners)
    return BackboneRace(
        taken=runners[taken].place if runners else 0, trials=trials, notes=tuple(notes)
    )


def _measure_speed(
    context: FitContext, offer: BackboneSource, network: Network, size: int
) -> float:
    spec = pretrained_spec(context, offer.net, size, network.taps)
    return measure_forward_speed(
        network, context.data.cache, context.data.feature_rows, spec, context.machine
    )


def _too_slow_reason(
    context: FitContext, offer: BackboneSource, speed: float, seconds: float
) -> Sentence | None:
    """Why a network is not compared: it would exceed its share of the budget."""
    images = len(context.data.feature_rows) + context.budget.judge_images
    least = min(LEAST_RACED, len(context.data.feature_rows))
    if images <= speed * SHARE_OF_BUDGET * 60 * context.budget.minutes and least <= speed * seconds:
        return None
    return say(
        "networks.slow",
        "{net} was skipped: at {speed:.0f} images per second, {n:,} images would take "
        "{seconds:.0f} s, more than its share of the time. Give more minutes, or name it with "
        "--net.",
        net=offer.title,
        speed=speed,
        n=images,
        seconds=images / speed,
    )


def _run_candidate(
    data: FitData, place: int, offer: BackboneSource, speed: float, table: FeatureTable, rows: Rows
) -> _Candidate:
    train = np.intersect1d(data.train, rows)
    classes, seed = len(data.index.classes), data.seed
    probed: ProbeResults = probe_taps(
        table, data.labels, classes, train, train[:0], data.groups, seed, only=WHOLE
    )
    return _Candidate(
        place=place,
        offer=offer,
        speed=speed,
        seconds=len(rows) / speed + sum(probe.seconds for probe in probed.probes),
        probe=probed.best,
        right=probed.fit.loo_scores.argmax(axis=1) == data.labels[train],
    )


def _choose_best(runners: Sequence[_Candidate], groups: Rows) -> int:
    """The fastest of those whose leave-one-out result ties with the most accurate.

    Speeds within the factor `SAME_SPEED` count as equal: then the first in order is taken.
    """
    if not runners:
        return 0
    first = max(runners, key=lambda runner: runner.right.sum())
    near = [
        k for k, one in enumerate(runners) if within_standard_error(one.right, first.right, groups)
    ]
    fastest = max(runners[k].speed for k in near)
    return next(k for k in near if runners[k].speed >= SAME_SPEED * fastest)


def _make_trial(runner: _Candidate, best: _Candidate, size: int) -> Trial:
    found = runner.probe.loo_accuracy
    settings: dict[str, Figure] = {
        "input_size": size,
        "images": found.n,
        "images_per_second": round(runner.speed),
        "taps": runner.probe.name,
    }
    if runner.offer.weights:
        settings["weights"] = Path(runner.offer.weights).name
    return Trial(
        strategy="linear",
        net=runner.offer.title,
        settings=settings,
        accuracy=found,
        log_loss=runner.probe.loo_log_loss,
        epochs=0,
        seconds=runner.seconds,
        kept=runner is best,
        why=_verdict(runner, best, size),
    )


def _verdict(runner: _Candidate, best: _Candidate, size: int) -> Sentence:
    figures: dict[str, Figure] = {
        "net": runner.offer.title,
        "right": int(runner.right.sum()),
        "n": len(runner.right),
        "size": size,
        "speed": runner.speed,
        "best": best.offer.title,
    }
    if runner is best:
        return say(
            "networks.taken",
            "{net} was chosen: by leave-one-out {right:,} of {n:,} images are correct at "
            "{size} pixels and {speed:.0f} images per second.",
            **figures,
        )
    if runner.right.sum() >= best.right.sum():
        return say(
            "networks.dearer",
            "{net} was not chosen: by leave-one-out {right:,} of {n:,} images are correct at "
            "{size} pixels and {speed:.0f} images per second, not significantly different from "
            "{best}, which is at least as fast.",
            **figures,
        )
    return say(
        "networks.worse",
        "{net} was not chosen: by leave-one-out {right:,} of {n:,} images are correct at "
        "{size} pixels and {speed:.0f} images per second, no better than {best}.",
        **figures,
    )


def _describe_passed_over(error: HubError, instead: BackboneSource) -> Sentence:
    return say(
        "networks.passed_over",
        "{fault} {net} is used instead.",
        fault=error.sentence,
        net=instead.title,
    )


def _file_name(offer: BackboneSource) -> str:
    """The source as part of a file name."""
    parts = (offer.net, Path(offer.weights).stem if offer.weights else "")
    return "-".join(part for part in parts if part).replace("/", "-")
