"""Complete, plausible values of a fit that never ran: what checks and the report are tested on."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from striate.values import (
    Architecture,
    Cache,
    Choice,
    Corner,
    Epoch,
    Evidence,
    Example,
    Explanation,
    Growth,
    GrowthPoint,
    History,
    ImageCounts,
    Index,
    Interval,
    LayerCard,
    LayerWeights,
    Machine,
    MachineSummary,
    ModelSpec,
    NetSettings,
    NetworkView,
    Options,
    Plan,
    PlanSummary,
    Predictions,
    Probe,
    Rows,
    Score,
    Seconds,
    Split,
    StageCard,
    Summary,
    Tap,
    Trial,
    Values,
    Verdict,
    WithLeaked,
    WorkedPlace,
    WorkedStep,
    WorkedValue,
    say,
)

NAMES = ("daisy", "dandelion", "rose", "sunflower", "tulip", "vergissmeinnicht", "向日葵", "水仙")
STAGES = ("blocks.1", "blocks.3", "blocks.5", "top")
TAPS = tuple(Tap(stage=stage, pool="mean") for stage in STAGES)
GROUNDS: tuple[Literal["measured", "paper", "convention", "asked"], ...] = (
    "measured",
    "paper",
    "convention",
    "asked",
)


def values(
    *,
    classes: int = 3,
    images: int = 300,
    accuracy: float = 0.92,
    size: int = 48,
    channels: int = 3,
    strategy: str = "deep",
    evaluation: Literal["test-split", "cross-validation"] = "test-split",
    set_aside: int = 3,
    leaked: int = 4,
    shares: tuple[float, ...] | None = None,
    history: History | Literal["made"] | None = "made",
    seed: int = 0,
) -> Values:
    """Values of a finished fit with the given shape; equal arguments give equal values."""
    rng = np.random.default_rng(seed)
    names = class_names(classes)
    index = made_index(names, images, set_aside, size, shares, rng)
    split = made_split(index, evaluation, leaked if evaluation == "test-split" else 0, rng)
    judged = split.test if evaluation == "test-split" else split.train
    predictions = made_predictions(index, judged, accuracy, rng)
    val_predictions = made_predictions(index, split.val, accuracy, rng) if len(split.val) else None
    if history == "made":
        history = (
            made_history(len(split.train), len(split.val), accuracy)
            if (strategy in ("deep", "shallow", "scratch"))
            else None
        )
    plan = made_plan(names, strategy, size)
    counted = ~np.isin(judged, split.leaked)
    test = made_score(predictions, evaluation, counted)
    val = made_score(val_predictions, "validation") if val_predictions is not None else None
    return Values(
        options=Options(minutes=2.0),
        index=index,
        split=split,
        cache=Cache(images=made_images(index, size, channels, rng), path="cache.npy"),
        machine=made_machine(),
        evidence=made_evidence(index, accuracy, strategy),
        plan=plan,
        history=history,
        model=made_spec(names, strategy, size, channels),
        predictions=predictions,
        val_predictions=val_predictions,
        test_rows=judged,
        summary=made_summary(index, split, plan, history, test, val),
    )


def class_names(classes: int) -> tuple[str, ...]:
    """Names of the classes, some of them in other scripts, sorted by code point."""
    if classes <= len(NAMES):
        return tuple(sorted(NAMES[:classes]))
    return tuple(f"species {k:04d}" for k in range(classes))


def made_index(
    names: tuple[str, ...],
    images: int,
    set_aside: int,
    size: int,
    shares: tuple[float, ...] | None,
    rng: np.random.Generator,
) -> Index:
    """An index whose labels follow `shares` (equal by default), with some files set aside."""
    weights = np.array(shares if shares else [1.0] * len(names))
    labels = np.sort(np.resize(np.arange(len(names)), images))
    if shares:
        labels = np.sort(rng.choice(len(names), images, p=weights / weights.sum()))
    examples = [
        Example(
            path=f"{names[k]}/{i:05d}.jpg",
            label=names[k],
            format="JPEG",
            mode="RGB",
            width=size * 4,
            height=size * 3,
            bytes=20_000 + i,
            bytes_hash=f"b{i}",
            pixels_hash=f"p{i}",
        )
        for i, k in enumerate(labels)
    ]
    reasons = ("cut short after 2,048 bytes", "not an image: text", "0 bytes")
    examples += [
        Example(
            path=f"{names[0]}/broken {i}.jpg",
            label=names[0],
            status="set_aside",
            reason=reasons[i % 3],
            bytes=2048,
        )
        for i in range(set_aside)
    ]
    examples.append(Example(path="notes.txt", status="ignored", reason="not an image"))
    return Index(
        root="pictures/flowers",
        name="flowers",
        kind="folder",
        classes=names,
        examples=tuple(examples),
        content_hash="5f" * 16,
    )


def made_split(index: Index, evaluation: str, leaked: int, rng: np.random.Generator) -> Split:
    """70 / 15 / 15, or five folds; the first test rows have copies in training."""
    rows = index.used()
    groups = np.arange(len(index.examples), dtype=np.int64)
    shuffled = rng.permutation(rows)
    if evaluation == "cross-validation":
        folds = np.full(len(index.examples), -1, np.int64)
        folds[shuffled] = np.arange(len(rows)) % 5
        empty = np.array([], np.int64)
        return Split(
            train=rows,
            val=empty,
            test=empty,
            groups=groups,
            leaked=empty,
            evaluation="cross-validation",
            folds=folds,
        )
    first, second = int(len(rows) * 0.7), int(len(rows) * 0.85)
    test = np.sort(shuffled[second:])
    return Split(
        train=np.sort(shuffled[:first]),
        val=np.sort(shuffled[first:second]),
        test=test,
        groups=groups,
        leaked=test[:leaked],
    )


def made_images(
    index: Index, size: int, channels: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Waves whose direction, length and colour tell the class; unused rows are zeros."""
    down, across = np.mgrid[0:size, 0:size] / size
    images = np.zeros((len(index.examples), size, size, channels), np.uint8)
    labels = index.labels()
    for row in index.used():
        k = int(labels[row])
        angle, waves = k * 0.9 + rng.normal(0, 0.1), 2 + k % 5
        wave = np.sin(2 * np.pi * waves * (across * np.cos(angle) + down * np.sin(angle)))
        tint = 0.5 + 0.5 * np.cos(k * 1.7 + np.arange(channels) * 2.1)
        noise = rng.normal(0, 12, (size, size, channels))
        images[row] = np.clip((wave[..., None] * 70 + 128) * (0.5 + tint) + noise, 0, 255)
    return images


def made_predictions(
    index: Index, rows: Rows, accuracy: float, rng: np.random.Generator
) -> Predictions:
    """Predictions that are right for about `accuracy` of the rows, and surer when right."""
    classes = len(index.classes)
    truth = index.labels()[rows]
    answer = truth.copy()
    wrong = rng.random(len(rows)) >= accuracy
    answer[wrong] = (truth[wrong] + rng.choice([1, 1, 1, 2], wrong.sum())) % classes
    top = np.where(wrong, rng.beta(4, 3, len(rows)), rng.beta(14, 1, len(rows)))
    top = np.clip(top, 1 / classes + 0.02, 0.999)
    probabilities = rng.dirichlet(np.full(classes, 0.4), len(rows))
    probabilities[np.arange(len(rows)), answer] = 0
    probabilities *= ((1 - top) / np.maximum(probabilities.sum(1), 1e-9))[:, None]
    if classes > 2:
        probabilities = np.minimum(probabilities, 0.98 * top[:, None])
    probabilities[np.arange(len(rows)), answer] = top
    probabilities /= probabilities.sum(1, keepdims=True)
    return Predictions(
        classes=index.classes,
        paths=tuple(index.examples[row].path for row in rows),
        probabilities=probabilities.astype(np.float32),
        truth=truth,
    )


def made_history(
    train_images: int,
    val_images: int,
    accuracy: float = 0.92,
    *,
    epochs: int = 20,
    train_accuracy: float = 0.95,
    kept_epoch: int | None = None,
    overfit: float = 0.0,
    floor: float = 0.22,
) -> History:
    """Curves that settle; `overfit` lifts the validation loss again by so much after its best."""
    rng = np.random.default_rng(1)
    steps = np.arange(1, epochs + 1)
    rise = 1 - np.exp(-steps / (epochs / 5))
    late = np.maximum(0, steps - epochs * 0.4) / (epochs * 0.6)
    val_loss = 1.1 * (1 - rise) + floor + overfit * late + rng.normal(0, 0.004, epochs)
    rows = [
        Epoch(
            epoch=int(e),
            step=int(e) * max(1, train_images // 64),
            lr=float(0.01 * (1 + np.cos(np.pi * e / epochs)) / 2),
            train_loss=float(1.2 * (1 - rise[i]) + max(0.01, 1 - train_accuracy)),
            train_accuracy=float(0.4 + (train_accuracy - 0.4) * rise[i]),
            val_loss=float(val_loss[i]),
            val_accuracy=float(0.4 + (accuracy - 0.4) * rise[i]),
            seconds=2.1,
            pictures_per_second=1_480.0,
        )
        for i, e in enumerate(steps)
    ]
    best = int(np.argmin(val_loss)) + 1 if kept_epoch is None else kept_epoch
    return History(
        epochs=tuple(rows), kept_epoch=best, train_images=train_images, val_images=val_images
    )


def made_machine() -> Machine:
    """A small machine."""
    return Machine(
        device="cpu",
        processor="A processor of 2 cores",
        threads=2,
        memory_bytes=24 << 30,
        precision="bfloat16",
        precision_error=0.004,
        layout="channels_last",
        fused=True,
        batch_size=16,
        speeds={"features": 448.0},
        why=(say("made.machine", "bfloat16 was {times:.1f} times as fast.", times=2.4),),
    )


def made_evidence(index: Index, accuracy: float, strategy: str) -> Evidence:
    """Probes of four stages, all taps together, and two trials."""
    counts = np.bincount(index.labels()[index.used()], minlength=len(index.classes))
    n = max(20, int(counts.sum() * 0.7))
    promised = {"blocks.1": -0.3, "blocks.3": -0.15, "blocks.5": -0.04, "top": -0.02, "all": -0.01}
    probes = tuple(
        Probe(
            name=name,
            taps=TAPS if name == "all" else (Tap(stage=name, pool="mean"),),
            dimensions=320,
            alpha=1.0,
            temperature=0.2,
            loo_accuracy=wilson(max(0.05, accuracy + change), n),
            loo_log_loss=0.3 - change,
            val_accuracy=wilson(max(0.05, accuracy + change), max(10, n // 5)),
            val_log_loss=0.31 - change,
            seconds=0.3,
        )
        for name, change in promised.items()
    )
    trials = tuple(
        Trial(
            strategy=name,
            net="compact" if name == "scratch" else "tf_efficientnet_lite0",
            settings={"epochs": 4},
            accuracy=wilson(accuracy + change, max(10, n // 5)),
            log_loss=0.3,
            epochs=4,
            seconds=seconds,
            kept=name == strategy,
            why=say(
                "made.trial", "{name} was tried for {seconds:.0f} s.", name=name, seconds=seconds
            ),
        )
        for name, change, seconds in (("scratch", -0.25, 12.0), ("deep", 0.0, 18.0))
    )
    return Evidence(
        probes=probes,
        best_probe="all",
        trials=trials,
        speeds={"features": 448.0, "deep": 31.0},
        images_per_class=tuple(int(c) for c in counts),
        majority=float(counts.max() / counts.sum()),
        image_size=48,
        channels=3,
        shift={"block1": 0.05, "top": 0.25},
        neighbour=wilson(0.7, 100),
        class_mean=wilson(0.65, 100),
        corner=Corner(
            images_per_class=float(counts.mean()),
            shift=0.15,
            large=False,
            similar=False,
            rule="layers",
            large_from=100,
            similar_below=0.075,
        ),
        growth=Growth(
            measured=tuple(
                GrowthPoint(images=n, error=e, low=e - 0.02, high=e + 0.03)
                for n, e in ((50, 0.2), (100, 0.15), (200, 0.1))
            ),
            expected=(
                GrowthPoint(images=400, error=0.07, low=0.04, high=0.1),
                GrowthPoint(images=800, error=0.05, low=0.02, high=0.09),
            ),
            exponent=0.5,
            gain_low=0.01,
            gain_high=0.05,
            n=100,
        ),
    )


def made_plan(names: tuple[str, ...], strategy: str, size: int) -> Plan:
    """A plan whose every choice has a reason."""
    given: dict[str, Any] = {
        "strategy": strategy,
        "net": "compact" if strategy == "scratch" else "tf_efficientnet_lite0",
        "settings": NetSettings(),
        "taps": TAPS,
        "alpha": 3.2,
        "input_size": size,
        "epochs": 20,
        "batch_size": 64,
        "learning_rate": 0.001,
        "layer_decay": 0.7,
        "weight_decay": 0.05,
        "optimizer": "adamw",
        "schedule": "warm-up, then cosine",
        "label_smoothing": 0.05,
        "dropout": 0.2,
        "augment": {"flip": 0.5, "crop": 0.8},
        "precision": "bfloat16",
        "threads": 2,
        "inference_batch_size": 16,
    }
    choices: dict[str, Any] = {
        name: Choice(
            value=value,
            why=say("made.why", "The value {value} was best.", value=str(value)),
            ground=GROUNDS[i % 4],
        )
        for i, (name, value) in enumerate(given.items())
    }
    because = (
        say("made.because", "A linear model on all stages reaches {accuracy:.1%}.", accuracy=0.91),
        say("made.gain", "Tuning all layers gained {points:.1f} points.", points=1.2),
    )
    return Plan(seed=0, classes=names, because=because, **choices)


def made_spec(names: tuple[str, ...], strategy: str, size: int, channels: int) -> ModelSpec:
    """The specification of the model."""
    return ModelSpec(
        net="compact" if strategy == "scratch" else "tf_efficientnet_lite0",
        settings=NetSettings(),
        classes=names,
        channels=channels,
        input_size=size,
        cache_size=size,
        resize="squash",
        mean=(0.5,) * channels,
        std=(0.5,) * channels,
        taps=TAPS,
        strategy=strategy,
        version="0.1.0",
    )


def made_score(
    predictions: Predictions | None, evaluation: Any, counted: NDArray[np.bool_] | None = None
) -> Score | None:
    """The score of the counted predictions."""
    if predictions is None or not len(predictions.truth):
        return None
    correct = predictions.predicted == predictions.truth
    counts = np.ones(len(correct), bool) if counted is None else counted
    share = wilson(float(correct[counts].mean()), int(counts.sum()))
    leaked = None
    if not counts.all():
        leaked = WithLeaked(value=float(correct.mean()), n=len(correct))
    return Score(
        value=share.value,
        interval=(share.low, share.high),
        method="wilson",
        evaluation=evaluation,
        n=share.n,
        looks=1,
        balanced_accuracy=share.value - 0.004,
        balanced_interval=(max(0.0, share.low - 0.01), min(1.0, share.high + 0.01)),
        log_loss=0.25,
        calibration_error=0.021,
        with_leaked=leaked,
    )


def made_summary(
    index: Index,
    split: Split,
    plan: Plan,
    history: History | None,
    test: Score | None,
    val: Score | None,
) -> Summary:
    """The summary, before it was judged."""
    status = [example.status for example in index.examples]
    crossed = split.evaluation == "cross-validation"
    return Summary(
        run="runs/flowers-1",
        finished=True,
        task="single-label",
        classes=index.classes,
        images=ImageCounts(
            met=len(status),
            used=status.count("used"),
            set_aside=status.count("set_aside"),
            ignored=status.count("ignored"),
            distinct=status.count("used") - len(split.leaked),
            train=len(split.train),
            val=len(split.val),
            test=len(split.train) if crossed else len(split.test) - len(split.leaked),
            leaked=len(split.leaked),
        ),
        test=test,
        val=val,
        plan=PlanSummary(
            strategy=plan.strategy.value,
            net=plan.net.value,
            weights="none" if plan.strategy.value == "scratch" else "ImageNet",
            input_size=plan.input_size.value,
            because=tuple(sentence.text for sentence in plan.because),
        ),
        kept_epoch=history.kept_epoch if history else 0,
        epochs=len(history.epochs) if history else 0,
        verdict=Verdict(code="unjudged", sentence="Not evaluated yet."),
        findings=(),
        seconds=Seconds(
            total=94.2,
            first_model=11.3,
            stages={"scan": 0.4, "cache": 3.1, "features": 5.2, "trials": 30.1, "train": 52.0},
        ),
        machine=MachineSummary(device="cpu", threads=2, precision="bfloat16"),
        versions={"python": "3.11.2", "striate": "0.1.0", "torch": "2.14.1"},
    )


def explanations() -> tuple[Explanation, ...]:
    """Pictures that a network might have given."""
    rng = np.random.default_rng(0)
    filters = tuple(rng.integers(0, 256, (12, 12, 3), np.uint8) for _ in range(16))
    maps = tuple(rng.integers(0, 256, (28, 28), np.uint8) for _ in range(8))
    return (
        Explanation(
            method="filters",
            title="First-layer filters",
            about=say("made.filters", "What the first layer looks for."),
            images=filters,
            captions=tuple(str(i) for i in range(16)),
            layer="conv_stem",
        ),
        Explanation(
            method="feature_maps",
            title="Feature maps",
            about=say("made.maps", "One image on its way through the network."),
            images=maps,
            captions=tuple(f"blocks.1 · {i}" for i in range(8)),
            layer="blocks.1",
        ),
    )


def network_view() -> NetworkView:
    """A network of one layer, and one value of it at two places."""
    kernel = np.full((3, 3, 3), 0.2, np.float32)
    weights = LayerWeights(
        layer="backbone.stem",
        kind="Conv2d",
        shape=(16, 3, 3, 3),
        mean=0.0,
        deviation=1.0,
        low=-3.0,
        high=3.0,
        counts=(100, 232, 100),
        kernel_shape=(3, 3, 3),
        kernels=(tuple(kernel.flatten().tolist()),) * 4,
    )
    layer = LayerCard(
        layer="stem",
        kind="Conv2d",
        kernel=3,
        stride=2,
        output=(16, 32, 32),
        parameters=432,
        multiply_adds=442_368,
        receptive_field=3,
    )
    return NetworkView(
        architecture=Architecture(
            net="tiny",
            channels=3,
            input_size=64,
            stages=(StageCard(name="top", output=(16, 32, 32), receptive_field=3),),
            layers=(layer,),
        ),
        weights=(weights,),
        worked=WorkedValue(
            path="a/1.png",
            image=np.full((64, 64, 3), 90, np.uint8),
            layer="stem",
            filter=4,
            filters=16,
            stride=2,
            dilation=1,
            kernel=kernel,
            places=(_worked_place(kernel, 0.5), _worked_place(kernel, -0.5)),
            error=0.0,
        ),
    )


def _worked_place(kernel: NDArray[np.float32], pixel: float) -> WorkedPlace:
    pixels = np.full_like(kernel, pixel)
    value = float((pixels * kernel).sum()) + 0.25
    active = max(0.0, value)
    pooled = max(active, 1.0)
    steps = (
        WorkedStep(operation="activation", layer="act", kind="ReLU", before=value, after=active),
        WorkedStep(
            operation="pooling",
            layer="pool",
            kind="MaxPool2d",
            before=active,
            after=pooled,
            window=(active, 1.0),
        ),
        WorkedStep(
            operation="convolution",
            layer="next",
            kind="Conv2d",
            before=pooled,
            after=4.0,
            weight=0.5,
            terms=144,
        ),
    )
    return WorkedPlace(
        row=3,
        column=5,
        top=5,
        left=9,
        pixels=pixels,
        products=pixels * kernel,
        bias=0.25,
        value=value,
        steps=steps,
    )


def wilson(share: float, n: int) -> Interval:
    """The Wilson interval of a share of n, written out here so that tests need no other room."""
    share = min(1.0, max(0.0, share))
    z2 = 1.959963984540054**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Interval(value=share, low=float(low), high=float(high), n=n)


def judged(given: Values, code: str, sentence: str) -> Values:
    """The same values with a verdict in their summary."""
    verdict = Verdict(code=code, sentence=sentence)
    return replace(given, summary=replace(given.summary, verdict=verdict))
