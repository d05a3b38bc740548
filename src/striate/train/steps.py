"""One training step and evaluation, shared by the training loop and the short trials."""

import torch
from torch import Tensor, nn

from striate.data.batches import iterate_batches
from striate.train.batch_source import BatchSource, mix_batch
from striate.train.head import Network
from striate.train.optimizer import Optimizer, build_optimizer
from striate.train.schedule import count_unfrozen_groups, planned_epochs
from striate.values import Plan, Rows

EVALUATION_BATCH = 256  # images


class NotFiniteError(Exception):
    """A batch's loss is not finite; `images_NCHW` are the network's inputs."""

    def __init__(self, images_NCHW: Tensor) -> None:
        super().__init__("the loss is not finite")
        self.images_NCHW = images_NCHW


def prepare_training(network: Network, plan: Plan, feed: BatchSource) -> Optimizer:
    """Move the network to its device and layout, and build the optimizer of its trained part."""
    network.to(feed.device)
    if feed.layout == "channels_last":
        network.to(memory_format=torch.channels_last)
    groups = network.depth_groups()
    frozen = groups[: -plan.tuned.value] if plan.tuned.value else []
    for parameter in (p for group in frozen for p in group):
        parameter.requires_grad_(False)
    return build_optimizer(
        plan.optimizer.value,
        groups,
        plan.weight_decay.value,
        plan.layer_decay.value,
        plan.l1.value,
        plan.l2_sp.value if plan.strategy.value != "scratch" else 0.0,
        plan.head_rate.value,
        plan.precision.value,
    )


def unfreeze_groups(optimizer: Optimizer, plan: Plan, epoch: int, steps_per_epoch: int) -> None:
    """Unfreeze the layer groups that the plan trains in an epoch, counted from 1."""
    if plan.unfreeze.value != "gradual":
        return
    groups = 1 + max(group["depth"] for group in optimizer.groups)
    # Of those planned when the epoch began, so that a plan as executed repeats what was done.
    epochs = planned_epochs(plan.schedule.value, plan.epochs.value, steps_per_epoch, epoch)
    learning = count_unfrozen_groups(epoch, epochs, groups)
    for group in optimizer.groups:
        group["awake"] = group["depth"] < learning
        for parameter in group["params"]:
            parameter.requires_grad_(group["awake"])


def set_training_mode(network: nn.Module, plan: Plan) -> None:
    """Training mode, with frozen batch statistics if pretrained: small batches would spoil them."""
    network.train()
    if plan.strategy.value == "scratch":
        return
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def training_step(
    network: nn.Module,
    optimizer: Optimizer,
    plan: Plan,
    feed: BatchSource,
    rows: Rows,
    generator: torch.Generator,
    learning_rate: float,
) -> tuple[Tensor, Tensor]:
    """Forward, loss, backward, step on one batch; its logits N x K and labels.

    Raises `NotFiniteError` if the loss is not finite, before any weight is changed.
    """
    images_NCHW = feed.images(rows, plan.augment.value, generator)
    labels = feed.targets(rows)
    images_NCHW, targets = mix_batch(images_NCHW, labels, plan, generator)
    logits_NK = forward_logits(network, plan, feed, images_NCHW)
    smoothing, weights = plan.label_smoothing.value, feed.weights()
    found = feed.objective.loss(logits_NK, targets, smoothing, weights)
    if not torch.isfinite(found):
        raise NotFiniteError(images_NCHW)
    torch.autograd.backward(found)
    if plan.clip.value:
        optimizer.clip(plan.clip.value)
    optimizer.step(learning_rate)
    return logits_NK.detach(), labels


def forward_logits(
    network: nn.Module, plan: Plan, feed: BatchSource, images_NCHW: Tensor
) -> Tensor:
    """Logits N x K in the plan's precision."""
    with _autocast_context(plan, feed):
        logits_NK: Tensor = network(images_NCHW)
    return logits_NK


def evaluate_network(
    network: nn.Module, plan: Plan, feed: BatchSource, rows: Rows
) -> tuple[float, float]:
    """Loss and measure of the network; two NaN if there are no rows."""
    if not len(rows):
        return float("nan"), float("nan")
    network.eval()
    objective, summed, seen = feed.objective, 0.0, []
    with torch.inference_mode():
        for part in iterate_batches(rows, max(plan.batch_size.value, EVALUATION_BATCH)):
            labels = feed.targets(part)
            logits_NK = forward_logits(network, plan, feed, feed.images(part))
            summed += float(objective.loss(logits_NK, labels, 0.0, None)) * len(part)
            seen.append(objective.noted(logits_NK, labels))
    return summed / len(rows), objective.measure(torch.cat(seen))


def _autocast_context(plan: Plan, feed: BatchSource) -> torch.autocast:
    device = torch.device(feed.device).type
    return torch.autocast(device, torch.bfloat16, enabled=plan.precision.value == "bfloat16")
