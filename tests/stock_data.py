"""Rows of two DAGs in every table that Airflow's API reads: one for a limited key, one hidden from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MINE, HIDDEN = "mine_etl", "hidden_pipeline"
RUN, TASK, URI = "run-1", "load", "s3://bucket/shared"
_TAGS = {MINE: "mine", HIDDEN: "theirs"}


@contextmanager
def two_dags(app: Any) -> Iterator[None]:
    """Store both DAGs with their rows, and remove them afterwards."""
    with removed_afterwards(app):
        store_dags(app, {MINE: HIDDEN, HIDDEN: MINE})
        for dag_id in (MINE, HIDDEN):
            manager = app.appbuilder.sm
            with app.app_context():
                permission = manager.create_permission("can_read", f"DAG:{dag_id}")
                manager.add_permission_to_role(manager.find_role("Admin"), permission)
        yield


@contextmanager
def removed_afterwards(app: Any) -> Iterator[None]:
    """Remove all rows of Airflow's tables that are new, and the DAGs' files."""
    with app.app_context():
        before = _ids()
    try:
        yield
    finally:
        _remove_all_but(before)
        for dag_id in (MINE, HIDDEN):
            path(dag_id).unlink(missing_ok=True)


def store_dags(app: Any, dags: dict[str, str]) -> None:
    """Store DAGs with rows in every table. The rows are committed: Airflow reads on its own connections.

    Args:
        app: the web application.
        dags: by the id of each DAG, the id of the DAG that it clears with itself.
    """
    from airflow import settings
    from sqlalchemy.orm import Session

    with app.app_context():
        _serialize([_dag(dag_id, other, [_TAGS[dag_id]]) for dag_id, other in dags.items()])
        with Session(settings.engine) as session, session.begin():
            for dag_id in dags:
                _add_rows(session, app, dag_id)


def _dag(dag_id: str, other: str, tags: list[str]) -> Any:
    """Build a DAG; clearing its last task clears a task of the other DAG. Both write one dataset."""
    import pendulum
    from airflow import DAG, Dataset
    from airflow.operators.empty import EmptyOperator
    from airflow.sensors.external_task import ExternalTaskMarker

    with DAG(
        dag_id,
        start_date=pendulum.datetime(2024, 1, 1),
        schedule=[Dataset(URI)],
        tags=tags,
        catchup=False,
        default_args={"email_on_failure": False},
    ) as dag:
        EmptyOperator(task_id=TASK, outlets=[Dataset(URI)]) >> ExternalTaskMarker(
            task_id="marker", external_dag_id=other, external_task_id=TASK
        )
    source = path(dag_id)
    source.parent.mkdir(exist_ok=True)
    source.write_text(f"# {dag_id}\n", encoding="utf-8")
    dag.fileloc = str(source)
    return dag


def path(dag_id: str) -> Path:
    """Return the path of the DAG's file."""
    from airflow import settings

    return Path(settings.DAGS_FOLDER) / f"{dag_id}.py"


def _serialize(dags: list[Any]) -> None:
    from airflow.models.dag import DAG
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        DAG.bulk_write_to_db(dags, session=session)
        for dag in dags:
            SerializedDagModel.write_dag(dag, session=session)


def _add_rows(session: Any, app: Any, dag_id: str) -> None:
    import pendulum
    from airflow.models.dag import DagModel
    from airflow.models.dagwarning import DagWarning, DagWarningType
    from airflow.models.dataset import DatasetDagRunQueue, DatasetEvent, DatasetModel
    from airflow.models.errors import ParseImportError
    from airflow.models.log import Log
    from airflow.models.xcom import XCom
    from airflow.utils.state import DagRunState, TaskInstanceState
    from airflow.utils.types import DagRunType
    from sqlalchemy import select

    dag = app.dag_bag.get_dag(dag_id)
    moment = pendulum.datetime(2024, 1, 2)
    run = dag.create_dagrun(
        run_type=DagRunType.MANUAL,
        run_id=RUN,
        execution_date=moment,
        data_interval=(moment, moment),
        state=DagRunState.SUCCESS,
        external_trigger=True,
        session=session,
    )
    for instance in run.task_instances:
        instance.state = TaskInstanceState.SUCCESS
        instance.try_number = 1
    session.flush()
    XCom.set(key="k", value=dag_id, task_id=TASK, dag_id=dag_id, run_id=RUN, session=session)
    model = session.get(DagModel, dag_id)
    session.add(ParseImportError(filename=model.fileloc, stacktrace=f"in {dag_id}", timestamp=moment))
    session.add(DagWarning(dag_id, DagWarningType.NONEXISTENT_POOL, f"of {dag_id}"))
    session.add(Log(event="test", task_instance=None, owner="x", dag_id=dag_id, extra="{}"))
    dataset = session.scalar(select(DatasetModel).where(DatasetModel.uri == URI))
    event = DatasetEvent(
        dataset_id=dataset.id,
        source_dag_id=dag_id,
        source_task_id=TASK,
        source_run_id=RUN,
        source_map_index=-1,
    )
    session.add(event)
    session.flush()
    for other in session.scalars(select(DatasetEvent)):
        run.consumed_dataset_events.append(other)
    session.add(DatasetDagRunQueue(dataset_id=dataset.id, target_dag_id=dag_id))


def _tables() -> list[Any]:
    from airflow.models.base import Base

    skipped = ("session", "alembic")
    return [table for table in reversed(Base.metadata.sorted_tables) if not table.name.startswith(skipped)]


def _ids() -> dict[str, set[Any]]:
    """Return the primary keys of the existing rows, by table."""
    from airflow import settings
    from sqlalchemy import select

    with settings.engine.connect() as connection:
        return {
            table.name: set(map(tuple, connection.execute(select(*table.primary_key.columns))))
            for table in _tables()
        }


def _remove_all_but(before: dict[str, set[Any]]) -> None:
    from airflow import settings
    from sqlalchemy import and_, delete, select

    with settings.engine.begin() as connection:
        for table in _tables():
            keys = list(table.primary_key.columns)
            for row in connection.execute(select(*keys)).all():
                if tuple(row) not in before[table.name]:
                    connection.execute(
                        delete(table).where(
                            and_(*(key == value for key, value in zip(keys, row, strict=True)))
                        )
                    )
