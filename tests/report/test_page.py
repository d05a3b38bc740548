"""The page: order, size, escaping, self-containment, and the same text every time."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from tests import made

from striate.diagnose import fit_verdict, run_checks
from striate.metrics.probability_calibration import choose_calibration
from striate.report.compose import compose_report
from striate.report.html import render_page
from striate.report.image_kinds import (
    confident_mistake_places,
    confident_mistakes_section,
    first_of_each_group,
)
from striate.report.language import load_words
from striate.report.learning_curves import learning_curves_section
from striate.report.results_per_class import class_results
from striate.values import Finding, Report, Values, Verdict

ORDER = (
    "leakage answer findings mistakes classes confusion confidence choices training seeing source "
    "aside repeat"
).split()


def judged(values: Values) -> tuple[Values, tuple[Finding, ...]]:
    findings = run_checks(values)
    summary = replace(values.summary, verdict=fit_verdict(findings, values))
    return replace(values, summary=summary), findings


def report(values: Values, lang: str = "en") -> Report:
    values, findings = judged(values)
    return compose_report(values, findings, made.explanations(), lang)


@pytest.fixture(scope="module")
def usual() -> Values:
    return made.values()


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    "shape",
    [
        {"classes": 3},
        {"classes": 2, "images": 60, "evaluation": "cross-validation", "strategy": "linear"},
        {"classes": 1000, "images": 6000, "size": 28, "accuracy": 0.7},
        {"classes": 20, "images": 400, "size": 100, "channels": 1, "strategy": "scratch"},
    ],
    ids=["three", "two", "thousand", "twenty"],
)
def test_every_shape_gives_a_page_below_three_megabytes(
    lang: str, shape: dict[str, int | str]
) -> None:
    page = render_page(report(made.values(**shape), lang))
    assert len(page.encode()) < 3_000_000
    assert "None" not in re.sub(r"<[^>]+>", " ", page.split("</style>")[1])


def test_sections_follow_a_readers_questions(usual: Values) -> None:
    assert [section.key for section in report(usual).sections] == ORDER


def test_the_number_comes_first_as_a_sentence(usual: Values) -> None:
    made_report = report(usual)
    assert made_report.headline == "38 of 41 images were correct"
    for figure in ("92.7\u202f%", "95\u202f%", "80.6–97.5", "n = 41"):
        assert figure in made_report.subline
    assert report(usual, "zh").headline == "41 张图像中 38 张正确"


def test_copies_in_the_given_test_split_are_the_first_thing_said() -> None:
    values = made.values(images=200, evaluation="cross-validation", strategy="linear", leaked=0)
    rows, groups = values.split.train, values.split.groups.copy()
    groups[rows[0]] = groups[rows[100]]
    split = replace(values.split, groups=groups, given_test=rows[:2], given_leaked=rows[:1])
    made_report = report(replace(values, split=split))
    assert "1 of the 2 test images" in made_report.headline
    first = made_report.sections[0]
    assert first.key == "leakage"
    pair = next(block for block in first.blocks if block.kind == "gallery")
    captions = [caption.split("\n")[1] for caption in pair.captions]
    assert captions == [values.index.examples[row].path for row in (rows[0], rows[100])]


def test_an_accuracy_that_is_not_beyond_the_baseline_says_so_before_the_number(
    usual: Values,
) -> None:
    unproved = replace(usual.summary, verdict=Verdict(code="guessing_few", sentence="Few."))
    made_report = compose_report(replace(usual, summary=unproved), (), ())
    assert "majority class" in made_report.headline


@pytest.mark.parametrize(("lang", "words_of_it"), [("en", "temperature"), ("zh", "温度")])
def test_how_scores_become_probabilities_is_said(
    usual: Values, lang: str, words_of_it: str
) -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (200, 3))
    truth = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
    how = choose_calibration(logits, truth, np.arange(200), 1.0)
    changed = replace(usual, model=replace(usual.model, calibration=how))
    old, new = (
        next(s for s in report(of, lang).sections if s.key == "confidence")
        for of in (usual, changed)
    )
    assert words_of_it in new.blocks[-1].text
    assert words_of_it not in str(old)


def test_a_fit_without_a_judge_says_so(usual: Values) -> None:
    blind = replace(
        usual,
        predictions=replace(usual.predictions, truth=np.full_like(usual.predictions.truth, -1)),
        summary=replace(usual.summary, test=None),
    )
    page = render_page(report(blind))
    assert "There is no accuracy to state" in page


def test_answers_that_are_never_sure_give_a_page_too() -> None:
    unsure = made.values(classes=3, images=60, evaluation="cross-validation", strategy="scratch")
    probabilities = np.full_like(unsure.predictions.probabilities, 1 / 3)
    unsure = replace(unsure, predictions=replace(unsure.predictions, probabilities=probabilities))
    assert "nan" not in render_page(report(unsure))


def test_a_training_without_validation_shows_no_empty_numbers() -> None:
    values = made.values()
    assert values.history is not None
    nan = float("nan")
    epochs = tuple(replace(e, val_loss=nan, val_accuracy=nan) for e in values.history.epochs)
    values = replace(values, history=replace(values.history, epochs=epochs, val_images=0))
    section = learning_curves_section(values, load_words("en"))
    assert section is not None
    assert "Validation loss" not in section.blocks[-1].header
    assert "nan" not in str(section)


def test_the_page_needs_nothing_from_elsewhere(usual: Values) -> None:
    page = render_page(report(usual))
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert "default-src 'none'" in page
    assert "@import" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_names_of_classes_and_files_are_escaped() -> None:
    evil = "<img src=x onerror=alert(1)>&\"'"
    values = made.values()
    first, *others = values.index.classes
    classes = (evil, *others)
    examples = tuple(
        replace(e, path=e.path + evil, label=evil if e.label == first else e.label)
        for e in values.index.examples
    )
    values = replace(
        values,
        index=replace(values.index, classes=classes, examples=examples, name=evil, root=evil),
        predictions=replace(values.predictions, classes=classes, paths=(evil,) * 45),
    )
    page = render_page(report(values))
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_every_chart_has_a_table_twin(usual: Values) -> None:
    for section in report(usual).sections:
        if any(block.kind == "chart" and not block.rows for block in section.blocks):
            assert any(block.kind == "table" for block in section.blocks), section.key


def test_headings_and_cells_of_tables_agree(usual: Values) -> None:
    for lang in ("en", "zh"):
        for section in report(usual, lang).sections:
            for block in section.blocks:
                if block.header:
                    assert all(block.header), (
                        block.title  # an empty heading cannot be read aloud
                    )
                    assert {len(row) for row in block.rows} <= {len(block.header)}, block.title
                if block.bars and block.kind == "table":
                    assert len(block.bars) == len(block.rows)


def test_the_same_values_give_the_same_page(usual: Values) -> None:
    assert render_page(report(usual)) == render_page(report(usual))


def test_tags_are_closed_and_ids_are_unique(usual: Values) -> None:
    checker = Tags()
    checker.feed(render_page(report(usual)))
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))


def test_the_finding_that_the_verdict_repeats_stands_once() -> None:
    history = made.made_history(210, 45, 0.9, train_accuracy=0.99, overfit=1.5)
    page = render_page(report(made.values(history=history)))
    assert page.count("It overfits. The validation loss rose") == 1


def test_mistakes_are_sorted_and_exclude_leaked_images(usual: Values) -> None:
    places = confident_mistake_places(usual)
    sure = usual.predictions.probabilities[places].max(axis=1)
    assert (np.diff(sure) <= 0).all()
    assert not np.isin(usual.test_rows[places], usual.split.leaked).any()


def test_of_mistakes_in_one_group_the_surest_is_shown(usual: Values) -> None:
    places, groups = np.array([5, 3, 9, 1]), np.array([7, 2, 7, 2])
    assert first_of_each_group(places, groups).tolist() == [5, 3]
    one = np.zeros(len(usual.split.groups), np.int64)
    together = replace(usual, split=replace(usual.split, groups=one))
    section = confident_mistakes_section(together, load_words("en"))
    assert section is not None
    assert len(section.blocks[0].images) == 1
    assert section.blocks[0].note == load_words("en")("mistakes.one_a_group")


def test_scores_of_classes_add_up(usual: Values) -> None:
    scores = class_results(usual)
    assert sum(score.n for score in scores) == usual.counted.sum()
    assert sum(score.said for score in scores) == usual.counted.sum()
    assert sum(score.trained for score in scores) == len(usual.split.train)


class Tags(HTMLParser):
    """Follows opening and closing tags, and collects ids."""

    VOID = frozenset("area base br col embed hr img input link meta source track wbr use".split())

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag
