"""A tenant's limits at run time, with a real scheduler that could run more tasks at once."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import servers
from sqlalchemy import create_engine, text

TASKS, LIMIT, NEEDED = 6, "5", "2"  # CPUs: two tasks fit at once, six would like to
DAG = f"""
from datetime import datetime
from decimal import Decimal
from airflow import DAG
from airflow.operators.bash import BashOperator
from airflow_platform_plugin.core.naming import tenant_pool_name
from airflow_platform_plugin.tenants import quota
slots = quota.count_slots({{"cpu": "{LIMIT}"}}, {{"cpu": Decimal("{NEEDED}")}})
with DAG("busy", start_date=datetime(2024, 1, 1), schedule=None, is_paused_upon_creation=False):
    for number in range({TASKS}):
        BashOperator(
            task_id=f"t{{number}}", bash_command="sleep 2", pool=tenant_pool_name("team"), pool_slots=slots
        )
"""
TENANT = f"""
from types import SimpleNamespace
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.reach import EVERYWHERE
from airflow_platform_plugin.tenants import service
from airflow_platform_plugin.tenants.inputs import NewTenant
db.upgrade()
admin = SimpleNamespace(username="admin", reach=lambda _scope: EVERYWHERE)
with db.transaction() as session:
    service.create(session, NewTenant(tenant_id="team", resource_limits={{"cpu": "{LIMIT}"}}), by=admin)
"""


@pytest.mark.end_to_end
def test_tasks_that_run_at_once_fit_into_the_tenants_limits(tmp_path: Path) -> None:
    """Of six tasks that need two of five CPUs each, at most two run at the same time."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "busy.py").write_text(DAG)
    database = servers.postgresql()
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.url,
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "16",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONWARNINGS": "ignore",
    }

    def run(*command: str) -> None:
        subprocess.run(
            [sys.executable, *command], env=environment, check=True, stdout=subprocess.DEVNULL, timeout=180
        )

    engine = create_engine(database.url)
    scheduler = None
    try:
        run("-m", "airflow", "db", "migrate")
        run("-c", TENANT)
        run("-m", "airflow", "dags", "reserialize")
        run("-m", "airflow", "dags", "trigger", "busy")
        with (tmp_path / "scheduler.log").open("wb") as output:
            scheduler = subprocess.Popen(
                [sys.executable, "-m", "airflow", "scheduler", "--skip-serve-logs"],
                env=environment,
                stdout=output,
                stderr=output,
            )
        state, deadline = "", time.monotonic() + 240
        while state not in {"success", "failed"} and time.monotonic() < deadline:
            time.sleep(0.5)
            with engine.connect() as connection:
                state = connection.execute(text("SELECT state FROM dag_run")).scalar() or ""
        assert state == "success", (tmp_path / "scheduler.log").read_text()[-3000:]
        with engine.connect() as connection:
            spans = connection.execute(text("SELECT start_date, end_date FROM task_instance")).all()
    finally:
        if scheduler is not None:
            scheduler.terminate()
            scheduler.wait(60)
        engine.dispose()
        database.stop()
    assert len(spans) == TASKS
    together = [sum(start <= moment < end for start, end in spans) for moment, _ in spans]
    assert max(together) == 2
