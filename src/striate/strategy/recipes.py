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
        why=say("recipe.scratch.settings", "the compact network as it is built by default"),
        ground="convention",
    ),
    taps=Choice(
        value=(Tap(stage="top", pool="max"),),
        why=say("recipe.scratch.taps", "the last stage, at its strongest over the image"),
        ground="paper",
    ),
    batch_size=Choice(
        value=128,
        why=say("recipe.scratch.batch_size", "batches of 64 to 512 are equally fast here"),
        ground="measured",
    ),
    learning_rate=Choice(
        value=0.12,
        why=say(
            "recipe.scratch.learning_rate",
            "each step turns a layer by up to about 0.12 radians; twice as much was 1 to 2 points "
            "worse on CIFAR-10",
        ),
        ground="measured",
    ),
    layer_decay=Choice(
        value=1.0,
        why=say("recipe.scratch.layer_decay", "all layers start from nothing, so all learn alike"),
        ground="convention",
    ),
    head_rate=Choice(
        value=1.0,
        why=say("recipe.scratch.head_rate", "the head starts from nothing as the layers do"),
        ground="convention",
    ),
    weight_decay=Choice(
        value=5e-4,
        why=say("recipe.scratch.weight_decay", "the usual decay for a small network"),
        ground="convention",
    ),
    optimizer=Choice(
        value="muon",
        why=say(
            "recipe.scratch.optimizer",
            "Muon was 11 points above Nesterov momentum after one look at 20,000 CIFAR-10 images, "
            "3 points after eight epochs of Fashion-MNIST",
        ),
        ground="measured",
    ),
    schedule=Choice(
        value="one-cycle",
        why=say("recipe.scratch.schedule", "rates that rise and then fall to zero suit few epochs"),
        ground="paper",
    ),
    label_smoothing=Choice(
        value=0.1,
        why=say("recipe.scratch.label_smoothing", "keeps a network from being too sure"),
        ground="paper",
    ),
    dropout=Choice(
        value=0.0,
        why=say("recipe.scratch.dropout", "short trainings end before dropout pays"),
        ground="convention",
    ),
    augment=Choice(
        value={"crop": 1.0},
        why=say(
            "recipe.scratch.augment",
            "small shifts keep every label true; mirroring would not for signs and digits",
        ),
        ground="convention",
    ),
    least_epochs=2,
    most_epochs=120,
)

DEEP = Recipe(
    settings=Choice(
        value=NetSettings(),
        why=say("recipe.deep.settings", "the pretrained network as it is"),
        ground="convention",
    ),
    taps=Choice(
        value=(),
        why=say("recipe.deep.taps", "the stages that the best probe reads"),
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
            "of 2e-4, 5e-4 and 1e-3 the one with the best features on validation images, whichever "
            "of {n} sets is left out",
            n=4,
        ),
        ground="measured",
    ),
    layer_decay=Choice(
        value=0.7,
        why=say("recipe.deep.layer_decay", "early stages are general and need to move less"),
        ground="paper",
    ),
    head_rate=Choice(
        value=0.1,
        why=say(
            "recipe.deep.head_rate",
            "the exact head reads so many features that steps of their size spoil it: with it "
            "tuned as fast as they are, it was worse than before on most sets",
        ),
        ground="measured",
    ),
    weight_decay=Choice(
        value=0.01,
        why=say("recipe.deep.weight_decay", "the usual decay for this optimizer"),
        ground="convention",
    ),
    optimizer=Choice(
        value="adamw",
        why=say("recipe.deep.optimizer", "its step does not depend on each stage's scale"),
        ground="convention",
    ),
    schedule=Choice(
        value="cosine",
        why=say("recipe.deep.schedule", "rates that fall to zero settle what was learnt"),
        ground="convention",
    ),
    label_smoothing=Choice(
        value=0.0,
        why=say("recipe.deep.label_smoothing", "the exact head's scores are already cautious"),
        ground="convention",
    ),
    dropout=Choice(
        value=0.0,
        why=say("recipe.deep.dropout", "the exact head was fitted without it"),
        ground="convention",
    ),
    augment=Choice(
        value={"crop": 1.0},
        why=say("recipe.deep.augment", "small shifts keep every label true"),
        ground="convention",
    ),
    least_epochs=2,
    most_epochs=30,
)
