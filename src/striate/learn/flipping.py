"""Whether mirroring keeps these labels true: measured before a training augments with it."""

from dataclasses import replace

import numpy as np

from striate.learn.job import Job
from striate.learn.linear import PRETRAINED, Linear, spec_on
from striate.nets import find_net
from striate.probe.evidence import WHOLE, probe_taps
from striate.probe.features import FeatureTable, all_taps, extract
from striate.probe.flips import flip_gain
from striate.statistics import some_of
from striate.strategy.budget import feature_size
from striate.train.head import Network, assemble
from striate.values import Cache, FlipGain, Index, Machine, ModelSpec, Rows, Tap


def measure_flips(job: Job, linear: Linear | None, seconds: float) -> FlipGain | None:
    """The gain by mirrored copies; None where no time or too few images are there to tell.

    Of large sets as many training images are mirrored as `seconds` hold, at most `MOST`. Where
    no features were computed, those of some images are.
    """
    seed, groups = job.options.seed, job.groups
    if linear is None:
        return flips_of_some(
            job.index, job.cache, job.train, job.val, groups, job.machine, seconds, seed
        )
    speed = len(linear.table.rows) / max(1e-6, linear.table.seconds)
    train = some_of(job.train, min(MOST, int(seconds * speed)), seed, "flips")
    if len(train) < LEAST_A_CLASS * len(job.index.classes):
        return None
    spec = spec_on(
        linear.net, linear.input_size, linear.network.taps, job.index, job.cache, job.machine
    )
    taps = linear.probed.best.taps
    return _gain(
        linear.network,
        spec,
        job.cache,
        job.machine,
        linear.table,
        taps,
        job.labels,
        groups,
        train,
        job.val,
    )


def flips_of_some(
    index: Index,
    cache: Cache,
    train: Rows,
    val: Rows,
    groups: Rows,
    machine: Machine,
    seconds: float,
    seed: int,
) -> FlipGain | None:
    """The gain by mirrored copies of some images, read by the pretrained network for this alone.

    At most `MOST` of the training images and half as many of validation, fewer where `seconds`
    do not hold them at the least size; None where too few are left to tell, or no weights are
    at hand.
    """
    card = find_net(PRETRAINED).card(PRETRAINED)
    if not card.weights_at_hand:
        return None
    speed = machine.speeds.get("features", 50.0)
    looks = 2 * min(MOST, len(train)) + min(MOST // 2, len(val))
    size = feature_size(looks, cache.size, speed, seconds, card.input_size)
    within = speed * (card.input_size / size) ** 2 * seconds / looks
    share = min(1.0, within)
    train = some_of(train, int(share * min(MOST, len(train))), seed, "flips")
    val = some_of(val, int(share * min(MOST // 2, len(val))), seed, "flips val")
    if len(train) < LEAST_A_CLASS * len(index.classes):
        return None
    spec = spec_on(PRETRAINED, size, all_taps(card.stages), index, cache, machine)
    network = assemble(spec)
    table = extract(network, cache, np.sort(np.concatenate([train, val])), spec, machine)
    labels = index.labels()
    classes = len(index.classes)
    probed = probe_taps(table, labels, classes, train, val, groups, seed, only=WHOLE)
    taps = probed.best.taps
    return _gain(network, spec, cache, machine, table, taps, labels, groups, train, val)


def _gain(
    network: Network,
    spec: ModelSpec,
    cache: Cache,
    machine: Machine,
    table: FeatureTable,
    taps: tuple[Tap, ...],
    labels: Rows,
    groups: Rows,
    train: Rows,
    val: Rows,
) -> FlipGain:
    # Only the pixels of the rows in question are turned, to bound the memory.
    mirrored = replace(cache, images=cache.images[train][:, :, ::-1])
    turned = extract(network, mirrored, np.arange(len(train)), spec, machine).values
    rows = np.concatenate([train, val])
    return flip_gain(
        table.of(rows, taps),
        turned[:, table.columns(taps)],
        labels[rows],
        np.arange(len(train)),
        np.arange(len(train), len(rows)),
        groups[rows],
    )


MOST = 2_000
LEAST_A_CLASS = 5
