"""Parse text and JSON from callers as I-JSON (RFC 7493), which every database stores as it was sent. Pure.

Python's own parser accepts more: NUL and lone surrogates, NaN and infinity, integers beyond 64 bits, a name
twice in one object, and nesting that overflows the stack. Such values would fail later, on some databases.
"""

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from airflow_platform_plugin.core.errors import FieldError, ValidationFailed
from airflow_platform_plugin.core.types import Json

MAX_DEPTH = 32
MAX_INTEGER = 2**63 - 1

_CONTROLS = {"Cc", "Zl", "Zp"}
_DIRECTIONS = set("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NOT_TEXT = "must not contain NUL or a lone surrogate"


def parse(data: bytes) -> Json:
    """Return the JSON value of ``data``, which must be UTF-8 (RFC 8259).

    Raises:
        ValidationFailed: it is not valid JSON, or not I-JSON; each wrong place is named.
    """
    try:
        document = json.loads(data.decode(), object_pairs_hook=_unique)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # not UTF-8, not JSON, or an integer of thousands of digits
        raise ValidationFailed.of(message="is not valid JSON") from error
    errors = list(_errors(document, ()))
    if errors:
        raise ValidationFailed(errors)
    return document


def is_within(value: Json) -> bool:
    """Return whether ``parse`` accepts a value."""
    try:
        return next(_errors(value, ()), None) is None
    except ValidationFailed:
        return False


def require_text(parameters: Iterable[tuple[str, str]]) -> None:
    """Check that every database can store the parameters of a path or query string.

    Raises:
        ValidationFailed: some cannot be stored; they are named.
    """
    errors = [FieldError.at((name,), _NOT_TEXT) for name, value in parameters if not _is_text(value)]
    if errors:
        raise ValidationFailed(errors)


def is_line(text: str) -> bool:
    """Return whether a text is one line: without line breaks, control characters and direction marks.

    These could forge lines of a log or a mail, or control a terminal.
    """
    return not any(unicodedata.category(letter) in _CONTROLS or letter in _DIRECTIONS for letter in text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValidationFailed.of(message=f"an object has the name {name!r} more than once")
    return members


def _errors(value: Json, path: tuple[str | int, ...]) -> Iterator[FieldError]:
    match value:
        case dict() | list() if len(path) >= MAX_DEPTH:
            raise _too_deep()
        case dict():
            for name, inner in value.items():
                if _is_text(name):
                    yield from _errors(inner, (*path, name))
                else:
                    yield FieldError.at(path, f"a name {_NOT_TEXT}")
        case list():
            for index, inner in enumerate(value):
                yield from _errors(inner, (*path, index))
        case str() if not _is_text(value):
            yield FieldError.at(path, _NOT_TEXT)
        case int() if not -MAX_INTEGER <= value <= MAX_INTEGER:
            yield FieldError.at(path, "must fit into 64 bits")
        case float() if not math.isfinite(value):
            yield FieldError.at(path, "must be a finite number")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _too_deep() -> ValidationFailed:
    return ValidationFailed.of(message=f"is nested deeper than {MAX_DEPTH} levels")
