"""A classifier out of another toolbox's file, with the classes and the last layer that it has."""

from pathlib import Path

import torch

from striate.nets import find_net
from striate.nets.foreign import read_foreign, read_last_layer, remember_foreign
from striate.predict.classifier import Classifier
from striate.toolboxes.graph import ToolboxError
from striate.train.head import build_network
from striate.values import ModelSpec, NetSettings, Tap


def read_file_model(path: Path) -> Classifier:
    """The network in a file as a classifier: it answers as it does in its own toolbox.

    Classes that the file does not name are called by their numbers. Raises `ToolboxError` where
    the file holds no network that ends in classes.
    """
    graph = read_foreign(path)
    if graph is None:
        raise ToolboxError(
            f"{path} holds weights and no layers, so it gives no answers.",
            "Put a list of its layers into docs/how-to/layer-lists.",
        )
    last = read_last_layer(graph)
    name = remember_foreign(path, graph)
    card = find_net(name).card(name)
    count = len(last.weights_KD)
    classes = graph.classes if len(graph.classes) == count else tuple(map(str, range(count)))
    spec = ModelSpec(
        net=name,
        settings=NetSettings(),
        classes=classes,
        channels=len(card.mean),
        input_size=card.input_size,
        cache_size=card.input_size,
        resize="squash",
        mean=card.mean,
        std=card.std,
        taps=(Tap(stage="top", pool="mean"),),
        strategy="linear",
    )
    network = build_network(spec, str(path))
    width = last.weights_KD.shape[1]
    if network.widths != (width,):
        raise ToolboxError(f"The last layer of {path} does not read what comes before it.")
    network.set_head(last.weights_KD.T, last.bias_K, torch.zeros(width), torch.ones(width))
    return Classifier(spec=spec, network=network.eval())
