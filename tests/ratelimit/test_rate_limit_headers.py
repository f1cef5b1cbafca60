"""The headers that report rate limits."""

from airflow_platform_plugin.core.rate_limits import RequestClass
from airflow_platform_plugin.ratelimit import headers
from airflow_platform_plugin.ratelimit.limits import LimitStatus

NOW = 1_640_995_140.25


def test_the_headers_match_the_reference_and_the_ietf_draft() -> None:
    """The reset is rounded up, so that a client that waits for it is not too early."""
    state = LimitStatus(
        RequestClass.READ, limit=1000, window=60, remaining=950, reset=NOW + 59.75, exceeded=False
    )
    assert headers.build([state], NOW) == {
        "X-RateLimit-Limit": "1000",
        "X-RateLimit-Remaining": "950",
        "X-RateLimit-Reset": "1640995200",
        "RateLimit-Policy": '"read";q=1000;w=60',
        "RateLimit": '"read";r=950;t=60',
    }


def test_a_refusal_says_when_to_retry() -> None:
    """In whole seconds, at least one."""
    state = LimitStatus(RequestClass.BULK, limit=10, window=60, remaining=0, reset=NOW + 12.1, exceeded=True)
    assert headers.build([state], NOW, refused=True)["Retry-After"] == "13"
    assert headers.build([state._replace(reset=NOW - 1)], NOW, refused=True)["Retry-After"] == "1"


def test_the_most_restrictive_limit_is_reported() -> None:
    """The draft's headers have all limits, each with its own name."""
    short = LimitStatus(RequestClass.WRITE, limit=10, window=60, remaining=5, reset=NOW + 30, exceeded=False)
    long = LimitStatus(
        RequestClass.WRITE, limit=100, window=3600, remaining=2, reset=NOW + 600, exceeded=False
    )
    found = headers.build([short, long], NOW)
    assert (found["X-RateLimit-Limit"], found["X-RateLimit-Remaining"]) == ("100", "2")
    assert found["RateLimit-Policy"] == '"write-60";q=10;w=60, "write-3600";q=100;w=3600'
    assert found["RateLimit"] == '"write-60";r=5;t=30, "write-3600";r=2;t=600'


def test_of_two_exceeded_limits_the_later_reset_is_reported() -> None:
    short = LimitStatus(RequestClass.WRITE, limit=10, window=60, remaining=0, reset=NOW + 30, exceeded=False)
    long = LimitStatus(
        RequestClass.WRITE, limit=100, window=3600, remaining=0, reset=NOW + 600, exceeded=True
    )
    assert headers.build([short, long], NOW, refused=True)["Retry-After"] == "600"


def test_an_uncounted_request_has_no_headers() -> None:
    assert headers.build([], NOW, refused=True) == {}
