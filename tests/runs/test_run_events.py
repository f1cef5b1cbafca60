"""State changes of runs and tasks as events: by the listeners, and by the sweep for those that they miss."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tenancy
from airflow.models.dag import DagModel, DagTag
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.operators.empty import EmptyOperator
from airflow.utils.state import DagRunState, TaskInstanceState
from options import set_options
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from airflow_platform_plugin import listener
from airflow_platform_plugin.core import db, naming, new_events
from airflow_platform_plugin.core.events import Event, NewEvent
from airflow_platform_plugin.runs import run_events, sweep
from airflow_platform_plugin.webhooks.models import Webhook

START = datetime(2024, 1, 15, tzinfo=timezone.utc)
NOW = datetime.now(tz=timezone.utc)

assert SerializedDagModel  # imported for its effect: Airflow's mappings refer to it


@pytest.fixture(autouse=True)
def _subscriber(request: pytest.FixtureRequest) -> None:
    """Subscribe a webhook, without which listeners write nothing."""
    if "session" in request.fixturenames:
        request.getfixturevalue("declared_payloads")
        session = request.getfixturevalue("session")
        session.add(
            Webhook(
                name="w", url="http://127.0.0.1:9/", events=[], filters={}, retry_policy={}, created_by="x",
                encrypted_headers="", encrypted_secret="",
            )
        )  # fmt: skip
        session.flush()


@pytest.fixture
def make_run(session: Any) -> Callable[..., DagRun]:
    """Make a DAG run with one task instance ``t``."""

    def make(run_id: str, state: str = "running", **columns: Any) -> DagRun:
        number = session.query(DagRun).count()
        run = DagRun(
            dag_id="d",
            run_id=run_id,
            execution_date=START + timedelta(days=number),
            start_date=START,
            run_type="manual",
            state=state,
            external_trigger=True,
            conf={"a": 1},
        )
        session.add(run)
        session.flush()
        for name, value in columns.items():
            setattr(run, name, value)
        task = TaskInstance(EmptyOperator(task_id="t"), run_id=run_id, state=None)
        task.dag_id = "d"
        session.add(task)
        session.flush()
        return run

    return make


def types(session: Any) -> list[str]:
    return [event.type for event in session.query(Event).order_by(Event.occurred_at, Event.type)]


def end(run: DagRun, state: DagRunState, seconds: int = 330) -> None:
    run.set_state(state)
    run.end_date = START + timedelta(seconds=seconds)


def test_the_payload_is_that_of_the_api_reference(session: Any, make_run: Callable[..., DagRun]) -> None:
    run = make_run("scheduled__2024-01-15T00:00:00+00:00")
    end(run, DagRunState.SUCCESS)
    listener.on_dag_run_success(dag_run=run)
    assert session.query(Event).one().data == {
        "dag_id": "d",
        "dag_run_id": "scheduled__2024-01-15T00:00:00+00:00",
        "execution_date": "2024-01-15T00:00:00Z",
        "start_date": "2024-01-15T00:00:00Z",
        "end_date": "2024-01-15T00:05:30Z",
        "duration_seconds": 330.0,
        "state": "success",
        "conf": {"a": 1},
        "external_trigger": True,
    }


@pytest.fixture(params=["listener", "sweep"])
def observe(
    request: pytest.FixtureRequest, session: Any, make_run: Callable[..., DagRun]
) -> Callable[[], Event]:
    """Let a run begin, and return the event that the listener or the sweep stores."""

    def begin() -> Event:
        sweep.sweep()
        run = make_run("r")
        if request.param == "listener":
            listener.on_dag_run_running(dag_run=run)
        else:
            sweep.sweep()
        (event,) = session.query(Event).all()
        return event

    return begin


@pytest.mark.parametrize(
    ("tags", "tenant_id"),
    [
        (["production", "tenant:blue"], "blue"),
        (["production"], None),
        ([], None),
        (["tenant:blue", "tenant:red"], None),  # the tags decide when it is delivered
        (["Tenant:blue"], None),  # MySQL takes these two for "tenant:blue"
        (["t\u00e9nant:blue"], None),
        (["tenant:bl\u00fce"], "bl\u00fce"),  # and this one, which is another tenant's
        (["tenant:" + "b" * 63], "b" * 63),
        (["tenant:" + "b" * 64], None),
        (["tenant:" + "\u00fc" * 63], "\u00fc" * 63),
    ],
)
def test_an_event_is_stored_with_the_tenant_of_its_dag(
    session: Any,
    monkeypatch: pytest.MonkeyPatch,
    observe: Callable[[], Event],
    tags: list[str],
    tenant_id: str | None,
) -> None:
    """The listener and the sweep agree on it, on every database, where tags make owners."""
    set_options(monkeypatch, dag_ownership="tags")
    session.add(DagModel(dag_id="d", tags=[DagTag(name=name) for name in tags]))
    session.add(DagModel(dag_id="e", tags=[DagTag(name="tenant:other")]))
    assert observe().tenant_id == tenant_id
    assert naming.tenant_of(tags) == tenant_id
    assert new_events.TENANT_TAG_PREFIX == naming.TENANT_TAG_PREFIX
    assert new_events.LONGEST_TENANT_TAG == naming.LONGEST_TENANT_TAG


@pytest.mark.parametrize("ownership", ["deployments", "tags", "paths"])
@pytest.mark.parametrize("made_by", ["deployment", "hand"])
def test_an_event_of_a_deployment_is_stored_with_its_tenant(
    session: Any,
    monkeypatch: pytest.MonkeyPatch,
    observe: Callable[[], Event],
    ownership: str,
    made_by: str,
) -> None:
    """Also while somebody else's file has a DAG of that id."""
    set_options(monkeypatch, dag_ownership=ownership)
    tenancy.add_tenant(session, "blue")
    loader = "/dags/datakits.py"
    session.add(DagModel(dag_id="d", fileloc=loader if made_by == "deployment" else "/dags/other.py"))
    tenancy.own_dag(session, "blue", "d", loader)
    assert observe().tenant_id == "blue"


def test_a_conf_that_is_not_json_is_included_as_far_as_possible(
    session: Any, make_run: Callable[..., DagRun]
) -> None:
    """One such run does not stop the sweep."""
    sweep.sweep()
    make_run("r", conf={"when": START, "rate": float("nan"), ("a",): 1})
    assert sweep.sweep() == 1
    assert session.query(Event).one().data["conf"] == {"when": str(START), "rate": "NaN"}


def test_a_listener_and_the_sweep_create_one_event(session: Any, make_run: Callable[..., DagRun]) -> None:
    """Whichever is first, and however often the sweep runs."""
    sweep.sweep()
    run = make_run("r")
    listener.on_dag_run_running(dag_run=run)
    assert sweep.sweep() == 0
    end(run, DagRunState.SUCCESS)
    session.flush()
    assert sweep.sweep() == 1
    listener.on_dag_run_success(dag_run=run)
    assert sweep.sweep() == 0
    assert types(session) == ["dag.running", "dag.success"]


def test_the_sweep_finds_what_no_listener_saw(session: Any, make_run: Callable[..., DagRun]) -> None:
    """A run that ended, and one of its tasks that was skipped."""
    sweep.sweep()
    run = make_run("r")
    sweep.sweep()
    end(run, DagRunState.FAILED)
    (task,) = run.get_task_instances(session=session)
    task.state, task.end_date = TaskInstanceState.SKIPPED, db.now()
    session.flush()
    sweep.sweep()
    assert sorted(types(session)) == ["dag.failure", "dag.running", "task.skipped"]
    assert sweep.sweep() == 0


def test_a_run_that_began_and_ended_between_two_sweeps_is_found(
    session: Any, make_run: Callable[..., DagRun]
) -> None:
    sweep.sweep()
    run = make_run("r")
    run.set_state(DagRunState.SUCCESS)
    session.flush()
    sweep.sweep()
    assert types(session) == ["dag.success"]


def test_a_new_mark_on_a_finished_run_is_found_by_the_audit_log(
    session: Any, make_run: Callable[..., DagRun]
) -> None:
    run = make_run("r")
    end(run, DagRunState.FAILED)
    session.flush()
    sweep.sweep()
    # After many later runs, so that it is not among the newest.
    session.execute(text("UPDATE dag_run SET id = id + 10000 WHERE run_id <> 'r'"))
    later = make_run("later")
    session.execute(text("UPDATE dag_run SET id = 100000 WHERE run_id = 'later'"))
    session.expunge(later)
    sweep.sweep()
    run.set_state(DagRunState.SUCCESS)
    run.end_date = db.now()
    session.flush()
    before = types(session)
    sweep.sweep()
    assert types(session) == before
    session.add(Log(event="dagrun_success", dag_id="d", extra='{"dag_id": "d", "dag_run_id": "r"}'))
    session.flush()
    sweep.sweep()
    assert "dag.success" in types(session)


def test_thousands_of_marks_in_one_round_are_read(session: Any, make_run: Callable[..., DagRun]) -> None:
    """Bulk operations make so many. A round that fails would be repeated for ever."""
    run = make_run("r")
    sweep.sweep()
    session.add_all([Log(event="trigger_dags", dag_id="d", run_id=f"r{number}") for number in range(2000)])
    session.add(Log(event="dagrun_success", dag_id="d", run_id="r"))
    end(run, DagRunState.SUCCESS)
    session.flush()
    sweep.sweep()
    assert "dag.success" in types(session)


def test_history_from_before_the_plugin_creates_no_events(
    session: Any, make_run: Callable[..., DagRun]
) -> None:
    end(make_run("r"), DagRunState.SUCCESS)
    session.flush()
    assert sweep.sweep() == 0
    assert sweep.sweep() == 0


def test_a_quiet_round_writes_nothing(session: Any, make_run: Callable[..., DagRun]) -> None:
    """On SQLite, the scheduler waits for every write."""
    from sqlalchemy import event

    make_run("r")
    sweep.sweep()
    statements: list[str] = []
    event.listen(session.connection(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    sweep.sweep()
    # The cursor of the tasks moves once a minute.
    writes = [s for s in statements if not s.startswith(("SELECT", "SAVEPOINT", "RELEASE"))]
    assert [s for s in writes if "platform_cursor" not in s] == []


def test_the_sweep_reads_what_is_unfinished_not_the_history(
    session: Any, make_run: Callable[..., DagRun]
) -> None:
    """The number of rows that it reads does not grow with finished runs."""
    sweep.sweep()
    make_run("running")
    for number in range(3 * sweep.OVERLAP):
        end(make_run(f"old{number}"), DagRunState.SUCCESS)
    session.flush()
    sweep.sweep()
    found = sweep._new(session) + sweep._runs(session, DagRun.state == "running")
    assert len(found) <= sweep.OVERLAP + 1


def test_a_run_that_airflow_deletes_is_forgotten(session: Any, make_run: Callable[..., DagRun]) -> None:
    make_run("r")
    sweep.sweep()
    session.execute(text("DELETE FROM task_instance"))
    session.execute(text("DELETE FROM dag_run"))
    assert sweep.sweep() == 0
    assert session.execute(text("SELECT count(*) FROM platform_observed_run")).scalar() == 0


@pytest.mark.parametrize(
    ("state", "hook", "event_type"),
    [
        ("success", "on_task_instance_success", "task.success"),
        ("failed", "on_task_instance_failed", "task.failure"),
        ("up_for_retry", "on_task_instance_failed", "task.retry"),
    ],
)
def test_a_tasks_end_is_an_event(
    session: Any, make_run: Callable[..., DagRun], state: str, hook: str, event_type: str
) -> None:
    """Airflow calls the same hook for a final failure and for one that is retried."""
    run = make_run("r")
    (task,) = run.get_task_instances(session=session)
    task.state, task.start_date, task.end_date = state, START, START + timedelta(seconds=5)
    getattr(listener, hook)(task_instance=task)
    (event,) = session.query(Event)
    assert event.type == event_type
    assert (event.data["task_id"], event.data["duration_seconds"]) == ("t", 5.0)


def test_a_failing_listener_raises_nothing_and_undoes_itself_alone(
    session: Any, make_run: Callable[..., DagRun], caplog: pytest.LogCaptureFixture
) -> None:
    """If our table is missing, the scheduler's transaction goes on."""
    if session.bind.dialect.name == "mysql":
        pytest.skip("MySQL commits when a table is renamed, so that the test could not be undone")
    run = make_run("r")
    session.execute(text("ALTER TABLE platform_event RENAME TO platform_gone"))
    end(run, DagRunState.SUCCESS)
    listener.on_dag_run_success(dag_run=run)
    assert "the sweep will find it" in caplog.text
    session.flush()
    assert session.execute(text("SELECT state FROM dag_run WHERE run_id = 'r'")).scalar() == "success"
    session.execute(text("ALTER TABLE platform_gone RENAME TO platform_event"))


def test_a_row_that_the_database_refuses_undoes_itself_alone(
    session: Any,
    make_run: Callable[..., DagRun],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The scheduler's changes before and after it are kept, on every database."""
    run = make_run("r")
    refused = NewEvent("dag.success", ("d", "r"), NOW, {})
    monkeypatch.setattr(NewEvent, "id", None)  # a primary key must not be null
    monkeypatch.setattr(run_events, "dag_run_event", lambda _: refused)
    end(run, DagRunState.SUCCESS)
    session.flush()
    listener.on_dag_run_success(dag_run=run)
    assert "the sweep will find it" in caplog.text
    run.conf = {"after": True}
    session.flush()
    session.expire_all()
    assert (run.state, run.conf) == ("success", {"after": True})
    assert session.query(Event).count() == 0


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[Engine]:
    """SQLite with events and a table of another program; writers wait for a tenth of a second."""
    engine = create_engine(
        f"sqlite:///{tmp_path}/lone.db", poolclass=NullPool, connect_args={"timeout": 0.1}, future=True
    )
    Event.__table__.create(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (value INTEGER)"))
        connection.execute(text("CREATE TABLE platform_deployment AS SELECT 1 AS id"))
        connection.execute(text("CREATE TABLE platform_webhook AS SELECT 1 AS id"))
    yield engine
    engine.dispose()


def notify(connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call the hook as the scheduler does when a run succeeds, with a session on that connection."""
    monkeypatch.setattr(run_events, "dag_run_event", lambda _: NewEvent("dag.success", ("d", "r"), START, {}))
    monkeypatch.setattr(
        run_events, "object_session", lambda _: SimpleNamespace(connection=lambda: connection)
    )
    listener.on_dag_run_success(dag_run=None)


def stored(engine: Engine) -> int:
    """The events that other connections see."""
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM platform_event")))


def test_an_event_is_committed_with_the_change_that_it_reports(
    lone: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with SQLite's driver, which begins transactions late."""
    with lone.connect() as scheduler:
        notify(scheduler, monkeypatch)
        scheduler.execute(text("INSERT INTO theirs VALUES (1)"))
        assert stored(lone) == 0
        scheduler.rollback()
        assert stored(lone) == 0
        notify(scheduler, monkeypatch)
        scheduler.commit()
        assert stored(lone) == 1


def test_a_listener_that_is_locked_out_leaves_no_lock(
    lone: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While others write to SQLite: the scheduler's own writes wait for them as usual."""
    with lone.connect() as scheduler, closing(sqlite3.connect(str(lone.url.database))) as other:
        assert scheduler.execute(text("SELECT * FROM theirs")).all() == []
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO theirs VALUES (1)")
        notify(scheduler, monkeypatch)
        assert "the sweep will find it" in caplog.text
        assert not scheduler.connection.in_transaction
        other.commit()
        scheduler.execute(text("UPDATE theirs SET value = 2"))
        scheduler.commit()
        assert scheduler.scalars(text("SELECT value FROM theirs")).all() == [2]


def test_an_object_that_is_not_a_run_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    listener.on_dag_run_success(dag_run=None)
    listener.on_task_instance_failed(task_instance=object())
    assert caplog.text.count("the sweep will find it") == 2
