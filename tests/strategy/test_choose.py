"""The choice as a table: what was measured, what follows, and which sentence says so."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategy.evidences import ALL, MACHINE, TOP, evidence, trial

from striate.errors import UsageError
from striate.strategy import budget
from striate.strategy.choose import choose_plan, choose_trials
from striate.strategy.recipes import DEEP, SCRATCH
from striate.values import Evidence, Plan, TrainingOptions

OPTIONS = TrainingOptions(minutes=2)


def codes(plan: Plan) -> list[str]:
    return [sentence.code for sentence in plan.because]


@pytest.mark.parametrize(
    ("case", "seconds", "strategy", "code"),
    [
        # The linear model leaves too little to win, or nothing to judge by.
        (evidence(linear=1.0, val=1.0), 100, "linear", "choose.nothing_to_win"),
        (evidence(linear=0.997, val=1.0), 100, "linear", "choose.nothing_to_win"),
        (evidence(val_images=0), 100, "linear", "choose.no_validation"),
        # Small images and a trial that may pass: gtsrb32.
        (
            evidence(linear=0.98, val=0.98, trials=(trial(0.985),)),
            80,
            "scratch",
            "promise.hopeful",
        ),
        # A trial below, yet so short that the full training should pass.
        (evidence(trials=(trial(0.87, epochs=5),)), 60, "scratch", "promise.hopeful"),
        # A trial far below; tuning has no time.
        (evidence(trials=(trial(0.5, epochs=9),), size=224), 60, "linear", "promise.hopeless"),
        # The same with small images: the trial is too short to tell.
        (evidence(trials=(trial(0.5, epochs=9),)), 60, "scratch", "promise.small"),
        # Large images, few of them: only tuning, if there is time for it.
        (evidence(train=700, size=224), 60, "linear", "promise.scratch_unproven"),
        (evidence(train=700, size=224), 600, "deep", "promise.deep"),
        # The same, and a trial that says otherwise.
        (
            evidence(train=700, size=224, trials=(trial(0.85, epochs=4),)),
            60,
            "scratch",
            "promise.hopeful",
        ),
        # Too many images to try first.
        (
            evidence(train=40_000, val_images=5000, scratch=1700.0),
            90,
            "scratch",
            "promise.scratch_untried",
        ),
        # Nothing measured, nothing trained.
        (evidence(features=400.0), 600, "linear", "out.unmeasured"),
        # No pretrained network.
        (evidence(linear=None), 60, "scratch", "choose.no_pretrained"),
        # Hardly any time.
        (evidence(), 9, "linear", "out.no_time"),
        (evidence(), -5, "linear", "out.no_time"),
    ],
)
def test_what_follows_from_what(case: Evidence, seconds: float, strategy: str, code: str):
    plan = choose_plan(case, seconds, OPTIONS, MACHINE)
    assert plan.strategy.value == strategy
    assert code in codes(plan)
    assert (plan.epochs.value == 0) == (strategy == "linear")


def test_reasons_carry_their_figures():
    plan = choose_plan(evidence(trials=(trial(0.87),)), 60, OPTIONS, MACHINE)
    figures = {sentence.code: sentence.figures for sentence in plan.because}
    assert figures["choose.linear_validated"]["loo"] == pytest.approx(0.9)
    assert figures["choose.linear_validated"]["n"] == 3000
    (tried,) = (said["tried"] for said in figures.values() if "tried" in said)
    assert tried == pytest.approx(0.87)
    assert figures["choose.train"]["epochs"] == plan.epochs.value
    assert plan.strategy.ground == "measured"


def test_two_that_promise_something_are_ranked_by_what_they_promise():
    slow = {"scratch": 2000.0, "deep": 400.0}
    poor = evidence(trials=(trial(0.84, epochs=20),), **slow)
    assert choose_plan(poor, 90, OPTIONS, MACHINE).strategy.value == "deep"
    good = evidence(trials=(trial(0.95, epochs=20),), **slow)
    assert choose_plan(good, 90, OPTIONS, MACHINE).strategy.value == "scratch"


def test_a_trial_is_for_images_that_leave_something_to_win():
    (tried,) = choose_trials(evidence(scratch=2000.0, deep=2000.0), 90, OPTIONS, MACHINE)
    assert tried.plan.strategy.value == "scratch"
    assert tried.plan.net.value == "compact"
    assert tried.seconds == pytest.approx(0.12 * 120)
    assert 1 <= tried.plan.epochs.value <= tried.seconds * 2000 / 3000
    (large,) = choose_trials(evidence(size=224, scratch=500.0), 90, OPTIONS, MACHINE)
    assert large.plan.input_size.value == 224
    (few,) = choose_trials(evidence(train=700, size=224, scratch=500.0), 90, OPTIONS, MACHINE)
    assert few.seconds == pytest.approx(0.12 * 120)


@pytest.mark.parametrize(
    ("case", "options"),
    [
        (evidence(linear=1.0, val=1.0), OPTIONS),
        (evidence(val=0.99, val_images=200), OPTIONS),
        (evidence(val_images=0), OPTIONS),
        (evidence(train=700, size=224, scratch=10.0), OPTIONS),
        (evidence(linear=None), OPTIONS),
        (evidence(features=400.0), OPTIONS),
        (evidence(), OPTIONS),
        (evidence(), replace(OPTIONS, strategy="linear")),
        (evidence(), replace(OPTIONS, strategy="scratch")),
        (evidence(), replace(OPTIONS, net="resnet18")),
        (evidence(train=40_000, scratch=1700.0), OPTIONS),
    ],
)
def test_no_trial_where_it_could_change_nothing(case: Evidence, options: TrainingOptions):
    assert choose_trials(case, 90, options, MACHINE) == ()


def test_what_was_asked_for_is_done():
    for strategy in ("linear", "layers", "shallow", "deep", "scratch"):
        plan = choose_plan(
            evidence(linear=1.0, val=1.0), 60, replace(OPTIONS, strategy=strategy), MACHINE
        )
        assert plan.strategy.value == strategy
        assert plan.strategy.ground == "asked"
        assert codes(plan)[0] == "choose.asked"
        assert (plan.epochs.value > 0) == (strategy in ("shallow", "deep", "scratch"))


def test_a_strategy_that_was_asked_for_runs_one_epoch_even_without_time():
    for strategy in ("deep", "scratch"):
        plan = choose_plan(evidence(), 1, replace(OPTIONS, strategy=strategy), MACHINE)
        assert plan.epochs.value == 1
        unmeasured = evidence(features=1.0)
        plan = choose_plan(unmeasured, 60, replace(OPTIONS, strategy=strategy), MACHINE)
        assert plan.epochs.why.code == "epochs.unmeasured"


@pytest.mark.parametrize("strategy", ["linear", "layers", "shallow", "deep"])
def test_what_needs_a_pretrained_network_says_so(strategy: str):
    with pytest.raises(UsageError, match=f"{strategy} needs a pretrained network"):
        choose_plan(evidence(linear=None), 60, replace(OPTIONS, strategy=strategy), MACHINE)


def test_layers_reads_more_than_the_top():
    found = evidence(best="top")
    assert choose_plan(found, 60, replace(OPTIONS, strategy="linear"), MACHINE).taps.value == TOP
    assert choose_plan(found, 60, replace(OPTIONS, strategy="layers"), MACHINE).taps.value == ALL


def test_a_net_that_was_asked_for_is_the_net():
    asked = replace(OPTIONS, net="resnet18")
    plan = choose_plan(evidence(net="resnet18"), 60, asked, MACHINE)
    assert (plan.net.value, plan.net.ground) == ("resnet18", "asked")
    assert "out.net_asked" in codes(plan)


def test_a_linear_plan_is_the_best_probe():
    plan = choose_plan(evidence(linear=1.0, val=1.0), 60, OPTIONS, MACHINE)
    assert plan.taps.value == ALL
    assert plan.alpha.value == 10.0
    assert plan.input_size.value == 224
    assert plan.net.value == "lite0"
    assert plan.classes == tuple(f"c{k}" for k in range(10))


def test_a_trained_plan_follows_its_recipe():
    scratch = choose_plan(evidence(), 60, replace(OPTIONS, strategy="scratch"), MACHINE)
    assert scratch.learning_rate == SCRATCH.learning_rate
    assert scratch.taps == SCRATCH.taps
    assert (scratch.net.value, scratch.input_size.value) == ("compact", 32)
    deep = choose_plan(evidence(), 900, replace(OPTIONS, strategy="deep"), MACHINE)
    assert deep.layer_decay == DEEP.layer_decay
    assert deep.taps.value == ALL
    assert (deep.net.value, deep.input_size.value, deep.alpha.value) == ("lite0", 224, 10.0)


def test_few_images_get_smaller_batches_at_the_same_rate():
    few = choose_plan(
        evidence(train=100, val_images=0), 60, replace(OPTIONS, strategy="scratch"), MACHINE
    )
    assert few.batch_size.value == 16
    assert few.learning_rate == SCRATCH.learning_rate


CASES = st.builds(
    evidence,
    train=st.integers(20, 60_000),
    val_images=st.integers(0, 5000),
    linear=st.none() | st.floats(0.1, 1),
    val=st.floats(0.1, 1),
    size=st.integers(8, 224),
    trials=st.lists(st.builds(trial, st.floats(0, 1)), max_size=1).map(tuple),
    scratch=st.floats(0, 5000),
    deep=st.floats(0, 500),
)


@given(CASES, st.floats(-20, 3600), st.floats(0, 3600))
def test_the_choice_is_whole_pure_and_within_its_time(case: Evidence, seconds: float, more: float):
    plan = choose_plan(case, seconds, OPTIONS, MACHINE)
    assert plan == choose_plan(case, seconds, OPTIONS, MACHINE)
    assert plan.because
    assert all(sentence.text and sentence.code for sentence in plan.because)
    longer = choose_plan(
        case, seconds + more, replace(OPTIONS, strategy=plan.strategy.value), MACHINE
    )
    assert longer.epochs.value >= plan.epochs.value
    for candidate in choose_trials(case, seconds, OPTIONS, MACHINE):
        assert 0 < candidate.seconds <= 0.25 * max(0.0, seconds)
    if plan.epochs.value > 1 and case.probes:
        speed = case.speeds[plan.strategy.value]
        spent = plan.epochs.value * sum(case.images_per_class) / speed
        assert spent <= budget.training_seconds(seconds) * (1 + 1e-6)
