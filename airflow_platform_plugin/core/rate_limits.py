"""Rates: the classes of requests that are limited together, and how a limit is written. Pure."""

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache

from limits import RateLimitItem, parse_many

LONGEST_TEXT = 100
_MOST_REQUESTS = 1_000_000_000
_LONGEST_WINDOW = 366 * 86_400  # seconds


class RequestClass(Enum):
    """What a request counts as; the values are the words of settings, overrides and answers."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    QUERY = "query"
    BULK = "bulk"
    FREE = "free"  # not counted where the caller is known


LIMITED = tuple(rate for rate in RequestClass if rate is not RequestClass.FREE)


@lru_cache(maxsize=1000)
def parse(text: str) -> tuple[RateLimitItem, ...]:
    """The limits that ``text`` stands for, the shortest window first: ``100/minute; 1000/hour``.

    Of two limits for the same window the lower one counts.

    Raises:
        ValueError: it is no such text, or beyond what can be counted.
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
    """Two sets of limits by class in one; where both know a class, the first one counts."""
    return {**(second or {}), **(first or {})}


def within(inner: str, outer: str) -> bool:
    """Whether the limit ``inner`` never lets through more than ``outer``; not where either is none."""
    try:
        held, allowed = parse(inner), parse(outer)
    except ValueError:
        return False
    return all(any(_holds(item, most) for item in held) for most in allowed)


def _holds(item: RateLimitItem, most: RateLimitItem) -> bool:
    windows = -(-most.get_expiry() // item.get_expiry())  # of the one, in one of the other, rounded up
    return bool(item.amount * windows <= most.amount)


def tightest(own: Mapping[str, str], above: Mapping[str, str]) -> dict[str, str]:
    """The own limits as far as they are within those above, and those above for the rest."""
    return {name: text for name, text in own.items() if name not in above} | {
        name: own[name] if name in own and within(own[name], text) else text for name, text in above.items()
    }
