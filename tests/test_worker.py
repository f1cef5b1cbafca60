"""The worker's loop."""

from typing import Any

import pytest

from airflow_platform_plugin import worker


def test_every_step_runs_once(session: Any) -> None:
    """In the order in which an event passes through them."""
    assert session is not None
    assert list(worker.run_once().items())[1:] == [
        ("advance-backfills", 0),
        ("fan-out", 0),
        ("deliver", 0),
        ("send-mail", 0),
        ("roll-back", 0),
        ("keep-deployments", 0),
        ("expire-events", 0),
        ("expire-idempotency-keys", 0),
        ("expire-tokens", 0),
    ]


def test_a_failing_step_does_not_hold_up_the_others(
    session: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and is told from one that had nothing to do."""
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
def test_rounds_follow_at_once_while_there_is_work_and_slowly_while_it_fails(
    done: dict[str, int | None], failures: int, seconds: float
) -> None:
    assert worker.pause(done, failures, 1) == seconds
