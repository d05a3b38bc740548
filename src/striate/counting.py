"""Why weights are shared: what layers from one image size to another cost, by formula."""

from striate.errors import UsageError
from striate.values import LayerCost


def output_side(side: int, kernel_size: int, stride: int = 1, padding: int = 0) -> int:
    """Side of the map that a filter leaves: (side + 2 padding - kernel) / stride + 1, cut off.

    Raises `UsageError` where the filter is larger than the padded image.
    """
    room = side + 2 * padding - kernel_size
    if room < 0:
        raise UsageError(
            f"A filter of {kernel_size} does not fit on {side} pixels padded by {padding}.",
            "Take a smaller filter or more padding.",
        )
    return room // stride + 1


def layer_costs(
    height: int,
    width: int,
    channels: int,
    *,
    kernel_size: int = 3,
    filters: int = 16,
    stride: int = 1,
    padding: int = 0,
) -> tuple[LayerCost, ...]:
    """Four layers from the same image to maps of the same size, biases left out.

    Fully connected: every pixel to every output. Locally connected: every output sees a window,
    each place with weights of its own. One shared filter: the same weights at every place. As
    many shared filters as asked for: the convolution.
    """
    rows = output_side(height, kernel_size, stride, padding)
    columns = output_side(width, kernel_size, stride, padding)
    places, window = rows * columns, kernel_size**2 * channels
    pixels = height * width * channels
    many, one = (filters, rows, columns), (1, rows, columns)
    return (
        _cost("fully connected", many, pixels * filters * places, pixels * filters * places),
        _cost("locally connected", many, window * filters * places, window * filters * places),
        _cost("one shared filter", one, window, window * places),
        _cost("shared filters", many, window * filters, window * filters * places),
    )


def _cost(kind: str, output: tuple[int, int, int], weights: int, multiplications: int) -> LayerCost:
    return LayerCost(kind=kind, output=output, weights=weights, multiplications=multiplications)
