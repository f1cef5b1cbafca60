"""The number of new DAGs in one parsing of the loader file."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update

from airflow_platform_plugin.airflow_compat.models import DagPriorityParsingRequest
from airflow_platform_plugin.core import db
from airflow_platform_plugin.deployments import maintenance
from airflow_platform_plugin.deployments.execution import loader, parsing_limit
from airflow_platform_plugin.deployments.models import Deployment

FILE = "/dags/datakits.py"


@pytest.fixture(autouse=True)
def _two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each parsing take two new DAGs."""
    monkeypatch.setattr(parsing_limit, "_FEWEST_NEW", 2)
    monkeypatch.setattr(parsing_limit, "_NEW_PER_SECOND", 0)


@pytest.fixture
def deployed(call: Callable[..., Any], deploy: Callable[..., Any], tenant: dict[str, Any]) -> list[str]:
    """Return the DAG ids of five deployments, in the order of the loader."""
    limits = {"cpu": "100", "memory": "100Gi"}
    call("PATCH", f"/api/v1/platform/tenants/{tenant['tenant_id']}", json={"resource_limits": limits})
    environments = ("a", "b", "c", "d", "e")
    return sorted(deploy(environment=name).json["dag_id"] for name in environments)


def _parse(session: Any) -> list[str]:
    """Parse the loader file and store its DAGs; return their ids."""
    from airflow.models.dagbag import DagBag

    dags = loader.load(FILE)
    DagBag._sync_to_db(dags, session=session)
    session.flush()
    session.expire_all()
    return list(dags)


def _requests(session: Any) -> list[str]:
    """Return the files that Airflow was asked to parse, and forget them."""
    found = list(session.scalars(select(DagPriorityParsingRequest.fileloc)))
    session.query(DagPriorityParsingRequest).delete()
    session.flush()
    return found


def test_new_deployments_come_a_few_at_a_time(session: Any, deployed: list[str]) -> None:
    """Active DAGs are in every parsing, or Airflow would take them for deleted."""
    assert [_parse(session) for _ in range(4)] == [deployed[:2], deployed[:4], deployed, deployed]


def test_the_next_parsing_is_requested_until_all_were_read(session: Any, deployed: list[str]) -> None:
    """The worker does so; it requests nothing before the first parsing or after the last."""
    maintenance.maintain()
    assert _requests(session) == []
    for requested in ([FILE], [FILE], [], []):
        _parse(session)
        maintenance.maintain()
        assert _requests(session) == requested


def test_a_loader_file_that_stays_broken_is_not_requested_forever(session: Any, deployed: list[str]) -> None:
    _parse(session)
    session.execute(
        update(Deployment)
        .where(Deployment.loaded_at.isnot(None))
        .values(loaded_at=db.now() - timedelta(minutes=11))
    )
    session.execute(update(Deployment).values(created_at=db.now() - timedelta(minutes=12)))
    maintenance.maintain()
    assert _requests(session) == []


def test_a_parsing_that_was_ended_is_repeated_without_more_new_dags(
    session: Any, deployed: list[str]
) -> None:
    """Its DAGs were read and not stored: they count as new."""
    loader.load(FILE)
    session.expire_all()
    assert _parse(session) == deployed[2:4]
    assert _parse(session) == [deployed[0], *deployed[2:]]
    assert _parse(session) == deployed


def test_dags_that_are_to_be_serialized_again_are_all_in_one_parsing(
    session: Any, deployed: list[str]
) -> None:
    """``airflow dags reserialize`` deletes what is stored. It would deactivate the others."""
    while _parse(session) != deployed:
        pass
    session.execute(text("DELETE FROM serialized_dag"))
    assert _parse(session) == deployed
