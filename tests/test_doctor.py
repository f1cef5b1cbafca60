"""``airflow-platform doctor``."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_platform_plugin import db, doctor, settings
from airflow_platform_plugin.runs.models import Cursor


def found() -> dict[str, bool]:
    return {finding.name: finding.ok for finding in doctor.examine()}


def test_all_is_well_where_all_is_well(session: Any) -> None:
    session.merge(Cursor(name="task_instance", position=int(time.time()) - 60))
    session.flush()
    assert found() == {
        "tables": True,
        "worker": True,
        "rate-limits": True,
        "datakit-runners": True,
        "deployments": True,
        "tenant-pools": True,
    }


def test_a_worker_that_never_ran_or_fell_silent_is_noticed(session: Any) -> None:
    session.query(Cursor).delete()
    session.flush()
    assert not found()["worker"]
    session.add(Cursor(name="task_instance", position=int(time.time()) - 600))
    session.flush()
    (message,) = [finding.message for finding in doctor.examine() if finding.name == "worker"]
    assert message == "No worker has finished a round for 10 minutes."


@pytest.mark.parametrize(
    ("runners", "ok", "told"),
    [
        ("production=docker, *=process", True, "DataKits run by docker in production, process in *."),
        ("podman", False, "[platform] datakit_runners must be one of process, docker, kubernetes"),
        ("production=docker", False, "[platform] datakit_runners must be"),
        ("a=docker, a=process, *=process", False, "[platform] datakit_runners must be"),
    ],
)
def test_runners_are_looked_at(monkeypatch: pytest.MonkeyPatch, runners: str, ok: bool, told: str) -> None:  # noqa: FBT001 - a table
    chosen = settings.Settings(datakit_runners=runners)
    monkeypatch.setattr(settings, "get", lambda: chosen)
    passed, message = doctor.CHECKS["datakit-runners"]()
    assert (passed, message.startswith(told)) == (ok, True)


def test_a_runner_without_its_provider_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings.Settings(datakit_runners="docker")
    monkeypatch.setattr(settings, "get", lambda: chosen)
    monkeypatch.setitem(sys.modules, "airflow_platform_plugin.datakits.runners.docker", None)
    passed, message = doctor.CHECKS["datakit-runners"]()
    assert not passed
    assert message.startswith("The runner docker needs airflow-platform-plugin[docker]: ")


def test_a_check_that_cannot_be_made_has_failed(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are made nevertheless."""

    def fail() -> tuple[bool, str]:
        raise RuntimeError("broken")

    monkeypatch.setitem(doctor.CHECKS, "tables", fail)
    findings = {finding.name: finding for finding in doctor.examine()}
    assert findings["tables"] == ("tables", False, "RuntimeError: broken")
    assert findings["rate-limits"].ok


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", "airflow_platform_plugin", "doctor", *arguments]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_command_tells_every_finding_and_fails_where_one_has(app: Any) -> None:
    """As text, and as JSON for machines."""
    with db.transaction() as session:
        session.merge(Cursor(name="task_instance", position=int(time.time())))
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["ok", "tables:"],
        ["ok", "worker:"],
        ["ok", "rate-limits:"],
        ["ok", "datakit-runners:"],
        ["ok", "deployments:"],
        ["ok", "tenant-pools:"],
    ]
    done = run("--output", "json", AIRFLOW__PLATFORM__RATE_LIMIT_READ="many")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert answer["ok"] is False
    assert [(check["name"], check["ok"]) for check in answer["checks"]] == [
        ("tables", True),
        ("worker", True),
        ("rate-limits", False),
        ("datakit-runners", True),
        ("deployments", True),
        ("tenant-pools", True),
    ]
    assert "rate_limit_read" in answer["checks"][2]["message"]


def test_looking_leaves_nothing_behind(app: Any, tmp_path: Path) -> None:
    """The one who looks may be another user than the webserver's."""
    run(AIRFLOW__PLATFORM__RATE_LIMIT_STORAGE=f"platform-file://{tmp_path}/new/counters")
    assert list(tmp_path.iterdir()) == []
