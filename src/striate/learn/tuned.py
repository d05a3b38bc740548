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
from striate.learn.job import FitContext, FitData
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
    context: FitContext,
    plan: Plan,
    linear: Read | None,
    evidence: Evidence,
    folder: str = "training",
) -> tuple[Classifier, History, Plan]:
    """The network of a plan, trained and calibrated on the validation images.

    The plan that comes back is the one that was executed: shorter where the machine was slower.
    """
    port = context.port
    data = context.data
    spec = spec_of(context, plan)
    network = start(context, plan, spec, linear)
    seconds = context.training_seconds(evidence, plan.strategy.value, plan.views.value)
    standing = Standing(data, context.machine.threads, spec, port.checkpoints / folder)
    trained = run(
        context,
        plan,
        spec,
        network,
        port.checkpoints / folder,
        seconds,
        standing.note(network),
    )
    network.load_state_dict(trained.state)
    port.publish("layers.json", standing.in_the_end(network))
    classifier = kind_of(data).finished(data, spec, network)
    return classifier, trained.history, trained.plan


def run(
    context: FitContext,
    plan: Plan,
    spec: ModelSpec,
    network: Network,
    checkpoints: Path,
    deadline_seconds: float | None,
    begun: Callable[[Network], None] | None = None,
) -> Trained:
    """One training, checkpointed in a folder of its own."""
    data = context.data
    return train(
        network,
        plan,
        data.cache,
        data.train,
        data.val,
        context.machine,
        labels=kind_of(data).lesson(data),
        task=data.index.task,
        mean=spec.mean,
        std=spec.std,
        checkpoint_dir=checkpoints,
        deadline_seconds=deadline_seconds,
        watch=context.port.watch,
        begun=begun,
    )


def spec_of(context: FitContext, plan: Plan) -> ModelSpec:
    """The specification of the model that a plan trains."""
    data = context.data
    if plan.strategy.value != "scratch":
        spec = pretrained_spec(context, plan.net.value, plan.input_size.value, plan.taps.value)
        return replace(
            spec,
            strategy=plan.strategy.value,
            dropout=plan.dropout.value,
            mirror=plan.views.value == 2,
        )
    how = _preprocessing(data, plan)
    mean, std = channel_scaling(how.kind, data.cache, data.train)
    return ModelSpec(
        net=plan.net.value,
        settings=plan.settings.value,
        classes=data.index.classes,
        task=data.index.task,
        channels=data.cache.channels,
        input_size=plan.input_size.value,
        cache_size=data.cache.size,
        resize=data.cache.resize,
        mean=mean,
        std=std,
        taps=plan.taps.value,
        dropout=plan.dropout.value,
        precision=context.machine.precision,
        batch_size=plan.inference_batch_size.value,
        strategy="scratch",
        preprocess=how,
        mirror=plan.views.value == 2,
        alpha=data.cache.alpha,
    )


def _preprocessing(data: FitData, plan: Plan) -> Preprocessing:
    """What the plan does to an image before the first layer, with every number settled."""
    kind, size = plan.preprocess.value, plan.input_size.value
    if kind not in WHITENING:
        return Preprocessing(kind=kind)
    dimensions = size * size * data.cache.channels
    kept = components_kept(plan.whiten_components.value, dimensions, len(data.train))
    return Preprocessing(kind=kind, components=kept, eps=plan.whiten_eps.value)


def start(context: FitContext, plan: Plan, spec: ModelSpec, linear: Read | None) -> Network:
    """The network before its first step: random for `scratch`, else where the probe ended.

    The exact head is fitted anew at the plan's input size, since features shift with it.
    """
    data = context.data
    if plan.strategy.value == "scratch":
        network = assemble(spec, RANDOM)
        fit_layer(
            network.preprocess,
            spec.preprocess,
            data.cache,
            data.train,
            spec.input_size,
        )
        return network
    network = assemble(spec, plan.weights.value or None)
    size = plan.input_size.value
    rows = np.sort(data.train)
    same = linear is not None and (linear.net, linear.input_size) == (spec.net, size)
    table = (
        linear.table
        if linear is not None and same
        else read_features(context, spec.net, network, size, rows, f"features-{size}.npz")
    )
    fit = kind_of(data).head(data, table, plan)
    network.set_head(
        torch.from_numpy(fit.weights),
        torch.from_numpy(fit.bias),
        torch.from_numpy(fit.shift),
        torch.from_numpy(fit.scale),
    )
    return network


def probabilities(data: FitData, classifier: Classifier, rows: Rows) -> NDArray[np.float32]:
    """The probabilities of some cached rows."""
    return classifier.probabilities(data.cache.images, rows)
