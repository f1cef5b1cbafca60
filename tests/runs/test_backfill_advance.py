"""Backfills carried out round by round; the test does the scheduler's work."""

import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow import settings as airflow_settings
from sqlalchemy import delete, event, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as SQLAlchemyTimeout
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import DagModel, DagRun
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import Conflict
from airflow_platform_plugin.runs import actions
from airflow_platform_plugin.runs.backfill import decisions, planning, scheduler, service, transitions
from airflow_platform_plugin.runs.backfill.models import Backfill, BackfillRun
from airflow_platform_plugin.runs.backfill.schemas import BackfillInput

Make = Callable[..., Backfill]
ADMIN: Any = SimpleNamespace(username="admin", require_dag=lambda *_: None)  # may do everything
Runs = Callable[..., list[Any]]
Finish = Callable[..., int]


@pytest.fixture
def make(session: Any, app: Any, dags: None) -> Make:
    """Create a backfill, by default of January 2024."""

    def ask(dag_id: str = "daily", **fields: Any) -> Backfill:
        body = {"start_date": "2024-01-01", "end_date": "2024-01-05", "max_active_runs": 2} | fields
        with app.app_context():
            made = service.create(session, dag_id, BackfillInput().load(body), by=ADMIN)
        session.flush()
        return made

    return ask


def refresh(session: Any, backfill: Backfill) -> Backfill:
    session.flush()
    session.expire_all()
    found: Backfill = session.get(Backfill, backfill.backfill_id)
    return found


def days(found: list[Any]) -> list[int]:
    return [run.execution_date.day for run in found]


def set_dag(session: Any, dag_id: str = "daily", **columns: Any) -> None:
    session.execute(update(DagModel).where(DagModel.dag_id == dag_id).values(**columns))


def drive(session: Any, backfill: Backfill, finish: Finish, *, most: int = 1) -> list[int]:
    """Run rounds to the end; runs end in between. Return the number of unfinished runs each time."""
    unfinished = []
    while refresh(session, backfill).state == "running":
        scheduler.advance()
        active = session.scalars(
            select(DagRun).where(
                DagRun.dag_id == backfill.dag_id, DagRun.state.in_(sorted(actions.UNFINISHED))
            )
        )
        unfinished.append(len(list(active)))
        finish(backfill.dag_id, most=most)
        assert len(unfinished) < 500, "it does not end"
    return unfinished


def test_runs_are_created_a_few_at_a_time_until_all_exist(
    session: Any, make: Make, runs: Runs, finish: Finish
) -> None:
    """Never more active ones than ``max_active_runs``; each date once, in order."""
    backfill = make(conf={"a": 1})
    assert runs() == []
    assert max(drive(session, backfill, finish)) == 2
    assert days(runs()) == [1, 2, 3, 4, 5]
    done = refresh(session, backfill)
    assert (done.state, done.message) == ("completed", None)
    assert done.ended_at is not None
    assert done.progress == {
        "total": 5, "total_is_estimate": False, "created": 5, "cleared": 0, "skipped": 0,
        "running": 0, "success": 5, "failed": 0, "remaining": 0,
    }  # fmt: skip
    assert session.scalars(select(BackfillRun)).all() == []


def test_a_run_is_one_that_the_scheduler_executes(session: Any, make: Make, runs: Runs) -> None:
    """It is queued and has tasks, the schedule's data interval, and an id that follows from its date."""
    backfill = make(conf={"a": 1})
    scheduler.advance()
    run = runs()[0]
    assert run.run_id == f"{backfill.backfill_id}__2024-01-01T00:00:00+00:00"
    assert (run.state, run.run_type, run.external_trigger) == ("queued", "manual", False)
    assert (run.data_interval_start.day, run.data_interval_end.day) == (1, 2)
    assert run.conf == {"a": 1}
    assert {task.task_id for task in run.get_task_instances(session=session)} == {"extract", "load"}
    examined = DagRun.next_dagruns_to_examine("queued", session).all()
    assert set(runs()) <= set(examined)


def test_a_date_before_the_dags_start_has_its_tasks_too(session: Any, make: Make, runs: Runs) -> None:
    """Airflow would create a run without tasks, which succeeds at once."""
    make(start_date="2023-12-30", end_date="2023-12-31")
    scheduler.advance()
    for run in runs():
        assert run.run_type == "manual"
        assert len(run.get_task_instances(session=session)) == 2
    assert len(runs()) == 2


def test_a_quiet_round_writes_nothing(session: Any, make: Make) -> None:
    """On SQLite, the scheduler waits for every write."""
    make()
    scheduler.advance()
    statements: list[str] = []
    event.listen(session.connection(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert scheduler.advance() == 0
    assert [s for s in statements if not s.startswith(("SELECT", "SAVEPOINT", "RELEASE"))] == []


def test_a_round_costs_the_same_whatever_the_range_and_the_history(
    session: Any, make: Make, runs: Runs, finish: Finish
) -> None:
    """Counted in SQL statements: for five dates, and for 10,000 after a history of 10,000 runs."""

    def cost() -> int:
        statements: list[str] = []

        def count(*args: Any) -> None:
            statements.append(args[2])

        event.listen(session.connection(), "before_cursor_execute", count)
        assert scheduler.advance() == 2
        event.remove(session.connection(), "before_cursor_execute", count)
        return len(statements)

    small = make()
    first = cost()
    service.cancel(session, transitions.lock(session, small.backfill_id))
    large = make(start_date="1990-01-01", end_date="2017-05-18")
    large.created = large.success = 5_000
    session.flush()
    assert large.total == pytest.approx(10_000, abs=10)
    assert cost() <= first + 2
    assert len(runs()) == 2


def test_the_timetable_computes_only_some_dates_of_a_long_range(
    session: Any, make: Make, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10,000 runs are accepted at the cost of 100 dates, half a millisecond each."""
    timetable = app.dag_bag.get_dag("daily", session=session).timetable
    asked = 0
    original = timetable.next_dagrun_info

    def count(**keywords: Any) -> Any:
        nonlocal asked
        asked += 1
        return original(**keywords)

    monkeypatch.setattr(timetable, "next_dagrun_info", count)
    backfill = make(start_date="1990-01-01", end_date="2017-05-18")
    assert asked <= planning.SAMPLE
    assert backfill.total_is_estimate
    assert session.query(DagRun).filter_by(dag_id="daily").count() == 0


@pytest.mark.parametrize(
    ("reprocess", "cleared", "skipped"),
    [("none", [], [2, 3, 4]), ("failed", [2], [3, 4]), ("all", [2, 3], [4])],
)
def test_existing_runs_are_reprocessed_as_requested(  # noqa: PLR0913, PLR0917 - fixtures and parameters
    session: Any,
    make: Make,
    make_run: Callable[..., Any],
    runs: Runs,
    reprocess: str,
    cleared: list[int],
    skipped: list[int],
) -> None:
    """Scheduled and manual ones alike. Queued and running ones are always left as they are."""
    for day, state in ((2, "failed"), (3, "success"), (4, "running")):
        make_run(day, state)
    make_run(3, "success", dag_id="hidden")
    backfill = make(reprocess=reprocess, max_active_runs=10, conf={"again": True})
    set_dag(session, max_active_runs=10)
    scheduler.advance()
    assert days(runs(run_type="manual")) == [1, 5]
    assert days([run for run in runs(run_type="scheduled") if run.clear_number]) == cleared
    for run in runs(run_type="scheduled"):
        again = run.execution_date.day in cleared
        assert (run.state == "queued") is again
        assert run.conf == ({"again": True} if again else {})
        if again:
            assert {task.state for task in run.get_task_instances(session=session)} == {None}
    done = refresh(session, backfill)
    assert (done.created, done.cleared, done.skipped) == (2, len(cleared), len(skipped))
    assert done.running == 2 + len(cleared)
    assert [run.clear_number for run in runs("hidden")] == [0]


def test_many_existing_runs_are_skipped_in_bounded_steps(session: Any, make: Make, finish: Finish) -> None:
    date = pendulum.datetime(2024, 1, 1)
    session.add_all(
        DagRun("daily", f"r{n}", execution_date=date.add(days=n), run_type="scheduled", state="success")
        for n in range(120)
    )
    backfill = make(end_date="2024-05-10")
    assert scheduler.advance() == 50
    drive(session, backfill, finish, most=4)
    done = refresh(session, backfill)
    assert (done.skipped, done.created, done.total) == (120, 11, 131)


@pytest.mark.parametrize(
    ("dag_id", "end", "count"),
    [("daily", "2024-01-05", 5), ("daily", "2024-02-19", 50), ("every_36_hours", "2024-09-01", 163)],
)
def test_a_backwards_backfill_has_the_same_dates_from_the_end(  # noqa: PLR0913, PLR0917 - the same
    session: Any, make: Make, runs: Runs, finish: Finish, dag_id: str, end: str, count: int
) -> None:
    """Also if there are more than one round reads, and if dates depend on the first one."""
    set_dag(session, dag_id, max_active_runs=100)
    backfill = make(dag_id, end_date=end, run_backwards=True, max_active_runs=100)
    drive(session, backfill, finish, most=100)
    found = sorted(runs(dag_id), key=lambda run: run.id)
    made = [run.execution_date for run in found]
    assert made == sorted(made, reverse=True)
    forwards = app_dates(session, dag_id, end)
    assert sorted(made) == forwards
    assert len(made) == count
    done = refresh(session, backfill)
    assert (done.total, done.total_is_estimate, done.state) == (count, False, "completed")


def app_dates(session: Any, dag_id: str, end: str) -> list[Any]:
    dag = decisions.dag_bag().get_dag(dag_id, session=session)
    first, last = pendulum.datetime(2024, 1, 1), pendulum.parse(end)
    return [info.logical_date for info in dag.iter_dagrun_infos_between(first, last)]


def test_a_failed_run_lets_the_backfill_fail_at_its_end(
    session: Any, make: Make, runs: Runs, finish: Finish
) -> None:
    """The others still run, and the message says how many failed."""
    backfill = make(end_date="2024-01-03", max_active_runs=1)
    scheduler.advance()
    finish(state="failed")
    drive(session, backfill, finish)
    done = refresh(session, backfill)
    assert (done.state, done.message, done.success, done.failed) == ("failed", "Failed runs: 1.", 2, 1)
    assert len(runs()) == 3


def test_tasks_that_depend_on_the_past_get_one_run_after_the_other(
    session: Any, make: Make, runs: Runs, finish: Finish
) -> None:
    """After a failed run, the next one waits until it is cleared and succeeds."""
    backfill = make("in_order", end_date="2024-01-03", max_active_runs=5)
    assert scheduler.advance() == 1
    assert scheduler.advance() == 0
    finish("in_order", state="failed")
    for _ in range(2):
        scheduler.advance()
        held = refresh(session, backfill)
        assert (held.state, held.running, held.failed) == ("running", 1, 0)
        assert "has failed, and tasks depend on the past" in held.message
    assert len(runs("in_order")) == 1
    (run,) = runs("in_order")
    actions.clear(session, decisions.dag_bag().get_dag("in_order", session=session), run)
    scheduler.advance()
    assert refresh(session, backfill).message is None
    drive(session, backfill, finish)
    done = refresh(session, backfill)
    assert (done.state, done.success, done.failed) == ("completed", 3, 0)


def test_after_a_pause_the_next_run_still_waits_for_a_failed_one(
    session: Any, make: Make, runs: Runs, finish: Finish
) -> None:
    backfill = make("in_order", end_date="2024-01-03")
    scheduler.advance()
    service.pause(session, transitions.lock(session, backfill.backfill_id))
    finish("in_order", state="failed")
    scheduler.advance()
    service.resume(session, transitions.lock(session, backfill.backfill_id))
    scheduler.advance()
    assert len(runs("in_order")) == 1


def test_a_paused_backfill_creates_no_runs_and_counts_those_that_end(
    session: Any, make: Make, runs: Runs, finish: Finish
) -> None:
    backfill = make()
    scheduler.advance()
    service.pause(session, transitions.lock(session, backfill.backfill_id))
    finish()
    assert scheduler.advance() == 2
    assert scheduler.advance() == 0
    assert len(runs()) == 2
    paused = refresh(session, backfill)
    assert (paused.state, paused.success, paused.running) == ("paused", 2, 0)
    service.resume(session, transitions.lock(session, backfill.backfill_id))
    drive(session, backfill, finish)
    assert days(runs()) == [1, 2, 3, 4, 5]


def test_cancelling_withdraws_runs_that_have_not_started(
    session: Any, make: Make, make_run: Callable[..., Any], runs: Runs, finish: Finish
) -> None:
    """A run that it created is deleted, one that it cleared is marked failed, and running ones go on."""
    make_run(3, "success")
    set_dag(session, max_active_runs=10)
    backfill = make(max_active_runs=3, reprocess="all")
    scheduler.advance()
    assert days(runs(_state="queued")) == [1, 2, 3]
    runs()[0].set_state("running")
    session.flush()
    service.cancel(session, transitions.lock(session, backfill.backfill_id))
    assert [(run.execution_date.day, run.state) for run in runs()] == [(1, "running"), (3, "failed")]
    assert {task.state for task in runs()[1].get_task_instances(session=session)} == {"skipped"}
    assert scheduler.advance() == 1
    finish()
    assert scheduler.advance() == 1
    assert scheduler.advance() == 0
    done = refresh(session, backfill)
    assert (done.state, done.created, done.cleared) == ("cancelled", 1, 1)
    assert (done.success, done.failed, done.running) == (1, 1, 0)
    assert len(runs()) == 2


@pytest.mark.parametrize("turn", [service.pause, service.resume, service.cancel])
def test_an_ended_backfill_cannot_be_paused_resumed_or_cancelled(
    session: Any, make: Make, finish: Finish, turn: Callable[..., Any]
) -> None:
    backfill = make(end_date="2024-01-01")
    drive(session, backfill, finish)
    with pytest.raises(Conflict, match="is completed"):
        turn(session, refresh(session, backfill))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"is_paused": True}, "The DAG is paused"),
        ({"is_active": False}, "gone or cannot be imported"),
        ({"has_import_errors": True}, "gone or cannot be imported"),
        ({"max_active_runs": 0}, "The DAG has 0 active runs"),
    ],
)
def test_a_backfill_waits_while_its_dag_cannot_run(  # noqa: PLR0913, PLR0917 - the same
    session: Any, make: Make, runs: Runs, finish: Finish, columns: dict[str, Any], message: str
) -> None:
    """The message says why. While it waits, nothing is written."""
    backfill = make()
    before = dict(session.execute(select(*(getattr(DagModel, name) for name in columns))).first()._mapping)
    set_dag(session, **columns)
    scheduler.advance()
    waiting = refresh(session, backfill)
    assert waiting.state == "running"
    assert message in waiting.message
    assert scheduler.advance() == 0
    assert runs() == []
    set_dag(session, **before)
    drive(session, backfill, finish)
    assert len(runs()) == 5


def test_a_dag_that_is_deleted_ends_its_backfill(session: Any, make: Make) -> None:
    backfill = make()
    scheduler.advance()
    session.execute(delete(DagRun).where(DagRun.dag_id == "daily"))
    session.execute(delete(DagModel).where(DagModel.dag_id == "daily"))
    scheduler.advance()
    ended = refresh(session, backfill)
    assert (ended.state, ended.message, ended.running) == ("failed", "The DAG was deleted.", 0)
    assert scheduler.advance() == 0


def test_no_more_runs_are_queued_than_the_dag_may_have_active(
    session: Any, make: Make, make_run: Callable[..., Any], runs: Runs
) -> None:
    """Airflow counts queued runs too: more of them would stop its own schedule."""
    for day in (20, 21, 22):
        make_run(day, "running")
    make(max_active_runs=100)
    scheduler.advance()
    assert days(runs(_state="queued")) == [1]


def test_a_scheduled_run_that_airflow_has_put_off_goes_first(
    session: Any, make: Make, make_run: Callable[..., Any], runs: Runs
) -> None:
    """Otherwise the backfill would take each free place, and the schedule would wait until its end."""
    due = pendulum.datetime(2024, 3, 1)
    held = {"next_dagrun": due, "next_dagrun_data_interval_start": due}
    held |= {"next_dagrun_data_interval_end": due.add(days=1), "next_dagrun_create_after": None}
    set_dag(session, **held)
    backfill = make()
    scheduler.advance()
    assert "goes first" in refresh(session, backfill).message
    assert runs() == []
    make_run(61, "running")  # which Airflow does once the DAG's file was parsed
    assert runs()[0].execution_date == due
    scheduler.advance()
    assert days(runs(_state="queued")) == [1, 2]


def test_a_worker_that_dies_between_two_runs_leaves_a_consistent_state(
    session: Any, make: Make, runs: Runs, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run and the position in the range are one transaction."""
    backfill = make()
    original, made = airflow_compat.runs.create_run, []

    def die(*args: Any, **kwargs: Any) -> Any:
        if made:
            raise KeyboardInterrupt
        made.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(airflow_compat.runs, "create_run", die)
    with pytest.raises(KeyboardInterrupt):
        scheduler.advance()
    assert runs() == []
    assert refresh(session, backfill).created == 0
    monkeypatch.setattr(airflow_compat.runs, "create_run", original)
    drive(session, backfill, finish)
    assert days(runs()) == [1, 2, 3, 4, 5]


def test_a_run_that_another_program_creates_meanwhile_is_found_in_the_next_round(
    session: Any, make: Make, runs: Runs, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    backfill = make()

    def collide(*_: Any, **__: Any) -> None:
        raise IntegrityError("INSERT", {}, Exception("UNIQUE"))

    with monkeypatch.context() as patch:
        patch.setattr(airflow_compat.runs, "create_run", collide)
        assert scheduler.advance() == 0
    assert refresh(session, backfill).state == "running"
    drive(session, backfill, finish)
    assert days(runs()) == [1, 2, 3, 4, 5]


def test_a_run_that_airflow_refuses_ends_only_its_backfill(
    session: Any, make: Make, runs: Runs, finish: Finish
) -> None:
    """For example, if the DAG's params were changed meanwhile."""
    broken = make("strict", conf={"size": 2})
    broken.conf = {"size": "large"}
    sound = make()
    session.flush()
    scheduler.advance()
    ended = refresh(session, broken)
    assert ended.state == "failed"
    assert ended.message.startswith("ParamValidationError: ")
    assert runs("strict") == []
    drive(session, sound, finish)
    assert len(runs()) == 5


def test_two_backfills_of_a_dag_share_only_its_limit(
    session: Any, make: Make, runs: Runs, finish: Finish
) -> None:
    make()
    later = make(start_date="2024-02-01", end_date="2024-02-05")
    scheduler.advance()
    assert len(runs()) == 4
    drive(session, later, finish, most=4)
    for _ in range(10):
        scheduler.advance()
        finish()
    assert [f"{run.execution_date:%m-%d}" for run in runs()] == [
        f"0{month}-0{day}" for month in (1, 2) for day in range(1, 6)
    ]


def test_workers_at_the_same_moment_create_no_run_twice(app: Any, stored: None) -> None:
    """Together they keep to the limit of active runs, and no worker fails. Real transactions."""
    asked = BackfillInput().load({"start_date": "2024-01-01", "end_date": "2024-01-09", "max_active_runs": 3})
    with app.app_context(), db.transaction() as own:
        backfill_id = service.create(own, "daily", asked, by=ADMIN).backfill_id
    code = "from airflow_platform_plugin.runs.backfill import scheduler; scheduler.advance()"
    command = [sys.executable, "-W", "ignore", "-c", code]
    try:
        workers = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
        for worker in workers:
            _, errors = worker.communicate(timeout=120)
            assert worker.returncode == 0, errors.decode()
        with db.transaction() as own:
            made = own.scalars(select(DagRun.run_id).where(DagRun.dag_id == "daily")).all()
            backfill = own.get(Backfill, backfill_id)
            assert sorted(made) == [f"{backfill_id}__2024-01-0{day}T00:00:00+00:00" for day in (1, 2, 3)]
            assert (backfill.created, backfill.running) == (3, 3)
    finally:
        with Session(airflow_settings.engine) as own, own.begin():
            for model in (BackfillRun, Backfill):
                own.execute(delete(model))
            own.execute(delete(DagRun).where(DagRun.dag_id == "daily"))


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (OperationalError("SELECT 1", {}, Exception("gone")), "running"),
        (SQLAlchemyTimeout("QueuePool limit"), "running"),
        (StaleDataError("changed meanwhile"), "running"),
        (RuntimeError("a timetable's own"), "failed"),
    ],
)
def test_a_backfill_that_cannot_go_on_does_not_stop_the_others(  # noqa: PLR0913, PLR0917 - fixtures
    session: Any, make: Make, runs: Runs, monkeypatch: pytest.MonkeyPatch, error: Exception, state: str
) -> None:
    """If the database was busy or away, it does not end."""
    bad, good = make("daily"), make("berlin")
    real = scheduler.assess

    def look(own: Any, backfill: Backfill) -> Any:
        if backfill.backfill_id == bad.backfill_id:
            raise error
        return real(own, backfill)

    monkeypatch.setattr(scheduler, "assess", look)
    assert scheduler.advance() > 0
    assert len(runs("berlin")) == 2
    assert (refresh(session, bad).state, refresh(session, good).state) == (state, "running")
    monkeypatch.setattr(scheduler, "assess", real)
    if state == "running":
        scheduler.advance()
        assert len(runs("daily")) == 2
