"""Airflow's web application with the plugin, over real HTTP, and the DAG of the API reference in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Thread
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

DAG_ID = "bronze_to_silver_pipeline"
RUN_ID = "scheduled__2024-01-15T00:00:00+00:00"
START = datetime(2024, 1, 15, tzinfo=timezone.utc)


class Handler(WSGIRequestHandler):
    """Answers without a log on stdout, because tests read the output of commands."""

    def log_request(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def serve_live(app: Any) -> Iterator[str]:
    """Serve the application on a free port inside a ``with`` block; yield its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def create_pipeline() -> Iterator[Callable[[], None]]:
    """Create the DAG of the API reference, with one successful run.

    No scheduler runs. Instead, this yields a function that finishes all tasks and runs.
    """
    from airflow.api.common.delete_dag import delete_dag
    from airflow.configuration import conf
    from airflow.models import DAG, DagRun, TaskInstance
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.operators.empty import EmptyOperator
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState, TaskInstanceState
    from airflow.utils.types import DagRunType

    with DAG(
        DAG_ID,
        description="ETL pipeline from bronze to silver layer",
        schedule="0 0 * * *",
        start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        tags=["production", "etl"],
    ) as dag:
        EmptyOperator(task_id="validate_source_data") >> EmptyOperator(task_id="transform_to_silver")

    def finish() -> None:
        with create_session() as session:
            for run in session.query(DagRun).filter_by(dag_id=DAG_ID):
                run.state = DagRunState.SUCCESS
            for instance in session.query(TaskInstance).filter_by(dag_id=DAG_ID):
                instance.state = TaskInstanceState.SUCCESS
                instance.try_number, instance.duration = 1, 125.5
                instance.start_date, instance.end_date = START, START + timedelta(seconds=125.5)

    with create_session() as session:
        DAG.bulk_write_to_db([dag], session=session)
        SerializedDagModel.write_dag(dag, session=session)
        dag.create_dagrun(
            run_type=DagRunType.SCHEDULED,
            run_id=RUN_ID,
            execution_date=START,
            data_interval=(START, START + timedelta(days=1)),
            state=DagRunState.QUEUED,
            session=session,
        )
    finish()
    logs = Path(conf.get("logging", "base_log_folder"), f"dag_id={DAG_ID}")
    for task in dag.tasks:
        log = logs / f"run_id={RUN_ID}" / f"task_id={task.task_id}" / "attempt=1.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("it went well\n")
    yield finish
    delete_dag(DAG_ID)


@contextmanager
def delete_connections_afterwards() -> Iterator[None]:
    """Delete all connections and their audit log after the ``with`` block."""
    from airflow.models import Connection, Log
    from sqlalchemy import delete

    from airflow_platform_plugin.connections.models import PlatformConnection
    from airflow_platform_plugin.core import db
    from airflow_platform_plugin.http.idempotency import IdempotencyKey

    try:
        yield
    finally:
        with db.transaction() as session:
            audit_log = delete(Log).where(Log.event.like("platform.%connection%"))
            for statement in (
                delete(PlatformConnection),
                delete(Connection),
                delete(IdempotencyKey),
                audit_log,
            ):
                session.execute(statement, execution_options={"synchronize_session": False})


@contextmanager
def delete_datakits_afterwards() -> Iterator[Callable[[], None]]:
    """Delete all kits, deployments, their DAGs and audit log after the ``with`` block.

    No DAG processor runs. Instead, this yields a function that parses the loader file.
    """
    from airflow.models import DagBag, DagModel, Log
    from airflow.models.dagbag import DagPriorityParsingRequest
    from airflow.models.dataset import DatasetModel
    from airflow.models.serialized_dag import SerializedDagModel
    from sqlalchemy import delete

    from airflow_platform_plugin.core import db
    from airflow_platform_plugin.core.events import Event
    from airflow_platform_plugin.datakits import models
    from airflow_platform_plugin.deployments import models as deployment_models
    from airflow_platform_plugin.http.idempotency import IdempotencyKey

    file = Path(__file__).parents[2] / "dags" / "datakits.py"

    def parse() -> None:
        bag = DagBag(file, include_examples=False, read_dags_from_db=False)
        assert not bag.import_errors
        bag.sync_to_db()

    own_tables = (
        deployment_models.DeploymentRevision,
        deployment_models.Deployment,
        models.DataKitTag,
        models.DataKit,
        models.DataKitName,
        deployment_models.LoaderFile,
        Event,
        IdempotencyKey,
    )
    airflow_tables = (DagPriorityParsingRequest, SerializedDagModel, DagModel, DatasetModel)
    try:
        yield parse
    finally:
        with db.transaction() as session:
            audit_log = delete(Log).where(
                Log.event.like("platform.%datakit%") | Log.event.like("platform.%deployment%")
            )
            for statement in (*map(delete, own_tables + airflow_tables), audit_log):
                session.execute(statement, execution_options={"synchronize_session": False})
