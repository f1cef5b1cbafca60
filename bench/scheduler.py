"""Measure what the plugin adds to Airflow's scheduler and task processes, on PostgreSQL.

scheduler   A separate process loops until new runs of a DAG of EmptyOperators are done. That is the worst
            case, because nothing but states changes. New processes run in turn: without the plugin; with it
            and no subscription; with it and a webhook.
task        A separate process runs one task as ``airflow tasks run --raw`` does. The hook that Airflow
            calls at its end is timed, with everything that it imports for the first time.

Goals: at most 15 % more time for the scheduler's loops, and 5 ms for a task process. Compare only times of
one line.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # for their servers

import servers

ROUNDS = 7
RUNS = 40
TASKS = 15
KINDS = ("without", "idle", "webhook")
GOAL_LOOP_PERCENT = 15
GOAL_TASK_MS = 5

COMMON = """
import sys, time, warnings
warnings.simplefilter("ignore")
from airflow.cli.commands import task_command
from airflow import plugins_manager as manager
kind = sys.argv[1]
if kind == "without":
    original = manager.entry_points_with_dist
    manager.entry_points_with_dist = lambda group: (
        (entry, dist) for entry, dist in original(group) if entry.name != "platform"
    )
from datetime import datetime, timedelta, timezone
from airflow import DAG, settings
from airflow.listeners.listener import get_listener_manager
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.operators.empty import EmptyOperator
from airflow.operators.python import PythonOperator
from airflow.utils.session import create_session
from sqlalchemy import text
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
with DAG("empties", start_date=START, schedule=None, max_active_runs=1000) as empties:
    EmptyOperator(task_id="a") >> EmptyOperator(task_id="b")
with DAG("one", start_date=START, schedule=None, max_active_runs=1000) as one:
    PythonOperator(task_id="t", python_callable=lambda: None)

def make_runs(dag, count, state):
    with create_session() as session:
        for table in ("task_instance", "dag_run"):
            session.execute(text(f"DELETE FROM {table}"))
        for number in range(count):
            dag.create_dagrun(
                run_id=f"r{time.time_ns()}", execution_date=START + timedelta(minutes=number), state=state,
                run_type="manual", data_interval=(START, START), conf={"size": number}, session=session,
            )

def subscribe():
    from airflow_platform_plugin.core import db
    from airflow_platform_plugin.core.feature import load_models
    load_models()
    from airflow_platform_plugin.webhooks.models import Delivery, Webhook
    with db.transaction() as session:
        session.execute(text("DELETE FROM platform_event"))
        session.execute(text("DELETE FROM platform_webhook"))
        if kind == "webhook":
            session.add(Webhook(
                name="w", url="http://127.0.0.1:9/", events=["dag.success"], filters={}, retry_policy={},
                created_by="bench", encrypted_headers="", encrypted_secret="",
            ))
"""

SETUP = f"""{COMMON}
from airflow_platform_plugin.core import db
from airflow.models.dag import DagModel
from airflow.models.dagcode import DagCode
db.upgrade()
DagCode.bulk_sync_to_db = lambda *_, **__: None
for dag in (empties, one):
    dag.fileloc = "/dags/bench.py"
with create_session() as session:
    DAG.bulk_write_to_db([empties, one], session=session)
    for dag in (empties, one):
        SerializedDagModel.write_dag(dag, session=session)
    session.query(DagModel).update({{"is_paused": False}})
"""

SCHEDULER = COMMON
SCHEDULER += """
from airflow.executors.sequential_executor import SequentialExecutor
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
if kind != "without":
    subscribe()
job = Job(executor=SequentialExecutor())
runner = SchedulerJobRunner(job)
assert (len(get_listener_manager().pm.get_plugins()) > 0) is (kind != "without")

def loop():
    with create_session() as session:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(1000):
            runner._do_scheduling(session)
            if not session.execute(text("SELECT 1 FROM dag_run WHERE state <> 'success' LIMIT 1")).all():
                break
        return time.perf_counter() - wall, time.process_time() - cpu

make_runs(empties, 2, "queued")
loop()  # a scheduler imports and compiles this once
make_runs(empties, int(sys.argv[2]), "queued")
wall, cpu = loop()
print(wall * 1000, cpu * 1000)
if kind != "without":
    by_type = "SELECT type, count(*) FROM platform_event GROUP BY type ORDER BY type"
    with create_session() as session:
        stored = [tuple(row) for row in session.execute(text(by_type))]
    count = int(sys.argv[2]) + 2
    assert stored == ([("dag.running", count), ("dag.success", count)] if kind == "webhook" else []), stored
"""

TASK = COMMON
TASK += """
settings.reconfigure_orm(disable_connection_pool=True)
if kind != "without":
    subscribe()
make_runs(one, 1, "running")
manager.ensure_plugins_loaded()
pm = get_listener_manager().pm
spent = []
pm.add_hookcall_monitoring(
    lambda *_: spent.append(-time.perf_counter()),
    lambda *_: spent.append(spent.pop() + time.perf_counter()),
)
with create_session() as session:
    run = session.query(DagRun).one()
    (ti,) = run.get_task_instances(session=session)
    ti.state = "running"
    ti.refresh_from_task(one.get_task("t"))
    session.flush()
    session.expunge_all()
ti.task = one.get_task("t")
spent.clear()
started = time.perf_counter()
ti._run_raw_task()
print((time.perf_counter() - started) * 1000, sum(spent) * 1000)
if kind == "webhook":
    with create_session() as session:
        assert session.execute(text("SELECT count(*) FROM platform_event")).scalar() == 1
"""


def run(code: str, *arguments: str) -> list[float]:
    """Return the numbers in the last line that a new process prints."""
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return [float(word) for word in done.stdout.split()[-2:]] if arguments[0] != "setup" else []


def medians(code: str, rounds: int, *arguments: str) -> dict[str, list[float]]:
    """Return the medians by kind. The kinds run in turn, so that a busy machine slows them alike."""
    figures: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            figures[kind].append(run(code, kind, *arguments))
    return {
        kind: [round(statistics.median(column), 2) for column in zip(*rows, strict=True)]
        for kind, rows in figures.items()
    }


def main() -> None:
    """Measure and print."""
    server = servers.postgresql()
    try:
        with tempfile.TemporaryDirectory() as home:
            os.environ |= {
                "AIRFLOW_HOME": home,
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": server.url,
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
                "AIRFLOW__PLATFORM__WORKER": "False",  # a separate process, which would share the cores
            }
            subprocess.run(
                [sys.executable, "-W", "ignore", "-m", "airflow", "db", "migrate"],
                check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            run(SETUP, "setup")
            loops = medians(SCHEDULER, ROUNDS, str(RUNS))
            tasks = medians(TASK, TASKS)
    finally:
        server.stop()
    print(json.dumps(report(loops, tasks)))


def report(loops: dict[str, list[float]], tasks: dict[str, list[float]]) -> dict[str, object]:
    """Return the figures with their goals."""

    def percent(kind: str, place: int) -> float:
        return round(100 * (loops[kind][place] / loops["without"][place] - 1), 1)

    return {
        "benchmark": "scheduler",
        "runs": RUNS,
        "changes": 2 * RUNS,
        "loops_ms": {kind: figures[0] for kind, figures in loops.items()},
        "loops_cpu_ms": {kind: figures[1] for kind, figures in loops.items()},
        "loops_added_percent": {kind: percent(kind, 0) for kind in ("idle", "webhook")},
        "loops_added_cpu_percent": {kind: percent(kind, 1) for kind in ("idle", "webhook")},
        "goal_loops_added_percent": GOAL_LOOP_PERCENT,
        "task_ms": {kind: figures[0] for kind, figures in tasks.items()},
        "task_hook_ms": {kind: figures[1] for kind, figures in tasks.items()},
        "goal_task_hook_ms": GOAL_TASK_MS,
    }


if __name__ == "__main__":
    main()
