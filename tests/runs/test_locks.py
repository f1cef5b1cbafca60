"""A lock on one of our tables never keeps Airflow waiting. Real servers; another connection has the lock."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
import servers
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from airflow_platform_plugin import listener
from airflow_platform_plugin.core import events, new_events, nowait
from airflow_platform_plugin.core.events import Event, NewEvent
from airflow_platform_plugin.runs import run_events

START = datetime.now(tz=timezone.utc)
# Long enough for a busy machine, and far below what a lock would cost.
SOON = 5.0


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def server(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A database with our events and a table of Airflow's."""
    started = {"postgresql": servers.postgresql, "mysql": servers.mysql}[request.param]()
    options = {"isolation_level": "READ COMMITTED"} if request.param == "mysql" else {}
    engine = create_engine(started.url, poolclass=NullPool, **options)
    Event.__table__.create(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (id INTEGER PRIMARY KEY, value INTEGER)"))
        connection.execute(text("CREATE TABLE platform_webhook (id INTEGER)"))
        columns = "(id INTEGER, dag_id VARCHAR(250), tenant_id VARCHAR(63))"
        connection.execute(text(f"CREATE TABLE platform_deployment {columns}"))
        connection.execute(text("CREATE TABLE platform_loader_file (fileloc VARCHAR(2000))"))
        connection.execute(text("CREATE TABLE dag (dag_id VARCHAR(250), fileloc VARCHAR(2000))"))
        connection.execute(text("CREATE TABLE dag_tag (name VARCHAR(100), dag_id VARCHAR(250))"))
    yield engine
    started.stop()


@pytest.fixture
def engine(server: Engine) -> Engine:
    """The same, with one webhook and one row of theirs."""
    with server.begin() as connection:
        for table in ("platform_event", "platform_webhook", "theirs"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - a name of this test's
        connection.execute(text("INSERT INTO platform_webhook VALUES (1)"))
        connection.execute(text("INSERT INTO theirs VALUES (1, 0)"))
    return server


def an_event(run: str = "r") -> NewEvent:
    return NewEvent("dag.success", ("d", run), START, {"dag_id": "d", "text": "a % b ; ' \\ ü"})


@pytest.fixture
def notify(monkeypatch: pytest.MonkeyPatch) -> Callable[..., float]:
    """Call the hook as the scheduler does when a run succeeds; return the seconds that it takes."""

    def call(connection: Any, run: str = "r") -> float:
        monkeypatch.setattr(run_events, "dag_run_event", lambda _: an_event(run))
        monkeypatch.setattr(
            run_events, "object_session", lambda _: SimpleNamespace(connection=lambda: connection)
        )
        started = time.monotonic()
        listener.on_dag_run_success(dag_run=None)
        return time.monotonic() - started

    return call


def stored(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return connection.execute(text("SELECT id FROM platform_event")).scalars().all()


def value(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT value FROM theirs WHERE id = 1")).scalar() or 0)


@contextmanager
def locked(engine: Engine, table: str = "platform_event") -> Iterator[None]:
    """Hold a lock on the whole table, as a migration does."""
    with engine.connect() as other:
        if engine.dialect.name == "postgresql":
            transaction = other.begin()
            other.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        else:
            transaction = None
            other.exec_driver_sql(f"LOCK TABLES {table} WRITE")
        try:
            yield
        finally:
            if transaction is None:
                other.exec_driver_sql("UNLOCK TABLES")
            else:
                transaction.rollback()


def patience(connection: Any) -> list[Any]:
    """The session's timeouts for locks."""
    if connection.dialect.name == "postgresql":
        return [connection.execute(text("SHOW lock_timeout")).scalar()]
    waits = connection.execute(text("SELECT @@lock_wait_timeout, @@innodb_lock_wait_timeout"))
    return list(waits.one())


@pytest.fixture(params=["as it is", "without SET STATEMENT"])
def either(request: pytest.FixtureRequest, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """MariaDB also in the way of MySQL, which has no timeout for a single statement."""
    if request.param != "as it is":
        if engine.dialect.name != "mysql":
            pytest.skip("PostgreSQL has one way only")
        monkeypatch.setattr(engine.dialect, "is_mariadb", False)
    return engine


@pytest.mark.parametrize("table", ["platform_event", "platform_webhook", "platform_deployment"])
def test_the_scheduler_does_not_wait_for_a_lock_and_goes_on(
    either: Engine, notify: Callable[..., float], caplog: pytest.LogCaptureFixture, table: str
) -> None:
    """Its changes before and after are committed; its own timeouts are the same as before."""
    with either.connect() as scheduler:
        before = patience(scheduler)
        scheduler.rollback() if hasattr(scheduler, "rollback") else None
        with scheduler.begin():
            scheduler.execute(text("UPDATE theirs SET value = value + 1 WHERE id = 1"))
            with locked(either, table):
                assert notify(scheduler) < SOON
                assert "the sweep will find it" in caplog.text
                assert patience(scheduler) == before
                scheduler.execute(text("UPDATE theirs SET value = value + 1 WHERE id = 1"))
        assert patience(scheduler) == before
    assert value(either) == 2
    assert stored(either) == []
    with either.begin() as sweep:  # which finds the run afterwards
        assert events.record(sweep, [an_event()]) == 1
    assert stored(either) == [an_event().id]


def test_the_scheduler_does_not_wait_for_a_writer_of_the_same_event(
    either: Engine, notify: Callable[..., float], caplog: pytest.LogCaptureFixture
) -> None:
    """Such as a worker that was suspended in the middle of a round."""
    with either.connect() as other, other.begin() as theirs:
        events.record(other, [an_event()])
        with either.connect() as scheduler, scheduler.begin():
            scheduler.execute(text("UPDATE theirs SET value = 5 WHERE id = 1"))
            assert notify(scheduler) < SOON
            assert "the sweep will find it" in caplog.text
        theirs.rollback()
    assert value(either) == 5


def test_an_event_is_stored_in_the_scheduler_s_transaction(
    either: Engine, notify: Callable[..., float]
) -> None:
    """Once, with its data unchanged; and not at all if the transaction is rolled back."""
    with either.connect() as scheduler:
        before = patience(scheduler)
    with either.connect() as scheduler, scheduler.begin() as transaction:
        notify(scheduler)
        assert stored(either) == []
        transaction.rollback()
    assert stored(either) == []
    with either.connect() as scheduler, scheduler.begin():
        notify(scheduler)
        notify(scheduler)
        assert patience(scheduler) == before
    with either.connect() as scheduler, scheduler.begin():
        notify(scheduler)
    assert stored(either) == [an_event().id]
    with either.connect() as reader:
        row = reader.execute(Event.__table__.select()).one()
    assert (row.type, row.data, row.fanned_out_at) == ("dag.success", an_event().data, None)
    assert abs((row.occurred_at - START).total_seconds()) < 0.001


def test_airflow_s_own_lock_timeout_is_kept(engine: Engine, notify: Callable[..., float]) -> None:
    """Whether it is the session's or the transaction's."""
    if engine.dialect.name != "postgresql":
        pytest.skip("MySQL knows none of a transaction")
    with engine.connect() as scheduler:
        with scheduler.begin():
            scheduler.execute(text("SET lock_timeout = '7s'"))
        with scheduler.begin():
            scheduler.execute(text("SET LOCAL lock_timeout = '9s'"))
            notify(scheduler)
            assert patience(scheduler) == ["9s"]
        with scheduler.begin(), locked(engine):
            scheduler.execute(text("SET LOCAL lock_timeout = '9s'"))
            notify(scheduler, "other")
            assert patience(scheduler) == ["9s"]
        assert patience(scheduler) == ["7s"]


def test_nothing_is_written_without_subscribers(engine: Engine, notify: Callable[..., float]) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM platform_webhook"))
    with engine.connect() as scheduler, scheduler.begin():
        notify(scheduler)
    assert stored(engine) == []
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO platform_deployment (id) VALUES (1)"))
    with engine.connect() as scheduler, scheduler.begin():
        notify(scheduler)
    assert stored(engine) == [an_event().id]
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM platform_deployment"))


def test_a_missing_table_undoes_itself_alone(
    engine: Engine, notify: Callable[..., float], caplog: pytest.LogCaptureFixture
) -> None:
    """Before the first migration, or after the plugin was uninstalled from the database."""
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE platform_event RENAME TO platform_gone"))
    try:
        with engine.connect() as scheduler, scheduler.begin():
            scheduler.execute(text("UPDATE theirs SET value = 3 WHERE id = 1"))
            before = patience(scheduler)
            notify(scheduler)
            assert "the sweep will find it" in caplog.text
            assert patience(scheduler) == before
        assert value(engine) == 3
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE platform_gone RENAME TO platform_event"))


def test_airflow_handles_a_deadlock(
    engine: Engine, notify: Callable[..., float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MySQL undoes the whole transaction: to go on would commit half of the scheduler's changes."""
    if engine.dialect.name != "mysql":
        pytest.skip("PostgreSQL undoes to the SAVEPOINT")
    monkeypatch.setattr(engine.dialect, "is_mariadb", False)  # with SET STATEMENT it does not wait at all
    with engine.connect() as worker, engine.connect() as scheduler:
        theirs, ours = worker.begin(), scheduler.begin()
        # The one that has written less is chosen, so the worker writes more.
        worker.execute(text("INSERT INTO theirs VALUES (2, 0), (3, 0), (4, 0), (5, 0)"))
        events.record(worker, [an_event("mine")])
        scheduler.execute(text("INSERT INTO theirs VALUES (6, 0)"))
        scheduler.execute(Event.__table__.insert().values(**new_events.to_row(an_event("yours"))))
        waiting = threading.Thread(target=lambda: events.record(worker, [an_event("yours")]))
        waiting.start()
        while not _is_waiting(engine):
            time.sleep(0.01)
        with pytest.raises(OperationalError):
            notify(scheduler, "mine")
        ours.rollback()
        waiting.join(SOON)
        theirs.commit()
    with engine.connect() as reader:
        assert reader.execute(text("SELECT id FROM theirs WHERE id = 6")).all() == []


def _is_waiting(engine: Engine) -> bool:
    with engine.connect() as connection:
        waits = "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        return bool(connection.execute(text(waits)).scalar())


def test_sqlite_s_own_lock_timeout_is_kept(tmp_path: Any) -> None:
    """The listener waits for a tenth of a second, and the scheduler as long as before."""
    engine = create_engine(f"sqlite:///{tmp_path}/lone.db", poolclass=NullPool)
    Event.__table__.create(engine)
    with engine.begin() as connection:
        columns = "(id INTEGER, dag_id VARCHAR(250), tenant_id VARCHAR(63))"
        connection.execute(text(f"CREATE TABLE platform_deployment {columns}"))
        connection.execute(text("CREATE TABLE platform_loader_file (fileloc VARCHAR(2000))"))
        connection.execute(text("CREATE TABLE dag (dag_id VARCHAR(250), fileloc VARCHAR(2000))"))
        connection.execute(text("CREATE TABLE platform_webhook AS SELECT 1 AS id"))
    with engine.connect() as scheduler, engine.connect() as other:
        before = scheduler.exec_driver_sql("PRAGMA busy_timeout").scalar()
        other.exec_driver_sql("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(OperationalError):
            nowait.insert(
                scheduler, "platform_event", new_events.to_row(an_event()), where_any=("platform_webhook",)
            )
        assert time.monotonic() - started < before / 1000
        assert scheduler.exec_driver_sql("PRAGMA busy_timeout").scalar() == before == 5000
        other.exec_driver_sql("ROLLBACK")
    engine.dispose()
