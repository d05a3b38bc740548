"""The closed-form model: features computed once, linear probes compared, an exact head."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import torch

from striate.learn.context import FitContext, FitData
from striate.metrics.intervals import accuracy_interval, balanced_weights, log_loss, softmax
from striate.nets import find_net
from striate.nets.pretrained import adapt_channel_statistics
from striate.predict.classifier import Classifier
from striate.probe.features import FeatureTable, all_taps, extract_features
from striate.probe.ridge import RidgeFit
from striate.probe.stage_probes import WHOLE, ProbeResults, fit_taps, probe_taps
from striate.store.files import arrays_codec, json_codec
from striate.strategy.budget import choose_feature_size
from striate.train.head import Network, build_network
from striate.values import (
    OWN,
    Cache,
    Choice,
    Index,
    Machine,
    ModelSpec,
    NetSettings,
    Plan,
    Preprocessing,
    Probe,
    Rows,
    Sentence,
    Tap,
    Trial,
    say,
)
from striate.values.seeds import sample_rows

PRETRAINED = "efficientnet-lite0"
FEATURES = "features.npz"
SIZES = "sizes"


# Features are the base of all that follows, but must leave most of the time to training.
SHARE_OF_BUDGET = 0.25
SHARE_OF_REST = 0.4
_MOST_TO_CHOOSE_AGAIN = 5000  # images
_LEAST_PROBED, _MOST_PROBED = 2000, 10_000  # images
_MOST_SCORES = 2_000_000  # images times classes


class BackboneFeatures(Protocol):
    """A pretrained network whose features were computed: where fine-tuning finds them."""

    @property
    def net(self) -> str:
        """The network's name."""
        ...

    @property
    def input_size(self) -> int:
        """The input size at which it read the images."""
        ...

    @property
    def table(self) -> FeatureTable:
        """The features of every stage."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearProbes:
    """Features of a pretrained network and the linear models fitted on them."""

    net: str
    input_size: int
    network: Network
    table: FeatureTable
    probed: ProbeResults
    weights: str | None = None
    features: str = FEATURES
    networks: tuple[Trial, ...] = ()
    notes: tuple[Sentence, ...] = ()


def probe_network(
    context: FitContext, net: str, size: int, weights: str | None, features: str = FEATURES
) -> LinearProbes:
    """Compute every stage's features of a pretrained network once and fit linear probes.

    `features` is the name under which the run folder stores them.
    """
    data = context.data
    network = build_tapped_network(context, net, size, weights)
    table = read_features(context, net, network, size, data.feature_rows, features)
    return LinearProbes(
        net=net,
        input_size=size,
        network=network,
        table=table,
        probed=_probe_stages(data, table, data.train, data.val),
        weights=weights,
        features=features,
        notes=weight_notes(network),
    )


def build_tapped_network(context: FitContext, net: str, size: int, weights: str | None) -> Network:
    """A pretrained network that reads every stage, with its head at zero.

    `weights` are a file, or None for those at hand by the network's name.
    """
    card = find_net(net).card(net)
    spec = pretrained_spec(context, net, size, all_taps(card.stages))
    return build_network(spec, weights)


def weight_notes(network: Network) -> tuple[Sentence, ...]:
    """Notes on weights that were skipped or adapted when they were read."""
    return tuple(getattr(network.backbone, "notes", ()))


def pretrained_spec(context: FitContext, net: str, size: int, taps: tuple[Tap, ...]) -> ModelSpec:
    """The specification of a model on the stages of a pretrained network."""
    return tapped_spec(net, size, taps, context.data.index, context.data.cache, context.machine)


def tapped_spec(
    net: str, size: int, taps: tuple[Tap, ...], index: Index, cache: Cache, machine: Machine
) -> ModelSpec:
    """The specification of a model on a network's stages, normalised as its card says."""
    mean, std = adapt_channel_statistics(find_net(net).card(net), cache.channels)
    return ModelSpec(
        net=net,
        settings=NetSettings(),
        classes=index.classes,
        task=index.task,
        channels=len(mean),
        input_size=size,
        cache_size=cache.size,
        resize=cache.resize,
        mean=mean,
        std=std,
        alpha=cache.alpha,
        preprocess=Preprocessing(kind=OWN),
        taps=taps,
        precision=machine.precision,
        batch_size=machine.batch_size,
    )


def read_features(
    context: FitContext, net: str, network: Network, size: int, rows: Rows, name: str
) -> FeatureTable:
    """Features of some rows, computed once per run."""
    spec = pretrained_spec(context, net, size, network.taps)
    return context.port.keep(
        name,
        lambda: extract_features(
            network, context.data.cache, rows, spec, context.machine, context.port.watch
        ),
        arrays_codec(FeatureTable),
        inputs=(),  # Frozen features depend on the images alone, whatever was kept before.
        also=(net, size, rows.tolist()),
    )


def linear_classifier(
    context: FitContext, linear: LinearProbes, taps: tuple[Tap, ...], fit: RidgeFit
) -> Classifier:
    """The network with a ridge solution as its head."""
    network = Network(linear.network.backbone, taps, len(context.data.index.classes))
    network.set_head(
        torch.from_numpy(fit.weights),
        torch.from_numpy(fit.bias),
        torch.from_numpy(fit.shift),
        torch.from_numpy(fit.scale),
    )
    spec = pretrained_spec(context, linear.net, linear.input_size, taps)
    return Classifier(spec=_with_temperature(spec, fit.temperature), network=network.eval())


def refit_linear(
    context: FitContext, linear: LinearProbes, plan: Plan
) -> tuple[Classifier, Plan, RidgeFit]:
    """The delivered linear model, fitted on training and validation images together.

    With more images leave-one-out compares stages better, so they are chosen again unless the plan
    was given; the returned plan records the choice.
    """
    data = context.data
    rows = np.sort(np.concatenate([data.train, data.val]))
    if _can_choose_taps_again(context, plan, len(rows)) and _time_to_choose(context, linear):
        plan = _with_taps(plan, _probe_stages(data, linear.table, rows, rows[:0]).best)
    balance = plan.balance.value
    same = not len(data.val) and plan.taps.value == linear.probed.best.taps and balance == "none"
    fit = (
        linear.probed.fit
        if same
        else fit_ridge_on_taps(data, linear.table, plan.taps.value, rows, balance)
    )
    return linear_classifier(context, linear, plan.taps.value, fit), plan, fit


def _can_choose_taps_again(context: FitContext, plan: Plan, images: int) -> bool:
    """For few images the choice is uncertain; for many it would only take time."""
    free = context.given_plan is None and plan.strategy.value == "linear"
    return free and len(context.data.val) > 0 and images <= _MOST_TO_CHOOSE_AGAIN


def _time_to_choose(context: FitContext, linear: LinearProbes) -> bool:
    """Whether the stages can be compared once more before the time is used up.

    What the clock decided stays decided where the run is gone on with.
    """
    seconds = sum(probe.seconds for probe in linear.probed.probes)
    return context.port.keep(
        "refit.json",
        lambda: seconds <= context.budget.seconds_left(),
        json_codec(bool),
        also=context.budget.minutes,
    )


def _with_taps(plan: Plan, best: Probe) -> Plan:
    if best.taps == plan.taps.value:
        return plan
    why = say(
        "refit.taps",
        "after adding the validation images, these stages have the best leave-one-out "
        "accuracy: {loo:.1%} of {n:,} images",
        loo=best.loo_accuracy.value,
        n=best.loo_accuracy.n,
    )
    return replace(
        plan,
        taps=Choice(value=best.taps, why=why, ground="measured"),
        alpha=Choice(value=best.alpha, why=why, ground="measured"),
    )


def _probe_stages(data: FitData, table: FeatureTable, train: Rows, val: Rows) -> ProbeResults:
    """The probes, and the best one's solution on all of `train`.

    With many images and classes the stages are chosen on a sample, which is enough to rank them.
    """
    classes, seed = len(data.index.classes), data.seed
    some = _sample_rows(train, classes, seed)
    probe = partial(probe_taps, table, data.labels, classes)
    if len(some) == len(train):
        return probe(train, val, data.groups, seed)
    probed = probe(some, val, data.groups, seed, only=WHOLE)
    fit = fit_ridge_on_taps(data, table, probed.best.taps, train)
    best = _probe_on_all(probed.best, fit, data, train)
    probes = tuple(best if one.name == best.name else one for one in probed.probes)
    val_scores = fit.scores(table.of(val, best.taps))
    return replace(probed, probes=probes, best=best, fit=fit, val_scores=val_scores)


def _probe_on_all(best: Probe, fit: RidgeFit, data: FitData, train: Rows) -> Probe:
    """The chosen probe with leave-one-out results on all training images."""
    truth = data.labels[train]
    right = fit.loo_scores.argmax(axis=1) == truth
    return replace(
        best,
        alpha=fit.alpha,
        temperature=fit.temperature,
        loo_accuracy=accuracy_interval(right, data.groups[train], data.seed),
        loo_log_loss=log_loss(softmax(fit.loo_scores, fit.temperature), truth),
    )


def _sample_rows(rows: Rows, classes: int, seed: int) -> Rows:
    most = min(_MOST_PROBED, max(_LEAST_PROBED, _MOST_SCORES // classes))
    if len(rows) <= 1.5 * most:
        return rows
    return sample_rows(rows, most, seed, "probe")


def fit_ridge_on_taps(
    data: FitData, table: FeatureTable, taps: tuple[Tap, ...], rows: Rows, balance: str = "none"
) -> RidgeFit:
    """The ridge solution on some stages and rows of a feature table.

    Unless `balance` is `none` every class has the same total weight.
    """
    weights = None if balance == "none" else balanced_weights(data.labels[rows])
    classes = len(data.index.classes)
    return fit_taps(table, taps, rows, data.labels, classes, data.groups, weights)


def choose_input_size(context: FitContext, net: str) -> int:
    """The input size at which a network reads the images within its share of the budget.

    Its speed is estimated from the bundled network's, in proportion to multiplications. The choice
    is stored, since it depends on the clock.
    """
    return context.port.keep(
        f"{SIZES}-{net.replace('/', '-')}.json",
        lambda: _fitting_input_size(context, net),
        json_codec(int),
        inputs=(),
        also=context.budget.minutes,
    )


def _fitting_input_size(context: FitContext, net: str) -> int:
    card, usual = find_net(net).card(net), find_net(PRETRAINED).card(PRETRAINED)
    images = len(context.data.feature_rows) + context.budget.judge_images
    # On a busy machine more than half may be gone before this.
    whole, left = 60 * context.budget.minutes, context.budget.seconds_left()
    seconds = min(SHARE_OF_BUDGET * whole, SHARE_OF_REST * max(0.0, left))
    speed = context.machine.speeds.get("features", 50.0)
    speed *= usual.multiply_adds / max(1, card.multiply_adds)
    return choose_feature_size(images, context.data.cache.size, speed, seconds, card.input_size)


def _with_temperature(spec: ModelSpec, temperature: float) -> ModelSpec:
    return replace(spec, temperature=temperature, strategy="linear")
