"""The closed-form part: features read once, probes judged, a linear head put on its network."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from striate.classifier import Classifier
from striate.learn.job import Job
from striate.nets import find_net
from striate.probe.evidence import Probed, fit_taps, probe_taps
from striate.probe.features import FeatureTable, all_taps, extract
from striate.probe.ridge import RidgeFit
from striate.store.files import of_arrays
from striate.strategy.budget import feature_size
from striate.train.head import Network, assemble
from striate.values import ModelSpec, NetSettings, Plan, Rows, Tap

PRETRAINED = "efficientnet-lite0"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linear:
    """Features of a pretrained network and the linear models on them."""

    net: str
    input_size: int
    network: Network
    table: FeatureTable
    probed: Probed


def probe_pretrained(job: Job) -> Linear:
    """Reads every stage of the pretrained network once and judges linear models on them."""
    net = PRETRAINED if job.options.net == "auto" else job.options.net
    if job.given_plan:
        net = job.given_plan.net.value if job.given_plan.strategy.value != "scratch" else net
    size = job.given_plan.input_size.value if job.given_plan else _size(job, net)
    network = read_network(job, net, size)
    table = read_features(job, net, network, size, job.feature_rows, "features.npz")
    probed = probe_taps(
        table,
        job.labels,
        len(job.index.classes),
        job.train,
        job.val,
        job.groups,
        job.options.seed,
    )
    return Linear(net=net, input_size=size, network=network, table=table, probed=probed)


def read_network(job: Job, net: str, size: int) -> Network:
    """The pretrained network with every stage tapped, its head at zero."""
    card = find_net(net).card(net)
    spec = pretrained_spec(job, net, size, all_taps(card.stages))
    return assemble(spec, job.options.weights)


def pretrained_spec(job: Job, net: str, size: int, taps: tuple[Tap, ...]) -> ModelSpec:
    """The specification of a model on a pretrained network's taps."""
    card = find_net(net).card(net)
    return ModelSpec(
        net=net,
        settings=NetSettings(),
        classes=job.index.classes,
        channels=len(card.mean),
        input_size=size,
        cache_size=job.cache.size,
        resize=job.cache.resize,
        mean=card.mean,
        std=card.std,
        taps=taps,
        precision=job.machine.precision,
        batch_size=job.machine.batch_size,
    )


def read_features(
    job: Job, net: str, network: Network, size: int, rows: Rows, name: str
) -> FeatureTable:
    """Features of some rows, computed once a run."""
    spec = pretrained_spec(job, net, size, network.taps)
    return job.keep(
        name,
        lambda: extract(network, job.cache, rows, spec, job.machine, job.watch),
        of_arrays(FeatureTable),
        also=(size, rows.tolist()),
    )


def linear_classifier(job: Job, linear: Linear, taps: tuple[Tap, ...], fit: RidgeFit) -> Classifier:
    """The network with a ridge solution as its head."""
    network = Network(linear.network.backbone, taps, len(job.index.classes))
    network.set_head(
        torch.from_numpy(fit.weights),
        torch.from_numpy(fit.bias),
        torch.from_numpy(fit.shift),
        torch.from_numpy(fit.scale),
    )
    spec = pretrained_spec(job, linear.net, linear.input_size, taps)
    return Classifier(spec=_with_temperature(spec, fit.temperature), network=network.eval())


def refit(job: Job, linear: Linear, plan: Plan) -> Classifier:
    """The linear model that is delivered: fitted on training and validation images together.

    Nothing is left to choose by then but the penalty, which leave-one-out picks.
    """
    taps = plan.taps.value
    fit = fit_on(job, linear.table, taps, np.sort(np.concatenate([job.train, job.val])))
    return linear_classifier(job, linear, taps, fit)


def fit_on(job: Job, table: FeatureTable, taps: tuple[Tap, ...], rows: Rows) -> RidgeFit:
    """The ridge solution on some taps and rows of a feature table."""
    return fit_taps(table, taps, rows, job.labels, len(job.index.classes), job.groups)


def _size(job: Job, net: str) -> int:
    card = find_net(net).card(net)
    images = len(job.feature_rows) + job.judge_images
    seconds = _SHARE_OF_BUDGET * 60 * job.minutes
    speed = job.machine.speeds.get("features", 50.0)
    return feature_size(images, job.cache.size, speed, seconds, card.input_size)


def _with_temperature(spec: ModelSpec, temperature: float) -> ModelSpec:
    return replace(spec, temperature=temperature, strategy="linear")


# Features are the base of all that follows, but must leave most of the time to training.
_SHARE_OF_BUDGET = 0.25
