"""A diverged training: once more with the remedy, or an error where its settings were asked for."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.learn.made_context import some_context
from tests.train.made_training import plan

from striate.errors import UsageError
from striate.learn.finetune import gradient_training
from striate.train.divergence import DivergedError, DivergenceOrigin
from striate.values import Choice, Epoch, History, Plan, say

EPOCH = Epoch(
    epoch=1,
    step=5,
    lr=0.1,
    train_loss=1.0,
    train_accuracy=0.5,
    val_loss=1.0,
    val_accuracy=0.5,
    seconds=1.0,
    pictures_per_second=9.0,
)
WHERE = DivergenceOrigin(layer="backbone.blocks.1.0", kind="Conv2d", part="output")


def diverged(epochs: int) -> DivergedError:
    fault = DivergedError(7, epochs + 1, WHERE)
    fault.history = History(
        epochs=(EPOCH,) * epochs, kept_epoch=epochs, train_images=9, val_images=3
    )
    fault.state = {"w": torch.ones(1)} if epochs else None
    return fault


@pytest.fixture
def usable(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(gradient_training, "_partial_classifier", lambda *_: "best epoch")
    return []


def attempt(monkeypatch: pytest.MonkeyPatch, usable: list[Any], of: Plan, *ends: Any) -> Any:
    """What comes of it where one training after the other ends like this."""
    tried: list[tuple[Plan, str]] = []

    def train(job: Any, plan: Plan, linear: Any, evidence: Any, folder: str = "training") -> Any:
        tried.append((plan, folder))
        end = ends[len(tried) - 1]
        if isinstance(end, Exception):
            raise end
        return end, None, plan

    monkeypatch.setattr(gradient_training, "train_plan", train)
    job: Any = some_context(given_plan=None, usable=usable.append)
    return gradient_training.train_with_retry(job, of, None, None), tried


def test_auto_tries_once_more_with_the_remedy_and_says_so(
    monkeypatch: pytest.MonkeyPatch, usable: list[Any]
) -> None:
    (model, _, executed), tried = attempt(monkeypatch, usable, plan(), diverged(0), "mended")
    assert model == "mended"
    assert [folder for _, folder in tried] == ["training", "training-mended"]
    assert executed.learning_rate.value == pytest.approx(0.005)
    assert executed.clip.value == 1.0
    assert executed.learning_rate.ground == "measured"
    assert executed.because[-1].code == "mend.again"
    assert "backbone.blocks.1.0" in executed.because[-1].text
    assert usable == []


def test_settings_that_were_asked_for_are_an_error_and_the_best_epoch_stays(
    monkeypatch: pytest.MonkeyPatch, usable: list[Any]
) -> None:
    asked = Choice(value=9.0, why=say("test.asked", "asked"), ground="asked")
    with pytest.raises(UsageError, match=r"step 7 .*backbone\.blocks\.1\.0") as caught:
        attempt(monkeypatch, usable, replace(plan(), learning_rate=asked), diverged(1))
    assert caught.value.exit_code == 2
    assert "clip" in caught.value.hint
    assert usable == ["best epoch"]


def test_a_second_divergence_ends_with_the_best_epoch(
    monkeypatch: pytest.MonkeyPatch, usable: list[Any]
) -> None:
    (model, history, executed), _ = attempt(monkeypatch, usable, plan(), diverged(0), diverged(2))
    assert model == "best epoch"
    assert history.kept_epoch == 2
    assert [s.code for s in executed.because] == ["mend.again", "mend.stopped"]


def test_with_no_epoch_done_the_error_goes_on(
    monkeypatch: pytest.MonkeyPatch, usable: list[Any]
) -> None:
    with pytest.raises(DivergedError):
        attempt(monkeypatch, usable, plan(), diverged(0), diverged(0))
