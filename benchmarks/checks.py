"""Do the checks of curves and layers find what is there, and only that?

`python benchmarks/checks.py` trains tiny networks that truly have an illness, and healthy ones,
over some seeds each: points of four classes, three clusters a class, in sixteen dimensions.
Every run is judged by every check. Recall is the share of the ill runs in which the check of
their illness found it; precision is that number over itself and the alarms in healthy runs.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.diagnose import dead_units, gradients, run_curve_checks
from striate.train.layer_statistics import measure_layer_states
from striate.values import Curves, LayerStates
from striate.values.seeds import make_rng, seed_for

CLASSES, CLUSTERS, DIMENSIONS, VAL = 4, 3, 16, 600


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a run is made: what is learnt from, by what, and how."""

    images: int = 2000
    spread: float = 0.55
    wrong: float = 0.0
    noise: float = 0.0
    width: int = 64
    depth: int = 2
    activation: Callable[[], nn.Module] = nn.ReLU
    gain: float = 1.0
    lr: float = 0.05
    momentum: float = 0.9
    schedule: Callable[[float], float] = lambda done: 0.5 * (1 + np.cos(np.pi * done))
    epochs: int = 24
    decay: float = 1e-4


def constant(done: float) -> float:
    """The same rate throughout."""
    return 1.0


def burst(done: float) -> float:
    """A rate that leaps to a thousandfold half-way, as a mistyped schedule does."""
    return 1.0 if done < 0.5 else 1000.0


ILL: dict[str, dict[str, Recipe]] = {
    "overfitting": {
        "few points, a third mislabelled": Recipe(
            images=200, wrong=0.3, width=256, epochs=50, schedule=constant, decay=0.0
        ),
        "400 points, a third mislabelled": Recipe(
            images=400, wrong=0.3, width=256, epochs=50, schedule=constant, decay=0.0
        ),
    },
    "underfitting": {"two units": Recipe(width=2, depth=1), "weight decay 0.3": Recipe(decay=0.3)},
    "learning_rate_high": {
        "tanh, SGD at 2": Recipe(activation=nn.Tanh, lr=2.0, schedule=constant),
        "tanh, SGD at 5": Recipe(activation=nn.Tanh, lr=5.0, schedule=constant),
    },
    "learning_rate_low": {
        "SGD at 5e-6": Recipe(lr=5e-6, schedule=constant),
        # As far in all as the one above: the rates of a cosine add up to half of a constant one.
        "SGD at 1e-5, cosine": Recipe(lr=1e-5),
        "SGD at 2e-5, cosine": Recipe(lr=2e-5),
    },
    "not_converged": {"stopped early": Recipe(lr=2e-3, epochs=10, schedule=constant)},
    "diverged": {
        "a rate that leaps": Recipe(schedule=burst),
        "no number": Recipe(lr=1e6, schedule=constant),
    },
    "plateau": {
        "deep sigmoid": Recipe(depth=9, activation=nn.Sigmoid, schedule=constant),
        "dead by a rate of 2": Recipe(lr=2.0, schedule=constant),
    },
    "augmentation_strong": {"noise four times the spread": Recipe(noise=2.2)},
    "dead_units": {
        "dead by a rate of 2": Recipe(lr=2.0, schedule=constant),
        "saturated": Recipe(activation=nn.Tanh, gain=40.0, lr=1e-3),
    },
    "gradients": {
        "vanishing": Recipe(depth=9, activation=nn.Sigmoid),
        "exploding": Recipe(depth=30, activation=nn.Tanh, gain=3.0, lr=1e-5, epochs=8),
    },
}
HEALTHY = {
    "cosine": Recipe(),
    "constant, then small": Recipe(schedule=lambda done: 1.0 if done < 0.7 else 0.05),
    "mild noise": Recipe(noise=0.15),
    "tanh": Recipe(activation=nn.Tanh),
    "five layers": Recipe(depth=5),
    "4,000 points, 16 epochs": Recipe(images=4000, epochs=16),
}


def points(recipe: Recipe, seed: int, count: int, part: str) -> tuple[Tensor, Tensor]:
    """Points N x 16 and their classes; the clusters are those of the seed."""
    centres = make_rng(seed, "centres").normal(0, 1, (CLASSES, CLUSTERS, DIMENSIONS))
    draw = make_rng(seed, part)
    labels = draw.integers(0, CLASSES, count)
    which = centres[labels, draw.integers(0, CLUSTERS, count)]
    values = which + draw.normal(0, recipe.spread, which.shape)
    if part == "train" and recipe.wrong:
        swapped = draw.random(count) < recipe.wrong
        labels = np.where(swapped, draw.integers(0, CLASSES, count), labels)
    return torch.tensor(values, dtype=torch.float32), torch.tensor(labels)


def network(recipe: Recipe) -> nn.Sequential:
    """Linear layers with an activation between them."""
    layers: list[nn.Module] = []
    before = DIMENSIONS
    for _ in range(recipe.depth):
        linear = nn.Linear(before, recipe.width)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="linear")
        if recipe.activation is nn.ReLU:
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        with torch.no_grad():
            linear.weight.mul_(recipe.gain)
            linear.bias.zero_()
        layers += [linear, recipe.activation()]
        before = recipe.width
    return nn.Sequential(*layers, nn.Linear(before, CLASSES))


def trained(recipe: Recipe, seed: int, val: int = VAL) -> tuple[Curves, LayerStates]:
    """The curves of one training, judged by `val` points, and how its layers stand at the end."""
    torch.manual_seed(seed_for(seed, "weights") % 2**32)
    x, y = points(recipe, seed, recipe.images, "train")
    val_x, val_y = points(recipe, seed, val, "val")
    net = network(recipe)
    optimizer = torch.optim.SGD(
        net.parameters(), recipe.lr, recipe.momentum, weight_decay=recipe.decay
    )
    draw = torch.Generator().manual_seed(seed)
    rows: list[tuple[float, ...]] = []
    for epoch in range(recipe.epochs):
        rate = recipe.lr * recipe.schedule(epoch / recipe.epochs)
        optimizer.param_groups[0]["lr"] = rate
        loss_sum = right = 0.0
        for part in torch.randperm(len(x), generator=draw).split(50):
            seen = x[part] + recipe.noise * torch.randn(x[part].shape, generator=draw)
            logits = net(seen)
            loss = F.cross_entropy(logits, y[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += float(loss.detach()) * len(part)
            right += float((logits.argmax(1) == y[part]).sum())
        with torch.no_grad():
            out = net(val_x)
            new = float(F.cross_entropy(out, val_y)), float((out.argmax(1) == val_y).float().mean())
        rows.append((loss_sum / len(x), new[0], right / len(x), new[1], rate))
    columns = [tuple(column) for column in zip(*rows, strict=True)]
    names = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "lr")
    curves = Curves(
        name=f"seed {seed}",
        epochs=tuple(range(1, recipe.epochs + 1)),
        **dict(zip(names, columns, strict=True)),
    )
    curves = replace(curves, train_images=recipe.images, val_images=val)
    return curves, measure_layer_states(net, x[:64], y[:64])


def found(recipe: Recipe, seed: int) -> set[str]:
    """Codes of what the checks found in one run."""
    curves, states = trained(recipe, seed)
    findings = (
        *run_curve_checks(curves),
        dead_units.check_dead_units_layers(states),
        gradients.check_gradients_layers(states),
    )
    return {f.code for f in findings if f.outcome == "found"}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(ILL), help="checks to plant faults for")
    given = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(given.first, given.first + given.seeds)
    false: Counter[str] = Counter()
    for name, recipe in HEALTHY.items():
        heard = [found(recipe, seed) for seed in seeds]
        false.update(code for codes in heard for code in codes)
        quiet = sum(not codes for codes in heard)
        print(f"healthy, {name}: {quiet}/{len(heard)} silent; alarms so far {dict(false)}")
    print("| check | ill run | found | recall | false alarms | precision | others found |")
    print("|---" * 7 + "|")
    for code in given.only:
        ways = ILL[code]
        for name, recipe in ways.items():
            heard = [found(recipe, seed) for seed in seeds]
            right = sum(code in codes for codes in heard)
            precision = right / max(1, right + false[code])
            others = Counter(other for codes in heard for other in codes if other != code)
            shown = ", ".join(f"{other} {n}" for other, n in others.most_common())
            print(
                f"| {code} | {name} | {right}/{len(heard)} | {right / len(heard):.2f} | "
                f"{false[code]} of {len(HEALTHY) * len(seeds)} | {precision:.2f} | {shown} |"
            )


if __name__ == "__main__":
    main()
