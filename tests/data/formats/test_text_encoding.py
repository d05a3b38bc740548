"""Which encoding a text is in: marks, NUL bytes, valid UTF-8, then Chinese or Western words."""

import random

import pytest

from striate.data.formats.text_encoding import decode_text

CHINESE = "图片,标签\n1.jpg,向日葵\n2.jpg,玫瑰\n3.jpg,郁金香\n"
FRENCH = "image,label\n1.jpg,pâté\n2.jpg,crème brûlée\n3.jpg,Müsli\n4.jpg,ÉTÉ\n"
ASCII = "image,label\n1.jpg,cat\n2.jpg,dog\n"


@pytest.mark.parametrize("text", [CHINESE, FRENCH, ASCII])
@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("utf-32", "UTF-32"),
    ],
)
def test_unicode_is_found(text: str, codec: str, name: str) -> None:
    assert decode_text(text.encode(codec)) == (text, name)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_a_mark_counts_whatever_follows(codec: str) -> None:
    assert decode_text(("\ufeff" + CHINESE).encode(codec)) == (CHINESE, "UTF-16")


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        (FRENCH, "cp1252", "Windows-1252"),
        ("image,label\n1.jpg,créée\n2.jpg,cat\n", "latin-1", "Windows-1252"),
        ("image,label\n1.jpg,20°C\n2.jpg,½\n", "cp1252", "Windows-1252"),
        ("image,label\n1.jpg,Straße “A”\n", "cp1252", "Windows-1252"),
        (CHINESE, "gb18030", "GB18030"),
        ("image,label\n1.jpg,T恤\n2.jpg,裤子\n", "gbk", "GB18030"),
        ("image,label\n图片/1.jpg,a\n图片/2.jpg,b\n", "gb2312", "GB18030"),
        ("image,label\n1.jpg,\x81x\n2.jpg,pâté\n", "latin-1", "Latin-1"),
    ],
)
def test_older_encodings_are_told_apart(text: str, codec: str, name: str) -> None:
    assert decode_text(text.encode(codec)) == (text, name)


@pytest.mark.parametrize(
    "content",
    [
        "image,label\n1.jpg,кошка\n2.jpg,собака\n".encode("cp1251"),
        "image,label\n1.jpg,ねこ\n2.jpg,いぬ\n".encode("shift_jis"),
        "image,label\n1.jpg,café\n2.jpg,crème\n".encode() + b"3.jpg,\xff\n",
        random.Random(0).randbytes(4000).replace(b"\0", b""),
    ],
)
def test_what_cannot_be_told_is_not_guessed(content: bytes) -> None:
    with pytest.raises(UnicodeError, match="cannot be detected"):
        decode_text(content)


def test_what_is_asked_for_counts() -> None:
    assert decode_text("кот".encode("cp1251"), "cp1251") == ("кот", "cp1251")
    with pytest.raises(UnicodeError):
        decode_text(FRENCH.encode("cp1252"), "utf-8")


@pytest.mark.parametrize(
    "content", [b"image,label\n\0", b"\0" * 64, b"PK\3\4\0\0a\0\0\0", "a\0b".encode("utf-16")]
)
def test_what_holds_nul_bytes_is_no_text(content: bytes) -> None:
    with pytest.raises(UnicodeError):
        decode_text(content)
