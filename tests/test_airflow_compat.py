"""What is asked of Airflow itself."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_platform_plugin import airflow_compat


@pytest.mark.parametrize(("seconds", "runs"), [(None, False), (0, True), (3600, False)])
def test_a_triggerer_runs_while_its_heart_beats(session: Any, seconds: int | None, runs: bool) -> None:  # noqa: FBT001 - a parameter of a test
    """None has ever run; one runs; one was killed, and could not say so."""
    from airflow.jobs.job import Job
    from airflow.utils.state import JobState

    if seconds is not None:
        job = Job(job_type="TriggererJob", state=JobState.RUNNING)
        job.latest_heartbeat = datetime.now(tz=timezone.utc) - timedelta(seconds=seconds)
        session.add(job)
        session.flush()
    assert airflow_compat.tasks.triggerer_is_running(session) is runs


def test_outside_of_a_task_there_is_no_context() -> None:
    assert airflow_compat.tasks.current_context() is None
