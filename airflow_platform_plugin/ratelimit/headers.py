"""The headers of a response that report rate limits. Pure.

``X-RateLimit-*`` are those of the API reference. ``RateLimit`` and ``RateLimit-Policy`` are structured fields
(RFC 9651) of draft-ietf-httpapi-ratelimit-headers since version 08: lists of named policies with the quota
``q`` and the window ``w``, and with what remains ``r`` for how long ``t``.
"""

from collections import Counter
from collections.abc import Sequence
from math import ceil

from airflow_platform_plugin.ratelimit.limits import LimitStatus


def most_restrictive(statuses: Sequence[LimitStatus]) -> LimitStatus:
    """Return the limit that refuses a request first, or that has refused it."""
    return min(statuses, key=lambda status: (status.remaining, -status.reset))


def _name(status: LimitStatus) -> str:
    return status.name or status.request_class.value


def reset(status: LimitStatus) -> int:
    """Return when the window ends, as whole Unix time, rounded up."""
    return ceil(status.reset)


def retry_after(status: LimitStatus, now: float) -> int:
    """Return the whole seconds until the window ends, at least one."""
    return max(1, ceil(status.reset - now))


def build(statuses: Sequence[LimitStatus], now: float, *, refused: bool = False) -> dict[str, str]:
    """Return the headers of a response.

    Args:
        statuses: the limits that counted the request.
        now: the time of the response, as Unix time.
        refused: whether the response refuses the request.
    """
    if not statuses:
        return {}
    first = most_restrictive(statuses)
    # A policy needs a unique name, and one class of requests may have several limits.
    count = Counter(_name(status) for status in statuses)
    names = {
        status: _name(status) if count[_name(status)] == 1 else f"{_name(status)}-{status.window}"
        for status in statuses
    }
    policies = [f'"{name}";q={status.limit};w={status.window}' for status, name in names.items()]
    remaining = [
        f'"{name}";r={status.remaining};t={max(0, ceil(status.reset - now))}'
        for status, name in names.items()
    ]
    headers = {
        "X-RateLimit-Limit": str(first.limit),
        "X-RateLimit-Remaining": str(first.remaining),
        "X-RateLimit-Reset": str(reset(first)),
        "RateLimit-Policy": ", ".join(policies),
        "RateLimit": ", ".join(remaining),
    }
    return headers | ({"Retry-After": str(retry_after(first, now))} if refused else {})
