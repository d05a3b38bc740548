"""Evidence as a fit might gather it, short to write in a table of cases."""

from striate.metrics.intervals import wilson
from striate.values import Evidence, Machine, Probe, Tap, Trial, say

MACHINE = Machine(
    device="cpu",
    processor="made up",
    threads=2,
    memory_bytes=8 << 30,
    precision="bfloat16",
    precision_error=0.03,
    layout="channels_last",
    fused=True,
    batch_size=16,
)
TOP = (Tap(stage="top", pool="mean"),)
ALL = (Tap(stage="blocks.1", pool="mean"), *TOP)


def probe(name: str, loo: float, val: float | None, train: int, val_images: int) -> Probe:
    """A probe with these shares right."""
    return Probe(
        name=name,
        taps=TOP if name == "top" else ALL,
        dimensions=1280,
        alpha=10.0,
        temperature=0.1,
        loo_accuracy=wilson(round(loo * train), train),
        loo_log_loss=2 - loo,
        val_accuracy=None if val is None else wilson(round(val * val_images), val_images),
        val_log_loss=None if val is None else 2 - val,
        seconds=0.5,
    )


def trial(accuracy: float, n: int = 500, epochs: int = 5, seconds: float = 12.0) -> Trial:
    """A short training of the compact network."""
    return Trial(
        strategy="scratch",
        net="compact",
        settings={},
        accuracy=wilson(round(accuracy * n), n),
        log_loss=1 - accuracy,
        epochs=epochs,
        seconds=seconds,
        kept=False,
        why=say("try.made_up", "made up"),
    )


def evidence(
    *,
    train: int = 3000,
    val_images: int = 500,
    linear: float | None = 0.9,
    val: float | None = 0.9,
    size: int = 32,
    classes: int = 10,
    trials: tuple[Trial, ...] = (),
    best: str = "all",
    net: str = "lite0",
    **speeds: float,
) -> Evidence:
    """Evidence of a set of `train` images; `linear` is None where no network is at hand."""
    probes = ()
    if linear is not None:
        judged = val if val_images else None
        probes = (
            probe("top", linear - (best != "top") * 0.05, judged, train, val_images),
            probe("all", linear - (best != "all") * 0.05, judged, train, val_images),
        )
    each = tuple(train // classes + (k < train % classes) for k in range(classes))
    return Evidence(
        probes=probes,
        best_probe=best if probes else "",
        trials=trials,
        speeds=speeds or {"features": 400.0, "scratch": 2000.0, "deep": 20.0},
        images_per_class=each,
        majority=max(each) / train,
        image_size=size,
        channels=3,
        net=net if probes else "",
        input_size=224 if probes else 0,
        val_images=val_images,
        classes=tuple(f"c{k}" for k in range(classes)),
    )
