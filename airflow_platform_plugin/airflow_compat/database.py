"""Airflow's database: the engine, column types and the lock of migrations."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow import settings
from airflow.models.base import StringID
from airflow.utils.sqlalchemy import UtcDateTime

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.orm import Session

__all__ = ["StringID", "UtcDateTime", "dialect", "engine", "migration_lock"]


def engine() -> "Engine":
    """Return the engine of this process. Airflow replaces it after a fork.

    Not ``settings.Session``, which belongs to the thread: other code that uses it would commit our work.
    """
    return settings.engine


def dialect() -> str:
    """Return the kind of the database: ``postgresql``, ``mysql`` or ``sqlite``."""
    return str(settings.engine.dialect.name)


@contextmanager
def migration_lock(session: "Session", *, timeout: int) -> Iterator[None]:
    """Hold the lock that Airflow's own migrations take; SQLite has none.

    Args:
        session: holds the lock on its connection.
        timeout: seconds to wait for the lock.
    """
    from airflow.utils.db import DBLocks, create_global_lock

    # Airflow passes the number on: PostgreSQL reads milliseconds, MySQL seconds.
    patience = timeout * 1000 if dialect() == "postgresql" else timeout
    with create_global_lock(session, DBLocks.MIGRATIONS, lock_timeout=patience):
        yield
