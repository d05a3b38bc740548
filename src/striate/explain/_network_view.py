"""The network of a run from inside: its layers, their weights, and one value worked out."""

from typing import cast

from torch import Tensor

from striate.explain._step_by_step import work_out_first_layer
from striate.nets import Backbone
from striate.nets._architecture import describe_layers
from striate.train.head import Network, pool_maps
from striate.train.layer_statistics import summarise_weights
from striate.values import Architecture, Cache, NetworkView, Values


def view_network(network: Network, values: Values, cache: Cache) -> NetworkView:
    """What the report draws of a network, whichever strategy made it; the network is unchanged."""
    return NetworkView(
        architecture=_describe(network, values),
        weights=summarise_weights(network),
        worked=work_out_first_layer(network, values, cache),
    )


def _describe(network: Network, values: Values) -> Architecture:
    """The layers with the head, on images as the model takes them."""
    spec = values.model

    def stages(images_NCHW: Tensor) -> list[Tensor]:
        maps = network.stages(images_NCHW)
        network.classify(pool_maps(maps, network.taps))
        return list(maps.values())

    return describe_layers(
        network,
        stages,
        spec.net,
        cast(Backbone, network.backbone).stage_names,
        spec.input_size,
        len(spec.mean),  # grey is repeated for a network of three colours
    )
