"""Formats of exports and imports."""

from typing import Any

import pytest

from airflow_platform_plugin.connections.transfer import formats
from airflow_platform_plugin.core.errors import ValidationFailed


def refused_yaml(text: str) -> None:
    with pytest.raises(ValidationFailed):
        formats.parse(text, "yaml")


@pytest.mark.parametrize(
    "content",
    [
        "a: &x {conn_type: http}",
        'a: !!str "b"',
        "a: ! b",
        "a: !<tag:yaml.org,2002:int> b",
        "!!map {a: b}",
        "a: !!python/object/apply:os.getcwd []",
        "a: *x",
        "&a [*a]",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "a: 1" + ":1" * 200,
        "a: " + "[" * 40 + "]" * 40,
        "%TAG ! tag:yaml.org,2002:\n---\na: !int 1",
    ],
)
def test_yaml_features_that_exports_do_not_use_are_refused(content: str) -> None:
    """Aliases, tags, very long numbers and deep nesting are refused; an unused anchor is harmless."""
    if content.startswith("a: &x {"):
        assert formats.parse(content, "yaml")  # an anchor without an alias is harmless
        return
    refused_yaml(content)


def test_yaml_of_exports_is_read() -> None:
    """That includes long texts of digits, private keys, and extra of the greatest allowed depth."""
    deep: Any = "x"
    for _ in range(14):
        deep = {"l": deep}
    document = {
        "c": {"conn_type": "http", "password": "1" * 99, "extra": {"key": "-----BEGIN\nMII" + "a" * 3000}},
        "d": {"conn_type": "http", "extra": deep},
    }
    assert formats.parse(formats.render_yaml(document), "yaml") == document
    long = {"c": {"conn_type": "http", "password": "1" * 500}}
    assert formats.parse(formats.render_yaml(long), "yaml") == long


def test_yaml_dates_become_texts() -> None:
    """JSON has no dates; a text that is not Unicode is refused."""
    parsed = formats.parse("c: {conn_type: http, extra: {since: 2024-01-15}}", "yaml")
    assert parsed == {"c": {"conn_type": "http", "extra": {"since": "2024-01-15"}}}
    with pytest.raises(ValidationFailed):
        formats.parse("c: \ud800", "yaml")
