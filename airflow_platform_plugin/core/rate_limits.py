"""Rate limits: the classes of requests that are limited together, and the text form of a limit. Pure."""

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache

from limits import RateLimitItem, parse_many

LONGEST_TEXT = 100
_MOST_REQUESTS = 1_000_000_000
_LONGEST_WINDOW = 366 * 86_400  # seconds


class RequestClass(Enum):
    """The classes of requests; the values are their names in settings, overrides and responses."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    QUERY = "query"
    BULK = "bulk"
    FREE = "free"  # not counted if the caller is known


LIMITED = tuple(each for each in RequestClass if each is not RequestClass.FREE)


@lru_cache(maxsize=1000)
def parse(text: str) -> tuple[RateLimitItem, ...]:
    """Return the limits of a text such as ``100/minute; 1000/hour``, the shortest window first.

    Of two limits for the same window, the lower one counts.

    Raises:
        ValueError: the text is invalid, or its limits are too high to count.
    """
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"longer than {LONGEST_TEXT} characters")
    if not text.isascii():
        raise ValueError("has other characters than ASCII's, such as digits of another script")
    items = sorted(parse_many(text), key=lambda item: (item.get_expiry(), -item.amount))
    if any(item.amount > _MOST_REQUESTS or item.get_expiry() > _LONGEST_WINDOW for item in items):
        raise ValueError("at most a billion requests, in at most a year, can be counted")
    return tuple({item.get_expiry(): item for item in items}.values())


def merged(first: Mapping[str, str] | None, second: Mapping[str, str] | None) -> dict[str, str]:
    """Merge two sets of limits by class; the first one counts for a class that both have."""
    return {**(second or {}), **(first or {})}


def within(inner: str, outer: str) -> bool:
    """Return whether ``inner`` never allows more than ``outer``; False if one of them is not a limit."""
    try:
        held, allowed = parse(inner), parse(outer)
    except ValueError:
        return False
    return all(any(_holds(item, most) for item in held) for most in allowed)


def _holds(item: RateLimitItem, most: RateLimitItem) -> bool:
    windows = -(
        -most.get_expiry() // item.get_expiry()
    )  # how many windows of the one fit into one of the other, rounded up
    return bool(item.amount * windows <= most.amount)


def tightest(own: Mapping[str, str], above: Mapping[str, str]) -> dict[str, str]:
    """Return the own limits that are within those above, and those above for the rest."""
    return {name: text for name, text in own.items() if name not in above} | {
        name: own[name] if name in own and within(own[name], text) else text for name, text in above.items()
    }
