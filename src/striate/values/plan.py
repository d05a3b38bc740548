"""Every choice that fixes a training, each with its reason."""

from dataclasses import dataclass
from typing import Generic, Literal

from striate.values.models import NetSettings, Tap
from striate.values.saying import Sentence, T, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Generic[T]):
    """A value that was chosen, why, and on what ground."""

    value: T
    why: Sentence
    ground: Literal["measured", "paper", "convention", "asked"]


USUAL = say("plan.usual", "as usual; ask for another with --set")
WEIGHTS_AT_HAND = Choice(
    value="", why=say("plan.weights_usual", "those at hand by its name"), ground="convention"
)
WHOLE_EPOCHS = Choice(
    value=0, why=say("plan.steps_whole", "whole epochs are trained"), ground="convention"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every choice that, with the data and the seed, fixes the predictions.

    `balance` says how rare classes are made to count: `none`, `weights`, or `sampling` (they are
    drawn more often; a solution in closed form weighs them then).
    `l1` and `weight_decay` shrink weights beside the step, `clip` bounds the length of the
    gradient (0: no bound), `mix` says how two images of a batch are blended into one. `tuned` is
    how many groups of layers are tuned, counted from the head on; 0 stands for all.
    `preprocess` says what is done to an image before the first layer; whitening whole images
    keeps `whiten_components` directions (0: all) and adds `whiten_eps` mean variances to each.
    `stopping` says whether the training may end once its validation loss rises: `auto` (not with
    rates that fall to zero), `never`, `always`.
    `channels` are those of the images (0: as they have them) and `resize` says how an image comes
    to its square: `squash`, `crop` or `pad`.
    `weights` is the file of the network's first weights, "" for those at hand by its name.
    `ema` is how much of itself a moving average of the weights keeps a step (0: there is none).
    `l2_sp` pulls tuned layers to where they started instead of to 0 (0: it does not). `unfreeze`
    says when they begin to learn: `at-once`, or `gradual`, the head first. `average` of `epochs`
    tries the mean of the good epochs' weights beside each epoch. `head` is the head of a tuned
    network: as its `steps` left it, or `exact`, solved anew on the tuned features with `alpha`;
    `head_rate` is what share of the learning rate it gets while it is tuned. `interpolation` is how
    far an exact head's features lie on the way from the first weights to the tuned ones.
    `views` is how an image is judged: 1 as it is, 2 by the mean with its mirror image.
    `steps` is the step that ends the training before its last epoch is whole, where the time was
    used up; 0 where whole epochs are trained.
    """

    schema: str = "striate/plan/1"
    seed: int
    classes: tuple[str, ...]
    strategy: Choice[str]
    net: Choice[str]
    settings: Choice[NetSettings]
    taps: Choice[tuple[Tap, ...]]
    alpha: Choice[float]
    input_size: Choice[int]
    epochs: Choice[int]
    batch_size: Choice[int]
    learning_rate: Choice[float]
    layer_decay: Choice[float]
    weight_decay: Choice[float]
    optimizer: Choice[str]
    schedule: Choice[str]
    label_smoothing: Choice[float]
    dropout: Choice[float]
    augment: Choice[dict[str, float]]
    precision: Choice[str]
    threads: Choice[int]
    inference_batch_size: Choice[int]
    initialisation: Choice[str] = Choice(value="identity", why=USUAL, ground="convention")
    l1: Choice[float] = Choice(value=0.0, why=USUAL, ground="convention")
    clip: Choice[float] = Choice(value=0.0, why=USUAL, ground="convention")
    mix: Choice[str] = Choice(value="none", why=USUAL, ground="convention")
    tuned: Choice[int] = Choice(value=0, why=USUAL, ground="convention")
    balance: Choice[str] = Choice(value="none", why=USUAL, ground="convention")
    ema: Choice[float] = Choice(value=0.0, why=USUAL, ground="convention")
    channels: Choice[int] = Choice(value=0, why=USUAL, ground="convention")
    resize: Choice[str] = Choice(value="squash", why=USUAL, ground="convention")
    preprocess: Choice[str] = Choice(value="normalise", why=USUAL, ground="convention")
    whiten_components: Choice[int] = Choice(value=0, why=USUAL, ground="convention")
    whiten_eps: Choice[float] = Choice(value=0.1, why=USUAL, ground="convention")
    l2_sp: Choice[float] = Choice(value=0.0, why=USUAL, ground="convention")
    unfreeze: Choice[str] = Choice(value="at-once", why=USUAL, ground="convention")
    average: Choice[str] = Choice(value="none", why=USUAL, ground="convention")
    head: Choice[str] = Choice(value="steps", why=USUAL, ground="convention")
    interpolation: Choice[float] = Choice(value=1.0, why=USUAL, ground="convention")
    views: Choice[int] = Choice(value=1, why=USUAL, ground="convention")
    head_rate: Choice[float] = Choice(value=1.0, why=USUAL, ground="convention")
    stopping: Choice[str] = Choice(value="auto", why=USUAL, ground="convention")
    steps: Choice[int] = WHOLE_EPOCHS
    weights: Choice[str] = WEIGHTS_AT_HAND
    because: tuple[Sentence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A short training worth trying before choosing: `plan` is what to run, `seconds` its share."""

    plan: Plan
    seconds: float
    why: Sentence
