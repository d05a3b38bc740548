"""How the layers stand as drawn, at the first step, and after training, on some training images."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from striate.checksums import unwrapped, wrapped
from striate.data.batches import normalise, to_device
from striate.learn.job import FitData
from striate.learn.kinds import kind_of
from striate.store.files import from_json, made, to_json, write_whole
from striate.train.head import Network
from striate.train.layer_states import layer_states
from striate.train.settled import settled
from striate.values import LayerStates, ModelSpec


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Looks at the layers of one training; its beginning is kept beside the checkpoint."""

    data: FitData
    threads: int
    spec: ModelSpec
    folder: Path

    def note(self, network: Network) -> Callable[[Network], None]:
        """Notes the network as it was drawn, now, and with its first weights, when called.

        A training that starts from trained weights draws nothing. One that is gone on with
        finds what was noted then.
        """
        path = self.folder / BEGINNING
        drawn = None
        if self.spec.strategy == "scratch" and not path.exists():
            drawn = self._states(network)

        def begun(network: Network) -> None:
            states = self._states(network)
            first = replace(states, begun=states.layers, drawn=drawn.layers if drawn else ())
            made(path.parent)
            write_whole(path, wrapped(to_json(replace(first, layers=()))))

        return begun

    def in_the_end(self, network: Network) -> LayerStates:
        """The trained network's layers, and those of its beginning where that can be read."""
        states = self._states(network, by_batch=False)
        path = self.folder / BEGINNING
        try:
            first = from_json(unwrapped(path.read_bytes()), LayerStates, path)
        except (OSError, ValueError):  # never noted, or damaged: the end is known all the same
            return states
        return replace(states, begun=first.begun, drawn=first.drawn)

    def _states(self, network: Network, by_batch: bool | None = None) -> LayerStates:
        data, spec = self.data, self.spec
        every = max(1, len(data.train) // LOOKED_AT)
        rows = np.sort(data.train)[::every][:LOOKED_AT]
        images = normalise(
            to_device(data.cache.images[rows], "cpu", "contiguous"),
            spec.mean,
            spec.std,
            torch.float32,
            spec.input_size,
        )
        lesson = torch.from_numpy(kind_of(data).lesson(data)[rows])
        if by_batch is None:
            by_batch = spec.strategy == "scratch" and len(rows) > 1
        with settled(self.threads):
            return layer_states(network, images, lesson, data.index.task, by_batch=by_batch)


LOOKED_AT = 64
BEGINNING = "layers-begun.json"
