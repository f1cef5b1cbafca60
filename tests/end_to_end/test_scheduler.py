"""A real scheduler with the plugin, but without the plugin's tables."""

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

DAG = """
from datetime import datetime
from airflow import DAG
from airflow.operators.empty import EmptyOperator
from airflow.operators.python import PythonOperator
with DAG("plain", start_date=datetime(2024, 1, 1), schedule=None, is_paused_upon_creation=False):
    EmptyOperator(task_id="a") >> PythonOperator(task_id="b", python_callable=lambda: None)
"""


@pytest.mark.end_to_end
def test_a_scheduler_without_the_platforms_tables_runs_its_dags(tmp_path: Path) -> None:
    """Listeners and worker fail and log it; the DAGs run as without the plugin."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "plain.py").write_text(DAG)
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW__PLATFORM__AUTO_MIGRATE": "False",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONWARNINGS": "ignore",
    }

    def airflow(*arguments: str) -> None:
        command = [sys.executable, "-m", "airflow", *arguments]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120)

    airflow("db", "migrate")
    airflow("dags", "reserialize")
    airflow("dags", "trigger", "plain")
    log = tmp_path / "scheduler.log"
    with log.open("wb") as output:
        scheduler = subprocess.Popen(
            [sys.executable, "-m", "airflow", "scheduler", "--skip-serve-logs"],
            env=environment, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        state = ""
        deadline = time.monotonic() + 120
        while state not in {"success", "failed"} and time.monotonic() < deadline:
            assert scheduler.poll() is None, log.read_text()[-3000:]
            time.sleep(0.5)
            state = read(tmp_path / "airflow.db", "SELECT state FROM dag_run")
        assert state == "success", log.read_text()[-3000:]
        assert scheduler.poll() is None
    finally:
        scheduler.terminate()
        scheduler.wait(60)
    assert scheduler.returncode == 0
    assert (
        read(tmp_path / "airflow.db", "SELECT count(*) FROM sqlite_master WHERE name = 'platform_event'") == 0
    )
    text = log.read_text()
    assert "The platform missed a DAG run's change" in text
    assert "The worker's step sweep failed" in text


def read(file: Path, query: str) -> str:
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        value: str = connection.execute(query).fetchone()[0]
    return value
