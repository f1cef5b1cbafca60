"""DAGs as the DAG processor stores them, and what a scheduler would do with their runs.

Airflow is imported where it is used: pytest reads this file before Airflow's configuration is set.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pendulum
import pytest
from sqlalchemy import delete, select

DAG_IDS = ("daily", "hidden", "in_order", "unscheduled", "strict", "berlin", "every_36_hours")
START = pendulum.datetime(2024, 1, 1)


def _dags() -> list[Any]:
    from airflow import DAG
    from airflow.models.param import Param
    from airflow.operators.empty import EmptyOperator

    def dag(dag_id: str, *, depends_on_past: bool = False, **options: Any) -> Any:
        options = {
            "schedule": "@daily",
            "start_date": START,
            "catchup": False,
            "max_active_runs": 4,
        } | options
        with DAG(dag_id, **options) as made:
            first = EmptyOperator(task_id="extract", depends_on_past=depends_on_past)
            first >> EmptyOperator(task_id="load")
        made.fileloc = "/dags/of_tests.py"
        return made

    return [
        dag("daily"),
        dag("hidden"),
        # As most DAGs are: catching up is Airflow's default, and changes what "the past" is.
        dag("in_order", depends_on_past=True, catchup=True),
        dag("unscheduled", schedule=None),
        dag("strict", params={"size": Param(1, type="integer")}),
        dag("berlin", start_date=pendulum.datetime(2024, 1, 1, tz="Europe/Berlin")),
        dag("every_36_hours", schedule=timedelta(hours=36)),
    ]


@pytest.fixture(scope="module")
def stored(app: Any) -> Iterator[None]:
    """Committed, for Airflow's checks of permissions read on connections of their own."""
    from airflow import settings
    from airflow.models.dag import DAG, DagModel
    from airflow.models.dagcode import DagCode
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    from sqlalchemy.orm import Session

    with app.app_context(), create_session() as session, pytest.MonkeyPatch.context() as patch:
        patch.setattr(DagCode, "bulk_sync_to_db", lambda *_, **__: None)  # there is no such file
        DAG.bulk_write_to_db(_dags(), session=session)
        for dag in _dags():
            SerializedDagModel.write_dag(dag, session=session)
        for model in session.scalars(select(DagModel).where(DagModel.dag_id.in_(DAG_IDS))):
            model.is_paused = False
    yield
    with Session(settings.engine) as session, session.begin():
        for model in (SerializedDagModel, DagModel):
            session.execute(delete(model).where(model.dag_id.in_(DAG_IDS)))
    app.dag_bag.dags.clear()


READ = [("can_read", "DAG:daily"), ("can_read", "DAG Runs"), ("can_read", "Task Instances")]
EDIT = [("can_edit", "DAG:daily"), ("can_create", "DAG Runs"), ("can_edit", "DAG Runs")]
USERS = {
    "blind": [("can_read", "DAG:daily")],
    "reader": READ,
    "editor": [*READ, *EDIT, ("can_edit", "Task Instances")],
}


@pytest.fixture(scope="module")
def users(app: Any) -> Iterator[None]:
    """Users who may see the DAG ``daily`` alone: not its runs, its runs, or change them too."""
    with app.app_context():
        manager = app.appbuilder.sm
        for name, permissions in USERS.items():
            role = manager.add_role(name)
            for permission in permissions:
                manager.add_permission_to_role(role, manager.create_permission(*permission))
            manager.add_user(name, name.title(), "Test", f"{name}@example.com", role, name)
    yield
    with app.app_context():
        for name in USERS:
            manager.del_register_user(manager.find_user(name))
            manager.delete_role(name)


@pytest.fixture
def dags(stored: None, session: Any) -> Iterator[None]:
    """The DAGs above, and a worker that has not read any of them yet."""
    from airflow_platform_plugin.runs.backfill.decisions import dag_bag

    dag_bag.cache_clear()
    yield
    dag_bag.cache_clear()


@pytest.fixture
def runs(session: Any) -> Callable[..., list[Any]]:
    """The runs of a DAG by logical date."""
    from airflow.models.dagrun import DagRun

    def find(dag_id: str = "daily", **columns: Any) -> list[Any]:
        session.expire_all()
        wanted = select(DagRun).where(DagRun.dag_id == dag_id).filter_by(**columns)
        return list(session.scalars(wanted.order_by(DagRun.execution_date)))

    return find


@pytest.fixture
def finish(session: Any, runs: Callable[..., list[Any]]) -> Callable[..., int]:
    """End a DAG's unfinished runs as a scheduler does; returns how many there were."""

    def end(dag_id: str = "daily", state: str = "success", most: int | None = None) -> int:
        unfinished = [run for run in runs(dag_id) if run.state in {"queued", "running"}][:most]
        for run in unfinished:
            run.set_state(state)
            for task in run.get_task_instances(session=session):
                task.state, task.end_date = state, datetime.now(tz=timezone.utc)
        session.flush()
        return len(unfinished)

    return end


@pytest.fixture
def make_run(session: Any, app: Any, dags: None) -> Callable[..., Any]:
    """Make a run as the scheduler does, and leave it in that state."""
    from airflow.utils.types import DagRunType

    def make(day: int, state: str, dag_id: str = "daily") -> Any:
        date = START.add(days=day - 1)
        dag = app.dag_bag.get_dag(dag_id, session=session)
        run = dag.create_dagrun(
            run_type=DagRunType.SCHEDULED,
            execution_date=date,
            data_interval=(date, date.add(days=1)),
            state=state,
            session=session,
        )
        for task in run.get_task_instances(session=session):
            task.state = state
        session.flush()
        return run

    return make
