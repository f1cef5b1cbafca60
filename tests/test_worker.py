"""The worker's loop."""

import os
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from airflow_platform_plugin import supervisor, worker
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.heartbeat import Beats, Step


def test_every_step_runs_once(session: Any) -> None:
    """In the order in which an event passes through them."""
    assert session is not None
    assert list(worker.run_once().items())[1:] == [
        ("fan-out", 0),
        ("advance-backfills", 0),
        ("deliver", 0),
        ("send-mail", 0),
        ("roll-back", 0),
        ("keep-deployments", 0),
        ("expire-tokens", 0),
        ("expire-events", 0),
        ("expire-idempotency-keys", 0),
    ]


def test_a_failing_step_does_not_stop_the_others(
    session: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and its result differs from that of a step with nothing to do."""
    assert session is not None

    def fail() -> int:
        raise RuntimeError("broken")

    monkeypatch.setitem(worker.STEPS, "fan-out", fail)
    done = worker.run_once()
    assert (done["fan-out"], done["deliver"]) == (None, 0)
    assert "step fan-out failed" in caplog.text


@pytest.mark.parametrize(
    ("done", "failures", "seconds"),
    [
        ({"a": 0, "b": 0}, 0, 1),
        ({"a": 0, "b": 3}, 0, 0),
        ({"a": None, "b": 3}, 1, 2),
        ({"a": None}, 2, 4),
        ({"a": None}, 99, worker.MAX_PAUSE),
    ],
)
def test_the_next_round_is_at_once_after_work_and_later_after_failures(
    done: dict[str, int | None], failures: int, seconds: float
) -> None:
    assert worker.pause(done, failures, 1) == seconds


def test_every_step_is_in_one_lane() -> None:
    assert sorted(name for lane in worker.LANES.values() for name in lane) == sorted(worker.STEPS)


def test_a_step_that_hangs_stops_only_its_own_lane(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stored beats of the other steps show that it is silent."""
    released, went_on, stopping = threading.Event(), threading.Event(), threading.Event()

    def hang() -> int:
        released.wait(30)
        return 0

    def go_on() -> int:
        went_on.set()
        return 0

    for name in worker.STEPS:
        monkeypatch.setitem(worker.STEPS, name, go_on)
    monkeypatch.setitem(worker.STEPS, "send-mail", hang)
    monkeypatch.setitem(worker._LOOPS, "deliver", lambda stopping, *_: stopping.wait(30))
    session.query(Step).delete()  # what other tests have written down
    beats = Beats()
    lanes = [
        threading.Thread(target=worker._run_lane, args=(names, stopping, 0.01, beats), daemon=True)
        for names in worker.LANES.values()
    ]
    for lane in lanes:
        lane.start()
    try:
        assert went_on.wait(30)
        deadline = time.monotonic() + 30
        while len(beats._finished) < len(worker.STEPS) - 2:  # all but the mails and the deliveries
            assert time.monotonic() < deadline
            stopping.wait(0.01)
        beats.write_down()
        assert {step.name for step in session.query(Step)} == set(worker.STEPS) - {"send-mail", "deliver"}
    finally:  # or they would go on during other tests
        stopping.set()
        released.set()
        for lane in lanes:
            lane.join(30)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", "airflow_platform_plugin", "worker", *arguments]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("database", [["--database", "0" * 32], []])
def test_a_worker_refuses_another_database_than_its_parent_s(app: Any, database: list[str]) -> None:
    """It says why, and does nothing at all."""
    with db.transaction() as session:
        session.query(Step).delete()
    done = run("--parent", str(os.getpid()), *database)
    assert done.returncode == supervisor.WRONG_DATABASE
    assert "its database is not the scheduler's" in done.stdout + done.stderr
    with db.transaction() as session:
        assert session.query(Step).count() == 0


def test_a_fingerprint_contains_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is visible in the list of processes. A new password is not another database."""
    from types import SimpleNamespace

    from sqlalchemy.engine import make_url

    def of(url: str) -> str:
        monkeypatch.setattr("airflow.settings.engine", SimpleNamespace(url=make_url(url)))
        return db.fingerprint()

    one = of("postgresql://me:secret@host/airflow")
    assert one == of("postgresql://me:other@host/airflow")
    assert len({one, of("postgresql://me:secret@host/other"), of("sqlite:////root/airflow/airflow.db")}) == 3


def test_the_worker_gets_the_scheduler_s_environment_by_value(
    app: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not the C library's, which another thread may be overwriting. A refusal is logged as such."""
    started: list[dict[str, Any]] = []
    keeper = supervisor.Supervisor()

    class Process:
        def __init__(self, command: list[str], **options: Any) -> None:
            started.append({"command": command, **options})

        def wait(self) -> int:
            return supervisor.WRONG_DATABASE

    monkeypatch.setattr(supervisor.subprocess, "Popen", Process)
    monkeypatch.setattr(keeper._stopping, "wait", lambda _seconds: keeper._stopping.set())
    keeper.run()
    (one,) = started
    assert one["env"] == dict(os.environ)
    assert one["env"] is not os.environ
    assert one["command"][-4:] == ["--parent", str(os.getpid()), "--database", db.fingerprint()]
    assert "has refused to work on a database" in caplog.text
