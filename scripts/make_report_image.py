"""Takes the picture of a report that the README shows: `make_report_image.py RUN [OUT.png]`.

Needs Chromium and playwright. Made from the demo's run, whose images may be shown.
"""

import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDTH, HEIGHT, COLOURS = 1120, 980, 128


def main(run: str, out: str = str(ROOT / "docs" / "images" / "report.png")) -> None:
    """Writes the upper part of the report of a run as a small PNG."""
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    page_of = Path(run).resolve() / "report.html"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(page_of.as_uri())
        page.screenshot(path=out)
        browser.close()
    with Image.open(out) as picture:
        small = picture.convert("RGB").quantize(COLOURS)
    small.save(out, optimize=True)
    print(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
