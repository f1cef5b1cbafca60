"""A backfill with a real webserver and a scheduler that is killed while the backfill runs."""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import webserver
from sqlalchemy import create_engine, text

DAG = """
import pendulum
from airflow.decorators import dag, task

# The DAG has an end date, so that all runs belong to the backfill.
january = {"start_date": pendulum.datetime(2024, 1, 3), "end_date": pendulum.datetime(2024, 1, 31)}

@dag(schedule="@daily", **january, catchup=False, max_active_runs=5)
def nightly():
    @task
    def load(ds=None, dag_run=None):
        return [ds, dag_run.conf["size"]]
    load()

nightly()
"""
DATES = [f"2024-01-0{day}" for day in range(1, 7)]  # the first two are before the DAG's start
PATIENCE = 240.0
# A new scheduler adopts the tasks of a dead one soon.
SETTINGS = {
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
}


@pytest.mark.end_to_end
@pytest.mark.timeout(600)
def test_a_backfill_survives_a_scheduler_that_is_killed(tmp_path: Path) -> None:
    """Each date has one run whose task ran once; at most two runs were active at the same time."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "nightly.py").write_text(DAG)
    with webserver.running(tmp_path, **SETTINGS) as server:
        server.airflow("dags", "reserialize")
        api = httpx.Client(
            base_url=f"{server.url}/api/v1/platform", headers={"X-API-Key": server.api_key}, timeout=60
        )
        asked = {"start_date": DATES[0], "end_date": DATES[-1], "max_active_runs": 2, "conf": {"size": 7}}
        made = api.post("/dags/nightly/backfills", json=asked)
        assert made.status_code == 201, made.text
        url = f"/backfills/{made.json()['backfill_id']}"
        most_active = 0

        def progress() -> Any:
            return api.get(url).json()["progress"]

        def wait(until: Callable[[], bool], scheduler: subprocess.Popen[bytes]) -> None:
            nonlocal most_active
            deadline = time.monotonic() + PATIENCE
            while not until():
                assert scheduler.poll() is None
                assert time.monotonic() < deadline, f"{api.get(url).json()}\n{tail(tmp_path)}"
                active = "SELECT count(*) FROM dag_run WHERE state IN ('queued', 'running')"
                most_active = max(most_active, read(tmp_path, active)[0][0])
                time.sleep(0.1)

        first = start_scheduler(server, tmp_path)
        try:
            wait(lambda: progress()["success"] >= 2, first)
        finally:
            orphans = psutil.Process(first.pid).children(recursive=True)
            first.kill()
            first.wait()
        assert api.get(url).json()["state"] == "running"
        second = start_scheduler(server, tmp_path)
        try:
            wait(lambda: bool(api.get(url).json()["state"] != "running"), second)
        finally:
            second.terminate()
            second.wait(60)
            for orphan in orphans:  # Airflow's own process that parses files does not notice
                with suppress(psutil.NoSuchProcess):
                    orphan.kill()
        done = api.get(url).json()
    assert (done["state"], done["progress"]["success"], done["progress"]["created"]) == ("completed", 6, 6)
    runs = read(tmp_path, "SELECT run_id, state, start_date, end_date FROM dag_run ORDER BY execution_date")
    assert [row.run_id for row in runs] == [f"{done['backfill_id']}__{date}T00:00:00+00:00" for date in DATES]
    assert {row.state for row in runs} == {"success"}
    assert read(tmp_path, "SELECT count(*) FROM task_instance WHERE state = 'success'")[0][0] == 6
    values = {row[0] for row in read(tmp_path, "SELECT value FROM xcom WHERE key = 'return_value'")}
    assert values == {f'["{date}", 7]'.encode() for date in DATES}
    assert most_active == 2
    # The same from the runs' start and end times.
    for row in runs:
        same_time = [other for other in runs if other.start_date <= row.start_date < other.end_date]
        assert len(same_time) <= 2, runs


def start_scheduler(server: webserver.Webserver, home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "airflow", "scheduler", "--skip-serve-logs"]
    with (home / "scheduler.log").open("ab") as log:
        return subprocess.Popen(command, env=server.processes.environment, stdout=log, stderr=log)


def read(home: Path, query: str) -> list[Any]:
    engine = create_engine(f"sqlite:///{home}/airflow.db")
    with engine.connect() as connection:
        rows = list(connection.execute(text(query)))
    engine.dispose()
    return rows


def tail(home: Path) -> str:
    return (home / "scheduler.log").read_text(errors="replace")[-3000:]
