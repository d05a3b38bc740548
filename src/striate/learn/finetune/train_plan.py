"""Gradient training of one plan: build the network, train it, calibrate it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from striate.data.batches import images_to_device, normalise_batch
from striate.data.preprocess import channel_scaling, count_components, fit_preprocessing_layer
from striate.learn.context import FitContext, FitData
from striate.learn.linear.linear_model import BackboneFeatures, pretrained_spec, read_features
from striate.learn.task import task_spec
from striate.predict.classifier import Classifier
from striate.store.checksums import unwrap_content, wrap_content
from striate.store.files import ensure_folder, from_json, to_json, write_atomically
from striate.train.head import Network, build_network
from striate.train.layer_statistics import measure_layer_states, summarise_weights
from striate.train.loop import TrainingResult, train_network
from striate.train.torch_context import torch_context
from striate.values import (
    RANDOM,
    WHITENING,
    Evidence,
    History,
    LayerStates,
    ModelSpec,
    Plan,
    Preprocessing,
    Rows,
)

SNAPSHOT_IMAGES = 64  # images
LEAST_SECONDS = 3.0  # of a training that was asked for, whatever the time
FIRST_SNAPSHOT = "layers-begun.json"


def train_plan(
    context: FitContext,
    plan: Plan,
    linear: BackboneFeatures | None,
    evidence: Evidence,
    folder: str = "training",
) -> tuple[Classifier, History, Plan]:
    """The network of a plan, trained, and calibrated on the validation images.

    The returned plan is the one that was executed: shorter if the machine was slower than measured.
    """
    port = context.port
    data = context.data
    spec = model_spec_of(context, plan)
    network = initial_network(context, plan, spec, linear)
    seconds = None
    if context.given_plan is None:  # one that was given says itself how long it is
        left = context.training_seconds(evidence, plan.strategy.value, plan.views.value)
        seconds = max(LEAST_SECONDS, left)
    standing = LayerSnapshots(data, context.machine.threads, spec, port.checkpoints / folder)
    trained = run_training(
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
    classifier = task_spec(data).finished(data, spec, network)
    return classifier, trained.history, trained.plan


def run_training(
    context: FitContext,
    plan: Plan,
    spec: ModelSpec,
    network: Network,
    checkpoints: Path,
    deadline_seconds: float | None,
    begun: Callable[[Network], None] | None = None,
) -> TrainingResult:
    """Run one training in a checkpoint folder of its own."""
    data = context.data
    return train_network(
        network,
        plan,
        data.cache,
        data.train,
        data.val,
        context.machine,
        labels=task_spec(data).targets(data),
        task=data.index.task,
        mean=spec.mean,
        std=spec.std,
        checkpoint_dir=checkpoints,
        deadline_seconds=deadline_seconds,
        watch=context.port.watch,
        begun=begun,
    )


def model_spec_of(context: FitContext, plan: Plan) -> ModelSpec:
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
    how = _preprocessing_spec(data, plan)
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


def _preprocessing_spec(data: FitData, plan: Plan) -> Preprocessing:
    """The preprocessing before the first layer, with every parameter fitted."""
    kind, size = plan.preprocess.value, plan.input_size.value
    if kind not in WHITENING:
        return Preprocessing(kind=kind)
    dimensions = size * size * data.cache.channels
    kept = count_components(plan.whiten_components.value, dimensions, len(data.train))
    return Preprocessing(kind=kind, components=kept, eps=plan.whiten_eps.value)


def initial_network(
    context: FitContext, plan: Plan, spec: ModelSpec, linear: BackboneFeatures | None
) -> Network:
    """The network at its initial weights: random for `scratch`, else pretrained.

    The exact head is fitted again at the plan's input size, since features shift with it.
    """
    data = context.data
    if plan.strategy.value == "scratch":
        network = build_network(spec, RANDOM)
        fit_preprocessing_layer(
            network.preprocess,
            spec.preprocess,
            data.cache,
            data.train,
            spec.input_size,
        )
        return network
    network = build_network(spec, plan.weights.value or None)
    size = plan.input_size.value
    rows = np.sort(data.train)
    same = linear is not None and (linear.net, linear.input_size) == (spec.net, size)
    table = (
        linear.table
        if linear is not None and same
        else read_features(context, spec.net, network, size, rows, f"features-{size}.npz")
    )
    fit = task_spec(data).head(data, table, plan)
    network.set_head(
        torch.from_numpy(fit.weights),
        torch.from_numpy(fit.bias),
        torch.from_numpy(fit.shift),
        torch.from_numpy(fit.scale),
    )
    return network


def predict_rows(data: FitData, classifier: Classifier, rows: Rows) -> NDArray[np.float32]:
    """Probabilities of some cached rows."""
    return classifier.probabilities(data.cache.images, rows)


@dataclass(frozen=True, slots=True, eq=False)
class LayerSnapshots:
    """Layer statistics before and after one training.

    The first are stored beside the checkpoint, for a resumed training.
    """

    data: FitData
    threads: int
    spec: ModelSpec
    folder: Path

    def note(self, network: Network) -> Callable[[Network], None]:
        """Record the network at initialisation now, and at its initial weights when called back.

        A training from pretrained weights has no random initialisation. A resumed one reads the
        statistics that were stored.
        """
        path = self.folder / FIRST_SNAPSHOT
        drawn = None
        if self.spec.strategy == "scratch" and not path.exists():
            drawn = self._states(network)

        def begun(network: Network) -> None:
            states = self._states(network)
            first = replace(
                states,
                begun=states.layers,
                drawn=drawn.layers if drawn else (),
                weights_begun=summarise_weights(network),
            )
            ensure_folder(path.parent)
            write_atomically(path, wrap_content(to_json(replace(first, layers=()))))

        return begun

    def in_the_end(self, network: Network) -> LayerStates:
        """Layer statistics of the trained network, and those at its start if readable."""
        states = self._states(network, by_batch=False)
        path = self.folder / FIRST_SNAPSHOT
        try:
            first = from_json(unwrap_content(path.read_bytes()), LayerStates, path)
        except (OSError, ValueError):  # never noted, or damaged: the end is known all the same
            return states
        return replace(
            states, begun=first.begun, drawn=first.drawn, weights_begun=first.weights_begun
        )

    def _states(self, network: Network, by_batch: bool | None = None) -> LayerStates:
        data, spec = self.data, self.spec
        every = max(1, len(data.train) // SNAPSHOT_IMAGES)
        rows = np.sort(data.train)[::every][:SNAPSHOT_IMAGES]
        images = normalise_batch(
            images_to_device(data.cache.images[rows], "cpu", "contiguous"),
            spec.mean,
            spec.std,
            torch.float32,
            spec.input_size,
        )
        targets = torch.from_numpy(task_spec(data).targets(data)[rows])
        if by_batch is None:
            by_batch = spec.strategy == "scratch" and len(rows) > 1
        with torch_context(self.threads):
            task = data.index.task
            return measure_layer_states(network, images, targets, task, by_batch=by_batch)
