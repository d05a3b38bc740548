"""Every setting of a training, each with its reason."""

from dataclasses import dataclass
from typing import Generic, Literal

from striate.values.models import NetSettings, Tap
from striate.values.saying import Sentence, T, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Generic[T]):
    """A value, the reason for it, and the kind of evidence."""

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
    """All settings that, with the data and the seed, determine the predictions.

    `balance` is the class balancing: `none`, `weights`, or `sampling` (rare classes are sampled
    more often; a closed-form solution uses weights instead). `l1` and `weight_decay` are decoupled
    penalties, `clip` bounds the gradient norm (0: no bound), `mix` is how two images of a batch are
    blended. `tuned` is the number of groups of layers to fine-tune, counted from the head; 0 means
    all. `preprocess` transforms an image before the first layer; whitening whole images keeps
    `whiten_components` components (0: all) and adds `whiten_eps` mean variances to each. `stopping`
    is early stopping: `auto` (not with a learning rate that falls to zero), `never`, `always`.
    `channels` are those of the images (0: as in the files) and `resize` is how an image becomes
    square: `squash`, `crop` or `pad`. `weights` is the file of the initial weights, "" for those
    available under the network's name. `ema` is the decay per step of a moving average of the
    weights (0: none). `l2_sp` is an L2 penalty towards the initial weights instead of 0 (0: none).
    `unfreeze` is when fine-tuned layers start to train: `at-once`, or `gradual`, the head first.
    `average` of `epochs` tries the mean of the good epochs' weights after each epoch. `head` of a
    fine-tuned network: as trained by its `steps`, or `exact`, solved again on the fine-tuned
    features with `alpha`; `head_rate` is its factor on the learning rate. `interpolation` is where
    the features of an exact head lie between the initial weights (0) and the fine-tuned ones (1).
    `views` is 1 to predict the image as it is, 2 to average with its flipped image.
    `steps` ends the training after so many steps, before its last epoch is complete, if the time is
    used up; 0 for whole epochs.
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
    """A short trial training before choosing: `plan` is what to run, `seconds` its share."""

    plan: Plan
    seconds: float
    why: Sentence
