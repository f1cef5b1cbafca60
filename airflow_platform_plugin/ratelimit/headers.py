"""Limits in an answer's headers. Pure.

``X-RateLimit-*`` are those of the API reference. ``RateLimit`` and ``RateLimit-Policy`` are structured
fields (RFC 9651), as draft-ietf-httpapi-ratelimit-headers has them since its version 08: lists of
policies by name, with the quota ``q`` and window ``w``, what remains ``r`` and for how long ``t``.
"""

from collections import Counter
from collections.abc import Sequence
from math import ceil

from airflow_platform_plugin.ratelimit.limiter import LimitStatus


def tightest(states: Sequence[LimitStatus]) -> LimitStatus:
    """The limit that will refuse a request first, or has done so."""
    return min(states, key=lambda state: (state.remaining, -state.reset))


def _name(state: LimitStatus) -> str:
    return state.name or state.rate.value


def reset(state: LimitStatus) -> int:
    """When there is all of it again, as whole Unix time, never too early."""
    return ceil(state.reset)


def retry_after(state: LimitStatus, now: float) -> int:
    """Whole seconds until there is something left again, at least one."""
    return max(1, ceil(state.reset - now))


def of(states: Sequence[LimitStatus], now: float, *, refused: bool = False) -> dict[str, str]:
    """The headers of the answer, given at ``now`` as Unix time, to a request that those limits counted."""
    if not states:
        return {}
    first = tightest(states)
    # A policy's name is what a client knows it by; of one class there may be several.
    several = Counter(_name(state) for state in states)
    names = {
        state: _name(state) if several[_name(state)] == 1 else f"{_name(state)}-{state.window}"
        for state in states
    }
    policies = [f'"{name}";q={state.limit};w={state.window}' for state, name in names.items()]
    left = [
        f'"{name}";r={state.remaining};t={max(0, ceil(state.reset - now))}' for state, name in names.items()
    ]
    told = {
        "X-RateLimit-Limit": str(first.limit),
        "X-RateLimit-Remaining": str(first.remaining),
        "X-RateLimit-Reset": str(reset(first)),
        "RateLimit-Policy": ", ".join(policies),
        "RateLimit": ", ".join(left),
    }
    return told | ({"Retry-After": str(retry_after(first, now))} if refused else {})
