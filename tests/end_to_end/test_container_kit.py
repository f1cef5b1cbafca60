"""A kit in a container, from deploy to result, with a real scheduler and task process."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import docker_engine
import pytest

from airflow_platform_plugin.quickstart.processes import Processes, environment

ROOT = Path(__file__).parents[2]
SCRIPT = """
echo "the configuration is $DATAKIT_CONFIGURATION"
echo '{"outputs": {"gold.customer_360": {"rows": 7}}}' >"$DATAKIT_RESULT_FILE"
"""
# The same as the API does, without a webserver.
DEPLOY = """
from types import SimpleNamespace
from airflow_platform_plugin.core import db
from airflow_platform_plugin.datakits import service as datakits
from airflow_platform_plugin.deployments import service
from airflow_platform_plugin.deployments.schemas import DeployInput
from airflow_platform_plugin.datakits.manifest import Registration
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.reach import EVERYWHERE
db.upgrade()
class Everybody(Principal):
    def reach(self, scope):
        return EVERYWHERE
by = Everybody("admin", SimpleNamespace(id=1))
with db.transaction() as session:
    datakits.register(session, Registration.model_validate({
        "name": "kit", "version": "1.0.0", "image": "registry.localhost/kit:1.0.0",
        "outputs": [{"name": "customer_360", "schema": "gold"}],
        "configuration": {"token": {"type": "string", "secret": True}},
    }), by=by)
    request = {"environment": "production", "configuration": {"token": "swordfish-1234"}}
    service.deploy(session, "kit", DeployInput().load(request), by=by)
"""


@pytest.mark.end_to_end
def test_a_container_runs_as_a_dag(tmp_path: Path) -> None:
    """XCom and dataset event have the kit's report; no log, row or rendered field has its secret."""
    try:
        engine = docker_engine.engine()
    except docker_engine.NoEngine as reason:
        pytest.skip(str(reason))
    docker_engine.busybox_image(engine.url, "registry.localhost/kit:1.0.0", SCRIPT)
    own = {"DATAKIT_RUNNERS": "docker", "DOCKER_URL": engine.url, "DOCKER_NETWORK": "none"}
    variables = environment(tmp_path, ROOT / "dags")
    variables |= {f"AIRFLOW__PLATFORM__{name}": value for name, value in own.items()}
    variables |= {"AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO"}
    variables.pop("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", None)
    processes = Processes(variables, tmp_path / "logs")
    database = tmp_path / "airflow" / "airflow.db"

    def ask(query: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            return connection.execute(query).fetchall()

    try:
        processes.run("database", "airflow", "db", "migrate")
        processes.run("deploy", "python", "-c", DEPLOY)
        processes.start("scheduler", "airflow", "scheduler", "--skip-serve-logs")
        wait(lambda: ask("SELECT 1 FROM serialized_dag"), processes)
        processes.run("trigger", "airflow", "dags", "trigger", "default__production__kit")
        wait(lambda: ask("SELECT 1 FROM dag_run WHERE state IN ('success', 'failed')"), processes)
        log = "".join(file.read_text() for file in (tmp_path / "airflow" / "logs").rglob("attempt=1.log"))
        assert ask("SELECT state FROM task_instance") == [("success",)], log
        ((xcom,),) = ask("SELECT value FROM xcom WHERE key = 'return_value'")
        assert json.loads(xcom) == {"gold.customer_360": {"rows": 7}}
        events = ask("SELECT d.uri, e.extra FROM dataset_event e JOIN dataset d ON d.id = e.dataset_id")
        assert [(uri, json.loads(extra)) for uri, extra in events] == [
            ("x-datakit://default/production/gold/customer_360", {"rows": 7})
        ]
        assert 'the configuration is {"token": "***"}' in log
        shown = ask("SELECT data FROM serialized_dag") + ask(
            "SELECT rendered_fields FROM rendered_task_instance_fields"
        )
        assert "swordfish" not in log + str(shown)
    finally:
        processes.stop()
        engine.stop()


def wait(until: object, processes: Processes) -> None:
    deadline = time.monotonic() + 240
    while not until():  # type: ignore[operator]
        processes.check()
        assert time.monotonic() < deadline, "It took too long."
        time.sleep(0.5)
