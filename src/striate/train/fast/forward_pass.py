"""Inference of a network over many images: features or logits of each."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.data.batches import images_to_device, normalise_batch
from striate.nets import Backbone
from striate.train.fast.inference import FastNetwork
from striate.train.head import pool_maps
from striate.train.torch_context import torch_context
from striate.values import Machine, ModelSpec, Progress, Rows, Tap, Watch, unwatched

FULL_SIZE = 224  # pixels a side
MOST_AT_ONCE = 256  # images


def compute_features(
    network: FastNetwork,
    images_NHWC: NDArray[np.uint8],
    rows: Rows,
    spec: ModelSpec,
    machine: Machine,
    watch: Watch = unwatched,
) -> NDArray[np.float32]:
    """Pooled features N x D float32 of some rows of an array of images."""
    width = sum(network.network.widths)
    return _run_batches(network.pooled, width, images_NHWC, rows, spec, machine, watch)


def compute_logits(
    network: FastNetwork,
    images_NHWC: NDArray[np.uint8],
    rows: Rows,
    spec: ModelSpec,
    machine: Machine,
    watch: Watch = unwatched,
) -> NDArray[np.float32]:
    """Logits N x K float32 of some rows; averaged with the flipped view if the model says so."""

    def classify(images_NCHW: Tensor) -> Tensor:
        logits: Tensor = network(images_NCHW)
        if spec.mirror:
            logits = (logits + network(images_NCHW.flip(3))) / 2
        return logits

    width = len(spec.classes)
    return _run_batches(classify, width, images_NHWC, rows, spec, machine, watch)


def answers_of(
    network: FastNetwork,
    images_NHWC: NDArray[np.uint8],
    rows: Rows,
    spec: ModelSpec,
    machine: Machine,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits N x K of some rows and last-stage features N x D of each, in one pass."""
    backbone = cast(Backbone, network.network.backbone)
    deep = (Tap(stage=backbone.stage_names[-1], pool="mean"),)

    def answer(images_NCHW: Tensor) -> Tensor:
        maps = network.stages(images_NCHW)
        logits = network.classify(pool_maps(maps, network.network.taps))
        if spec.mirror:
            logits = (logits + network(images_NCHW.flip(3))) / 2
        return torch.cat([logits, pool_maps(maps, deep)], dim=1)

    width = spec.outputs + backbone.stage_channels[-1]
    found = _run_batches(answer, width, images_NHWC, rows, spec, machine, unwatched)
    return found[:, : spec.outputs], found[:, spec.outputs :]


def images_per_batch(spec: ModelSpec) -> int:
    """Images per batch: `spec.batch_size` at 224 pixels, more for smaller images."""
    scaled = round(spec.batch_size * (FULL_SIZE / spec.input_size) ** 2)
    return max(spec.batch_size, min(scaled, MOST_AT_ONCE))


def _run_batches(
    compute: Callable[[Tensor], Tensor],
    width: int,
    images_NHWC: NDArray[np.uint8],
    rows: Rows,
    spec: ModelSpec,
    machine: Machine,
    watch: Watch,
) -> NDArray[np.float32]:
    """The result of `compute` for each row, in batches that workers take from a queue.

    On the CPU each worker uses one thread: none waits for another, and the result depends neither
    on the number of workers nor on the other images of a batch. Every batch has the same shape, the
    last one padded, so that the same kernels run.
    """
    begun = time.perf_counter()
    size = images_per_batch(spec)
    found = np.empty((len(rows), width), np.float32)

    def one(start: int) -> int:
        part = rows[start : start + size]
        with torch.inference_mode():
            images = _prepare_batch(images_NHWC[_pad_rows(part, size)], spec, machine)
            found[start : start + len(part)] = compute(images)[: len(part)].cpu().numpy()
        return start + len(part)

    alone = machine.device != "cpu"
    workers = 1 if alone else max(1, min(machine.threads, -(-len(rows) // size)))
    with (
        torch_context(machine.threads),
        ThreadPoolExecutor(
            workers, initializer=torch.set_num_threads, initargs=(machine.threads if alone else 1,)
        ) as team,
    ):
        batches = [team.submit(one, start) for start in range(0, len(rows), size)]
        try:
            for batch in batches:
                watch(_progress(batch.result(), len(rows), time.perf_counter() - begun))
        except BaseException:
            team.shutdown(cancel_futures=True)
            raise
    return found


def _prepare_batch(images_NHWC: NDArray[np.uint8], spec: ModelSpec, machine: Machine) -> Tensor:
    images = images_to_device(images_NHWC, machine.device, machine.layout)
    return normalise_batch(images, spec.mean, spec.std, torch.float32, spec.input_size)


def _pad_rows(rows: Rows, size: int) -> Rows:
    """A full batch: the last one is padded with its first row."""
    return np.concatenate([rows, np.repeat(rows[:1], size - len(rows))])


def _progress(done: int, total: int, seconds: float) -> Progress:
    rate = done / max(seconds, 1e-9)
    return Progress(
        stage="features",
        done=done,
        total=total,
        unit="images",
        rate=rate,
        seconds_left=(total - done) / rate,
        finished=done == total,
    )
