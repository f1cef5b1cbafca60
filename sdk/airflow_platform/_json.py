"""Python values as JSON, with the field that cannot be sent named in the error. Pure."""

import math
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from airflow_platform.exceptions import PlatformError

MAX_DEPTH = 64


def jsonable(value: Any, *path: str) -> Any:  # noqa: ANN401 - any value in, any JSON out
    """Return ``value`` as JSON can carry it, at any depth.

    Dates and times become ISO 8601, a UUID its text, an Enum its value. A Decimal becomes a number where a
    float holds exactly the same value, and text otherwise, so that no digit is lost.

    Args:
        value: What a caller gave.
        path: The names that lead to it, for the error.

    Raises:
        PlatformError: a value of another type, or NaN or an infinity; the message names the field.
    """
    if len(path) > MAX_DEPTH:
        raise PlatformError(f"{path[0]} is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {_name(name, path): jsonable(item, *path, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item, *path, str(index)) for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise PlatformError(f"{'.'.join(path)} is {value}, which JSON cannot carry")
    for kinds, convert in _FORMS:
        if isinstance(value, kinds):
            return convert(value)
    raise PlatformError(f"{'.'.join(path)} cannot be sent as JSON: it is of type {type(value).__name__}")


def _number(value: Decimal) -> int | float | str:
    if value.is_finite():
        if value == value.to_integral_value() and value.adjusted() < 15:  # noqa: PLR2004 - digits of 2^53
            return int(value)
        number = float(value)
        if Decimal(repr(number)) == value:
            return number
    return str(value)


def _name(name: object, path: tuple[str, ...]) -> str:
    if isinstance(name, str):
        return name
    raise PlatformError(f"{'.'.join(path)} has the key {name!r}, and JSON takes only text as a key")


# The first that fits counts: an Enum may be a text or a number as well.
_FORMS: tuple[tuple[tuple[type, ...], Callable[[Any], Any]], ...] = (
    ((Enum,), lambda value: value.value),
    ((type(None), bool, int, float, str), lambda value: value),
    ((Decimal,), _number),
    ((date, time), lambda value: value.isoformat()),  # a datetime is a date, too
    ((UUID,), str),
)
