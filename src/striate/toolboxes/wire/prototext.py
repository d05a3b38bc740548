"""Protocol Buffers as text, such as Caffe's prototxt: names, braces, values."""

import re
from typing import Any

from striate.toolboxes.graph import ToolboxError
from striate.toolboxes.wire.protobuf import DAMAGED, MOST_DEPTH, MOST_FIELDS, Message


def read_prototext(text: str) -> Message:
    """Field name to the list of its values: numbers, booleans, strings, or messages.

    Words without quotes, as enumerations are written, come as strings. Raises `ToolboxError`
    with the line where the text is none.
    """
    tokens = _Tokens(text)
    found = _read_fields(tokens, "", 0)
    return found


class _Tokens:
    """The tokens of a text, one after another, with the line for errors."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.taken = text, 0, 0
        self.token = ""
        self.advance()

    def advance(self) -> str:
        """Gives the token and goes on to the next; "" is the end."""
        before = self.token
        match = TOKEN.match(self.text, self.at)
        if match is None:
            raise self.error("holds what is no text of Protocol Buffers")
        self.at, self.token = match.end(), match[1] or ""
        self.taken += 1
        if self.taken > MOST_FIELDS:
            raise self.error(f"has more than {MOST_FIELDS:,} words")
        return before

    def error(self, what: str) -> ToolboxError:
        """The error of what stands here."""
        line = self.text.count("\n", 0, self.at) + 1
        return ToolboxError(f"Line {line} {what}.", DAMAGED)


def _read_fields(tokens: _Tokens, closing: str, depth: int) -> Message:
    if depth > MOST_DEPTH:
        raise tokens.error(f"is more than {MOST_DEPTH} deep in braces")
    found: Message = {}
    while tokens.token != closing:
        name = tokens.advance()
        if not NAME.fullmatch(name):
            raise tokens.error(f"has {name!r} where a field's name should stand")
        values = found.setdefault(name, [])
        if tokens.token == ":":
            tokens.advance()
        if tokens.token == "[":
            tokens.advance()
            while tokens.token != "]":
                values.append(_read_value(tokens, depth))
                if tokens.token == ",":
                    tokens.advance()
            tokens.advance()
        else:
            values.append(_read_value(tokens, depth))
        if tokens.token in (";", ","):
            tokens.advance()
    tokens.advance()
    return found


def _read_value(tokens: _Tokens, depth: int) -> Any:
    token = tokens.advance()
    if token in ("{", "<"):
        return _read_fields(tokens, "}" if token == "{" else ">", depth + 1)
    if token[:1] in ("'", '"'):
        text = _unescape(token)
        while tokens.token[:1] in ("'", '"'):
            text += _unescape(tokens.advance())
        return text
    if token in ("true", "false"):
        return token == "true"
    if NAME.fullmatch(token):
        return token
    try:
        return int(token, 0) if INTEGER.fullmatch(token) else float(token.rstrip("fF"))
    except ValueError:
        raise tokens.error(f"has {token[:40]!r} where a value should stand") from None


def _unescape(token: str) -> str:
    return re.sub(r"\\(.)", lambda match: ESCAPES.get(match[1], match[1]), token[1:-1])


TOKEN = re.compile(
    r"(?:\s|#[^\n]*)*"
    r"(\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|[A-Za-z0-9_.+\-]+|[{}<>\[\]:;,]|$)"
)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
INTEGER = re.compile(r"[+-]?(0x[0-9a-fA-F]+|[0-9]+)")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
