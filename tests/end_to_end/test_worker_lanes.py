"""A real worker whose lanes hang, each on another server."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import receivers
import servers
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

pytestmark = pytest.mark.end_to_end

WEBHOOKS = 10
SAMPLES = 5
# Seconds that each lane hangs: more than the test takes.
HANGS = "120"
GOAL = 2.0  # seconds between two rounds of the sweep
PATIENCE = 60.0  # seconds for what must happen at all, on a busy machine

SEED = f"""
from airflow import settings
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.providers.fab.auth_manager import models as _users
import_all_models()
Base.metadata.create_all(settings.engine)
import sys
from airflow_platform_plugin.core import crypto, db
from airflow_platform_plugin.core.events import Event
from airflow_platform_plugin.core.feature import load_models
from airflow_platform_plugin.deployments.models import Deployment, Mail
from airflow_platform_plugin.webhooks import signing
from airflow_platform_plugin.webhooks.models import Delivery, Webhook
load_models()
db.upgrade()
url = sys.argv[1]
data = {{"dag_id": "d", "dag_run_id": "r", "execution_date": "2024-01-15T00:00:00Z", "duration_seconds": 1.0}}
with db.transaction() as session:
    event = Event(id="e", type="dag.success", occurred_at=db.now(), data=data, fanned_out_at=db.now())
    session.add(event)
    session.add(Deployment(
        id="dep_1", datakit="kit", environment="production", namespace="team", dag_id="d", revision=1,
        created_by="seed",
    ))
    session.flush()
    for number in range({WEBHOOKS}):
        webhook = Webhook(
            name="w", url=f"http://{{url}}/", events=["dag.success"], filters={{}}, retry_policy={{}},
            encrypted_headers=crypto.encrypt("{{}}"), encrypted_secret=crypto.encrypt(signing.new_secret()),
            created_by="seed",
        )
        session.add(webhook)
        session.flush()
        session.add(Delivery(event_id="e", webhook_id=webhook.webhook_id, attempts=0, due_at=db.now()))
    session.add(Mail(
        event_id="e", deployment_id="dep_1", addresses=["a@example.com"], attempts=0, due_at=db.now(),
    ))
"""


START = text("""
INSERT INTO dag_run
    (dag_id, run_id, execution_date, start_date, queued_at, state, run_type, external_trigger, clear_number)
VALUES ('d', :run_id, :now, :now, :now, 'running', 'manual', true, 0)
""")


class Silent:
    """A server's behavior: it accepts connections and never answers."""

    def __init__(self) -> None:
        self.connections = 0

    def __call__(self, _connection: Any, going: Callable[[], bool]) -> None:
        """Keep a connection open."""
        self.connections += 1
        while going():
            time.sleep(0.05)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The address of an empty PostgreSQL."""
    server = servers.postgresql()
    yield server.url
    server.stop()


def wait_until(condition: Callable[[], bool], worker: "subprocess.Popen[bytes]") -> float:
    """Return the seconds until the condition is true."""
    started = time.monotonic()
    while not condition():
        assert worker.poll() is None, "the worker has ended"
        assert time.monotonic() - started < PATIENCE
        time.sleep(0.02)
    return time.monotonic() - started


@contextmanager
def long_statement(engine: Engine) -> Iterator[None]:
    """Let a statement of one step wait: the step that deletes old idempotency keys."""
    with engine.connect() as connection, connection.begin():
        connection.execute(text("LOCK TABLE platform_idempotency_key IN ACCESS EXCLUSIVE MODE"))
        yield


def count(connection: Connection, query: str) -> int:
    return int(connection.execute(text(query)).scalar() or 0)


def has_event(connection: Connection, run_id: str) -> bool:
    stored = text("SELECT 1 FROM platform_event WHERE type = 'dag.running' AND data->>'dag_run_id' = :run_id")
    return connection.execute(stored, {"run_id": run_id}).scalar() is not None


def test_the_sweep_goes_on_while_receivers_a_mail_server_and_a_statement_hang(
    tmp_path: Path, database: str
) -> None:
    """A run's event is stored within two seconds, although every other lane waits for a server."""
    engine = create_engine(database, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    receiver, mail_server = Silent(), Silent()
    with ExitStack() as stack:
        url = stack.enter_context(receivers.behaving(receiver))
        smtp_host, _, smtp_port = stack.enter_context(receivers.behaving(mail_server)).partition(":")
        environment = os.environ | {
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__PLATFORM__WEBHOOK_TIMEOUT": HANGS,
            "AIRFLOW__SMTP__SMTP_HOST": smtp_host,
            "AIRFLOW__SMTP__SMTP_PORT": smtp_port,
            "AIRFLOW__SMTP__SMTP_STARTTLS": "False",
            "AIRFLOW__SMTP__SMTP_TIMEOUT": HANGS,
        }
        python = [sys.executable, "-W", "ignore"]
        subprocess.run([*python, "-c", SEED, url], env=environment, check=True, stdout=subprocess.DEVNULL)
        stack.enter_context(long_statement(create_engine(database, poolclass=NullPool)))
        worker = subprocess.Popen([*python, "-m", "airflow_platform_plugin", "worker"], env=environment)
        stack.callback(worker.wait, 30)
        stack.callback(worker.kill)
        connection = stack.enter_context(engine.connect())
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

        def all_hang() -> bool:
            return (
                receiver.connections == WEBHOOKS
                and mail_server.connections == 1
                and count(connection, waiting) >= 1
            )

        wait_until(all_hang, worker)
        seconds = []
        for number in range(SAMPLES):
            run_id = f"r{number}"
            connection.execute(START, {"run_id": run_id, "now": datetime.now(tz=timezone.utc)})
            seconds.append(wait_until(partial(has_event, connection, run_id), worker))
        assert all_hang()
        assert (
            count(connection, "SELECT count(*) FROM platform_webhook_delivery WHERE attempts = 1") == WEBHOOKS
        )
        assert count(connection, "SELECT count(*) FROM platform_deployment_mail WHERE attempts = 1") == 1
    assert statistics.median(seconds) < GOAL, seconds
