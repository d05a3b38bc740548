"""PaddlePaddle: states of a layer in a pickle (`.pdparams`), arrays by name without a graph."""

from collections.abc import Sequence

from striate.toolboxes import GivenFile, NamedTensors, Toolbox
from striate.toolboxes.graph import ToolboxError
from striate.toolboxes.wire.pickles import collect_arrays, has_pickle, read_pickle

INNER_NAMES = b"StructuredToParameterName@@"


def detect_paddle(files: Sequence[GivenFile]) -> int:
    """2 for a pickle with the toolbox's ending, 1 by the other endings."""
    ending = files[0].ending
    if has_pickle(files[0].head) and ending == ".pdparams":
        return 2
    return int(ending in (".pdparams", ".pdmodel", ".pdiparams"))


def read_paddle(files: Sequence[GivenFile]) -> NamedTensors:
    """The arrays of a state by their names; a program is refused by name."""
    if not has_pickle(files[0].head):
        raise ToolboxError(
            "It is a program of PaddlePaddle, which is not known.",
            "Save the weights: paddle.save(layer.state_dict(), 'FILE.pdparams').",
        )
    tensors = collect_arrays(read_pickle(files[0].read())[0])
    if not tensors:
        raise ToolboxError("The pickle holds no arrays by name.")
    return NamedTensors(tensors=tensors, toolbox="Paddle")


TOOLBOX = Toolbox(
    name="Paddle",
    endings=(".pdparams", ".pdmodel", ".pdiparams"),
    detect=detect_paddle,
    read=read_paddle,
)
