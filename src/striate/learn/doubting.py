"""The labels that the linear model doubts, each image judged without having been learnt."""

import numpy as np

from striate.learn.job import Job
from striate.learn.linear import Linear
from striate.probe.doubtful import find_doubtful
from striate.statistics import softmax
from striate.values import Doubt


def doubts_of(job: Job, linear: Linear) -> tuple[Doubt, ...]:
    """The most doubtful training and validation images, at most `MOST`.

    Training images are judged by the fit without them and their group, those of validation by
    the fit that has not seen them. Test images are left alone: nothing may look at them yet.
    """
    probed = linear.probed
    scores = np.concatenate([probed.fit.loo_scores, probed.val_scores])
    rows = np.concatenate([job.train, job.val])
    probabilities = softmax(scores, probed.fit.temperature)
    return find_doubtful(probabilities, job.index, rows)[:MOST]


MOST = 1_000
