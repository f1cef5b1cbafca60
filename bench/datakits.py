"""Measure the parsing of 1,000 one-task DAGs: deployments, a hand-written loop, and dag-factory.

The DAGs have 120 schedules. New interpreters that have imported Airflow each load a DagBag of one file on
the same SQLite database. dag-factory is installed into a temporary folder; if that fails, its figures are
null. Its DAGs have no Datasets. Memory is the growth of the process.

Then measure 5,000 deployments in the DAG processor, under its own time limits: its whole work on a file, from
the import to its tables. First all deployments are new, and it takes as many parsings as the loader's limit
wants; then one is redeployed. The database is the one of
``AIRFLOW__DATABASE__SQL_ALCHEMY_CONN`` if that is set: a new, empty one.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 5
COUNT = 1000
LARGE = 5000
GOAL_RATIO = 1.3
GOAL_TASK_MS = 15
# Airflow's defaults: [core] dagbag_import_timeout and dag_file_processor_timeout.
IMPORT_TIMEOUT = 30
PROCESSOR_TIMEOUT = 50

SEED = """
import sys
from airflow_platform_plugin.core import db
from airflow_platform_plugin.datakits.manifest import Registration
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision
from airflow_platform_plugin.deployments.spec import DeploymentSpec
from airflow_platform_plugin.core.feature import load_models
load_models()
db.upgrade()
now = db.now()
with db.transaction() as session:
    for number in range(int(sys.argv[1]), int(sys.argv[2])):
        manifest = Registration.model_validate({
            "name": f"kit-{number}", "version": "1.0.0", "image": f"registry.localhost/kit-{number}:1.0.0",
            "description": "One of a thousand", "tags": ["bench"],
            "inputs": [{"name": f"in-{number}"}], "outputs": [{"name": f"out-{number}"}],
            "configuration": {"batch_size": {"type": "integer", "default": 1000}},
        })
        deployment = Deployment(
            id=f"dep_{number}", datakit=manifest.name, environment="production", namespace="default",
            dag_id=f"kit_{number}", revision=1, created_by="bench", created_at=now,
        )
        spec = DeploymentSpec(
            dag_id=f"kit_{number}", manifest=manifest.document, environment="production",
            namespace="default", configuration={"batch_size": 1000},
            schedule=f"{number % 60} {number % 24} * * *", start_date=now,
            deployment_id=deployment.id, revision=1,
        )
        session.add(deployment)
        session.flush()
        session.add(DeploymentRevision(
            deployment_id=deployment.id, number=1, version="1.0.0", spec=spec.model_dump(mode="json"),
            notifications={}, created_by="bench",
        ))
"""

LOADER = """
# The DAGs of deployments, as dags/datakits.py has them.
from airflow_platform_plugin.deployments.execution.loader import load
globals().update(load(__file__))
"""

BY_HAND = """
from datetime import datetime, timezone
from airflow import DAG, Dataset
from airflow.operators.bash import BashOperator
for number in range(%d):
    with DAG(
        dag_id=f"hand_{number}", description="One of a thousand",
        schedule=f"{number %% 60} {number %% 24} * * *",
        start_date=datetime(2024, 1, 1, tzinfo=timezone.utc), catchup=False, tags=["bench"],
        default_args={"owner": "default"}, doc_md="One of a thousand",
    ) as dag:
        BashOperator(
            task_id="run", bash_command="true",
            inlets=[Dataset(f"bench://in/{number}")], outlets=[Dataset(f"bench://out/{number}")],
        )
    globals()[dag.dag_id] = dag
"""

FACTORY = """
from airflow import DAG  # so that Airflow looks at this file
from dagfactory import load_yaml_dags
load_yaml_dags(globals(), config_filepath=%r)
"""

MEASURE = """
import os, resource, sys, time
import psutil
from airflow.models import DagBag
from airflow.operators.bash import BashOperator
from airflow import DAG, Dataset
import airflow_platform_plugin.deployments.execution.dag, airflow_platform_plugin.deployments.execution.loader
if "factory" in sys.argv[1]:
    import dagfactory
process = psutil.Process()
before = process.memory_info().rss
started = time.perf_counter()
bag = DagBag(sys.argv[1], include_examples=False, read_dags_from_db=False)
took = time.perf_counter() - started
assert not bag.import_errors, bag.import_errors
assert len(bag.dags) == int(sys.argv[2]), len(bag.dags)
print(took, (process.memory_info().rss - before) / len(bag.dags) / 1024)
"""

ONE = """
import sys, time
from airflow.utils.dag_parsing_context import _airflow_parsing_context_manager
from airflow_platform_plugin.deployments.execution import dag, loader
from airflow_platform_plugin.core import db
from airflow.models import DagModel
from sqlalchemy import select
# A task process has read its task from the database before it parses the file.
with db.transaction() as session:
    session.scalars(select(DagModel).limit(1)).all()
with _airflow_parsing_context_manager(dag_id="kit_7", task_id="run"):
    started = time.perf_counter()
    dags = loader.load("bench")
    print((time.perf_counter() - started) * 1000)
assert list(dags) == ["kit_7"]
"""


UNREAD = """
from sqlalchemy import update
from airflow_platform_plugin.core import db
from airflow_platform_plugin.deployments.models import Deployment
with db.transaction() as session:
    session.execute(update(Deployment).values(loaded_revision=None))
"""

KNOWN = """
from datetime import datetime, timezone
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.session import create_session
with create_session() as session:
    # So long ago that the DAG processor compares each DAG with the file.
    session.query(SerializedDagModel).update({"last_updated": datetime(2000, 1, 1, tzinfo=timezone.utc)})
"""

AGAIN = """
from airflow_platform_plugin.core.feature import load_models
from airflow_platform_plugin.core import db
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision
load_models()
with db.transaction() as session:
    deployment = session.get(Deployment, "dep_7")
    before = deployment.current
    session.add(DeploymentRevision(
        deployment_id="dep_7", number=2, version="1.0.0", spec=before.spec | {"retries": 7, "revision": 2},
        notifications={}, created_by="bench",
    ))
    deployment.revision = 2
"""

PROCESS = """
import logging, sys, time
from airflow.configuration import conf
from airflow.dag_processing.processor import DagFileProcessor
from airflow.models.dag import DagModel
from airflow.models.serialized_dag import SerializedDagModel
import airflow_platform_plugin.deployments.execution.dag, airflow_platform_plugin.deployments.execution.loader
logging.disable(logging.INFO)
started, used = time.perf_counter(), time.process_time()
processor = DagFileProcessor(dag_ids=[], dag_directory=sys.argv[2], log=logging.getLogger("bench"))
found, errors, _ = processor.process_file(sys.argv[1], [], pickle_dags=False)
took, used = time.perf_counter() - started, time.process_time() - used
assert errors == 0
assert sys.argv[3] == "0" or SerializedDagModel.get_dag("kit_7").get_task("run").retries == int(sys.argv[3])
print(found, took, used)
"""


def _python(code: str, *arguments: object) -> list[float]:
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}")
    words = (done.stdout.splitlines() or [""])[-1].split()
    return [float(word) for word in words if word.replace(".", "", 1).isdigit()]


def _process_new(file: Path) -> list[list[float]]:
    """Let the DAG processor parse the file until all deployments are stored; return each parsing."""
    parsings = [_python(PROCESS, file, file.parent, 0)]
    while parsings[-1][0] < LARGE:
        parsings.append(_python(PROCESS, file, file.parent, 0))
    return parsings


def _parse(file: Path, count: int) -> tuple[float, float]:
    seconds, kilobytes = _python(MEASURE, file, count)
    return seconds, kilobytes


def _install_factory(folder: Path) -> bool:
    """Install dag-factory without its dependencies, which Airflow has; return whether that worked."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--target",
        str(folder),
        "dag-factory",
    ]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return False
    os.environ["PYTHONPATH"] = str(folder)
    return True


def _yaml(count: int) -> str:
    dag = """
kit_{0}:
  description: One of a thousand
  schedule: "{1} {2} * * *"
  catchup: false
  tags: [bench]
  doc_md: One of a thousand
  default_args: {{owner: default, start_date: 2024-01-01}}
  tasks:
    run: {{operator: airflow.operators.bash.BashOperator, bash_command: "true"}}
"""
    return "".join(dag.format(number, number % 60, number % 24) for number in range(count))


def main() -> None:
    """Measure in turn and print medians."""
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        os.environ |= {"AIRFLOW_HOME": name, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        timeouts = ("DAGBAG_IMPORT_TIMEOUT", "DAG_FILE_PROCESSOR_TIMEOUT")
        os.environ |= {f"AIRFLOW__CORE__{option}": "600" for option in timeouts}
        migrate = [sys.executable, "-W", "ignore", "-m", "airflow", "db", "migrate"]
        subprocess.run(migrate, check=True, capture_output=True)
        for file, code in {"kits": LOADER, "hand": BY_HAND % COUNT}.items():
            (home / f"{file}.py").write_text(code)
        (home / "factory.yaml").write_text(_yaml(COUNT))
        (home / "factory.py").write_text(FACTORY % str(home / "factory.yaml"))
        _python(SEED, 0, COUNT)
        factory = _install_factory(home / "site")

        _parse(home / "kits.py", COUNT)  # the first parsing records what it has read
        rounds: dict[str, list[tuple[float, float]]] = {"kits": [], "hand": [], "factory": []}
        for _ in range(ROUNDS):
            rounds["kits"].append(_parse(home / "kits.py", COUNT))
            rounds["hand"].append(_parse(home / "hand.py", COUNT))
            if factory:
                rounds["factory"].append(_parse(home / "factory.py", COUNT))
        one_of_thousand = statistics.median(_python(ONE)[0] for _ in range(ROUNDS))
        _python(SEED, COUNT, LARGE)
        first_large, _ = _parse(home / "kits.py", LARGE)
        large, _ = _parse(home / "kits.py", LARGE)
        one_of_large = statistics.median(_python(ONE)[0] for _ in range(ROUNDS))
        for option in timeouts:
            del os.environ[f"AIRFLOW__CORE__{option}"]
        _python(UNREAD)
        new = _process_new(home / "kits.py")
        _python(KNOWN)
        _python(AGAIN)
        again = _python(PROCESS, home / "kits.py", home, 7)

    seconds = {kind: statistics.median(pair[0] for pair in pairs) for kind, pairs in rounds.items() if pairs}
    memory = {kind: statistics.median(pair[1] for pair in pairs) for kind, pairs in rounds.items() if pairs}
    task_process = {str(COUNT): round(one_of_thousand, 1), str(LARGE): round(one_of_large, 1)}
    print(
        json.dumps(
            {
                "benchmark": "datakits",
                "dags": COUNT,
                "seconds": {kind: round(value, 3) for kind, value in seconds.items()},
                "kilobytes_per_dag": {kind: round(value, 1) for kind, value in memory.items()},
                "ratio_to_hand": round(seconds["kits"] / seconds["hand"], 2),
                "goal_ratio_to_hand": GOAL_RATIO,
                "ratio_to_dag_factory": round(seconds["kits"] / seconds["factory"], 2) if factory else None,
                "task_process_ms": task_process,
                "goal_task_process_ms": GOAL_TASK_MS,
                f"seconds_for_{LARGE}": {"first": round(first_large, 2), "next": round(large, 2)},
                "goal_import_seconds": IMPORT_TIMEOUT,
                f"processor_seconds_for_{LARGE}": {
                    kind: [
                        {"dags": int(dags), "wall": round(wall, 1), "cpu": round(cpu, 1)}
                        for dags, wall, cpu in parsings
                    ]
                    for kind, parsings in {"new": new, "redeployed": [again]}.items()
                },
                "goal_processor_seconds": PROCESSOR_TIMEOUT,
                "load_average": [round(load, 1) for load in (load_before, os.getloadavg()[0])],
            }
        )
    )


if __name__ == "__main__":
    main()
