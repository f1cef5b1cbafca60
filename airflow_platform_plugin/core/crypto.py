"""Secrets: encrypted with Airflow's key if they are needed again, hashed if they are only compared."""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from cryptography.fernet import InvalidToken
from sqlalchemy import Column, select, tuple_, update

from airflow_platform_plugin.airflow_compat import encryption
from airflow_platform_plugin.core import db

# The longest text to encrypt for a column of type Text: MySQL stores 65,535 bytes, and encryption adds a
# third.
LONGEST = 45_000  # bytes


def encrypt(secret: str) -> str:
    """Encrypt with Airflow's Fernet key."""
    return encryption.encrypt(secret)


def decrypt(token: str) -> str:
    """Decrypt what ``encrypt`` returned, also under an older one of Airflow's Fernet keys."""
    return encryption.decrypt(token)


def digest(secret: str) -> str:
    """Return SHA-256 in hexadecimal: enough for secrets of 256 random bits, which nobody can guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


# --- all that is encrypted ---

# A column whose name begins so holds what ``encrypt`` returned, or nothing.
_PREFIX = "encrypted_"
_BATCH = 200


class Encrypted(NamedTuple):
    """How many values of one column could be decrypted, and how many could not."""

    column: str
    read: int
    unreadable: int


def encrypted_columns() -> list[Any]:
    """Return our encrypted columns, of the tables whose models are imported."""
    return [
        column
        for table in db.metadata.sorted_tables
        for column in table.columns
        if column.name.startswith(_PREFIX)
    ]


def rotate() -> list[Encrypted]:
    """Encrypt everything with the first of Airflow's Fernet keys; unreadable values stay as they are.

    It works in small transactions. A value that changes meanwhile is under the first key already.

    Raises:
        ValueError: Airflow has no Fernet key.
    """
    if not encryption.has_key():
        raise ValueError("[core] fernet_key is empty: nothing is encrypted")
    return [_walk(column, write=True) for column in encrypted_columns()]


def examine() -> list[Encrypted]:
    """Count the values that can be decrypted, and those that cannot."""
    return [_walk(column, write=False) for column in encrypted_columns()]


def _walk(column: "Column[Any]", *, write: bool) -> Encrypted:
    read = unreadable = 0
    for key, token in _values(column):
        try:
            decrypt(token)
        except (InvalidToken, UnicodeError):
            unreadable += 1
            continue
        if write:
            _replace(column, key, token)
        read += 1
    return Encrypted(f"{column.table.name}.{column.name}", read, unreadable)


def _values(column: "Column[Any]") -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield the primary key and value of each row that has a value, read in batches."""
    keys = list(column.table.primary_key)
    rows = select(*keys, column).where(column.is_not(None)).order_by(*keys).limit(_BATCH)
    last: tuple[Any, ...] | None = None
    while True:
        with db.transaction() as session:
            beyond = rows if last is None else rows.where(tuple_(*keys) > tuple_(*last))
            batch = [tuple(row) for row in session.execute(beyond)]
        for row in batch:
            yield row[:-1], str(row[-1])
        if len(batch) < _BATCH:
            return
        last = batch[-1][:-1]


def _replace(column: "Column[Any]", key: tuple[Any, ...], token: str) -> None:
    here = [part == value for part, value in zip(column.table.primary_key, key, strict=True)]
    renewed = encryption.rotate(token)
    with db.transaction() as session:
        session.execute(update(column.table).where(*here, column == token).values({column.name: renewed}))
