"""JSON from strangers. Pure."""

import json
from typing import Any

import pytest

from airflow_platform_plugin.core.errors import ValidationFailed
from airflow_platform_plugin.http import ijson


def errors(data: bytes) -> list[tuple[str, str]]:
    """The pointers and messages with which ``data`` is refused."""
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
def test_what_i_json_holds_is_taken(value: Any) -> None:
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
def test_anything_else_is_refused_where_it_stands(data: bytes, pointer: str, word: str) -> None:
    """Each of these fails further in, on one database or another, or comes out as something else."""
    ((found, message),) = errors(data)
    assert found == pointer
    assert word in message


@pytest.mark.parametrize("data", [b"[" * 33 + b"]" * 33, b"[" * 100_000, b'{"a":' * 100_000])
def test_nesting_has_an_end(data: bytes) -> None:
    """Also where the interpreter's own stack would have ended before."""
    ((pointer, message),) = errors(data)
    assert pointer == ""
    assert "32 levels" in message or "valid JSON" in message
    assert ijson.parse(b"[" * 32 + b"]" * 32)


def test_an_answer_does_not_grow_with_the_number_of_errors() -> None:
    """The first hundred are named: more would be an answer many times as long as the request."""
    assert len(errors(b"[" + b"NaN," * 10_000 + b"1]")) == 100
