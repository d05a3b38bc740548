"""Whether classes should weigh the same: measured on the linear model before a plan is made."""

import numpy as np
from numpy.typing import NDArray

from striate.learn.job import FitData
from striate.learn.linear import Linear, fit_on
from striate.probe.balance import balance_gain
from striate.values import BalanceGain


def measure_balance(data: FitData, linear: Linear) -> BalanceGain | None:
    """The gain by class weights on the taps of the best probe; None where no class is rare."""
    if not is_uneven(np.bincount(data.labels[data.train], minlength=len(data.index.classes))):
        return None
    weighted = fit_on(data, linear.table, linear.probed.best.taps, data.train, "weights")
    return balance_gain(
        linear.probed.fit, weighted, data.labels[data.train], data.groups[data.train]
    )


def is_uneven(counts_K: NDArray[np.int64]) -> bool:
    """Whether some class has fewer than half as many images as the classes have on average."""
    return bool((counts_K < counts_K.mean() / 2).any())
