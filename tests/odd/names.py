"""Good pictures by odd names: each is used, and its row names it so that it can be read."""

import os
import unicodedata
from collections.abc import Iterator

import numpy as np
from PIL import Image
from tests.data.odd_files import encoded
from tests.odd.entry import Odd

LONGEST = 255
NAMES = (
    "a name with spaces.jpg",
    " space before.jpg",
    "space after.jpg ",
    "two\nlines.jpg",
    "tab\there.jpg",
    "return\rhere.jpg",
    "bell\x07and escape\x1b[31m.jpg",
    "'single'.jpg",
    '"double".jpg',
    "`ticks`$(echo).jpg",
    "comma, semicolon;.jpg",
    "-rf.jpg",
    "--help.jpg",
    "=1+1.jpg",
    "@at.jpg",
    "#hash.jpg",
    "100%.jpg",
    "a&b<c>d|e*f?.jpg",
    "back\\slash.jpg",
    "back\\x41slash.jpg",
    "[brackets]{braces}.jpg",
    "~tilde.jpg",
    "many.dots.in.it.jpg",
    "CON.jpg",
    "UPPER.JPG",
    "Mixed.JpEg",
    "wrong.png",
    "wrong.gif",
    "other.dat",
    "none",
    "汉字.jpg",
    "日本語ひらがな.jpg",
    "한국어.jpg",
    "русский.jpg",
    "ελληνικά.jpg",
    "हिन्दी.jpg",
    "ภาษาไทย.jpg",
    "עברית.jpg",
    "العربية.jpg",
    "\u202eright to left.jpg",
    "zero\u200bwidth.jpg",
    "no\u00a0break.jpg",
    "line\u2028separator.jpg",
    "emoji 🐈‍⬛👩🏽‍🔬.jpg",
    "𝒻𝒶𝓃𝒸𝓎.jpg",
    unicodedata.normalize("NFC", "twin é ü Å.jpg"),
    unicodedata.normalize("NFD", "twin é ü Å.jpg"),
    "l" * (LONGEST - 4) + ".jpg",
    "长" * ((LONGEST - 4) // 3) + ".jpg",
)


def names() -> Iterator[Odd]:
    """Every good picture with an odd name; each holds other pixels."""
    for number, name in enumerate(NAMES):
        pixels = _pixels(number)
        yield Odd(name=name, content=encoded(pixels, quality=95), pixels=pixels, within=3)
    for number, name in enumerate((b"latin \xe9.jpg", b"\xff\xfe.jpg", b"half \xe6\xb1.jpg")):
        pixels = _pixels(1000 + number)
        yield Odd(name=name, row=os.fsencode(name).decode("utf-8", "backslashreplace"),
                  content=encoded(pixels, quality=95), pixels=pixels, within=3)  # fmt: skip


def _pixels(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    noise = np.random.default_rng([7, seed]).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((40, 40), Image.Resampling.BICUBIC))
