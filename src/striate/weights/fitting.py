"""Load tensors of a file into a network: renamed, adapted, or refused by name."""

import math
from collections import Counter
from collections.abc import Collection

from torch import Tensor, nn

from striate.errors import ModelError
from striate.values import Sentence, say
from striate.weights.reading import Tensors


def fit_weights(
    network: nn.Module, tensors: Tensors, source: str, head: Collection[str] = ()
) -> tuple[Sentence, ...]:
    """Load tensors into a network; the sentences say what was left out or adapted.

    Names are used as they are, or without a common prefix (`module.`, `model.`); if no name is
    known, the order counts. `head` names tensors of a classifier that the network does not have. A
    first layer with another number of channels is adapted. Raises `ModelError` naming the first
    tensors that are missing, extra or of another shape.
    """
    wanted = network.state_dict()
    named = _match_by_name(wanted, tensors)
    ordered = named is None
    if named is None:
        named = _match_by_order(wanted, tensors)
    named, notes = _adapt_first_layer(network, wanted, named, source)
    faults = [*_shape_misfits(wanted, named)]
    if not ordered:
        spare = [name for name in named if name not in wanted and not _counts(name)]
        faults += [f"{name} is too many" for name in spare if name not in head]
        left = [name for name in spare if name in head]
    else:
        left, extra = _find_left_over(wanted, tensors)
        faults += [f"{name} is too many" for name in extra]
    if faults:
        raise _refusal_error(faults, len(wanted), source)
    if left:
        notes = (*notes, _drop_head(left, source))
    network.load_state_dict({name: named.get(name, wanted[name]) for name in wanted})
    return notes


def adapt_first_kernel(kernel_OIHW: Tensor, channels: int) -> Tensor:
    """The kernel of a first layer for another number of channels.

    Its channels are repeated in turn, or cut, and multiplied by the old number of channels over the
    new one, so that activations keep their size; for one channel they are summed. This is timm's
    `adapt_input_conv`.
    """
    had = kernel_OIHW.shape[1]
    if had == channels:
        return kernel_OIHW
    kernel = kernel_OIHW.float()
    if channels == 1:
        return kernel.sum(dim=1, keepdim=True).to(kernel_OIHW.dtype)
    repeated = kernel.repeat(1, math.ceil(channels / had), 1, 1)[:, :channels]
    return (repeated * (had / channels)).to(kernel_OIHW.dtype)


def _match_by_name(wanted: Tensors, tensors: Tensors) -> Tensors | None:
    """The tensors under the network's names; None where hardly a name is known."""
    known = {name for name in wanted if not _counts(name)}
    fronts = Counter(front for name in tensors for front in _name_prefixes(name, known))
    # The longest agreement; of equals, such as weights and their average, what stands bare.
    front = max(fronts, key=lambda front: (fronts[front], -len(front)), default="")
    if fronts[front] < MIN_KNOWN_SHARE * len(known):
        return None
    return {
        name.removeprefix(front): tensor
        for name, tensor in tensors.items()
        if name.startswith(front)
    }


def _name_prefixes(name: str, known: Collection[str]) -> list[str]:
    """What stands in front of a known name in this one: "" where it is the known name itself."""
    parts = name.split(".")
    ends = [".".join(parts[k:]) for k in range(len(parts))]
    return [name[: len(name) - len(end)] for end in ends if end in known]


def _match_by_order(wanted: Tensors, tensors: Tensors) -> Tensors:
    """Tensors matched by shape and order, if the names are others."""
    names = [name for name in wanted if not _counts(name)]
    given = [tensor for name, tensor in tensors.items() if not _counts(name)]
    return dict(zip(names, given, strict=False))


def _find_left_over(wanted: Tensors, tensors: Tensors) -> tuple[list[str], list[str]]:
    """Tensors after the network's own: a classifier, and others."""
    names = [name for name in tensors if not _counts(name)]
    spare = names[sum(not _counts(name) for name in wanted) :]
    classifier = len(spare) <= 2 and all(tensors[name].ndim <= 2 for name in spare)
    return (spare, []) if classifier else ([], spare)


def _adapt_first_layer(
    network: nn.Module, wanted: Tensors, tensors: Tensors, source: str
) -> tuple[Tensors, tuple[Sentence, ...]]:
    first = next((n for n, m in network.named_modules() if isinstance(m, nn.Conv2d)), None)
    name = f"{first}.weight"
    kernel, mine = tensors.get(name), wanted.get(name)
    if kernel is None or mine is None or kernel.ndim != 4 or kernel.shape == mine.shape:
        return tensors, ()
    (out, had, *size), (wide, channels, *mine_size) = kernel.shape, mine.shape
    if (out, size) != (wide, mine_size):
        return tensors, ()
    note = say(
        "weights.channels",
        "The first layer in {file} expects {had} channels. It was adapted to "
        "{channels}: its kernels were repeated or cut, and scaled by "
        "{had}/{channels}.",
        file=source,
        had=int(had),
        channels=int(channels),
    )
    return {**tensors, name: adapt_first_kernel(kernel, int(channels))}, (note,)


def _shape_misfits(wanted: Tensors, tensors: Tensors) -> list[str]:
    faults = []
    for name, mine in wanted.items():
        given = tensors.get(name)
        if given is None:
            if not _counts(name):  # how many batches were seen: older files do not say
                faults.append(f"{name}{MISSING}")
        elif given.shape != mine.shape:
            faults.append(
                f"{name} has the shape {_shape(given)}, but the network needs {_shape(mine)}"
            )
        elif mine.is_floating_point() and not given.is_floating_point():
            faults.append(f"{name} holds {str(given.dtype).removeprefix('torch.')} numbers")
    return faults


def _refusal_error(faults: list[str], tensors: int, source: str) -> ModelError:
    more = f", and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
    another = "are for another network" if len(faults) > tensors / 2 else "do not match the network"
    return ModelError(
        f"The weights in {source} {another}: {'; '.join(faults[:MOST_NAMED])}{more}.",
        INCOMPLETE_HINT if all(fault.endswith(MISSING) for fault in faults) else OTHER_NET_HINT,
    )


def _drop_head(left: list[str], source: str) -> Sentence:
    return say(
        "weights.head",
        "The layers after the last feature map in {file}, such as its classifier "
        "({tensor}), were left out: your classes get a new classifier.",
        file=source,
        tensor=left[-1],
    )


def _counts(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _shape(tensor: Tensor) -> str:
    return "x".join(str(n) for n in tensor.shape) or "a number"


MISSING = " is missing"
OTHER_NET_HINT = "Name the network that these weights were trained for with --net."
INCOMPLETE_HINT = (
    f"Take a file that holds all tensors. If they are for another net: {OTHER_NET_HINT}"
)
MOST_NAMED = 3
MIN_KNOWN_SHARE = 0.1
"""The share of a network's names that a file must know to be read by names."""
