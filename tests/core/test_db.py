"""The tables: created by migrations in Airflow's database, without changing Airflow's own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import insert, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.feature import load_models

load_models()


@pytest.fixture
def connection(app: Any) -> Iterator[Any]:
    from airflow import settings

    with settings.engine.connect() as own:
        yield own


def test_models_and_migrations_do_not_drift(connection: Any) -> None:
    """The migrations create what the models declare."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def only_ours(name: str | None, kind: str, _parents: Any) -> bool:
        return kind != "table" or str(name).startswith("platform_")

    context = MigrationContext.configure(
        connection,
        opts={"compare_type": True, "include_name": only_ours, "version_table": db.VERSION_TABLE},
    )
    assert compare_metadata(context, db.metadata) == []


def test_starting_the_webserver_has_upgraded_the_tables(connection: Any) -> None:
    """``pip install`` and a start are enough."""
    assert db.current(connection) == db.head()
    assert db.is_current()


def test_the_newest_revision_is_the_one_that_alembic_finds() -> None:
    """Its number is read from the name of the newest file."""
    from alembic.script import ScriptDirectory

    assert db.head() == ScriptDirectory.from_config(db._alembic()).get_current_head()


def test_airflows_own_revision_is_untouched(connection: Any) -> None:
    from airflow.utils.db import _get_alembic_config
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(_get_alembic_config()).get_current_head()
    assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == head


def test_a_downgrade_removes_all_tables_and_an_upgrade_creates_them_again(connection: Any) -> None:
    """A downgrade to base removes only our tables."""
    before = set(inspect(connection).get_table_names())
    db.downgrade("base")
    try:
        assert not db.is_current()
        left = set(inspect(connection).get_table_names())
        assert {name for name in left if name.startswith("platform_")} == {db.VERSION_TABLE}
        assert left - {db.VERSION_TABLE} == {name for name in before if not name.startswith("platform_")}
    finally:
        db.upgrade()
    assert set(inspect(connection).get_table_names()) == before


def test_many_processes_may_upgrade_at_once(app: Any, connection: Any) -> None:
    """As a webserver, a scheduler and their replicas do: one migrates, the others wait and find it done."""
    db.downgrade("base")
    command = [sys.executable, "-W", "ignore", "-m", "airflow_platform_plugin", "db", "upgrade"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(4)]
    for process in running:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output.decode()
    assert db.is_current()


def test_a_failing_migration_is_undone_completely(
    app: Any, monkeypatch: pytest.MonkeyPatch, connection: Any
) -> None:
    from alembic import command

    if connection.dialect.name == "mysql":
        pytest.skip("MySQL has no transactions for changes of tables")
    db.downgrade("base")

    def fail_late(config: Any, _revision: str) -> None:
        config.attributes["connection"].execute(text("CREATE TABLE platform_half (a INTEGER)"))
        raise RuntimeError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", fail_late)
        with pytest.raises(RuntimeError, match="no space left"):
            db.upgrade()
    assert "platform_half" not in inspect(connection).get_table_names()
    db.upgrade()


def test_insert_absent_skips_only_existing_rows(session: Any) -> None:
    from airflow_platform_plugin.runs.models import ObservedRun

    for rows in ([{"dag_run_id": 1}], [{"dag_run_id": 1}, {"dag_run_id": 2}], []):
        db.insert_absent(session.connection(), ObservedRun.__table__, rows)
    assert sorted(row.dag_run_id for row in session.query(ObservedRun)) == [1, 2]


def test_a_bulk_statement_returns_the_number_of_changed_rows(session: Any) -> None:
    from sqlalchemy import delete, update

    from airflow_platform_plugin.core.cursors import Cursor

    session.add_all([Cursor(name=f"bulk-{number}", position=number) for number in range(3)])
    session.flush()
    ours = Cursor.name.like("bulk-%")
    assert db.execute_bulk(session, update(Cursor).where(ours, Cursor.position > 0).values(position=5)) == 2
    assert db.execute_bulk(session, delete(Cursor).where(ours)) == 3
    assert db.execute_bulk(session, delete(Cursor).where(ours)) == 0


def test_a_locked_row_is_read_again(session: Any) -> None:
    """Another transaction may have changed it since it was loaded; a change of ours is kept."""
    from sqlalchemy import text

    from airflow_platform_plugin.core.cursors import Cursor

    assert db.lock_row(session, Cursor, "none") is None
    cursor = Cursor(name="locked", position=1)
    session.add(cursor)
    session.flush()
    session.execute(text("UPDATE platform_cursor SET position = 2 WHERE name = 'locked'"))
    assert cursor.position == 1
    assert db.lock_row(session, Cursor, "locked") is cursor
    assert cursor.position == 2
    cursor.position = 3
    assert db.lock_row(session, Cursor, "locked").position == 3


def test_a_locked_row_waits_for_the_other_transaction(app: Any) -> None:
    """Two that count up a number under the lock lose no count."""
    from concurrent.futures import ThreadPoolExecutor

    from airflow_platform_plugin.core.cursors import Cursor

    def count(_: int) -> None:
        with db.transaction() as own:
            db.lock_row(own, Cursor, "counted").position += 1

    with db.transaction() as own:
        own.merge(Cursor(name="counted", position=0))
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count, range(12)))
        with db.transaction() as own:
            assert own.get(Cursor, "counted").position == 12
    finally:
        with db.transaction() as own:
            own.delete(own.get(Cursor, "counted"))


def test_a_savepoint_is_undone_with_its_transaction(app: Any, connection: Any) -> None:
    """Also if nothing was written before it. And it can be undone alone."""
    row = insert(db.metadata.tables["platform_loader_file"])

    def fail() -> None:
        raise ZeroDivisionError

    with suppress(ZeroDivisionError), db.transaction() as session:
        with db.savepoint(session):
            session.execute(row.values(id="first", fileloc="x"))
        with suppress(ZeroDivisionError), db.savepoint(session):
            session.execute(row.values(id="second", fileloc="x"))
            fail()
        assert session.scalars(text("SELECT id FROM platform_loader_file")).all() == ["first"]
        fail()
    assert connection.scalar(text("SELECT count(*) FROM platform_loader_file")) == 0


@pytest.mark.parametrize(
    "arguments", [["db", "check"], ["db", "upgrade"], ["--version"], ["worker", "--once"]]
)
def test_the_console_script_runs(app: Any, arguments: list[str]) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "airflow_platform_plugin", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_new_key_is_all_that_the_command_prints(app: Any) -> None:
    """``KEY=$(airflow-platform api-keys create …)`` works, also if the command creates the tables."""
    from sqlalchemy import delete

    from airflow_platform_plugin.auth import key_format
    from airflow_platform_plugin.auth.models import ApiKey

    db.downgrade("base")
    command = [sys.executable, "-W", "ignore", "-m", "airflow_platform_plugin", "api-keys", "create"]
    done = subprocess.run(
        [*command, "--user", "admin"],
        env=os.environ | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert key_format.parse(done.stdout.removesuffix("\n")) is not None, done.stdout + done.stderr
    with db.transaction() as session:
        session.execute(delete(ApiKey))


def test_a_key_for_an_unknown_user_is_refused_in_one_line(app: Any) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "airflow_platform_plugin", "api-keys", "create"]
    done = subprocess.run([*command, "--user", "nobody"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == "There is no user 'nobody' in this Airflow."


def test_an_unknown_scope_is_refused_by_name(app: Any) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "airflow_platform_plugin", "api-keys", "create"]
    done = subprocess.run(
        [*command, "--user", "admin", "--scopes", "dags:read,dags:fly"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("Unknown scopes: dags:fly.")


@pytest.mark.usefixtures("app")
def test_a_row_of_a_failed_session_is_followed_by_reads_on_another_connection() -> None:
    """Until somebody rolls the session back, its own connection refuses each statement."""
    from airflow.providers.fab.auth_manager.models import Role

    with Session(airflow_compat.database.engine()) as session:
        role = session.scalars(select(Role).limit(1)).unique().one()
        name = role.name
        session.add(Role(name=name))
        with pytest.raises(DBAPIError):
            session.flush()
        with db.connection_of(role) as connection:
            assert connection.execute(select(Role.__table__.c.name).where(Role.name == name)).scalar() == name
        session.rollback()


@pytest.mark.usefixtures("app")
def test_a_failed_read_on_the_connection_of_a_row_leaves_its_session_usable() -> None:
    """A statement that fails would end the whole transaction on PostgreSQL."""
    with Session(airflow_compat.database.engine()) as session:
        row = airflow_compat.models.DagModel(dag_id="failed-read", fileloc="x.py")
        session.add(row)
        session.flush()
        with pytest.raises(DBAPIError), db.connection_of(row) as connection:
            connection.execute(text("SELECT 1 FROM no_such_table"))
        assert session.execute(text("SELECT 1")).scalar() == 1
        assert session.get(airflow_compat.models.DagModel, "failed-read") is row
        session.rollback()
    with db.connection_of(row) as connection:  # its session is closed
        assert connection.execute(text("SELECT 1")).scalar() == 1
