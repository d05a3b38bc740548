"""The pages that teach: each has its parts, its Chinese twin, and names only what exists."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from striate.values import catalog

DOCS = Path(__file__).resolve().parents[2] / "docs"
TAUGHT = [
    page.relative_to(DOCS)
    for folder in ("tutorial", "why")
    for page in sorted((DOCS / folder).glob("*.md"))
]
INDEXES = [page for page in TAUGHT if page.name == "index.md"]
PAGES = [page for page in TAUGHT if page not in INDEXES]
# The three of these are about what a number is worth, not about a technique.
TECHNIQUES = [
    page
    for page in PAGES
    if page.parent.name == "why" and page.stem not in ("split", "intervals", "strategy")
]
CELL = re.compile(r"^```\{code-cell\} python\n.*?^```$", re.M | re.S)
FENCED = re.compile(r"^```.*?^```$", re.M | re.S)
FIGURE = re.compile(
    r"(\d[\d,]*(?:\.\d+)?)(?: ± \d[\d.]*)?\s?(?:%|points|percentage points|个百分点)"
)
LEVELS = ("95", "99")
# Figures of the kind "when a model says 80 %": examples, not measurements.
MADE_UP = {("calibration", "80"), ("dropout", "5")}
LOG = (DOCS / "LOG.md").read_text("utf-8")
NAMED = re.compile(r"`(striate(?:\.\w+)+)`")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def text(page: Path) -> str:
    return (DOCS / page).read_text("utf-8")


def both(page: Path) -> list[Path]:
    return [page, "zh" / page]


def found(name: str) -> Any:
    """The module, function, class or attribute of a dotted name; raises where there is none."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            value = getattr(value, part)
        return value
    raise ModuleNotFoundError(name)


def test_all_techniques_of_the_course_have_a_page() -> None:
    wanted = {
        "convolution",
        "pooling",
        "activations",
        "dropout",
        "batch-normalisation",
        "augmentation",
        "preprocessing",
        "initialisation",
        "kernel-stride-padding",
        "learning-rate",
        "schedules",
        "averaging",
        "optimisers",
        "regularisation",
        "label-smoothing",
        "fine-tuning",
        "softmax",
        "backpropagation",
        "epoch",
        "calibration",
    }
    assert wanted <= {page.stem for page in TECHNIQUES}


@pytest.mark.parametrize("page", TECHNIQUES, ids=str)
def test_a_technique_has_its_parts(page: Path) -> None:
    for each, captioned, measured, code in (
        (text(page), "*Figure: ", "What we measured", "In the code: "),
        (text("zh" / page), "*图：", "我们测得了什么", "代码中："),
    ):
        assert each.count("$$") >= 2, "a formula"
        assert each.count("plt.show()") == len(re.findall(f"^{re.escape(captioned)}", each, re.M))
        assert "plt.show()" in each
        last = each.rstrip().rsplit("\n\n", 1)[-1]
        assert last.startswith(code)
        assert NAMED.search(last)
        assert f"## {measured}" in each or page.stem == "convolution"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_figure_is_described_right_below_its_cell(page: Path) -> None:
    for each in both(page):
        for cell in CELL.finditer(text(each)):
            if "plt.show()" in cell[0]:
                below = text(each)[cell.end() :].lstrip().split("\n")[0]
                assert re.fullmatch(r"\*(Figure: |图：).+\*", below), (each, below[:40])


@pytest.mark.parametrize("page", TAUGHT, ids=str)
def test_a_page_and_its_chinese_twin_have_the_same_cells(page: Path) -> None:
    english, chinese = text(page), text("zh" / page)
    assert CELL.findall(english) == CELL.findall(chinese)
    assert english.count("$$") == chinese.count("$$")
    assert NAMED.findall(english) == NAMED.findall(chinese)
    prose = CELL.sub("", chinese)
    assert len(CHINESE.findall(prose)) > 0.1 * len(prose)


@pytest.mark.parametrize("page", TAUGHT, ids=str)
def test_the_languages_are_linked_both_ways(page: Path) -> None:
    up = "../../"
    assert f"[中文](../zh/{page})" in text(page)
    assert f"[English]({up}{page})" in text("zh" / page)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_measured_figure_stands_in_prose_alone(page: Path) -> None:
    """Percentages and points are in a cell of the page, or in the log that their section cites.

    As far as that can be told without a reader: a cell holds the same number, as a share or in per
    cent. The levels of intervals are no measurements.
    """
    for each in both(page):
        cells = " ".join(FENCED.findall(text(each)))
        for section in text(each).split("\n## "):
            prose = re.sub(r"`[^`\n]*`", "", FENCED.sub("", section))
            known = cells + (LOG if "LOG.md" in prose else "")
            for figure in FIGURE.findall(prose):
                bare = figure.replace(",", "")
                if bare in LEVELS or (page.stem, bare) in MADE_UP:
                    continue
                forms = {figure, bare, f"{float(bare) / 100:g}"}
                assert any(stands(form, known) for form in forms), (each, figure)


def stands(number: str, within: str) -> bool:
    """Whether a number stands in a text as such and not as a part of another."""
    return re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", within) is not None


@pytest.mark.parametrize("page", INDEXES, ids=str)
def test_every_page_is_listed(page: Path) -> None:
    names = [each.stem for each in PAGES if each.parent == page.parent]
    for each in both(page):
        lines = text(each).splitlines()
        assert sorted(line for line in lines if line in names) == sorted(names), each


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_what_a_page_names_exists(page: Path) -> None:
    for name in NAMED.findall(CELL.sub("", text(page))):
        assert found(name) is not None
    for each in both(page):
        for target in re.findall(r"\]\(([^)#:]+\.md)", text(each)):
            assert (DOCS / each.parent / target).resolve().is_file(), (each, target)


def test_the_course_leads_through_every_page() -> None:
    for each in both(Path("course/index.md")):
        linked = {Path(target).stem for target in re.findall(r"\]\(([^)#:]+\.md)", text(each))}
        assert {page.stem for page in PAGES} <= linked, each
        for target in re.findall(r"\]\(([^)#:]+\.md)", text(each)):
            assert (DOCS / each.parent / target).resolve().is_file(), (each, target)


def test_the_toolboxes_page_lists_every_file_that_is_read() -> None:
    page = (DOCS / "reference" / "toolboxes.md").read_text("utf-8")
    readers = catalog.collect_constants("toolboxes.readers", "TOOLBOX").values()
    for toolbox in readers:
        assert toolbox.name in page
        for ending in toolbox.endings:
            assert f"`{ending}`" in page, (toolbox.name, ending)
