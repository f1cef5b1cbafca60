"""``airflow-platform doctor``."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from options import set_options
from sqlalchemy import select, update

from airflow_platform_plugin import airflow_compat, doctor, worker
from airflow_platform_plugin.core import db, events
from airflow_platform_plugin.core.heartbeat import Beats, Step
from airflow_platform_plugin.webhooks.models import Webhook

CHECKS = {
    "tables", "worker", "consumers", "secrets", "loader", "rate-limits", "datakit-runners", "deployments",
    "tenant-pools", "tenant-roles",
}  # fmt: skip


def found() -> dict[str, bool]:
    return {finding.name: finding.ok for finding in doctor.examine()}


def message(name: str) -> str:
    (found_message,) = [finding.message for finding in doctor.examine() if finding.name == name]
    return found_message


@pytest.fixture
def loader_file() -> Iterator[Path]:
    """The loader in the DAGs folder."""
    from airflow import settings as airflow_settings

    folder = Path(airflow_settings.DAGS_FOLDER)
    folder.mkdir(exist_ok=True)
    file = folder / "datakits.py"
    file.write_text(
        "from airflow_platform_plugin.deployments.execution.loader import load\n"
        "globals().update(load(__file__))\n"
    )
    yield file
    file.unlink(missing_ok=True)


@pytest.fixture
def steps(session: Any) -> None:
    """A worker whose steps have just finished."""
    session.query(Step).delete()
    session.add_all([Step(name=name, finished_at=db.now()) for name in worker.STEPS])
    session.flush()


def test_a_healthy_installation_passes_all_checks(session: Any, steps: None, loader_file: Path) -> None:
    assert found() == dict.fromkeys(CHECKS, True)


def test_a_worker_that_never_ran_or_is_silent_is_reported(session: Any) -> None:
    session.query(Step).delete()
    session.flush()
    assert not found()["worker"]
    moment = db.now() - timedelta(minutes=20)
    session.add_all([Step(name=name, finished_at=moment) for name in worker.STEPS])
    session.flush()
    assert message("worker").startswith(
        "No worker has finished a round: The step sweep has not finished for 2"
    )


def test_a_step_that_hangs_is_reported_while_the_others_go_on(session: Any, steps: None) -> None:
    session.get(Step, "deliver").finished_at = db.now() - timedelta(minutes=5, seconds=1)
    session.flush()
    assert message("worker") == "The step deliver has not finished for 5 minutes."


def test_a_step_that_fails_is_reported_until_it_succeeds(session: Any, steps: None) -> None:
    """With the kind of the error only, because its message may repeat a secret."""
    beats = Beats()
    beats.failed("sweep", ValueError("s3cret"))
    beats.write_down()
    assert message("worker") == "The step sweep fails (ValueError); the worker's log says why."
    beats.finished("sweep")
    beats.write_down()
    assert found()["worker"]


def test_of_several_workers_the_latest_counts(session: Any, steps: None) -> None:
    """A worker that stores its beats late does not replace later ones."""
    late = Beats()
    late.finished("sweep")
    late._finished["sweep"] = db.now() - timedelta(hours=1)
    late.write_down()
    assert found()["worker"]


def test_a_consumer_that_fails_is_reported(session: Any, steps: None) -> None:
    events.record(session.connection(), [events.NewEvent("dag.success", ("d",), db.now(), {})])
    (event_id,) = session.scalars(select(events.Event.id)).all()
    failed = {"event_id": event_id, "consumer": "mails", "attempts": 1, "error": "KeyError"}
    session.add(events.FailedConsumption(**failed, due_at=None, failed_at=db.now()))
    session.flush()
    assert not found()["consumers"]
    assert "mails: 1 (KeyError)" in message("consumers")


def test_a_secret_that_cannot_be_decrypted_is_reported(session: Any, call: Callable[..., Any]) -> None:
    hook = {"name": "w", "url": "http://127.0.0.1:9/", "events": ["dag.success"]}
    call("POST", "/api/v1/platform/webhooks", json=hook)
    assert found()["secrets"]
    session.execute(
        update(Webhook).values(encrypted_secret=Fernet(Fernet.generate_key()).encrypt(b"x").decode())
    )
    assert "1 in platform_webhook.encrypted_secret" in message("secrets")
    assert "rotate-fernet-key" in message("secrets")


def test_a_missing_loader_file_is_reported(session: Any, loader_file: Path) -> None:
    """The content counts, whatever the name of the file."""
    assert str(loader_file) in message("loader")
    renamed = loader_file.rename(loader_file.with_name("anything.py"))
    assert found()["loader"]
    renamed.write_text("# nothing of ours\n")
    assert not found()["loader"]
    assert message("loader").endswith("airflow-platform install-loader")
    renamed.rename(loader_file)  # such as that of an earlier version
    assert message("loader").endswith("airflow-platform install-loader --force")
    loader_file.unlink()


@pytest.mark.parametrize(
    ("runners", "ok", "start"),
    [
        ("production=docker, *=process", True, "Runners of DataKits: docker in production, process in *."),
        ("podman", False, "[platform] datakit_runners must be one of process, docker, kubernetes"),
        ("production=docker", False, "[platform] datakit_runners must be"),
        ("a=docker, a=process, *=process", False, "[platform] datakit_runners must be"),
    ],
)
def test_runners_are_checked(monkeypatch: pytest.MonkeyPatch, runners: str, ok: bool, start: str) -> None:  # noqa: FBT001 - a table
    set_options(monkeypatch, datakit_runners=runners)
    passed, message = doctor.checks()["datakit-runners"]()
    assert (passed, message.startswith(start)) == (ok, True)


def test_a_runner_without_its_provider_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    set_options(monkeypatch, datakit_runners="docker")
    monkeypatch.setitem(sys.modules, "airflow_platform_plugin.deployments.execution.runners.docker", None)
    passed, message = doctor.checks()["datakit-runners"]()
    assert not passed
    assert message.startswith("The runner docker needs airflow-platform-plugin[docker]: ")


def test_a_check_that_raises_has_failed(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other checks still run."""

    def fail() -> tuple[bool, str]:
        raise RuntimeError("broken")

    monkeypatch.setitem(doctor._CHECKS, "tables", fail)
    findings = {finding.name: finding for finding in doctor.examine()}
    assert findings["tables"] == ("tables", False, "RuntimeError: broken")
    assert findings["rate-limits"].ok


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", "airflow_platform_plugin", "doctor", *arguments]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_command_prints_every_finding_and_fails_if_one_failed(app: Any, loader_file: Path) -> None:
    """As text, and as JSON for programs."""
    with db.transaction() as session:
        for name in worker.STEPS:
            session.merge(Step(name=name, finished_at=db.now(), error=None))
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"ok"}
    assert {line.split()[1].rstrip(":") for line in done.stdout.splitlines()} >= CHECKS
    done = run("--output", "json", AIRFLOW__PLATFORM__RATE_LIMIT_READ="many")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert answer["ok"] is False
    assert [check["name"] for check in answer["checks"] if not check["ok"]] == ["rate-limits"]
    assert "rate_limit_read" in next(c["message"] for c in answer["checks"] if c["name"] == "rate-limits")


def test_the_checks_leave_nothing_behind(app: Any, tmp_path: Path) -> None:
    """The operator may be another user of the system than the webserver's."""
    run(AIRFLOW__PLATFORM__RATE_LIMIT_STORAGE=f"platform-file://{tmp_path}/new/counters")
    assert list(tmp_path.iterdir()) == []


def test_missing_shared_roles_are_reported(session: Any) -> None:
    """Tenants' users would have no rights until a webserver starts again."""
    airflow_compat.roles.delete_roles(session, ["Tenant Viewer"])
    passed, message = doctor.checks()["tenant-roles"]()
    assert not passed
    assert "Tenant Viewer" in message
