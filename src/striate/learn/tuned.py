"""The part that trains by steps: a network assembled for its plan, trained, calibrated."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.data.preprocess import channel_scaling
from striate.data.whole_images import components_kept, fit_layer
from striate.learn.job import Job
from striate.learn.kinds import kind_of
from striate.learn.linear import Read, pretrained_spec, read_features
from striate.learn.standing import Standing
from striate.nets import RANDOM
from striate.train.head import Network, assemble
from striate.train.loop import Trained, train
from striate.values import (
    WHITENING,
    Evidence,
    History,
    ModelSpec,
    Plan,
    Preprocessing,
    Rows,
)


def train_plan(
    job: Job, plan: Plan, linear: Read | None, evidence: Evidence, folder: str = "training"
) -> tuple[Classifier, History, Plan]:
    """The network of a plan, trained and calibrated on the validation images.

    The plan that comes back is the one that was executed: shorter where the machine was slower.
    """
    spec = spec_of(job, plan)
    network = start(job, plan, spec, linear)
    seconds = job.training_seconds(evidence, plan.strategy.value, plan.views.value)
    standing = Standing(job, spec, job.checkpoints / folder)
    trained = run(
        job, plan, spec, network, job.checkpoints / folder, seconds, standing.note(network)
    )
    network.load_state_dict(trained.state)
    job.publish("layers.json", standing.in_the_end(network))
    classifier = kind_of(job).finished(job, spec, network)
    return classifier, trained.history, trained.plan


def run(
    job: Job,
    plan: Plan,
    spec: ModelSpec,
    network: Network,
    checkpoints: Path,
    deadline_seconds: float | None,
    begun: Callable[[Network], None] | None = None,
) -> Trained:
    """One training, checkpointed in a folder of its own."""
    return train(
        network,
        plan,
        job.cache,
        job.train,
        job.val,
        job.machine,
        labels=kind_of(job).lesson(job),
        task=job.index.task,
        mean=spec.mean,
        std=spec.std,
        checkpoint_dir=checkpoints,
        deadline_seconds=deadline_seconds,
        watch=job.watch,
        begun=begun,
    )


def spec_of(job: Job, plan: Plan) -> ModelSpec:
    """The specification of the model that a plan trains."""
    if plan.strategy.value != "scratch":
        spec = pretrained_spec(job, plan.net.value, plan.input_size.value, plan.taps.value)
        return replace(
            spec,
            strategy=plan.strategy.value,
            dropout=plan.dropout.value,
            mirror=plan.views.value == 2,
        )
    how = _preprocessing(job, plan)
    mean, std = channel_scaling(how.kind, job.cache, job.train)
    return ModelSpec(
        net=plan.net.value,
        settings=plan.settings.value,
        classes=job.index.classes,
        task=job.index.task,
        channels=job.cache.channels,
        input_size=plan.input_size.value,
        cache_size=job.cache.size,
        resize=job.cache.resize,
        mean=mean,
        std=std,
        taps=plan.taps.value,
        dropout=plan.dropout.value,
        precision=job.machine.precision,
        batch_size=plan.inference_batch_size.value,
        strategy="scratch",
        preprocess=how,
        mirror=plan.views.value == 2,
        alpha=job.cache.alpha,
    )


def _preprocessing(job: Job, plan: Plan) -> Preprocessing:
    """What the plan does to an image before the first layer, with every number settled."""
    kind, size = plan.preprocess.value, plan.input_size.value
    if kind not in WHITENING:
        return Preprocessing(kind=kind)
    dimensions = size * size * job.cache.channels
    kept = components_kept(plan.whiten_components.value, dimensions, len(job.train))
    return Preprocessing(kind=kind, components=kept, eps=plan.whiten_eps.value)


def start(job: Job, plan: Plan, spec: ModelSpec, linear: Read | None) -> Network:
    """The network before its first step: random for `scratch`, else where the probe ended.

    The exact head is fitted anew at the plan's input size, since features shift with it.
    """
    if plan.strategy.value == "scratch":
        network = assemble(spec, RANDOM)
        fit_layer(network.preprocess, spec.preprocess, job.cache, job.train, spec.input_size)
        return network
    network = assemble(spec, plan.weights.value or None)
    size = plan.input_size.value
    rows = np.sort(job.train)
    same = linear is not None and (linear.net, linear.input_size) == (spec.net, size)
    table = (
        linear.table
        if linear is not None and same
        else read_features(job, spec.net, network, size, rows, f"features-{size}.npz")
    )
    fit = kind_of(job).head(job, table, plan)
    network.set_head(
        torch.from_numpy(fit.weights),
        torch.from_numpy(fit.bias),
        torch.from_numpy(fit.shift),
        torch.from_numpy(fit.scale),
    )
    return network


def probabilities(job: Job, classifier: Classifier, rows: Rows) -> NDArray[np.float32]:
    """The probabilities of some cached rows."""
    return classifier.probabilities(job.cache.images, rows)
