"""MegEngine: dumps of a traced graph (`.mge`), and states of a module in a pickle (`.pkl`).

In a state, convolutions in groups have five axes, the groups first, and biases are 1 x C x 1 x 1:
a list of layers takes both as they are.
"""

from collections.abc import Sequence

from striate.toolboxes import GivenFile, NamedTensors, Toolbox
from striate.toolboxes.graph import Graph, ToolboxError
from striate.toolboxes.readers._mge import read_mge
from striate.toolboxes.wire.pickles import begins_with_list, collect_arrays, has_pickle, read_pickle

DUMPS = (b"mgv2", b"MGBS", b"mgb0001", b"mgbtest0")


def detect_megengine(files: Sequence[GivenFile]) -> int:
    """2 by the identifier of a dump, and for a pickled dictionary of arrays of no other toolbox."""
    head = files[0].head
    if any(word in head[:64] for word in DUMPS) or files[0].ending == ".mge":
        return 2
    if not has_pickle(head) or files[0].ending not in (".pkl", ".pickle"):
        return 0
    named = b"numpy" in head and not begins_with_list(head) and b"params" not in head[:64]
    others = any(word in head for word in (b"theano", b"torch", b"jittor"))
    return 2 if named and not others else 1


def read_megengine(files: Sequence[GivenFile]) -> Graph | NamedTensors:
    """The network of a dump, or the arrays of a state by their names."""
    if not has_pickle(files[0].head):
        return read_mge(files[0].read())
    tensors = collect_arrays(read_pickle(files[0].read())[0])
    if not tensors:
        raise ToolboxError("The pickle holds no arrays by name.")
    return NamedTensors(tensors=tensors, toolbox="MegEngine")


TOOLBOX = Toolbox(
    name="MegEngine", endings=(".pkl", ".mge"), detect=detect_megengine, read=read_megengine
)
