"""The SQL of tests/analytics/*.tsv: attacks, and queries that must work."""

import re
from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(__file__).parent / "analytics"
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


class Attack(NamedTuple):
    """A statement that nobody may run.

    Attributes:
        effect: what it did to an engine without a guard, or empty.
        passes: why the guard lets it through nevertheless, or empty.
    """

    dialect: str
    label: str
    statement: str
    effect: str
    passes: str


class Query(NamedTuple):
    """A query as analysts write them.

    Attributes:
        refused: ``guard: …`` or ``engine: …``, where it is not answered, or empty.
    """

    dialect: str
    statement: str
    refused: str


# What has no list of functions of its own: engines with a backslash in strings and without, with [names] and
# with [arrays], and one that sqlglot does not know.
GENERIC = ("snowflake", "bigquery", "tsql", "trino", "oracle", "spark", "redshift", None)


def hostile() -> list[Attack]:
    """Every attack."""
    return [Attack(*row) for row in _rows("hostile.tsv")]


def legit() -> list[Query]:
    """Every query that must work."""
    return [Query(*row) for row in _rows("legit.tsv")]


def variants() -> list[tuple[str | None, str]]:
    """More attacks, each as dialect and statement."""
    rows = [(dialect, statement) for dialect, statement in _rows("variants.tsv")]
    return [
        (name, statement)
        for dialect, statement in rows
        for name in (GENERIC if dialect == "generic" else (dialect,))
    ]


def spellings() -> list[tuple[str, str]]:
    """More queries that must work, each as dialect and statement."""
    return [(dialect, statement) for dialect, statement in _rows("spellings.tsv")]


def _rows(name: str) -> list[list[str]]:
    lines = (_FOLDER / name).read_text(encoding="utf-8").rstrip("\n").split("\n")
    _, *rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return [[_decode(field) for field in row] for row in rows]


def _decode(field: str) -> str:
    return re.sub(
        r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|(.))",
        lambda found: chr(int(found[1] or found[2], 16)) if found[3] is None else _ESCAPES[found[3]],
        field,
    )
