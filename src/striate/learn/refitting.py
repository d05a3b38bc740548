"""A tuned network's head solved anew on the tuned features: a candidate that held-out images judge.

Tuning moves the features from under the head that it started with, and a few epochs of small steps
need not bring the head after them. Leave-one-out lies on tuned features, since they know their
training images: the penalty, the calibration and whether the new head is taken are all decided
on the validation images.
"""

from dataclasses import replace

import numpy as np
import torch

from striate import statistics
from striate.calibration import calibrated, choose_calibration
from striate.classifier import Classifier, copy_with
from striate.learn.job import Job, Learned
from striate.overrides import parsed
from striate.probe.features import extract
from striate.probe.held_out import fit_held_out
from striate.probe.ridge import RidgeFit
from striate.train.head import Network
from striate.values import Choice, Plan, say


def refitted(job: Job, learned: Learned) -> Learned:
    """The trained model, or the same with the exact head where that is better on validation.

    It is better with more wins than losses, a group being one witness; a tie leaves the head as
    the steps made it. Where the head was asked for, or is that of a given plan, nothing is
    weighed. Of networks trained from scratch, of several labels and of a number the head is
    never solved anew.
    """
    plan = learned.plan
    decided = job.given_plan is not None or plan.head.ground == "asked"
    if plan.strategy.value not in TUNED or not len(job.val) or job.index.task != "label":
        return learned
    if decided and plan.head.value != "exact":
        return learned
    fit = _solved(job, learned, _penalties(job, plan))
    network = learned.classifier.network
    exact = Network(network.backbone, network.taps, len(plan.classes), plan.dropout.value)
    exact.set_head(
        torch.from_numpy(fit.weights),
        torch.from_numpy(fit.bias),
        torch.from_numpy(fit.shift),
        torch.from_numpy(fit.scale),
    )
    spec = replace(learned.classifier.spec, temperature=fit.temperature)
    classifier = Classifier(spec=spec, network=exact.eval())
    logits, truth = classifier.logits(job.cache.images, job.val), job.labels[job.val]
    how = choose_calibration(logits, truth, job.groups[job.val], fit.temperature, job.options.seed)
    found = replace(
        learned,
        classifier=copy_with(classifier, calibration=how),
        val_probabilities=calibrated(logits, fit.temperature, how),
    )
    return _better_of(job, learned, found, fit.alpha, decided=decided)


def _solved(job: Job, learned: Learned, alphas: list[float] | None) -> RidgeFit:
    """The head on the tuned features of the training images, its penalty the best of `alphas`."""
    model, labels = learned.classifier, job.labels
    rows = np.sort(np.concatenate([job.train, job.val]))
    table = extract(model.network, job.cache, rows, model.spec, job.machine, job.watch)
    even = learned.plan.balance.value == "none"
    return fit_held_out(
        table.of(job.train),
        labels[job.train],
        table.of(job.val),
        labels[job.val],
        len(learned.plan.classes),
        table.widths,
        weights=None if even else statistics.balanced_weights(labels[job.train]),
        alphas=alphas,
    )


def _penalties(job: Job, plan: Plan) -> list[float] | None:
    """The penalty of a given plan, or the one asked for; None where it is to be found."""
    asked = parsed(job.options.set) if job.options.set else {}
    if job.given_plan is not None or "alpha" in asked:
        return [plan.alpha.value]
    return None


def _better_of(
    job: Job, learned: Learned, exact: Learned, alpha: float, *, decided: bool
) -> Learned:
    truth, groups = job.labels[job.val], job.groups[job.val]
    assert learned.val_probabilities is not None
    assert exact.val_probabilities is not None
    old = learned.val_probabilities.argmax(axis=1) == truth
    new = exact.val_probabilities.argmax(axis=1) == truth
    better = statistics.better(new, old, groups) < EVEN
    kept = decided or better
    why = say(
        "refit.kept" if kept else "refit.not_kept",
        "The head solved anew on the tuned features gets {new} of {n} validation images right, "
        "the head that was tuned {old}: the new one is taken."
        if kept
        else "The head solved anew on the tuned features gets {new} of {n} validation images "
        "right, the head that was tuned {old}: it stays as it was tuned.",
        new=int(new.sum()),
        old=int(old.sum()),
        n=len(new),
    )
    because = (*learned.plan.because, why)
    if not kept:
        return replace(learned, plan=replace(learned.plan, because=because))
    plan = replace(exact.plan, because=because)
    if not decided:
        picked = say(
            "refit.alpha",
            "the least error on {n} validation images: leave-one-out lies on tuned features",
            n=len(new),
        )
        plan = replace(plan, head=Choice(value="exact", why=why, ground="measured"))
        plan = replace(plan, alpha=Choice(value=alpha, why=picked, ground="measured"))
    return replace(exact, plan=plan)


TUNED = ("shallow", "deep")
# The chance by luck where wins and losses are equal is a half, but for rounding.
EVEN = 0.4999
