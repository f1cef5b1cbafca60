"""Turn a database's values into JSON. Pure, with the standard library only: ``embedded_process`` imports it.

A column's numbers are JSON numbers if all of them fit. Most programs read JSON numbers as doubles, which keep
15 digits, and integers up to 2**53 - 1. If one number does not fit, all numbers of its column become strings,
so that a column never mixes both.
"""

import base64
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any, NamedTuple

MAX_SAFE_INTEGER = 2**53 - 1
_MAX_DIGITS = 15
# A document is cut below this depth: deeper ones would end the interpreter's stack.
_MAX_DEPTH = 100

_MOMENT = re.compile(r"(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d)?(.*)", re.DOTALL)

Json = Any  # what json.dumps takes
Value = Any  # what a driver returns for a column


class Column(NamedTuple):
    """A column of a result; ``type`` is the database's own name of its type, or None."""

    name: str
    type: str | None


def unique_names(columns: Iterable[Column]) -> list[Column]:
    """Return the columns with unique names: ``id, id`` becomes ``id, id_2``."""
    columns = list(columns)
    taken = {column.name for column in columns}
    seen: set[str] = set()
    unique = []
    for column in columns:
        name, count = column.name, 1
        while name in seen or (count > 1 and name in taken):
            count += 1
            name = f"{column.name}_{count}"
        seen.add(name)
        unique.append(column._replace(name=name))
    return unique


def plain(value: Value, depth: int = 0) -> Json | Decimal:  # noqa: PLR0911 - a line for each kind
    """Return one value as JSON, except ``Decimal`` and long integers, which ``settle`` converts by column."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else _not_finite(value)
        case Decimal():
            return value if value.is_finite() else _not_finite(float(value))
        case datetime() | date() | time_of_day():
            return value.isoformat()
        case timedelta():
            return _duration(value)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(value)).decode()
        case _ if depth >= _MAX_DEPTH:
            return "…"
        case Mapping():
            return {str(key): _inner(item, depth) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_inner(item, depth) for item in value]
        case _:
            return str(value)


def moment(text: str) -> str:
    """Return a database's text of a date or time in ISO 8601; ``infinity`` and the like stay."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return text
    day, time, zone, rest = found.groups()
    hours_only = zone is not None and not rest.startswith(":")
    return f"{day}T{time}{zone or ''}{':00' if hours_only else ''}{rest}"


def settle(rows: Sequence[Sequence[Json | Decimal]]) -> list[list[Json]]:
    """Return rows of ``plain`` values as JSON; all numbers of a column are either numbers or strings."""
    if not rows:
        return []
    lossy = {index for row in rows for index, value in enumerate(row) if _is_lossy(value)}
    return [[_number(value, as_text=index in lossy) for index, value in enumerate(row)] for row in rows]


def length(row: Sequence[Json | Decimal]) -> int:
    """Return the bytes of a row's values in a response, without names and punctuation."""
    return len(json.dumps(row, default=str))


def _inner(value: Value, depth: int) -> Json:
    """Return a value inside an array or object as JSON; no column decides about it."""
    made = plain(value, depth + 1)
    return _number(made, as_text=_is_lossy(made))


def _is_lossy(value: Json | Decimal) -> bool:
    match value:
        case bool():
            return False
        case int():
            return abs(value) > MAX_SAFE_INTEGER
        case Decimal():
            return not is_exact(value)
    return False


def is_exact(value: Decimal) -> bool:
    """Return whether a double keeps all digits of a decimal number."""
    return len(value.normalize().as_tuple().digits) <= _MAX_DIGITS and -300 < value.adjusted() < 300  # noqa: PLR2004 - doubles


def _number(value: Json | Decimal, *, as_text: bool) -> Json:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return value
    if as_text:
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    return value if isinstance(value, int) else float(value)


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _duration(value: timedelta) -> str:
    """Return a time in SQL's format, which may exceed 24 hours: ``-838:59:59``."""
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    minutes, seconds = divmod(value.days * 86_400 + value.seconds, 60)
    fraction = f".{value.microseconds:06}" if value.microseconds else ""
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{fraction}"
