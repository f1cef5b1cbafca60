"""History from before the plugin, or older than the retention, creates no events.

The worker's own rounds, with a receiver that counts.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.operators.empty import EmptyOperator
from options import set_options
from receivers import Receiver
from sqlalchemy import func, select, update

from airflow_platform_plugin import worker
from airflow_platform_plugin.core import cursors, db, events
from airflow_platform_plugin.core.events import Event
from airflow_platform_plugin.core.reach import EVERYWHERE
from airflow_platform_plugin.deployments.models import Mail
from airflow_platform_plugin.runs import sweep
from airflow_platform_plugin.webhooks import service
from airflow_platform_plugin.webhooks.inputs import NewWebhook

pytestmark = pytest.mark.usefixtures("declared_payloads")

assert SerializedDagModel  # imported for its effect: Airflow's mappings refer to it
DAYS = timedelta(days=1)
EVERYTHING = list(events.types())


def now() -> datetime:
    return datetime.now(tz=timezone.utc)


@pytest.fixture
def receiver(session: Any) -> Iterator[Receiver]:
    """A webhook for all events; the platform has run for a year."""
    made = Receiver()
    fields: dict[str, Any] = {
        "name": "w", "url": made.url, "events": EVERYTHING, "filters": {}, "headers": {},
        "retry_policy": {"max_attempts": 3, "backoff_seconds": [10]},
    }  # fmt: skip
    service.create(
        session, NewWebhook(**fields), by=SimpleNamespace(username="admin", reach=lambda _scope: EVERYWHERE)
    )
    sweep.sweep()
    cursors.write_down(session, events.FIRST_START, now() - 365 * DAYS)
    yield made
    made.stop()


def delivered(receiver: Receiver) -> list[str]:
    return [json.loads(body)["event"] for _, body in receiver.requests]


def rounds(session: Any, count: int = 3) -> None:
    for _ in range(count):
        assert None not in worker.run_once().values()
        session.expire_all()


@pytest.fixture
def make_run(session: Any) -> Callable[..., DagRun]:
    """Make a run with one task, of the DAG ``d`` by default."""

    def make(
        run_id: str, state: str, began: datetime, ended: datetime | None = None, dag_id: str = "d"
    ) -> DagRun:
        run = DagRun(
            dag_id=dag_id, run_id=run_id, execution_date=began, start_date=began, run_type="manual",
            state=state, external_trigger=True, conf={},
        )  # fmt: skip
        session.add(run)
        session.flush()
        session.execute(update(DagRun).where(DagRun.id == run.id).values(end_date=ended))
        task = TaskInstance(EmptyOperator(task_id="t"), run_id=run_id, state=None if ended is None else state)
        task.dag_id, task.start_date, task.end_date = dag_id, began, ended
        session.add(task)
        session.flush()
        session.expire_all()
        return run

    return make


def grow_old(session: Any, days: int) -> None:
    """Let so many days pass for all stored times."""
    passed = timedelta(days=days)
    for model, names in (
        (DagRun, ("execution_date", "start_date", "end_date", "queued_at", "updated_at")),
        (TaskInstance, ("start_date", "end_date", "updated_at")),
        (Event, ("occurred_at", "fanned_out_at")),
    ):
        for row in session.scalars(select(model)).all():
            moved = {name: getattr(row, name) - passed for name in names if getattr(row, name) is not None}
            key = model.id if hasattr(model, "id") else model.run_id
            session.execute(update(model).where(key == getattr(row, key.key)).values(**moved))
    session.expire_all()


def test_a_delivered_event_is_not_delivered_again_after_the_retention(
    session: Any, receiver: Receiver, make_run: Callable[..., DagRun]
) -> None:
    """On a quiet system, the run stays among the newest hundred."""
    make_run("r", "success", now() - timedelta(minutes=1), now())
    rounds(session)
    assert sorted(delivered(receiver)) == ["dag.success", "task.success"]
    grow_old(session, 31)
    rounds(session)
    assert session.scalar(select(func.count()).select_from(Event)) == 0
    rounds(session)
    assert len(receiver.requests) == 2


def test_an_expired_event_is_not_delivered_again_after_the_retention_is_extended(
    session: Any, receiver: Receiver, make_run: Callable[..., DagRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform remembers up to when events were deleted."""
    make_run("r", "success", now() - timedelta(minutes=1), now())
    rounds(session)
    grow_old(session, 31)
    rounds(session)
    set_options(monkeypatch, event_retention_days=365)
    rounds(session)
    assert len(receiver.requests) == 2


def test_a_run_that_has_been_running_for_a_month_is_delivered_once(
    session: Any, receiver: Receiver, make_run: Callable[..., DagRun]
) -> None:
    """Such as one whose DAG was deleted. Its end is an event when it comes."""
    run = make_run("r", "running", now())
    rounds(session)
    grow_old(session, 31)
    rounds(session)
    assert delivered(receiver) == ["dag.running"]
    run.set_state("failed")
    session.flush()
    rounds(session)
    assert delivered(receiver) == ["dag.running", "dag.failure"]


@pytest.mark.parametrize("event", ["dag_run.clear", "api.patch_dag_run", "set_dag_run_note"])
def test_an_audit_row_that_names_an_old_run_creates_no_event(
    session: Any, receiver: Receiver, make_run: Callable[..., DagRun], event: str
) -> None:
    """A dry run of a clear writes one, and so does a note."""
    make_run("r", "success", now() - 40 * DAYS, now() - 40 * DAYS)
    session.add(Log(event=event, dag_id="d", run_id="r", extra='{"dry_run": true}'))
    session.flush()
    rounds(session)
    assert delivered(receiver) == []


def test_a_mark_on_a_task_of_an_old_run_creates_no_events(
    session: Any, receiver: Receiver, make_run: Callable[..., DagRun]
) -> None:
    """Airflow keeps the old end."""
    make_run("r", "failed", now() - 31 * DAYS, now() - 31 * DAYS)
    task = session.scalars(select(TaskInstance)).one()
    task.state, task.updated_at = "success", now()
    session.add(Log(event="api.patch_task", dag_id="d", run_id="r"))
    session.flush()
    rounds(session)
    assert delivered(receiver) == []


def test_a_run_that_starts_now_is_delivered_once_whatever_its_dates_say(
    session: Any, receiver: Receiver, make_run: Callable[..., DagRun]
) -> None:
    """``airflow dags test`` starts a run on its logical date."""
    run = make_run("r", "running", now() - 1000 * DAYS)
    rounds(session)
    assert delivered(receiver) == ["dag.running"]
    (body,) = [json.loads(body) for _, body in receiver.requests]
    assert datetime.fromisoformat(body["timestamp"].replace("Z", "+00:00")) > now() - DAYS
    run.set_state("success")
    session.flush()
    rounds(session)
    grow_old(session, 31)
    rounds(session)
    assert delivered(receiver) == ["dag.running", "dag.success"]


def test_imported_history_creates_no_events_and_is_read_in_parts(
    session: Any, receiver: Receiver, make_run: Callable[..., DagRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One round reads only a part of it."""
    monkeypatch.setattr(sweep, "_MOST", 10)
    monkeypatch.setattr(sweep, "OVERLAP", 5)
    sweep.sweep()
    for number in range(60):
        moment = now() - 100 * DAYS + timedelta(minutes=number)
        make_run(f"old{number}", "success", moment, moment)
    make_run("new", "success", now(), now())
    most = 0
    for _ in range(12):
        before = session.get(cursors.Cursor, "dag_run").position
        worker.run_once()
        session.expire_all()
        after = session.get(cursors.Cursor, "dag_run").position
        read = select(func.count()).where(DagRun.id > before, DagRun.id <= after)
        most = max(most, session.scalar(read))
    assert most == 10
    assert sorted(delivered(receiver)) == ["dag.success", "task.success"]


def test_a_run_that_ended_before_the_plugins_first_start_creates_no_event(
    session: Any, receiver: Receiver, make_run: Callable[..., DagRun]
) -> None:
    """Also within the retention, and if a user changes it. A run that ends later creates one."""
    cursors.write_down(session, events.FIRST_START, now() - DAYS)
    make_run("before", "success", now() - 2 * DAYS, now() - 2 * DAYS)
    session.add(Log(event="clear", dag_id="d", run_id="before"))
    rounds(session)
    assert delivered(receiver) == []
    make_run("after", "success", now() - 2 * DAYS, now())
    rounds(session)
    assert sorted(delivered(receiver)) == ["dag.success", "task.success"]


def test_the_first_start_is_stored_once(session: Any, make_run: Callable[..., DagRun]) -> None:
    sweep.sweep()
    first = cursors.moment(session, events.FIRST_START)
    assert first is not None
    assert abs((first - now()).total_seconds()) < 60
    cursors.write_down(session, events.FIRST_START, first - DAYS)
    sweep.sweep()
    assert cursors.moment(session, events.FIRST_START) == first - DAYS


def test_the_oldest_event_is_the_first_start_of_an_earlier_version(session: Any) -> None:
    """Changes between its stop and the upgrade become events."""
    moment = now() - 3 * DAYS
    data: dict[str, Any] = dict.fromkeys(("execution_date", "start_date", "end_date", "duration_seconds"))
    data |= {"dag_id": "d", "dag_run_id": "r", "state": "success", "conf": {}, "external_trigger": False}
    events.record(session.connection(), [events.NewEvent("dag.success", ("d", "r"), moment, data)])
    assert abs((events.horizon(session) - moment).total_seconds()) < 2


@pytest.fixture
def deployed(
    call: Callable[..., Any], tenant: dict[str, Any], manifest: dict[str, Any], deployment: dict[str, Any]
) -> str:
    """The API reference's deployment, which mails failures; returns its DAG's id."""
    call("POST", "/api/v1/platform/tenants", json=tenant)
    call("POST", "/api/v1/datakits", json=manifest)
    made = call("POST", f"/api/v1/datakits/{manifest['name']}/deploy", json=deployment)
    return str(made.json["dag_id"])


def test_no_mail_is_sent_again_after_the_retention(
    session: Any, receiver: Receiver, make_run: Callable[..., DagRun], deployed: str
) -> None:
    """A deployment's failed run, a month ago."""
    make_run("r", "failed", now() - timedelta(minutes=1), now(), dag_id=deployed)
    sweep.sweep()
    events.fan_out()
    assert session.scalar(select(func.count()).select_from(Mail)) == 1
    session.query(Mail).delete()  # it was sent
    grow_old(session, 31)
    rounds(session)
    assert session.scalar(select(func.count()).select_from(Mail)) == 0
    assert session.scalar(select(func.count()).select_from(Event)) == 0


# --- one bad run ---


class Unpicklable:
    """An object whose class does not exist when it is unpickled."""

    def __reduce__(self) -> Any:
        return _fail, ()


def _fail() -> None:
    raise ImportError("that package is not installed here")


def cyclic() -> dict[str, Any]:
    conf: dict[str, Any] = {}
    conf["self"] = conf
    return conf


@pytest.mark.parametrize(
    ("conf", "reason"),
    [
        (cyclic(), "ValueError"),
        ({"a": Unpicklable()}, "ImportError"),
        ({"a": "x" * 1_100_000}, "characters"),
    ],
)
def test_an_unreadable_conf_does_not_stop_the_sweep(
    session: Any, receiver: Receiver, make_run: Callable[..., DagRun], conf: Any, reason: str
) -> None:
    """The event of its run is stored without it, and those of the others as usual."""
    if reason == "characters" and session.get_bind().dialect.name == "mysql":
        pytest.skip("MySQL keeps at most 65,535 bytes of a conf, and an event has room for those")
    run = make_run("bad", "running", now())
    session.execute(update(DagRun).where(DagRun.id == run.id).values(conf=conf))
    session.expunge(run)
    make_run("good", "running", now())
    rounds(session)
    data = {json.loads(body)["data"]["dag_run_id"]: json.loads(body)["data"] for _, body in receiver.requests}
    assert (set(data), data["bad"]["conf"]) == ({"bad", "good"}, {})
    assert reason in data["bad"]["conf_error"]
    assert "conf_error" not in data["good"]


def test_an_event_that_the_database_refuses_does_not_stop_the_sweep(
    session: Any, receiver: Receiver, make_run: Callable[..., DagRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stored without its conf."""
    real = db.insert_absent

    def refusing(connection: Any, into: Any, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row.get("data", {}).get("conf") == {"bad": True}:
                rows = [{**row, "type": None}]
        real(connection, into, rows)

    monkeypatch.setattr(db, "insert_absent", refusing)
    run = make_run("bad", "running", now())
    session.execute(update(DagRun).where(DagRun.id == run.id).values(conf={"bad": True}))
    make_run("good", "running", now())
    rounds(session)
    assert delivered(receiver) == ["dag.running", "dag.running"]


def test_a_run_of_airflow_tasks_test_creates_no_event(
    session: Any, receiver: Receiver, make_run: Callable[..., DagRun]
) -> None:
    """By the sweep and by a listener."""
    from airflow_platform_plugin import listener

    run_id = "__airflow_temporary_run_2026-11-26T00:00:00__"
    run = make_run(run_id, "running", now())
    listener.on_dag_run_running(dag_run=run)
    task = session.scalars(select(TaskInstance)).one()
    task.state, task.end_date = "failed", now()
    session.flush()
    listener.on_task_instance_failed(task_instance=task)
    rounds(session)
    assert session.scalar(select(func.count()).select_from(Event)) == 0


def test_a_task_in_test_mode_creates_no_event(
    session: Any, receiver: Receiver, make_run: Callable[..., DagRun]
) -> None:
    from airflow_platform_plugin import listener

    make_run("r", "running", now())
    task = session.scalars(select(TaskInstance)).one()
    task.state, task.end_date, task.test_mode = "failed", now(), True
    listener.on_task_instance_failed(task_instance=task)
    assert session.scalar(select(func.count()).select_from(Event)) == 0
