"""The default recipe of each strategy: hyperparameters with their reasons."""

from dataclasses import dataclass

from striate.values import Choice, NetSettings, Tap, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The settings of one strategy; `least_epochs` and `most_epochs` bound the epochs.

    The learning rate holds for batches smaller than `batch_size` too.
    """

    settings: Choice[NetSettings]
    taps: Choice[tuple[Tap, ...]]
    batch_size: Choice[int]
    learning_rate: Choice[float]
    layer_decay: Choice[float]
    head_rate: Choice[float]
    weight_decay: Choice[float]
    optimizer: Choice[str]
    schedule: Choice[str]
    label_smoothing: Choice[float]
    dropout: Choice[float]
    augment: Choice[dict[str, float]]
    least_epochs: int
    most_epochs: int


SCRATCH = Recipe(
    settings=Choice(
        value=NetSettings(),
        why=say("recipe.scratch.settings", "the default settings of the compact network"),
        ground="convention",
    ),
    taps=Choice(
        value=(Tap(stage="top", pool="max"),),
        why=say("recipe.scratch.taps", "the last stage, pooled to its maximum over the image"),
        ground="paper",
    ),
    batch_size=Choice(
        value=128,
        why=say("recipe.scratch.batch_size", "batches of 64 to 512 images are equally fast here"),
        ground="measured",
    ),
    learning_rate=Choice(
        value=0.12,
        why=say(
            "recipe.scratch.learning_rate",
            "each step rotates a layer's weight vectors by at most about 0.12 radians; twice the "
            "rate was 1 to 2 percentage points worse on CIFAR-10",
        ),
        ground="measured",
    ),
    layer_decay=Choice(
        value=1.0,
        why=say(
            "recipe.scratch.layer_decay",
            "all layers start from random weights, so all have the same learning rate",
        ),
        ground="convention",
    ),
    head_rate=Choice(
        value=1.0,
        why=say(
            "recipe.scratch.head_rate",
            "the head starts from random weights, as the other layers do",
        ),
        ground="convention",
    ),
    weight_decay=Choice(
        value=5e-4,
        why=say("recipe.scratch.weight_decay", "the usual weight decay for a small network"),
        ground="convention",
    ),
    optimizer=Choice(
        value="muon",
        why=say(
            "recipe.scratch.optimizer",
            "Muon was 11 percentage points better than SGD with Nesterov momentum after one "
            "epoch of 20,000 CIFAR-10 images, and 3 percentage points better after eight epochs "
            "of Fashion-MNIST",
        ),
        ground="measured",
    ),
    schedule=Choice(
        value="one-cycle",
        why=say(
            "recipe.scratch.schedule",
            "a learning rate that warms up and then falls to zero suits a short training",
        ),
        ground="paper",
    ),
    label_smoothing=Choice(
        value=0.1,
        why=say("recipe.scratch.label_smoothing", "it keeps the network from being overconfident"),
        ground="paper",
    ),
    dropout=Choice(
        value=0.0,
        why=say("recipe.scratch.dropout", "in a short training, dropout costs more than it gains"),
        ground="convention",
    ),
    augment=Choice(
        value={"crop": 1.0},
        why=say(
            "recipe.scratch.augment",
            "small shifts do not change a label; flips can, for example of signs and digits",
        ),
        ground="convention",
    ),
    least_epochs=2,
    most_epochs=120,
)

DEEP = Recipe(
    settings=Choice(
        value=NetSettings(),
        why=say("recipe.deep.settings", "the pretrained network unchanged"),
        ground="convention",
    ),
    taps=Choice(
        value=(),
        why=say("recipe.deep.taps", "the stages that the best linear probe reads"),
        ground="measured",
    ),
    batch_size=Choice(
        value=16,
        why=say("recipe.deep.batch_size", "small batches give more steps in a short training"),
        ground="convention",
    ),
    learning_rate=Choice(
        value=1e-3,
        why=say(
            "recipe.deep.learning_rate",
            "of 2e-4, 5e-4 and 1e-3, the one that gave the best features on validation images, "
            "whichever of the {n} data sets is left out",
            n=4,
        ),
        ground="measured",
    ),
    layer_decay=Choice(
        value=0.7,
        why=say(
            "recipe.deep.layer_decay", "early stages hold general features and need to change less"
        ),
        ground="paper",
    ),
    head_rate=Choice(
        value=0.1,
        why=say(
            "recipe.deep.head_rate",
            "the exact head reads many features, and steps as large as those of the other layers "
            "make it worse: with the same learning rate, fine-tuning lowered accuracy on most "
            "data sets",
        ),
        ground="measured",
    ),
    weight_decay=Choice(
        value=0.01,
        why=say("recipe.deep.weight_decay", "the usual weight decay for this optimizer"),
        ground="convention",
    ),
    optimizer=Choice(
        value="adamw",
        why=say(
            "recipe.deep.optimizer", "its step size does not depend on the scale of each stage"
        ),
        ground="convention",
    ),
    schedule=Choice(
        value="cosine",
        why=say(
            "recipe.deep.schedule", "a learning rate that falls to zero lets the weights settle"
        ),
        ground="convention",
    ),
    label_smoothing=Choice(
        value=0.0,
        why=say(
            "recipe.deep.label_smoothing", "none is needed: the exact head is not overconfident"
        ),
        ground="convention",
    ),
    dropout=Choice(
        value=0.0,
        why=say("recipe.deep.dropout", "the exact head was solved without dropout"),
        ground="convention",
    ),
    augment=Choice(
        value={"crop": 1.0},
        why=say("recipe.deep.augment", "small shifts do not change a label"),
        ground="convention",
    ),
    least_epochs=2,
    most_epochs=30,
)
