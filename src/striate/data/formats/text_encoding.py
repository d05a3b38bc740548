"""Bytes of a text -> the text and the name of its encoding, where nobody says which it is."""

import codecs
import re

UTF_8 = "utf-8"
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LOOKED_AT = 1 << 16
# In UTF-16 every ASCII character brings a NUL, on one side only.
_FEWEST_NULS = 0.25
_ONE_SIDED = 20
_MOSTLY = 0.9
# Latin with accents, Greek, Cyrillic, Armenian, Hebrew and Arabic, without their rare letters.
_WRITTEN = (
    *(range(0xA0, 0x180), range(0x218, 0x21C), range(0x386, 0x3CF), range(0x400, 0x460)),
    *(range(0x531, 0x588), range(0x5D0, 0x5F5), range(0x600, 0x700)),
)
_SIGNS = str.maketrans("", "", "°½¼¾£€§©®™µ²³×·“”‘’–—…«»\u00a0")
_WORD = re.compile(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*")


def decode_text(content: bytes, encoding: str = "auto") -> tuple[str, str]:
    """The text without a byte order mark, and its encoding; `auto` finds out which it is.

    In order: a byte order mark; NUL bytes on one side of every pair (UTF-16); UTF-8 where it is
    valid; and what is left is Windows-1252 where most words with an accent read as Western ones, or
    GB18030 where it then is common Chinese. Raises `UnicodeError` where the text is not in the
    encoding that was asked for, where that cannot be told, and where it is no text at all.
    """
    name = _detect_encoding(content) if encoding == "auto" else encoding
    text = content.decode(name)
    if "\0" in text:
        raise UnicodeError("it holds NUL characters, so it is not text")
    return text.removeprefix("\ufeff"), _encoding_label(name)


def _detect_encoding(content: bytes) -> str:
    for mark, name in _MARKS:
        if content.startswith(mark):
            return name
    if b"\0" in content:
        return _detect_utf_16(content[:_LOOKED_AT])
    try:
        text = content.decode(UTF_8)
    except UnicodeDecodeError:
        return _detect_legacy_encoding(content)
    return "gb18030" if _is_utf8_by_chance(text) and _is_chinese(content) else UTF_8


def _is_utf8_by_chance(text: str) -> bool:
    """Whether a text that is valid UTF-8 holds mostly letters that no language writes.

    Some words in GB18030 are such UTF-8 of two bytes a character, as that for image is.
    """
    beyond = [ord(character) for character in text if not character.isascii()]
    if not beyond or max(beyond) > 0x7FF:
        return False
    return 2 * sum(any(code in block for block in _WRITTEN) for code in beyond) < len(beyond)


def _detect_utf_16(start: bytes) -> str:
    first, second = start[::2].count(0), start[1::2].count(0)
    if max(first, second) < _FEWEST_NULS * len(start) / 2:
        raise UnicodeError("it holds NUL bytes, so it is not text")
    if second > _ONE_SIDED * first:
        return "utf-16-le"
    if first > _ONE_SIDED * second:
        return "utf-16-be"
    raise UnicodeError("it holds NUL bytes, so it is not text")


def _detect_legacy_encoding(content: bytes) -> str:
    words = _WORD.findall(content)
    western = sum(map(_is_western, words))
    if 2 * western < len(words):
        if _is_chinese(content):
            return "gb18030"
        raise UnicodeError("it is not in UTF-8, and its encoding cannot be detected")
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _is_western(word: bytes) -> bool:
    """Whether letters with accents and without read as one word, in one case or with a capital.

    Signs that stand in Western texts, such as that of degrees, do not count.
    """
    text = word.decode("cp1252", "replace").translate(_SIGNS)
    cased = text.islower() or text.isupper() or text[1:].islower()
    letters = text.isalpha() and cased and (len(text) == 1 or any(map(str.isascii, text)))
    return letters or not text


def _is_chinese(content: bytes) -> bool:
    try:
        text = content.decode("gb18030")
    except UnicodeDecodeError:
        return False
    beyond = [character for character in text if not character.isascii()]
    common = len("".join(beyond).encode("gb2312", "ignore")) / 2
    return common >= _MOSTLY * len(beyond)


def _encoding_label(name: str) -> str:
    """The encoding as people write it."""
    return _NAMES.get(name.lower(), name)


_NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "gb18030": "GB18030",
    "cp1252": "Windows-1252",
    "latin-1": "Latin-1",
}
