"""Deployments over HTTP, and the DAGs that the loader builds from them."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from airflow_platform_plugin.airflow_compat.models import DagPriorityParsingRequest
from airflow_platform_plugin.deployments.execution import loader
from airflow_platform_plugin.deployments.models import Deployment, LoaderFile

URL = "/api/v1/datakits"
NAME = "customer-360-datakit"


def test_the_deployment_of_the_api_reference_is_created(
    deploy: Callable[..., Any], call: Callable[..., Any]
) -> None:
    made = deploy()
    assert made.status == 201
    assert made.json["dag_id"] == f"analytics__production__{NAME}"
    assert (made.json["revision"], made.json["version"], made.json["tenant_id"]) == (
        1,
        "1.2.0",
        "analytics-team",
    )
    assert made.json["configuration"] == {"batch_size": 5000, "parallel_tasks": 8}
    assert made.json["notifications"]["on_failure"] == ["alerts@example.com"]
    stored = {key: value for key, value in made.json.items() if key not in {"next_runs", "warnings"}}
    assert call("GET", f"{URL}/deployments/{made.json['id']}").json == stored
    assert call("GET", f"{URL}/deployments?datakit={NAME}").json == {
        "deployments": [stored],
        "total_entries": 1,
    }
    assert call("GET", f"{URL}/deployments?environment=staging").json["total_entries"] == 0


def test_deploying_again_creates_the_next_revision(deploy: Callable[..., Any]) -> None:
    """Id and DAG stay the same; null resets a value to the manifest's default."""
    change = {"configuration": {"batch_size": 7, "parallel_tasks": None}, "schedule": None}
    first, second = deploy(), deploy(**change)
    assert (second.status, second.json["id"], second.json["revision"]) == (200, first.json["id"], 2)
    assert second.json["configuration"] == {"batch_size": 7, "parallel_tasks": 4}
    assert second.json["schedule"] is None


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"schedule": "every day"}, "/schedule"),
        ({"schedule": "61 * * * *"}, "/schedule"),
        ({"schedule": "* * * * * *"}, "/schedule"),
        ({"environment": "a b"}, "/environment"),
        ({"namespace": "nobodys"}, "/namespace"),
        ({"configuration": {"batch_size": "many"}}, "/configuration/batch_size"),
        ({"configuration": {"batch_size": True}}, "/configuration/batch_size"),
        ({"configuration": {"colour": "red"}}, "/configuration/colour"),
        ({"notifications": {"on_success": ["nobody"]}}, "/notifications/on_success/0"),
        ({"command": "sh"}, "/command"),
    ],
)
def test_an_invalid_deploy_is_refused_with_its_field(
    deploy: Callable[..., Any], call: Callable[..., Any], change: dict[str, Any], pointer: str
) -> None:
    """Nothing is written."""
    refused = deploy(**change)
    assert (refused.status, refused.json["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert refused.json["error"]["details"]["errors"][0]["pointer"] == pointer
    assert call("GET", f"{URL}/deployments").json["total_entries"] == 0


def test_an_unknown_kit_or_deployment_is_not_found(
    call: Callable[..., Any], deployment: dict[str, Any]
) -> None:
    assert call("POST", f"{URL}/nothing/deploy", json=deployment).status == 404
    assert call("GET", f"{URL}/nothing").status == 404
    assert call("GET", f"{URL}/{NAME}@9.9.9").status == 404
    assert call("GET", f"{URL}/deployments/nothing").status == 404
    assert call("GET", f"{URL}/deployments/nothing/status").status == 404


def test_a_deploy_requests_parsing_of_the_loader_file(deploy: Callable[..., Any], session: Any) -> None:
    """The request is for each loader file that the DAG processor has parsed."""
    session.add(LoaderFile(id=LoaderFile.key("/dags/datakits.py"), fileloc="/dags/datakits.py"))
    session.flush()
    deploy()
    assert session.query(DagPriorityParsingRequest.fileloc).all() == [("/dags/datakits.py",)]


def test_the_loader_builds_dags_and_stores_its_path(deploy: Callable[..., Any], session: Any) -> None:
    dag_id = deploy().json["dag_id"]
    dag = loader.load("/dags/datakits.py")[dag_id]
    assert dag.schedule_interval == "0 2 * * *"
    assert dag.is_paused_upon_creation is False
    kits = {"datakit", "production", "customer", "gold-layer", "analytics"}
    assert set(dag.tags) == kits | {"tenant:analytics-team"}
    assert dag.task_ids == ["run"]
    assert session.query(LoaderFile.fileloc).all() == [("/dags/datakits.py",)]


def test_a_task_process_loads_only_its_dag(
    deploy: Callable[..., Any], session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs one query, as the DAG processor does for all DAGs."""
    wanted, other = deploy().json["dag_id"], deploy(environment="staging").json["dag_id"]
    loader.load("f")  # stores the results of parsing
    statements: list[str] = []
    event.listen(session.connection(), "before_cursor_execute", lambda *args: statements.append(args[2]))

    def queries() -> list[str]:
        found = [text for text in statements if not text.startswith(("SAVEPOINT", "RELEASE"))]
        statements.clear()
        return found

    assert list(loader.load("f")) == [wanted, other]
    assert sum("FROM platform_deployment " in text for text in queries()) == 1
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", wanted)
    assert list(loader.load("f")) == [wanted]
    assert len(queries()) == 1


def test_a_broken_deployment_affects_only_its_dag(
    deploy: Callable[..., Any], session: Any, caplog: pytest.LogCaptureFixture
) -> None:
    good = deploy().json["dag_id"]
    bad = deploy(environment="staging").json["dag_id"]
    row = session.query(Deployment).filter_by(dag_id=bad).one()
    rows = [
        loader.DeploymentRow(good, row.current.spec | {"dag_id": good}),
        loader.DeploymentRow(bad, {"no": "spec"}),
    ]
    built = loader.build_all(rows)
    assert (list(built.dags), list(built.errors)) == ([good], [bad])
    assert bad in caplog.text
