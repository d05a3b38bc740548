"""Every check fires on its planted fault and is silent on healthy values."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests import made

from striate import diagnose
from striate.data.split.image_series import series_notes
from striate.diagnose import fit_verdict, judgement_of, run_checks, widen_interval
from striate.diagnose.overfitting import loss_rise_of_values
from striate.diagnose.small_validation import provable_lead
from striate.metrics import intervals
from striate.report.headline import verdict_text
from striate.report.language import load_words
from striate.values import Finding, Outlier, Predictions, Series, Values
from striate.values.catalog import collect_constants


def said(values: Values, code: str) -> Finding:
    return collect_constants("diagnose", "CHECK")[code].run(values)


def healthy(seed: int = 0, **changes: object) -> Values:
    """A run with nothing wrong: balanced, calibrated, converged, nothing set aside or leaked."""
    given: dict[str, object] = {
        "images": 4000,
        "accuracy": 0.97,
        "set_aside": 0,
        "leaked": 0,
        "size": 8,
    }
    values = made.values(**{**given, **changes}, seed=seed)
    history = made.made_history(len(values.split.train), 600, 0.97, train_accuracy=0.985)
    return replace(values, history=history, predictions=calibrated(values.predictions, seed))


def calibrated(predictions: Predictions, seed: int) -> Predictions:
    """The same truths, answered as often rightly as the stated probabilities say."""
    rng = np.random.default_rng(seed)
    n, classes = predictions.probabilities.shape
    sure = rng.beta(30, 1, n).clip(0.6, 0.999)
    right = rng.random(n) < sure
    answer = np.where(right, predictions.truth, (predictions.truth + 1) % classes)
    table = np.repeat(((1 - sure) / (classes - 1))[:, None], classes, axis=1)
    table[np.arange(n), answer] = sure
    return replace(predictions, probabilities=table.astype(np.float32))


def answered(values: Values, answers: np.ndarray) -> Values:
    """The same run with other answers, given with near certainty."""
    classes = len(values.predictions.classes)
    table = np.full((len(answers), classes), 0.01 / (classes - 1), np.float32)
    table[np.arange(len(answers)), answers] = 0.99
    predictions = replace(values.predictions, probabilities=table)
    score = made.made_score(predictions, "test-split", values.counted)
    summary = replace(values.summary, test=score)
    return replace(values, predictions=predictions, summary=summary)


@pytest.mark.parametrize("seed", range(10))
def test_a_healthy_run_hears_no_false_alarm(seed: int) -> None:
    found = {f.code for f in run_checks(healthy(seed)) if f.outcome == "found"}
    # Which of two strategies is ahead may be close in a healthy run too.
    assert found <= {"small_validation"}


@pytest.mark.parametrize("seed", range(3))
def test_every_check_answers_for_every_kind_of_run(seed: int) -> None:
    runs = (
        made.values(seed=seed),
        made.values(classes=2, images=60, evaluation="cross-validation", strategy="linear"),
        made.values(strategy="linear", history=None),
        replace(made.values(), evidence=None, history=None),
    )
    codes = set(collect_constants("diagnose", "CHECK"))
    for values in runs:
        findings = run_checks(values)
        assert {finding.code for finding in findings} == codes
        for finding in findings:
            assert finding.title
            assert finding.meaning
            assert "{" not in finding.meaning + finding.advice + finding.title
            assert finding.advice or finding.outcome != "found"
        assert fit_verdict(findings, values).sentence


def test_without_known_labels_nothing_is_claimed() -> None:
    values = made.values()
    blind = replace(values.predictions, truth=np.full_like(values.predictions.truth, -1))
    summary = replace(values.summary, test=None, val=None)
    values = replace(values, predictions=blind, summary=summary, evidence=None, history=None)
    findings = run_checks(values)
    assert not [f for f in findings if f.outcome == "found" and f.code != "set_aside"]
    assert fit_verdict(findings, values).code == "unjudged"


def test_overfitting_is_seen_in_a_loss_that_rises_again() -> None:
    values = healthy()
    history = made.made_history(2800, 600, 0.9, train_accuracy=0.999, overfit=0.4, floor=0.3)
    finding = said(replace(values, history=history), "overfitting")
    assert (finding.outcome, finding.variant, finding.severity) == ("found", "late", "warning")
    assert finding.figures["best"] < finding.figures["last"]


def test_overfitting_is_seen_in_a_gap() -> None:
    values = healthy(accuracy=0.85)
    history = made.made_history(2800, 600, 0.85, train_accuracy=0.995, floor=0.5)
    values = replace(values, history=history)
    finding = said(values, "overfitting")
    assert (finding.outcome, finding.variant) == ("found", "gap")
    assert fit_verdict(run_checks(values), values).code == "overfitting_gap"


def test_a_gap_that_chance_explains_is_no_overfitting() -> None:
    values = made.values(images=200, accuracy=0.93, leaked=0)
    history = made.made_history(140, 30, 0.93, train_accuracy=0.98)
    assert said(replace(values, history=history), "overfitting").outcome == "passed"


def test_a_gap_that_few_validation_images_hide_is_no_overfitting() -> None:
    values = healthy()
    assert values.summary.val is not None
    low = made.wilson(0.95, 120)
    val = replace(values.summary.val, value=0.95, interval=(low.low, low.high), n=120)
    history = made.made_history(2000, 120, 0.95, train_accuracy=1.0)
    values = replace(values, history=history, summary=replace(values.summary, val=val))
    assert said(values, "overfitting").outcome == "passed"


def test_a_training_that_broke_down_is_not_called_overfitting() -> None:
    history = made.made_history(2800, 600, overfit=0.6)
    broken = tuple(replace(epoch, train_loss=epoch.val_loss) for epoch in history.epochs)
    assert loss_rise_of_values(replace(history, epochs=broken)) is None


def test_a_linear_model_overfits_where_it_breaks_its_promise() -> None:
    values = made.values(images=4000, size=8, strategy="linear", accuracy=0.95)
    assert said(values, "overfitting").variant == "linear"
    assert values.summary.val is not None
    low = replace(values.summary.val, value=0.8, interval=(0.766, 0.830))
    worse = replace(values, summary=replace(values.summary, val=low))
    assert said(worse, "overfitting").variant == "promise"


def test_underfitting_is_seen_on_the_training_images() -> None:
    values = healthy(accuracy=0.75)
    history = made.made_history(2800, 600, 0.75, train_accuracy=0.76, floor=0.7)
    values = replace(values, history=history)
    assert said(values, "underfitting").outcome == "found"
    assert fit_verdict(run_checks(values), values).code == "underfitting_fit"


def test_hard_augmentation_is_not_underfitting() -> None:
    values = healthy(accuracy=0.97)
    history = made.made_history(2800, 600, 0.97, train_accuracy=0.88)
    assert said(replace(values, history=history), "underfitting").outcome == "passed"


def test_a_linear_model_underfits_where_a_trial_did_better() -> None:
    values = made.values(images=4000, size=8, strategy="linear", accuracy=0.75)
    assert values.evidence is not None
    better = replace(values.evidence.trials[0], accuracy=made.wilson(0.95, 600))
    evidence = replace(values.evidence, trials=(better,))
    finding = said(replace(values, evidence=evidence), "underfitting")
    assert (finding.outcome, finding.variant) == ("found", "trial")


def test_a_loss_that_still_falls_is_not_converged() -> None:
    values = healthy()
    history = made.made_history(2800, 600)
    falling = tuple(
        replace(epoch, val_loss=2.0 - 0.09 * i) for i, epoch in enumerate(history.epochs)
    )
    assert (
        said(replace(values, history=replace(history, epochs=falling)), "not_converged").outcome
        == "found"
    )
    assert said(values, "not_converged").outcome == "passed"


def test_a_single_epoch_is_no_proof_of_balance() -> None:
    values = healthy(accuracy=0.81)
    history = made.made_history(2800, 600, 0.81, epochs=1, train_accuracy=0.65, kept_epoch=1)
    values = replace(values, history=history)
    assert said(values, "not_converged").variant == "short"
    assert fit_verdict(run_checks(values), values).code == "not_converged_short"


def test_guessing_is_told_from_knowing() -> None:
    values = healthy()
    mute = answered(values, np.zeros(len(values.test_rows), np.int64))
    finding = said(mute, "guessing")
    assert (finding.outcome, finding.severity) == ("found", "serious")
    assert fit_verdict(run_checks(mute), mute).code.startswith("guessing")
    assert said(values, "guessing").outcome == "passed"


def of_counts(truth: list[int], predicted: list[int], trained: list[int]) -> Values:
    """A run that judged images of `truth` so, after learning from so many images of each class."""
    made_up = made.values(classes=2, images=len(truth) + sum(trained), set_aside=0, leaked=0)
    labels = [*truth, *(k for k, n in enumerate(trained) for _ in range(n))]
    names = made_up.index.classes
    examples = tuple(
        replace(example, label=names[k])
        for example, k in zip(made_up.index.examples, labels, strict=False)
    )
    rows = np.arange(len(labels))
    split = replace(made_up.split, test=rows[: len(truth)], train=rows[len(truth) :], val=rows[:0])
    sure = np.where(np.eye(2)[predicted] > 0, 0.9, 0.1).astype(np.float32)
    found = Predictions(
        classes=names, paths=("",) * len(truth), probabilities=sure, truth=np.array(truth)
    )
    score = made.made_score(found, "test-split")
    return replace(
        made_up,
        index=replace(made_up.index, examples=examples),
        split=split,
        predictions=found,
        test_rows=split.test,
        val_predictions=None,
        summary=replace(made_up.summary, test=score),
    )


def test_the_baseline_is_the_majority_class_of_the_training_images_everywhere() -> None:
    values = of_counts([0] * 20 + [1] * 40, [0] * 20 + [1] * 40, trained=[30, 10])
    share = pytest.approx(20 / 60)
    assert values.guessing == share
    assert said(values, "guessing").figures["majority"] == share
    assert said(values, "guessing").figures["name"] == values.index.classes[0]


def test_few_images_all_correct_are_not_said_to_have_learnt_nothing() -> None:
    values = of_counts([0] * 3 + [1] * 3, [0] * 3 + [1] * 3, trained=[3, 3])
    finding = said(values, "guessing")
    assert (finding.outcome, finding.variant, finding.severity) == ("found", "few", "warning")
    assert "nothing" not in finding.meaning
    assert "6 of 6" in finding.meaning
    assert fit_verdict(run_checks(values), values).code == "guessing_few"


def test_an_accuracy_at_the_baseline_that_tells_rare_classes_apart_says_both() -> None:
    truth = [0] * 400 + [1] * 4
    values = of_counts(truth, truth, trained=[400, 4])
    finding = said(values, "guessing")
    assert (finding.variant, finding.severity) == ("rare", "warning")
    assert finding.figures["balanced"] == 1.0
    always = of_counts(truth, [0] * 404, trained=[400, 4])
    assert said(always, "guessing").variant == "always"
    assert said(always, "guessing").severity == "serious"


def test_leaks_are_counted_and_both_numbers_given() -> None:
    finding = said(made.values(leaked=7), "leakage")
    assert finding.outcome == "found"
    assert finding.figures["leaked"] == 7
    assert "7 of" in finding.meaning
    assert "with them" in finding.meaning


def set_aside(leaked: int, of: int) -> Values:
    """A run whose given test split was set aside, since so many of its images have a twin."""
    values = made.values(images=200, evaluation="cross-validation", strategy="linear", set_aside=0)
    given = values.split.train[:of]
    groups = values.split.groups.copy()
    groups[given[:leaked]] = groups[values.split.train[of : of + leaked]]
    split = replace(values.split, groups=groups, given_test=given, given_leaked=given[:leaked])
    return replace(values, split=split)


def test_a_given_test_split_that_was_set_aside_for_its_copies_is_a_serious_leak() -> None:
    values = set_aside(57, 58)
    finding = said(values, "leakage")
    assert (finding.outcome, finding.severity, finding.variant) == ("found", "serious", "given")
    assert (finding.figures["leaked"], finding.figures["n"]) == (57, 58)
    paths = [example.path for example in values.index.examples]
    pair = [paths.index(str(finding.figures[name])) for name in ("one", "other")]
    assert values.split.groups[pair[0]] == values.split.groups[pair[1]]
    assert pair[1] not in values.split.given_test
    assert said(set_aside(1, 58), "leakage").severity == "warning"


def test_leaks_that_could_not_move_the_accuracy_are_a_note() -> None:
    few, many = (said(made.values(images=4000, size=8, leaked=n), "leakage") for n in (1, 60))
    assert (few.outcome, few.severity) == ("found", "info")
    assert (many.outcome, many.severity) == ("found", "warning")


def test_files_set_aside_are_grave_where_they_could_change_the_number() -> None:
    assert said(made.values(images=4000, size=8, set_aside=5), "set_aside").variant == "few"
    grave = said(made.values(images=4000, size=8, set_aside=900), "set_aside")
    assert (grave.variant, grave.severity) == ("grave", "warning")


def test_a_close_choice_on_few_images_is_told() -> None:
    values = made.values(images=300, strategy="deep")
    assert values.summary.val is not None
    n = len(values.split.val)
    val = replace(values.summary.val, value=(n - 2) / n)
    assert (
        said(replace(values, summary=replace(values.summary, val=val)), "small_validation").outcome
        == "found"
    )


def test_a_choice_against_an_unproved_lead_is_close_too() -> None:
    values = made.values(images=300, strategy="deep")
    assert values.evidence is not None
    assert values.summary.val is not None
    n = len(values.split.val)
    ahead = replace(values.evidence.trials[0], accuracy=made.wilson((n - 2) / n, n))
    val = replace(values.summary.val, value=(n - 3) / n)
    evidence = replace(values.evidence, probes=(), trials=(ahead,))
    values = replace(values, evidence=evidence, summary=replace(values.summary, val=val))
    assert said(values, "small_validation").outcome == "found"


def test_the_least_provable_lead_is_right() -> None:
    wins = provable_lead()
    assert intervals.sign_test(wins, 0) < 0.05 <= intervals.sign_test(wins - 1, 0)


def test_rare_classes_that_suffer_are_found() -> None:
    values = made.values(classes=3, images=3000, size=8, shares=(0.6, 0.35, 0.05), accuracy=1.0)
    truth = values.predictions.truth
    ruined = answered(values, np.where(truth == 2, 0, truth))
    assert said(ruined, "imbalance").outcome == "found"
    assert said(answered(values, truth), "imbalance").outcome == "passed"
    assert said(healthy(), "imbalance").outcome == "not_applicable"


def test_a_class_never_answered_is_named() -> None:
    values = healthy()
    truth = values.predictions.truth
    silent = answered(values, np.where(truth == 1, 0, truth))
    finding = said(silent, "never_predicted")
    assert finding.outcome == "found"
    assert values.index.classes[1] in finding.meaning


def test_one_unlucky_image_makes_no_class_silent() -> None:
    values = made.values(classes=200, images=1200, size=8, accuracy=0.6, leaked=0)
    assert said(values, "never_predicted").outcome == "passed"


def test_a_weak_class_is_named() -> None:
    values = healthy()
    truth = values.predictions.truth.copy()
    half = np.flatnonzero(truth == 2)[::2]
    answers = truth.copy()
    answers[half] = 0
    finding = said(answered(values, answers), "weak_class")
    assert finding.outcome == "found"
    assert values.index.classes[2] in finding.meaning


def in_bursts(values: Values, classes: int) -> Values:
    """The same run, its images of each class all of one burst."""
    groups = values.index.labels() % classes
    return replace(values, split=replace(values.split, groups=groups))


def test_one_burst_makes_no_class_weak_or_silent() -> None:
    values = healthy()
    truth = values.predictions.truth
    weak = answered(values, np.where(truth == 2, 0, truth))
    assert said(weak, "weak_class").outcome == "found"
    assert said(weak, "never_predicted").outcome == "found"
    assert said(in_bursts(weak, 3), "weak_class").outcome == "passed"
    assert said(in_bursts(weak, 3), "never_predicted").outcome == "passed"


@pytest.mark.parametrize(("sure", "variant"), [(0.99, "over"), (0.6, "under")])
def test_stated_probabilities_that_lie_are_found(sure: float, variant: str) -> None:
    values = healthy()
    truth = values.predictions.truth
    right = np.random.default_rng(0).random(len(truth)) < 0.85
    answers = np.where(right, truth, (truth + 1) % 3)
    table = np.full((len(truth), 3), (1 - sure) / 2, np.float32)
    table[np.arange(len(truth)), answers] = sure
    values = replace(values, predictions=replace(values.predictions, probabilities=table))
    finding = said(values, "calibration")
    assert (finding.outcome, finding.variant) == ("found", variant)


def test_few_images_cannot_judge_probabilities() -> None:
    assert said(made.values(images=100), "calibration").outcome == "not_applicable"


def test_a_test_split_from_another_world_is_found() -> None:
    values = healthy()
    truth = values.predictions.truth
    worse = np.where(np.arange(len(truth)) % 4 == 0, (truth + 1) % 3, truth)
    assert said(answered(values, worse), "other_world").outcome == "found"
    assert said(answered(values, truth), "other_world").outcome == "passed"


def test_a_class_that_no_image_judges_is_named() -> None:
    values = of_counts([0] * 30, [0] * 30, trained=[30, 30])
    finding = said(values, "unjudged_class")
    assert (finding.outcome, finding.severity) == ("found", "warning")
    assert finding.figures["names"] == values.predictions.classes[1]
    assert (finding.figures["judged"], finding.figures["classes"]) == (1, 2)
    assert said(of_counts([0, 1], [0, 1], trained=[3, 3]), "unjudged_class").outcome == "passed"


def test_many_pictures_under_two_labels_come_before_all_else() -> None:
    values = made.values(images=60, set_aside=0)
    twins = tuple(
        replace(example, pixels_hash=f"p{number % 25}")
        for number, example in enumerate(values.index.examples)
    )
    torn = replace(values, index=replace(values.index, examples=twins))
    assert said(torn, "contradiction").severity == "serious"


def test_one_picture_under_two_labels_is_found() -> None:
    values = made.values()
    first, *others = values.index.examples
    twin = replace(others[-10], pixels_hash=first.pixels_hash)
    examples = (first, *others[:-10], twin, *others[-9:])
    torn = replace(values, index=replace(values.index, examples=examples))
    finding = said(torn, "contradiction")
    assert finding.outcome == "found"
    assert first.path in finding.meaning
    assert said(values, "contradiction").outcome == "passed"


def test_intervals_grow_with_the_level_and_keep_their_shape() -> None:
    share = made.wilson(0.9, 200)
    grown = widen_interval(share)
    exact = intervals.wilson(180, 200, 0.99)
    assert (grown.low, grown.high) == pytest.approx((exact.low, exact.high))
    wide = replace(share, low=share.low - 0.05)
    assert widen_interval(wide).low < grown.low


def test_every_check_is_explained_in_the_reference() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/reference/checks.md").read_text("utf-8")
    for code in collect_constants("diagnose", "CHECK"):
        assert f"\n## {code.replace('_', '-')}\n" in page


@pytest.mark.parametrize("pattern", ["", r"(.*)\d\.\w+$"])
def test_series_are_told_with_what_to_type(pattern: str) -> None:
    values = healthy()
    assert said(values, "series").outcome == "passed"
    series = Series(
        suspected=True,
        n=100,
        share=0.4,
        chance=0.1,
        p=0.005,
        order="name",
        across=False,
        pattern=pattern,
    )
    suspected = replace(values, split=replace(values.split, notes=series_notes(series)))
    finding = said(suspected, "series")
    assert finding.outcome == "found"
    assert finding.variant == ("pattern" if pattern else "table")
    assert pattern in finding.advice
    assert "40.0%" in finding.meaning


def test_images_unlike_all_others_are_named() -> None:
    values = healthy()
    assert said(values, "outliers").outcome == "not_applicable"
    assert said(replace(values, outliers=()), "outliers").outcome == "passed"
    odd = Outlier(row=3, path="a/odd.gif", label="a", stage="top", deviations=6.0, bar=4.5)
    finding = said(replace(values, outliers=(odd,) * 5), "outliers")
    assert (finding.outcome, finding.figures["n"]) == ("found", 5)
    assert "a/odd.gif" in finding.meaning


def test_a_rare_class_that_is_always_missed_is_not_said_to_be_unharmed() -> None:
    values = of_counts([0] * 50 + [1] * 2, [0] * 52, trained=[400, 10])
    finding = said(values, "imbalance")
    assert finding.outcome != "passed"


def said_of_fit() -> dict[str, str]:
    """The titles and meanings of all findings: English by file and line, Chinese by key."""
    folder = Path(diagnose.__file__).parent
    found: dict[str, str] = {}
    for path in folder.glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "make_finding":
                for part in call.keywords:
                    if part.arg in ("title", "meaning") and isinstance(part.value, ast.Constant):
                        found[f"{path.name}:{part.value.lineno}"] = str(part.value.value)
    for key, text in load_words("zh").texts.items():
        if key.startswith("finding.") and key.endswith((".title", ".meaning")):
            found[key] = text
    return found


def test_findings_say_what_they_saw_and_leave_the_judgement_to_the_verdict() -> None:
    judges = re.compile(r"\b(over|under)fit(s|ted)?\b|fits its|[它不未](可能|见)?[过欠]拟合|拟合了")
    texts = said_of_fit()
    assert len(texts) > 200
    assert not {place: text for place, text in texts.items() if judges.search(text)}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_one_finding_decides_on_over_and_underfitting(lang: str) -> None:
    words = load_words(lang)
    told = set()
    for train, val in ((0.99, 0.7), (0.7, 0.69), (0.95, 0.94)):
        for epochs in (3, 30):
            history = made.made_history(2800, 600, val, train_accuracy=train, epochs=epochs)
            values = made.values(images=4000, size=8, accuracy=val, history=history)
            findings = run_checks(values)
            verdict = fit_verdict(findings, values)
            judgement = judgement_of(verdict.code)
            assert judgement is not None
            assert verdict_text(verdict, words).startswith(words.sentence(judgement))
            for finding in findings:
                assert words.sentence(judgement) not in words.finding(finding)[1]
            told.add(verdict.code)
    assert {"overfitting_gap", "not_converged_short", "underfitting_fit"} <= told
