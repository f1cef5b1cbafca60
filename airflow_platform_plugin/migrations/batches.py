"""Migrations of rows in batches, each committed when it is done."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from alembic import op
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError, OperationalError

T = TypeVar("T")
Step = Callable[[Connection], T]

# Bound values of one statement. Old versions of SQLite take 999.
MOST_VALUES = 500
_ATTEMPTS = 3


@contextmanager
def batches() -> Iterator[Callable[[Step[T]], T]]:
    """Yield a function that runs a step in a transaction of its own.

    A step that meets another transaction, a deadlock for example, runs again. Alembic records the revision
    after the last step, so a migration that was killed runs again from its start. Each step must therefore
    find out what is left to do. On SQLite the whole migration is one transaction.
    """
    if op.get_bind().dialect.name == "sqlite":
        yield lambda step: step(op.get_bind())
        return
    engine = op.get_bind().engine

    def run(step: Step[T]) -> T:
        for _ in range(_ATTEMPTS - 1):
            try:
                with engine.begin() as connection:
                    return step(connection)
            except (IntegrityError, OperationalError):
                continue
        with engine.begin() as connection:
            return step(connection)

    with op.get_context().autocommit_block():  # commits the migrations before this one, and their locks
        yield run


def split(values: Iterable[T], size: int = MOST_VALUES) -> Iterator[list[T]]:
    """Yield the values in lists of at most that size."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part
