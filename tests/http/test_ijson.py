"""Parsing of JSON from callers."""

import json
from typing import Any

import pytest

from airflow_platform_plugin.core.errors import ValidationFailed
from airflow_platform_plugin.http import ijson


def errors(data: bytes) -> list[tuple[str, str]]:
    """Return the pointers and messages of the errors for ``data``."""
    with pytest.raises(ValidationFailed) as refused:
        ijson.parse(data)
    return [(error["pointer"], error["message"]) for error in refused.value.details.get("errors", [])]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": [1, -(2**63) + 1, 2**63 - 1, 1.5, 1e308, True, None]},
        {"text": "äöü 😀 \u2028 \x7f \\u0000", "": {"": ""}},
        [[[]]],
    ],
)
def test_i_json_is_accepted(value: Any) -> None:
    assert ijson.parse(json.dumps(value).encode()) == value
    assert ijson.parse(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("data", "pointer", "word"),
    [
        (b"", "", "valid JSON"),
        (b"{", "", "valid JSON"),
        (b"\xff", "", "valid JSON"),
        ('{"a": 1}'.encode("utf-16"), "", "valid JSON"),
        (b"[" + b"9" * 5000 + b"]", "", "valid JSON"),
        (b'{"a": {"b": "x\\u0000"}}', "/a/b", "NUL"),
        (b'{"a": ["\\ud800"]}', "/a/0", "surrogate"),
        (b'{"a": {"\\u0000": 1}}', "/a", "name"),
        (b'{"a": 9223372036854775808}', "/a", "64 bits"),
        (b'{"a": -1e999}', "/a", "finite"),
        (b'{"a": NaN}', "/a", "finite"),
        (b'{"a": Infinity}', "/a", "finite"),
        (b'{"a": {"b": 1, "b": 1}}', "", "'b' more than once"),
    ],
)
def test_anything_else_is_refused_with_its_place(data: bytes, pointer: str, word: str) -> None:
    """Each of these would fail later on some database, or change its value."""
    ((found, message),) = errors(data)
    assert found == pointer
    assert word in message


@pytest.mark.parametrize("data", [b"[" * 33 + b"]" * 33, b"[" * 100_000, b'{"a":' * 100_000])
def test_deep_nesting_is_refused(data: bytes) -> None:
    """This also holds where the interpreter's stack would overflow first."""
    ((pointer, message),) = errors(data)
    assert pointer == ""
    assert "32 levels" in message or "valid JSON" in message
    assert ijson.parse(b"[" * 32 + b"]" * 32)


def test_the_number_of_reported_errors_is_limited() -> None:
    """The first hundred are reported, so that a response is not many times as long as the request."""
    assert len(errors(b"[" + b"NaN," * 10_000 + b"1]")) == 100
