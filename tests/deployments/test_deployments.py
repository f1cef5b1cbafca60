"""Deployments: checks, revisions, secrets, rollbacks and retirement."""

import json
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import func, select

from airflow_platform_plugin.airflow_compat.models import DagModel, Log
from airflow_platform_plugin.core.events import Event
from airflow_platform_plugin.deployments.execution import loader, task_services
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision
from airflow_platform_plugin.deployments.spec import DeploymentSpec

pytestmark = pytest.mark.usefixtures("declared_payloads")

URL = "/api/v1/datakits"
NAME = "customer-360-datakit"
OPTIONS = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 10},
    "mode": {"type": "string", "enum": ["full", "delta"], "required": True},
    "token": {"type": "string", "secret": True},
}


@pytest.fixture
def deploy_options(
    call: Callable[..., Any], deploy: Callable[..., Any], manifest: dict[str, Any]
) -> Callable[..., Any]:
    """Return a function that deploys a kit with the options above."""
    call("POST", URL, json=manifest | {"name": "kit", "configuration": OPTIONS})
    return lambda configuration, **change: deploy("kit", configuration=configuration, **change)


def errors(answer: Any) -> list[tuple[str, str]]:
    assert answer.status == 400
    return [(error["pointer"], error["message"]) for error in answer.json["error"]["details"]["errors"]]


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({}, ("/configuration/mode", "is required")),
        ({"mode": "other"}, ("/configuration/mode", 'must be one of "full", "delta"')),
        ({"mode": "full", "limit": 0}, ("/configuration/limit", "must be at least 1")),
        ({"mode": "full", "limit": 11}, ("/configuration/limit", "must be at most 10")),
        ({"mode": "full", "token": 1}, ("/configuration/token", "must be of type string")),
        (
            {"mode": "full", "token": "***"},
            ("/configuration/token", "no stored value to keep; send the value"),
        ),
    ],
)
def test_an_invalid_configuration_is_refused_with_its_option(
    deploy_options: Callable[..., Any], configuration: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert errors(deploy_options(configuration)) == [expected]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"connections": ["nowhere"]}, "/connections/0"),
        ({"retries": -1}, "/retries"),
        ({"retries": 1.5}, "/retries"),
        ({"timeout": 0}, "/timeout"),
        ({"max_active_runs": 0}, "/max_active_runs"),
        ({"start_date": "tomorrow"}, "/start_date"),
        ({"auto_rollback": {}}, "/auto_rollback/after_failures"),
        ({"auto_rollback": {"after_failures": 0}}, "/auto_rollback/after_failures"),
        ({"catchup": "yes"}, "/catchup"),
        ({"schedule": "@inputs", "kit": "empty"}, "/schedule"),
        ({"schedule": "0 0 30 2 *"}, "/schedule"),
    ],
)
def test_invalid_fields_are_refused_by_name(
    call: Callable[..., Any],
    deploy: Callable[..., Any],
    manifest: dict[str, Any],
    change: dict[str, Any],
    pointer: str,
) -> None:
    call("POST", URL, json=manifest | {"name": "empty", "inputs": []})
    refused = deploy(**{"configuration": {}} | change)
    assert [where for where, _ in errors(refused)] == [pointer]
    assert call("GET", f"{URL}/deployments").json["total_entries"] == 0


def test_a_kit_without_options_gets_any_configuration(
    call: Callable[..., Any], deploy: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    """The API reference deploys such a kit; names must still be identifiers."""
    call("POST", URL, json=manifest | {"name": "kit", "configuration": {}})
    given = {"batch_size": 1000, "nested": {"a": [1, None]}}
    assert deploy("kit", configuration=given).json["configuration"] == given
    changed = deploy("kit", configuration={"batch_size": 5, "nested": None}).json["diff"]
    assert [row["field"] for row in changed] == ["configuration.batch_size", "configuration.nested"]
    assert errors(deploy("kit", configuration={"a b": 1}))[0][0] == "/configuration/a b"


@pytest.mark.parametrize(("option", "longest"), [("mode", 97_000), ("token", 44_900)])
def test_a_configuration_that_is_too_long_for_a_run_is_refused(
    call: Callable[..., Any], deploy: Callable[..., Any], manifest: dict[str, Any], option: str, longest: int
) -> None:
    """Linux limits a variable and MySQL encrypted secrets; the response contains no value."""
    options = {"mode": {"type": "string"}, "token": {"type": "string", "secret": True}}
    call("POST", URL, json=manifest | {"name": "kit", "configuration": options})
    refused = deploy("kit", configuration={option: "x" * (longest + 2_000)})
    assert [where for where, _ in errors(refused)] == ["/configuration"]
    assert "xxx" not in refused.text
    assert deploy("kit", configuration={option: "x" * longest}).status == 201


def test_options_reach_the_dag(deploy: Callable[..., Any]) -> None:
    made = deploy(
        catchup=True,
        start_date="2024-01-01T00:00:00Z",
        retries=3,
        retry_delay=20,
        timeout=90,
        max_active_runs=2,
    ).json
    dag = loader.load("f").get(made["dag_id"])
    assert dag is not None
    task = dag.get_task("run")
    assert (dag.catchup, dag.max_active_runs, dag.start_date.isoformat()) == (
        True,
        2,
        "2024-01-01T00:00:00+00:00",
    )
    assert (task.retries, task.retry_delay.total_seconds()) == (3, 20)
    assert task.execution_timeout.total_seconds() == 90
    assert task.owner == "analytics"
    assert '"image": "registry.localhost/datakits/customer-360:1.2.0"' in dag.doc_md


def test_the_response_has_the_next_five_runs(deploy: Callable[..., Any]) -> None:
    """The first run is at the schedule's next time, by Airflow's timetable."""
    runs = [datetime.fromisoformat(run.replace("Z", "+00:00")) for run in deploy().json["next_runs"]]
    assert len(runs) == 5
    assert {(run.hour, run.minute) for run in runs} == {(2, 0)}
    assert 0 <= (runs[0] - datetime.now(timezone.utc)).total_seconds() + 60 <= 86460
    assert [(b - a).days for a, b in pairwise(runs)] == [1, 1, 1, 1]
    assert deploy(schedule=None).json["next_runs"] == []


def test_kits_are_chained_by_their_data(
    call: Callable[..., Any], deploy: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    """An output of one kit starts the other, only in the same namespace and environment."""
    reader = manifest | {"name": "reader", "inputs": manifest["outputs"], "outputs": [], "requirements": {}}
    call("POST", URL, json=reader)
    writer, near, far = (
        deploy().json,
        deploy("reader", schedule="@inputs").json,
        deploy("reader", schedule="@inputs", environment="staging").json,
    )
    dags = loader.load("f")
    written = {dataset.uri for dataset in dags[writer["dag_id"]].get_task("run").outlets}
    assert written == {"x-datakit://analytics/production/gold/customer_360"}

    def waited_for(made: dict[str, Any]) -> set[str]:
        return {uri for uri, _ in dags[made["dag_id"]].timetable.dataset_condition.iter_datasets()}

    assert waited_for(near) == written
    assert waited_for(far) == {"x-datakit://analytics/staging/gold/customer_360"}


def test_a_dry_run_returns_the_same_and_writes_nothing(
    deploy: Callable[..., Any], call: Callable[..., Any], session: Any
) -> None:
    def rows() -> list[int]:
        models = (Deployment, DeploymentRevision, Log, Event)
        return [session.scalar(select(func.count()).select_from(model)) for model in models]

    deploy(environment="staging")  # registers the kit and the tenant
    before = rows()
    shown = deploy(dry_run=True)
    assert (shown.status, shown.json["id"], shown.json["revision"]) == (200, None, 1)
    assert len(shown.json["next_runs"]) == 5
    assert rows() == before
    made = deploy().json
    again = deploy(dry_run=True, schedule="@hourly").json
    assert (again["id"], again["revision"]) == (made["id"], 2)
    assert again["diff"] == [{"field": "schedule", "before": "0 2 * * *", "after": "@hourly"}]
    assert call("GET", f"{URL}/deployments/{made['id']}").json["revision"] == 1
    assert [where for where, _ in errors(deploy(dry_run=True, connections=["x"]))] == ["/connections/0"]


def test_each_deploy_is_a_revision_with_user_time_reason_and_differences(
    deploy: Callable[..., Any], call: Callable[..., Any]
) -> None:
    made = deploy(reason="first").json
    deploy(reason="more", configuration={"batch_size": 7, "parallel_tasks": None}, retries=1)
    answer = call("GET", f"{URL}/deployments/{made['id']}/revisions").json
    second, first = answer["revisions"]
    assert answer["total_entries"] == 2
    assert (first["revision"], first["reason"], first["diff"], first["created_by"]) == (
        1,
        "first",
        [],
        "admin",
    )
    assert (second["action"], second["reason"]) == ("deploy", "more")
    assert second["diff"] == [
        {"field": "configuration.batch_size", "before": 5000, "after": 7},
        {"field": "configuration.parallel_tasks", "before": 8, "after": 4},
        {"field": "retries", "before": None, "after": 1},
    ]


def secrets_of(session: Any, deployment_id: str, number: int) -> dict[str, Any]:
    """Return the secrets that a run of that revision gets."""
    revision = session.get(DeploymentRevision, (deployment_id, number))
    secrets, _ = task_services.load_secrets(DeploymentSpec.model_validate(revision.spec))
    return secrets


def test_a_secret_is_stored_and_never_shown(
    deploy_options: Callable[..., Any], call: Callable[..., Any], session: Any
) -> None:
    """Responses, differences, audit rows and DAGs do not have it; a run gets it, and *** keeps it."""
    made = deploy_options({"mode": "full", "token": "hunter2hunter2"})
    second = deploy_options({"mode": "full", "token": "swordfish1234"})
    third = deploy_options({"mode": "delta", "token": "***"})
    assert (made.status, second.status, third.status) == (201, 200, 200)
    assert made.json["configuration"] == {"limit": None, "mode": "full", "token": "***"}
    assert second.json["diff"] == [{"field": "configuration.token", "before": "***", "after": "***"}]
    assert [part["field"] for part in third.json["diff"]] == ["configuration.mode"]
    id_ = made.json["id"]
    assert secrets_of(session, id_, 1) == {"token": "hunter2hunter2"}
    assert secrets_of(session, id_, 3) == secrets_of(session, id_, 2) == {"token": "swordfish1234"}

    from airflow.serialization.serialized_objects import SerializedDAG

    dag = loader.load("f")[made.json["dag_id"]]
    seen = [
        json.dumps(SerializedDAG.to_dict(dag)),
        str(vars(dag.get_task("run"))),
        *(row.extra or "" for row in session.scalars(select(Log))),
        *(json.dumps(row.spec) + json.dumps(row.diff) for row in session.scalars(select(DeploymentRevision))),
        call("GET", f"{URL}/deployments/{id_}/revisions").text,
        call("GET", f"{URL}/deployments").text,
        made.text + second.text + third.text,
    ]
    for text in seen:
        assert "hunter2" not in text
        assert "swordfish" not in text
    rolled = call("POST", f"{URL}/deployments/{id_}/rollback", json={"revision": 1})
    assert rolled.json["configuration"]["token"] == "***"
    assert secrets_of(session, id_, 4) == {"token": "hunter2hunter2"}


def test_a_rollback_is_a_new_revision_with_the_content_of_the_old_one(
    deploy: Callable[..., Any], call: Callable[..., Any], manifest: dict[str, Any], session: Any
) -> None:
    """Version, configuration, schedule and notifications are the same, and there is an event."""
    first = deploy(reason="good").json
    call("POST", URL, json=manifest | {"version": "1.3.0"})
    deploy(schedule="@hourly", configuration=None, notifications=None, retries=2)
    answer = call(
        "POST", f"{URL}/deployments/{first['id']}/rollback", json={"version": "1.2.0", "reason": "slow"}
    )
    assert answer.status == 200
    back = answer.json
    for field in ("version", "configuration", "schedule", "notifications", "retries", "start_date"):
        assert back[field] == first[field]
    assert (back["revision"], back["action"], back["source"], back["reason"]) == (3, "rollback", 1, "slow")
    event = session.scalars(select(Event).where(Event.type == "datakit.rolled_back")).one()
    data = {name: event.data[name] for name in ("from_version", "version", "automatic", "reason")}
    assert data == {"from_version": "1.3.0", "version": "1.2.0", "automatic": False, "reason": "slow"}
    assert event.tenant_id == first["tenant_id"] == "analytics-team"


def test_without_a_target_a_rollback_goes_to_the_previous_revision(
    deploy: Callable[..., Any], call: Callable[..., Any]
) -> None:
    id_ = deploy().json["id"]
    deploy(schedule="@hourly")
    assert call("POST", f"{URL}/deployments/{id_}/rollback", json={}).json["schedule"] == "0 2 * * *"


def test_a_rollback_to_an_unknown_revision_is_refused(
    deploy: Callable[..., Any], call: Callable[..., Any]
) -> None:
    id_ = deploy().json["id"]
    url = f"{URL}/deployments/{id_}/rollback"
    assert errors(call("POST", url, json={"version": "9.9.9"}))[0][0] == "/version"
    assert errors(call("POST", url, json={"revision": 7}))[0][0] == "/revision"
    assert errors(call("POST", url, json={}))[0][0] == "/revision"
    deploy()
    call("PATCH", f"{URL}/{NAME}@1.2.0", json={"withdrawn": True})
    assert call("POST", url, json={}).status == 409
    assert call("POST", f"{URL}/deployments/dep_0/rollback", json={}).status == 404


def test_a_deployment_is_paused_and_resumed(
    deploy: Callable[..., Any], call: Callable[..., Any], session: Any
) -> None:
    """In Airflow if it has the DAG; otherwise the DAG starts paused."""
    made = deploy().json
    url = f"{URL}/deployments/{made['id']}"
    assert call("POST", f"{url}/pause").status == 200
    assert loader.load("f")[made["dag_id"]].is_paused_upon_creation is True
    session.add(DagModel(dag_id=made["dag_id"], is_active=True, is_paused=True))
    session.flush()
    assert call("POST", f"{url}/resume").status == 200
    is_paused = select(DagModel.is_paused).where(DagModel.dag_id == made["dag_id"])
    assert session.scalar(is_paused) is False
    assert loader.load("f")[made["dag_id"]].is_paused_upon_creation is False


def test_a_retired_deployment_has_no_dag_and_can_be_reactivated(
    deploy: Callable[..., Any], call: Callable[..., Any], session: Any
) -> None:
    """Its revisions stay, it does not count for the tenant's limits, and its kit can be deleted."""
    made = deploy().json
    url = f"{URL}/deployments/{made['id']}"
    session.add(DagModel(dag_id=made["dag_id"], is_active=True, is_paused=False))
    session.flush()
    retired = call("POST", f"{url}/retire")
    assert retired.json["retired_at"] is not None
    assert session.scalar(select(DagModel.is_active).where(DagModel.dag_id == made["dag_id"])) is False
    assert loader.load("f") == {}
    assert call("GET", f"{url}/status").json["status"] == "retired"
    assert call("GET", f"{URL}/deployments").json["total_entries"] == 0
    assert call("GET", f"{URL}/deployments?retired=true").json["total_entries"] == 1
    assert call("GET", f"{url}/revisions").json["total_entries"] == 1
    assert call("POST", f"{url}/pause").status == 409
    used = call("GET", "/api/v1/platform/tenants/analytics-team/usage").json
    assert (used["used"], used["owned"]["deployments"]) == ({}, 0)

    back = call("POST", f"{url}/redeploy", json={"reason": "needed"})
    assert (back.json["retired_at"], back.json["revision"], back.json["action"]) == (None, 2, "redeploy")
    assert list(loader.load("f")) == [made["dag_id"]]
    again = call("POST", f"{url}/retire")
    assert again.status == 200, again.json
    assert call("DELETE", f"{URL}/{NAME}").status == 204
    assert call("POST", f"{url}/redeploy", json={}).status == 404


def test_deleting_a_tenant_ends_its_dags_at_once(
    call: Callable[..., Any], deploy: Callable[..., Any], session: Any
) -> None:
    """Airflow alone would start failing runs of them for two more minutes."""
    made = deploy().json
    session.add(DagModel(dag_id=made["dag_id"], is_active=True, is_paused=False))
    session.flush()
    assert call("DELETE", "/api/v1/platform/tenants/analytics-team?cascade=true").status == 204
    assert session.scalar(select(DagModel.is_active).where(DagModel.dag_id == made["dag_id"])) is False


def test_a_tenant_with_retired_deployments_can_be_deleted(
    deploy: Callable[..., Any], call: Callable[..., Any]
) -> None:
    made = deploy().json
    call("POST", f"{URL}/deployments/{made['id']}/retire")
    assert call("DELETE", "/api/v1/platform/tenants/analytics-team").status == 204
    assert call("GET", f"{URL}/deployments/{made['id']}").status == 404


def test_a_deployment_of_another_tenant_is_not_found(
    deploy: Callable[..., Any], as_tenant: Callable[..., Any]
) -> None:
    url = f"{URL}/deployments/{deploy().json['id']}"
    stranger = as_tenant("blue")
    for path in ("", "/revisions", "/status"):
        assert stranger("GET", url + path).status == 404
    for verb in ("pause", "resume", "retire"):
        assert stranger("POST", f"{url}/{verb}").status == 404
    for verb in ("rollback", "redeploy"):
        assert stranger("POST", f"{url}/{verb}", json={}).status == 404


def test_the_first_digest_of_an_image_is_stored(
    deploy: Callable[..., Any], call: Callable[..., Any], session: Any
) -> None:
    """A tag that moves later does not change the revision."""
    made = deploy().json
    assert made["image_digest"] is None
    for digest in ("sha256:" + "a" * 64, "sha256:" + "b" * 64):
        task_services.store_image_digest(made["id"], 1, digest)
    session.expire_all()
    assert call("GET", f"{URL}/deployments/{made['id']}/status").json["image_digest"] == "sha256:" + "a" * 64


def test_a_revision_from_before_an_option_still_runs(deploy: Callable[..., Any], session: Any) -> None:
    made = deploy().json
    revision = session.scalars(select(DeploymentRevision)).one()
    kept = ("dag_id", "manifest", "environment", "namespace", "configuration", "schedule", "start_date")
    revision.spec = {name: revision.spec[name] for name in kept}
    session.flush()
    assert list(loader.load("f")) == [made["dag_id"]]
    assert deploy(schedule="@hourly").json["revision"] == 2


def test_a_rollback_does_not_find_a_version_that_another_tenant_has_registered_since(
    as_tenant: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    """A name that became free and was taken by another tenant names another kit."""
    blue, green = as_tenant("blue"), as_tenant("green")
    kit = manifest | {"name": "kit", "requirements": {}}
    place = {"environment": "production"}
    assert blue("POST", URL, json=kit).status == 201
    made = blue("POST", f"{URL}/kit/deploy", json=place).json
    blue("POST", f"{URL}/deployments/{made['id']}/retire")
    assert blue("DELETE", f"{URL}/kit").status == 204
    assert green("POST", URL, json=kit).status == 201
    refused = blue("POST", f"{URL}/deployments/{made['id']}/redeploy", json={})
    assert (refused.status, refused.json["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")
    assert "green" not in refused.text
