"""The text format of rate limits."""

import pytest

from airflow_platform_plugin.core import rate_limits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100/minute", [(100, 60)]),
        ("5 per 10 seconds", [(5, 10)]),
        ("0/minute", [(0, 60)]),
        ("1000/hour; 10/minute", [(10, 60), (1000, 3600)]),
        ("100/minute; 50/60 seconds", [(50, 60)]),
        ("50/minute; 100/minute", [(50, 60)]),
    ],
)
def test_a_limit_is_an_amount_in_a_window(text: str, expected: list[tuple[int, int]]) -> None:
    """There may be several, one for each window; of two for the same window, the lower one applies."""
    assert [(item.amount, item.get_expiry()) for item in rate_limits.parse(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "many",
        "100",
        "100/fortnight",
        "-1/minute",
        "1/minute;",
        "1/2 years",
        "9999999999/day",
        f"1{' ' * 100}/minute",
    ],
)
def test_an_invalid_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        rate_limits.parse(text)


def test_a_keys_own_limit_replaces_its_tenants_limit() -> None:
    """For each class separately."""
    own, tenants = {"read": "1/minute"}, {"read": "2/minute", "write": "3/minute"}
    assert rate_limits.merged(own, tenants) == {"read": "1/minute", "write": "3/minute"}
    assert rate_limits.merged(None, None) == {}
