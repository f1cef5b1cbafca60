"""The platform's own tables in Airflow's database: metadata, units of work, migrations."""

import hashlib
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, Table, inspect, select, table, text, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, declarative_base

from airflow_platform_plugin.airflow_compat.database import StringID, UtcDateTime, engine, migration_lock
from airflow_platform_plugin.airflow_compat.types import Model
from airflow_platform_plugin.core.nowait import begin
from airflow_platform_plugin.core.types import Row

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.sql import Delete, Update

__all__ = [
    "SECRET",
    "Base",
    "StringID",
    "UtcDateTime",
    "connection_of",
    "current",
    "downgrade",
    "execute_bulk",
    "fingerprint",
    "head",
    "insert_absent",
    "is_current",
    "is_migrating",
    "lock_row",
    "metadata",
    "new_id",
    "now",
    "savepoint",
    "transaction",
    "upgrade",
]

VERSION_TABLE = "platform_alembic_version"
_MIGRATIONS = Path(__file__).parent.parent / "migrations"
_LOCK_TIMEOUT = 600  # seconds in which another process's migrations must end

# Named constraints, so that a migration can find and change them on every database.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Base: Any = declarative_base(metadata=metadata)
# Marks a column that holds a secret, or a hash or encryption of one: the audit log leaves it out.
SECRET = {"secret": True}


@contextmanager
def transaction() -> Iterator[Session]:
    """Yield the session of one unit of work: committed at the end, rolled back by any exception.

    It is a new session, because other users of Airflow's thread-scoped session would commit our changes.
    """
    with Session(engine(), future=True) as session, session.begin():
        yield session


@contextmanager
def connection_of(row: Row) -> Iterator[Connection]:
    """Yield the connection that a row was read with, for further reads.

    It is a new one if the row's session is closed or has failed. A failure does not end the transaction of
    the row's session.
    """
    state = inspect(row, raiseerr=False)
    if state is None or state.session is None or not state.session.is_active:
        with engine().connect() as connection:
            yield connection
        return
    connection = state.session.connection()
    # Other databases undo only the failed statement.
    with connection.begin_nested() if connection.dialect.name == "postgresql" else nullcontext():
        yield connection


@contextmanager
def savepoint(session: Session) -> Iterator[None]:
    """Run a part of a unit of work that an exception undoes alone. It is undone with the whole, too."""
    begin(session.connection())
    with session.begin_nested():
        yield


def fingerprint() -> str:
    """Return what identifies this process's database, without its password."""
    url = engine().url.render_as_string(hide_password=True)
    return hashlib.sha256(url.encode()).hexdigest()[:32]


def now() -> datetime:
    """Return the current time, aware and in UTC."""
    return datetime.now(tz=timezone.utc)


def new_id(prefix: str) -> str:
    """Return a random identifier such as ``dk_5f0c9d1e2a3b4c5d``."""
    return f"{prefix}_{secrets.token_hex(8)}"


def insert_absent(connection: Connection, into: Table, rows: list[dict[str, Any]]) -> None:
    """Insert the rows whose primary or unique key does not exist yet, without an error for the others."""
    if not rows:
        return
    match connection.dialect.name:
        case "postgresql":
            statement = postgresql.insert(into).on_conflict_do_nothing()
        case "sqlite":
            statement = sqlite.insert(into).on_conflict_do_nothing()
        case "mysql":
            # Not INSERT IGNORE, which also changes values that do not fit.
            unchanged = {column.name: column for column in into.primary_key}
            statement = mysql.insert(into).on_duplicate_key_update(unchanged)
        case other:
            raise NotImplementedError(f"The platform does not know the database {other}.")
    connection.execute(statement, rows)


def execute_bulk(session: Session, statement: "Update | Delete") -> int:
    """Execute an UPDATE or DELETE and return how many rows it changed.

    Objects that the session has loaded keep their old values.
    """
    return int(session.execute(statement, execution_options={"synchronize_session": False}).rowcount)


def lock_row(session: Session, model: Model, key: str) -> Row | None:
    """Return a row as it is now, locked until the transaction ends; None if there is no such row.

    SQLite has no FOR UPDATE. An UPDATE that changes nothing locks the row everywhere, on SQLite the database.
    """
    (column,) = inspect(model).primary_key
    db_key = getattr(model, column.key)
    # Columns such as updated_at would get a new value unless the statement sets them.
    unchanged = [column, *(each for each in model.__table__.columns if each.onupdate is not None)]
    execute_bulk(session, update(model).where(db_key == key).values({each: each for each in unchanged}))
    return session.get(model, key, populate_existing=True)


# --- migrations ---


def _alembic(connection: Connection | None = None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """Return the newest revision that this version of the plugin knows.

    It is the number in the name of the newest file. Every start asks, and does not need Alembic for it.
    """
    return max(path.name for path in _MIGRATIONS.glob("versions/[0-9]*.py")).partition("_")[0]


def current(connection: Connection) -> str | None:
    """Return the revision of the database, or None before the first migration."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    versions = select(text("version_num")).select_from(table(VERSION_TABLE))
    revision: str | None = connection.execute(versions).scalar()
    return revision


def is_current() -> bool:
    """Return whether the tables are those of this version of the plugin."""
    with engine().connect() as connection:
        return current(connection) == head()


@contextmanager
def _migrating() -> Iterator[Connection]:
    """Yield a connection for migrations; no other process migrates at the same time."""
    with (
        Session(engine()) as session,
        migration_lock(session, timeout=_LOCK_TIMEOUT),
        engine().connect() as c,
    ):
        if c.dialect.name == "sqlite":
            # Airflow has no lock for SQLite. BEGIN IMMEDIATE is one, and makes the whole migration atomic:
            # the second process waits, then finds nothing to do.
            c.connection.isolation_level = None
            c.exec_driver_sql("PRAGMA busy_timeout = 120000")  # the driver would wait for five seconds
            c.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield c
                c.exec_driver_sql("COMMIT")
            except BaseException:
                with suppress(DBAPIError):
                    c.exec_driver_sql("ROLLBACK")
                raise
            finally:
                c.exec_driver_sql("PRAGMA busy_timeout = 5000")
                c.connection.isolation_level = ""
        else:
            yield c


def is_migrating() -> bool:
    """Return whether this process runs migrations now, such as Airflow's; Alembic runs one at a time."""
    context = sys.modules.get("alembic.context")  # if Alembic is not imported, it does not run
    # The object behind the module's functions. It is None after a migration, and does not exist before the
    # first.
    return getattr(context, "_proxy", None) is not None


def upgrade() -> None:
    """Upgrade the tables to the newest revision, if they are not there already.

    Within other migrations nothing happens: the next start upgrades.
    """
    if is_migrating() or is_current():
        return
    from alembic import command

    with _migrating() as connection:
        command.upgrade(_alembic(connection), "head")


def downgrade(revision: str) -> None:
    """Downgrade the tables to ``revision``; ``base`` removes them all."""
    from alembic import command

    with _migrating() as connection:
        command.downgrade(_alembic(connection), revision)
