"""The report in a real browser: readable by everyone, at every width, with no script or network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from tests import made

from striate.diagnose import fit_verdict, run_checks
from striate.report.compose import compose_report
from striate.report.html import render_page

pytestmark = pytest.mark.slow

SHAPES: dict[str, dict[str, Any]] = {
    "three": {"classes": 3},
    "two": {"classes": 2, "images": 60, "evaluation": "cross-validation", "strategy": "linear"},
    "thousand": {"classes": 1000, "images": 6000, "size": 28, "accuracy": 0.7},
}
OVERFITTED = made.made_history(210, 45, 0.9, train_accuracy=0.99, overfit=1.5)

Write = Callable[..., str]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Writes the report of a shape in a language and gives its address."""
    folder = tmp_path_factory.mktemp("pages")

    def written(shape: str, lang: str, **changes: Any) -> str:
        values = made.values(**{**SHAPES[shape], **changes})
        findings = run_checks(values)
        judged = fit_verdict(findings, values)
        values = replace(values, summary=replace(values.summary, verdict=judged))
        page: Path = folder / f"{shape}-{lang}.html"
        page.write_text(
            render_page(compose_report(values, findings, made.explanations(), lang)), "utf-8"
        )
        return page.as_uri()

    return written


@contextmanager
def opened(browser: Browser, address: str, width: int = 1280, **settings: Any) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
    page = context.new_page()
    page.goto(address)
    yield page
    context.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("shape", "lang"), [("three", "en"), ("three", "zh"), ("two", "zh"), ("thousand", "en")]
)
def test_axe_finds_nothing_and_nothing_sticks_out(
    browser: Browser, axe: str, write: Write, shape: str, lang: str, scheme: str, width: int
) -> None:
    history = {"history": OVERFITTED} if shape == "three" else {}
    address = write(shape, lang, **history)
    with opened(browser, address, width, color_scheme=scheme, bypass_csp=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        page.evaluate(axe)
        found = page.evaluate("axe.run()")["violations"]
        assert [(v["id"], [node["html"] for node in v["nodes"]]) for v in found] == []


def test_no_request_leaves_the_page_and_no_error_is_logged(browser: Browser, write: Write) -> None:
    context = browser.new_context()
    page = context.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    address = write("three", "en")
    page.goto(address)
    assert [url for url in requests if not url.startswith("data:")] == [address]
    assert complaints == []
    context.close()


def test_everything_can_be_read_without_script(browser: Browser, write: Write) -> None:
    with opened(browser, write("three", "en"), java_script_enabled=False) as page:
        assert page.get_by_role("heading", level=1).is_visible()
        summary = page.locator("summary").first
        summary.click()
        assert page.locator("details[open] table").first.is_visible()


def test_print_opens_every_fold_and_is_light(browser: Browser, write: Write) -> None:
    with opened(browser, write("three", "en"), color_scheme="dark") as page:
        page.emulate_media(media="print", color_scheme="dark")
        heights = page.eval_on_selector_all(
            "details table", "tables => tables.map(t => t.getBoundingClientRect().height)"
        )
        assert heights
        assert min(heights) > 0
        ink = page.evaluate("getComputedStyle(document.body).color")
        assert ink == "rgb(22, 27, 34)"


def test_the_keyboard_reaches_the_result_first(browser: Browser, write: Write) -> None:
    with opened(browser, write("three", "en")) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.url.endswith("#result")


def test_pictures_are_shown(browser: Browser, write: Write) -> None:
    with opened(browser, write("three", "en")) as page:
        widths = page.eval_on_selector_all("img", "all => all.map(i => i.naturalWidth)")
        assert len(widths) > 20
        assert min(widths) > 0
