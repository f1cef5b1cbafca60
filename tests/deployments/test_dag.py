"""The DAG of a spec."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.exceptions import AirflowTimetableInvalid
from airflow.serialization.serialized_objects import SerializedDAG

from airflow_platform_plugin.airflow_compat.models import DAG
from airflow_platform_plugin.deployments.execution.dag import build
from airflow_platform_plugin.deployments.spec import DeploymentSpec


def spec(**change: Any) -> DeploymentSpec:
    whole = {
        "dag_id": "d",
        "manifest": {"name": "kit", "version": "1.0.0", "image": "registry.localhost/kit:1.0.0"},
        "environment": "production",
        "namespace": "default",
        "configuration": {},
        "schedule": "0 2 * * *",
        "start_date": "2026-01-01T00:00:00Z",
    }
    return DeploymentSpec.model_validate(whole | change)


@pytest.mark.parametrize("hours", [0, 2, -3.5])
@pytest.mark.parametrize("schedule", ["0 2 * * *", "*/5 1 * * 1", "@daily", "@once", None])
def test_a_schedule_has_the_timetable_that_airflow_would_create(schedule: str | None, hours: float) -> None:
    """The timetable has the time zone of the start date, and DAGs share it."""
    start = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=hours)))
    wanted = SerializedDAG.to_dict(DAG("d", schedule=schedule, start_date=start))["dag"]
    for _ in range(2):
        dag = build(spec(schedule=schedule, start_date=start.isoformat()))
        dag.validate()
        assert dag.schedule_interval == schedule
        found = SerializedDAG.to_dict(dag)["dag"]
        for field in ("timetable", "timezone", "start_date"):
            assert found.get(field) == wanted.get(field)


def test_an_invalid_schedule_is_an_error_each_time() -> None:
    """Airflow would find it later, and report an error of the whole file."""
    for _ in range(2):
        with pytest.raises(AirflowTimetableInvalid):
            build(spec(schedule="61 * * * *"))
