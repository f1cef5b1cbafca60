"""What every answer under ``/api/v1`` has in common."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import delete

from airflow_platform_plugin import airflow_compat, http


@pytest.fixture
def dags(app: Any) -> Iterator[list[str]]:
    """Some DAGs that are there."""
    from airflow.utils.session import create_session

    model = airflow_compat.DagModel
    names = ["bronze_to_silver", "silver_to_gold", "reports"]
    with create_session() as session:
        session.add_all([model(dag_id=name, is_active=True, fileloc="x.py") for name in names])
    yield names
    with create_session() as session:
        session.execute(delete(model))


@pytest.mark.parametrize("path", ["", "/dagRuns/run", "/tasks"])
def test_the_404_of_a_dag_names_those_that_may_be_meant(
    dags: list[str], call: Callable[..., Any], path: str
) -> None:
    """As in the API reference, the closest first."""
    answer = call("GET", f"/api/v1/dags/bronze_to_silvr{path}")
    assert answer.status == 404
    error = answer.json["error"]
    assert error["code"] == "RESOURCE_NOT_FOUND"
    assert error["message"] == "DAG 'bronze_to_silvr' not found"
    assert error["details"]["dag_id"] == "bronze_to_silvr"
    assert error["details"]["available_dags"][0] == "bronze_to_silver"
    assert sorted(error["details"]["available_dags"]) == sorted(dags)


def test_the_404_of_a_run_is_not_about_its_dag(dags: list[str], call: Callable[..., Any]) -> None:
    answer = call("GET", f"/api/v1/dags/{dags[0]}/dagRuns/none")
    assert (answer.status, answer.json["error"]["details"]) == (404, {})


def test_among_thousands_at_most_ten_are_named() -> None:
    readable = {f"team_{number}_load" for number in range(5000)} | {"bronze_to_silver"}
    matches = http._close_matches("bronze_to_silvr", readable)
    assert matches[0] == "bronze_to_silver"
    assert len(http._close_matches("team_1_laod", readable)) == 10


def test_a_look_up_that_fails_leaves_the_stock_answer(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError

    monkeypatch.setattr(airflow_compat, "readable_dag_ids", fail)
    answer = call("GET", "/api/v1/dags/none")
    assert (answer.status, answer.json["error"]["details"]) == (404, {})
    assert answer.json["error"]["message"] == answer.json["detail"]
