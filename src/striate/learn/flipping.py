"""Whether mirroring keeps these labels true: measured before a training augments with it."""

from dataclasses import replace

import numpy as np

from striate.learn.job import Job
from striate.learn.linear import Linear, pretrained_spec
from striate.probe.features import extract
from striate.probe.flips import flip_gain
from striate.statistics import some_of
from striate.values import FlipGain


def measure_flips(job: Job, linear: Linear, seconds: float) -> FlipGain | None:
    """The gain by mirrored copies; None where no time or too few images are there to tell.

    Of large sets as many training images are mirrored as `seconds` hold, at most `MOST`.
    """
    speed = len(linear.table.rows) / max(1e-6, linear.table.seconds)
    train = some_of(job.train, min(MOST, int(seconds * speed)), job.options.seed, "flips")
    if len(train) < LEAST_A_CLASS * len(job.index.classes):
        return None
    network = linear.network
    spec = pretrained_spec(job, linear.net, linear.input_size, network.taps)
    # Only the pixels of the rows in question are turned, to bound the memory.
    mirrored = replace(job.cache, images=job.cache.images[train][:, :, ::-1])
    turned = extract(network, mirrored, np.arange(len(train)), spec, job.machine).values
    taps = linear.probed.best.taps
    plain = linear.table.of(np.concatenate([train, job.val]), taps)
    rows = np.concatenate([train, job.val])
    return flip_gain(
        plain,
        turned[:, linear.table.columns(taps)],
        job.labels[rows],
        np.arange(len(train)),
        np.arange(len(train), len(rows)),
        job.groups[rows],
    )


MOST = 2_000
LEAST_A_CLASS = 5
