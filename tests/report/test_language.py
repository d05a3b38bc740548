"""Texts in two languages: nothing missing, no figure lost, numbers as people write them."""

import ast
import string
from collections.abc import Iterator
from dataclasses import fields as fields_of
from pathlib import Path

import pytest

from striate.report.language import choose_language, load_words, plain_spaces
from striate.values import Finding, Plan, Sentence, say

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "striate"
ENGLISH, CHINESE = load_words("en"), load_words("zh")


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def strings(node: ast.AST) -> set[str]:
    """The texts that an expression may give: one constant, or those of a conditional."""
    constants = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant))
    return {value for value in constants if isinstance(value, str)}


def calls(name: str) -> Iterator[tuple[Path, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent.name == "report":  # there `say` is the catalogue itself
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name and node.args:
                yield path, node


def said() -> list[tuple[str, str]]:
    """Every code of a sentence with its file; one held by a variable is looked up there."""
    found = []
    for path, call in calls("say"):
        codes = strings(call.args[0])
        if isinstance(call.args[0], ast.Name):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            codes = set().union(*(strings(v) for v in assigned(tree, call.args[0].id)))
        assert codes, f"{path.name}: the code of a sentence cannot be found"
        found += [(code, path.name) for code in sorted(codes)]
    return found


def assigned(tree: ast.AST, name: str) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in node.targets
        ):
            yield node.value


def findings() -> list[tuple[str, ast.Call]]:
    found = []
    for _, call in calls("make_finding"):
        code, outcome = (next(iter(strings(arg))) for arg in call.args[:2])
        variants = {""}
        for keyword in call.keywords:
            if keyword.arg == "variant":
                variants = strings(keyword.value)
        found += [(".".join(p for p in (code, outcome, v) if p), call) for v in sorted(variants)]
    return found


def test_every_sentence_has_a_chinese_text() -> None:
    missing = [f"{code} ({place})" for code, place in said() if not CHINESE.knows(f"say.{code}")]
    assert not missing


def test_every_finding_has_chinese_texts_with_figures_that_it_has() -> None:
    for key, call in findings():
        english = " ".join(text for keyword in call.keywords for text in strings(keyword.value))
        for part in ("title", "meaning", "advice"):
            text = CHINESE.texts.get(f"finding.{key}.{part}")
            assert text is not None, f"zh.toml lacks finding.{key}.{part}"
            assert fields(text) <= fields(english), f"finding.{key}.{part}"


def test_every_english_text_of_the_catalogue_has_a_chinese_one() -> None:
    for key, english in ENGLISH.texts.items():
        stem = key.removesuffix(".one").removesuffix(".other")
        chinese = CHINESE.texts.get(stem)
        assert chinese is not None, key
        if not key.endswith(".one"):  # "1 epoch" may leave out what "{n} epochs" says
            assert fields(chinese) - {"n"} <= fields(english), key


def test_the_chinese_catalogue_has_no_text_that_is_never_used() -> None:
    known = {key.removesuffix(".one").removesuffix(".other") for key in ENGLISH.texts}
    known |= {f"say.{code}" for code, _ in said()}
    known |= {f"finding.{key}.{p}" for key, _ in findings() for p in ("title", "meaning", "advice")}
    own = {key for key in CHINESE.texts if not key.endswith((".one", ".other"))}
    assert own <= known


def test_a_sentence_is_translated_by_its_code() -> None:
    sentence = say("choose.asked", "You asked for {strategy}.", strategy="deep")
    assert ENGLISH.sentence(sentence) == "You asked for deep."
    assert CHINESE.sentence(sentence) == "你指定了策略 deep。"


def test_a_sentence_without_its_figures_falls_back_to_english() -> None:
    old = Sentence(code="choose.asked", figures={}, text="You asked for deep.")
    assert CHINESE.sentence(old) == "You asked for deep."


def test_an_unknown_finding_is_told_in_english() -> None:
    finding = Finding(
        code="comet",
        outcome="found",
        severity="info",
        title="A comet",
        figures={},
        meaning="Seen in 50% of nights.",
        advice="",
        see="",
    )
    assert CHINESE.finding(finding)[0] == "A comet"
    assert ENGLISH.finding(finding)[1] == "Seen in 50\u202f% of nights."


def test_plurals_follow_n() -> None:
    assert ENGLISH("source.images", n=1) == "1 image"
    assert ENGLISH("source.images", n=1200) == "1,200 images"
    assert CHINESE("source.images", n=1) == "1 张图像"


def test_an_unknown_key_is_an_error_that_names_it() -> None:
    with pytest.raises(KeyError, match=r"no\.such"):
        ENGLISH("no.such")


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0.01, "< 0.1 s", "< 0.1 秒"),
        (3.14, "3.1 s", "3.1 秒"),
        (59.4, "59 s", "59 秒"),
        (94.2, "1 min 34 s", "1 分 34 秒"),
        (3725, "1 h 2 min", "1 小时 2 分"),
    ],
)
def test_seconds_as_people_say_them(seconds: float, english: str, chinese: str) -> None:
    assert ENGLISH.seconds(seconds) == english
    assert CHINESE.seconds(seconds) == chinese


def test_per_cent_is_set_as_each_language_does() -> None:
    assert ENGLISH.percent(0.9204) == "92.0\u202f%"
    assert CHINESE.percent(0.9204) == "92.0%"
    assert plain_spaces(ENGLISH.percent(0.5)) == "50.0 %"
    assert ENGLISH.span(0.894, 0.94) == "89.4–94.0"


@pytest.mark.parametrize(
    ("locale", "lang"), [("zh_CN.UTF-8", "zh"), ("de_DE.UTF-8", "en"), ("C", "en")]
)
def test_the_locale_picks_the_language(
    locale: str, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.setenv("LANG", locale)
    assert choose_language("auto") == lang
    assert choose_language("zh") == "zh"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_choice_of_a_plan_has_a_name_for_people(lang: str) -> None:
    say = load_words(lang)
    choices = [field.name for field in fields_of(Plan) if "Choice" in str(field.type)]
    assert len(choices) > 20
    assert not [name for name in choices if say.named("choice", name) == name]
