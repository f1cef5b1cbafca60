"""Conversion of Python values to JSON; errors name the field that cannot be sent. No I/O."""

import math
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from airflow_platform.exceptions import PlatformError
from airflow_platform.types import Json

MAX_DEPTH = 64
MAX_EXACT_DIGITS = 15  # integers with up to 15 digits are exact in a float (2^53)


def to_json(value: object, *path: str) -> Json:
    """Convert a value, at any depth, to what JSON can carry.

    Dates and times become ISO 8601 text, a UUID becomes text, an Enum becomes its value. A Decimal becomes a
    number if a float holds exactly the same value, and text otherwise, so that no digit is lost.

    Args:
        value: The value to convert.
        path: Names of the fields that lead to the value, for error messages.

    Raises:
        PlatformError: The value has another type, or is NaN or infinite. The message names the field.
    """
    if len(path) > MAX_DEPTH:
        raise PlatformError(f"{path[0]} is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {_check_key(name, path): to_json(item, *path, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item, *path, str(index)) for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise PlatformError(f"{'.'.join(path)} is {value}; JSON has no such number")
    for kinds, convert in _CONVERTERS:
        if isinstance(value, kinds):
            return convert(value)
    raise PlatformError(f"{'.'.join(path)} cannot be sent as JSON: its type is {type(value).__name__}")


def _convert_decimal(value: Decimal) -> int | float | str:
    if value.is_finite():
        if value == value.to_integral_value() and value.adjusted() < MAX_EXACT_DIGITS:
            return int(value)
        number = float(value)
        if Decimal(repr(number)) == value:
            return number
    return str(value)


def _check_key(name: object, path: tuple[str, ...]) -> str:
    if isinstance(name, str):
        return name
    raise PlatformError(f"{'.'.join(path)} has the key {name!r}; keys of JSON objects must be text")


# The first match counts: an Enum can be a string or a number as well.
_CONVERTERS: tuple[tuple[tuple[type, ...], Callable[[Any], Json]], ...] = (
    ((Enum,), lambda value: value.value),
    ((type(None), bool, int, float, str), lambda value: value),
    ((Decimal,), _convert_decimal),
    ((date, time), lambda value: value.isoformat()),  # datetime is a subclass of date
    ((UUID,), str),
)
