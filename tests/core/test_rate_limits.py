"""How limits are written. Pure."""

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
    """Several may count at once: one for each window, of which the lower one counts."""
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
def test_what_is_no_limit_or_cannot_be_counted_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        rate_limits.parse(text)


def test_a_keys_own_limit_counts_more_than_its_tenants() -> None:
    """For each class by itself."""
    own, tenants = {"read": "1/minute"}, {"read": "2/minute", "write": "3/minute"}
    assert rate_limits.merged(own, tenants) == {"read": "1/minute", "write": "3/minute"}
    assert rate_limits.merged(None, None) == {}
