"""The quickstart: stock Airflow with the plugin, and one pipeline through all of its parts.

It does what README asks a user to do, with the SDK. It is also the end-to-end test.
"""

import fcntl
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

import httpx
import yaml
from airflow_platform import PlatformClient
from airflow_platform.exceptions import ConflictError, ResourceNotFoundError

from airflow_platform_plugin.demo import warehouse
from airflow_platform_plugin.deployments.execution import loader_file
from airflow_platform_plugin.quickstart.example import MANIFEST, QUERY, TENANT
from airflow_platform_plugin.quickstart.processes import Processes, StepFailed, environment, free_port
from airflow_platform_plugin.quickstart.receiver import Receiver

WEBHOOK_NAME = "quickstart"
START_TIMEOUT = 120.0  # seconds for Airflow to start, and for the run to end
POLL = 0.3


def run(home: Path, dags: Path | None, *, keep_running: bool) -> int:
    """Run all steps and return the exit status.

    Args:
        home: the folder for all files. One quickstart at a time can use it.
        dags: Airflow's DAGs folder; by default a folder in ``home``.
        keep_running: whether to run until a signal, or to stop when every step has worked.
    """
    home.mkdir(parents=True, exist_ok=True)
    lock = _lock(home)
    if lock is None:
        print(
            f"A quickstart is already running in {home}. Stop it with Ctrl-C, or start this one with "
            "--home and another folder.",
            file=sys.stderr,
        )
        return 1
    with lock:
        return _run(home, dags or home / "dags", keep_running=keep_running)


def _lock(home: Path) -> IO[str] | None:
    """Take the lock of ``home``, until this process ends; return None if another process holds it."""
    file = (home / "lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _run(home: Path, dags: Path, *, keep_running: bool) -> int:
    loader_file.install(dags)
    # SIGTERM stops the children too, as Ctrl-C does. A shell's & makes a process ignore Ctrl-C: undo that.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    processes = Processes(environment(home, dags), home / "logs")
    try:
        quickstart = Quickstart(home, processes)
        quickstart.run_all()
        if keep_running:
            quickstart.print_next_steps()
            while True:
                time.sleep(1)
                processes.check()
    except StepFailed as error:
        print(f"\nFailed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopping.")
        return 0 if keep_running else 130
    finally:
        processes.stop()
    return 0


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print the name of a step and its duration."""
    print(f"  {name} … ", end="", flush=True)
    started = time.monotonic()
    yield
    print(f"{time.monotonic() - started:.1f} s")


class Quickstart:
    """The steps, in order; each keeps on ``self`` what the next one needs."""

    def __init__(self, home: Path, processes: Processes) -> None:
        self.home = home
        self.processes = processes
        self.bin = Path(sys.executable).parent
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        # The base of links in mails.
        processes.environment["AIRFLOW__WEBSERVER__BASE_URL"] = self.base_url
        self.login = _remembered(home / "login.json", lambda: {"password": secrets.token_urlsafe(12)})

    def run_all(self) -> None:
        """Run every step."""
        with step("Airflow's database and the user admin"):
            self.prepare()
        with step("Stock Airflow: webserver and scheduler"):
            self.start()
        with step("API key, warehouse and its connection"):
            self.connect()
        with PlatformClient(base_url=self.base_url, api_key=self.api_key) as client:
            self.client = client
            receiver = Receiver()
            try:
                with step("Tenant, DataKit, webhook, deployment"):
                    deployment = self.deploy(receiver)
                with step("The deployment's DAG runs and writes gold.dim_customer"):
                    run_id = self.run_dag(deployment.dag_id)
                with step("The dag.success webhook arrives with a valid signature"):
                    self.await_webhook(receiver, run_id)
            finally:
                receiver.close()
            with step("The query of the API reference"):
                result = client.analytics.query(
                    QUERY,
                    database="warehouse",
                    limit=1000,
                    timeout_seconds=30,
                    parameters={"start_date": "2024-01-01", "end_date": "2024-01-31"},
                )
        _print_table(result.data)

    def prepare(self) -> None:
        """Create Airflow's tables and a user."""
        airflow = str(self.bin / "airflow")
        self.processes.run("airflow-db", airflow, "db", "migrate")
        user = ["--username", "admin", "--role", "Admin", "--email", "admin@example.com"]
        name = ["--firstname", "Ada", "--lastname", "Admin"]
        # Airflow asks twice. As an argument, all users of the machine could see it in the list of processes.
        answers = f"{self.login['password']}\n" * 2
        # Airflow does not change an existing user.
        self.processes.run("airflow-users", airflow, "users", "create", *user, *name, answers=answers)

    def start(self) -> None:
        """Start Airflow and wait until webserver and scheduler are healthy."""
        airflow = str(self.bin / "airflow")
        self.processes.start(
            "webserver", airflow, "webserver", "--port", str(self.port), "--hostname", "127.0.0.1"
        )
        self.processes.start("scheduler", airflow, "scheduler", "--skip-serve-logs")

        def healthy() -> bool:
            with suppress(httpx.TransportError):
                health = httpx.get(f"{self.base_url}/health", timeout=10).json()
                return bool(health["metadatabase"]["status"] == health["scheduler"]["status"] == "healthy")
            return False

        self._await(healthy, "Airflow did not come up")

    def connect(self) -> None:
        """Create the first key on the command line, and the warehouse's connection by Airflow's own API."""
        self.login = _remembered(
            self.home / "login.json", lambda: self.login | {"api_key": self._new_key()}, "api_key"
        )
        self.api_key = self.login["api_key"]
        file = self.home / "warehouse.duckdb"
        if not file.exists():
            new = file.with_suffix(".new")
            new.unlink(missing_ok=True)
            warehouse.build(new)
            new.rename(file)
        body = {"connection_id": "warehouse", "conn_type": "duckdb", "host": str(file)}
        answer = httpx.post(
            f"{self.base_url}/api/v1/connections", json=body, headers={"X-API-Key": self.api_key}, timeout=30
        )
        if answer.status_code not in {httpx.codes.OK, httpx.codes.CONFLICT}:
            raise StepFailed(
                f"The connection was refused: {answer.status_code} {answer.text}\n"
                f"Airflow's log: {self.processes.log('webserver')}"
            )
        with PlatformClient(base_url=self.base_url, api_key=self.api_key) as client:
            client.connections.update("warehouse", tenant_id=None)  # share it with tenants

    def _new_key(self) -> str:
        command = str(self.bin / "airflow-platform"), "api-keys", "create", "--user", "admin"
        return self.processes.run("api-keys", *command, "--name", "quickstart").split()[-1]

    def deploy(self, receiver: Receiver) -> Any:  # noqa: ANN401 - the SDK's Deployment
        """Create everything up to the deployment, as far as an earlier quickstart did not."""
        with suppress(ConflictError):
            self.client.tenants.create(**TENANT)
        self.client.datakits.register(**yaml.safe_load(MANIFEST.read_text(encoding="utf-8")))
        for webhook in self.client.webhooks.list():
            if webhook.name == WEBHOOK_NAME:
                self.client.webhooks.delete(webhook.webhook_id)
        webhook = self.client.webhooks.create(name=WEBHOOK_NAME, url=receiver.url, events=["dag.success"])
        receiver.secret = webhook.secret or ""
        return self.client.datakits.deploy(
            datakit_id="customer-360-datakit",
            environment="production",
            namespace="analytics",
            configuration={"batch_size": 5000, "parallel_tasks": 8},
            schedule="0 2 * * *",
            notifications={"on_success": ["success@example.com"], "on_failure": ["alerts@example.com"]},
        )

    def run_dag(self, dag_id: str) -> str:
        """Trigger the DAG as soon as Airflow knows it, and wait for the end of the run."""

        def known() -> bool:
            with suppress(ResourceNotFoundError):
                return bool(self.client.dags.get(dag_id).is_active)
            return False

        self._await(known, f"Airflow did not find the DAG {dag_id}")
        now = datetime.now(tz=timezone.utc)
        dag_run = self.client.dags.trigger(dag_id=dag_id, run_id=f"quickstart_{now:%Y_%m_%dT%H_%M_%S}")

        def ended() -> bool:
            dag_run.refresh()
            return dag_run.state in {"success", "failed"}

        self._await(ended, f"The run {dag_run.dag_run_id} did not end")
        if dag_run.state != "success":
            raise StepFailed(
                f"The run {dag_run.dag_run_id} failed. "
                f"Its task's log is below {self.home / 'airflow' / 'logs'}"
            )
        return str(dag_run.dag_run_id)

    def await_webhook(self, receiver: Receiver, run_id: str) -> None:
        """Wait for the webhook about the run."""
        if receiver.wait(run_id, timeout=START_TIMEOUT) is None:
            raise StepFailed(f"No webhook arrived. The worker's log: {self.processes.log('scheduler')}")

    def print_next_steps(self) -> None:
        """Print where everything is, and what to try."""
        print(f"""
Airflow     {self.base_url}   user admin, password {self.login["password"]}
API key     {self.api_key}
Logs        {self.processes.logs}

Try, in another terminal:
  export AIRFLOW_PLATFORM_BASE_URL={self.base_url} AIRFLOW_PLATFORM_API_KEY={self.api_key}
  {self.bin}/airflow-cli dags list
  {self.bin}/airflow-cli datakits status customer-360-datakit
  {self.bin}/airflow-cli query "SELECT country, count(*) AS customers FROM bronze.customers GROUP BY 1"

Ctrl-C stops everything.""")  # noqa: S608 - the SQL is for the reader

    def _await(self, happened: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not happened():
            self.processes.check()
            if time.monotonic() > deadline:
                raise StepFailed(f"{failure} within {START_TIMEOUT:g} s. The logs: {self.processes.logs}")
            time.sleep(POLL)


def _remembered(file: Path, make: Callable[[], dict[str, str]], key: str = "password") -> dict[str, str]:
    """Return what an earlier quickstart stored in ``file``; else make and store it, for its owner only."""
    if file.exists():
        known: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
        if key in known:
            return known
    made = make()
    with os.fdopen(
        os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as stream:
        json.dump(made, stream)
    return made


def _print_table(rows: list[dict[str, Any]]) -> None:
    print(f"\n  {'customer_segment':<18}{'customer_count':>16}{'avg_ltv':>14}")
    for row in rows:
        print(f"  {row['customer_segment']:<18}{row['customer_count']:>16,}{row['avg_ltv']:>14,.2f}")
