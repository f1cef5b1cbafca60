"""Deployments: preflight, revisions, secrets, rollback, and their end."""

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
    """Deploy a kit with the options above."""
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
        ({"mode": "full", "token": "***"}, ("/configuration/token", "there is no value yet that could stay")),
    ],
)
def test_the_configuration_fits_its_options(
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
def test_options_that_do_not_fit_are_refused_by_field(
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


def test_a_kit_that_declares_no_options_gets_what_is_given(
    call: Callable[..., Any], deploy: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    """As the reference's example deploys such a kit; the names are still names."""
    call("POST", URL, json=manifest | {"name": "kit", "configuration": {}})
    given = {"batch_size": 1000, "nested": {"a": [1, None]}}
    assert deploy("kit", configuration=given).json["configuration"] == given
    changed = deploy("kit", configuration={"batch_size": 5, "nested": None}).json["diff"]
    assert [row["field"] for row in changed] == ["configuration.batch_size", "configuration.nested"]
    assert errors(deploy("kit", configuration={"a b": 1}))[0][0] == "/configuration/a b"


@pytest.mark.parametrize(("option", "longest"), [("mode", 97_000), ("token", 44_900)])
def test_a_configuration_that_a_run_cannot_be_told_is_refused(
    call: Callable[..., Any], deploy: Callable[..., Any], manifest: dict[str, Any], option: str, longest: int
) -> None:
    """Of one variable Linux takes so much, of encrypted secrets MySQL less; and none is in the answer."""
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


def test_the_next_five_runs_are_told(deploy: Callable[..., Any]) -> None:
    """The first one is at the schedule's next time, as Airflow's own timetable has it."""
    runs = [datetime.fromisoformat(run.replace("Z", "+00:00")) for run in deploy().json["next_runs"]]
    assert len(runs) == 5
    assert {(run.hour, run.minute) for run in runs} == {(2, 0)}
    assert 0 <= (runs[0] - datetime.now(timezone.utc)).total_seconds() + 60 <= 86460
    assert [(b - a).days for a, b in pairwise(runs)] == [1, 1, 1, 1]
    assert deploy(schedule=None).json["next_runs"] == []


def test_kits_chain_by_their_data(
    call: Callable[..., Any], deploy: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    """What one writes starts the other: in the same namespace and environment, and nowhere else."""
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


def test_a_dry_run_answers_all_and_writes_nothing(
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


def test_each_deploy_is_a_revision_with_who_when_why_and_what(
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
    """What a run of that revision gets."""
    revision = session.get(DeploymentRevision, (deployment_id, number))
    secrets, _ = task_services.load_connections(DeploymentSpec.model_validate(revision.spec))
    return secrets


def test_a_secret_is_kept_and_never_shown(
    deploy_options: Callable[..., Any], call: Callable[..., Any], session: Any
) -> None:
    """Not in an answer, a diff, an audit row or the DAG; a run reads it; *** keeps it."""
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


def test_a_rollback_is_a_new_revision_with_all_that_the_old_one_had(
    deploy: Callable[..., Any], call: Callable[..., Any], manifest: dict[str, Any], session: Any
) -> None:
    """Version, configuration, schedule and notifications; and an event tells it."""
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
    told = {name: event.data[name] for name in ("from_version", "version", "automatic", "reason")}
    assert told == {"from_version": "1.3.0", "version": "1.2.0", "automatic": False, "reason": "slow"}
    assert event.tenant_id == first["tenant_id"] == "analytics-team"


def test_without_a_target_a_rollback_goes_to_the_revision_before(
    deploy: Callable[..., Any], call: Callable[..., Any]
) -> None:
    id_ = deploy().json["id"]
    deploy(schedule="@hourly")
    assert call("POST", f"{URL}/deployments/{id_}/rollback", json={}).json["schedule"] == "0 2 * * *"


def test_a_rollback_to_what_was_not_there_is_refused(
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
    """In Airflow if it knows the DAG, and else as it begins."""
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


def test_a_retired_deployment_has_no_dag_and_comes_back(
    deploy: Callable[..., Any], call: Callable[..., Any], session: Any
) -> None:
    """Its revisions stay; it takes nothing of the tenant's limits; its kit may be deleted."""
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


def test_a_tenants_dags_end_with_it_at_once(
    call: Callable[..., Any], deploy: Callable[..., Any], session: Any
) -> None:
    """Airflow alone would start runs of them for two minutes more, which fail: their kits are gone."""
    made = deploy().json
    session.add(DagModel(dag_id=made["dag_id"], is_active=True, is_paused=False))
    session.flush()
    assert call("DELETE", "/api/v1/platform/tenants/analytics-team?cascade=true").status == 204
    assert session.scalar(select(DagModel.is_active).where(DagModel.dag_id == made["dag_id"])) is False


def test_a_retired_deployment_does_not_keep_its_tenant(
    deploy: Callable[..., Any], call: Callable[..., Any]
) -> None:
    made = deploy().json
    call("POST", f"{URL}/deployments/{made['id']}/retire")
    assert call("DELETE", "/api/v1/platform/tenants/analytics-team").status == 204
    assert call("GET", f"{URL}/deployments/{made['id']}").status == 404


def test_a_strangers_deployment_is_not_found(
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


def test_the_digest_that_a_run_found_is_kept(
    deploy: Callable[..., Any], call: Callable[..., Any], session: Any
) -> None:
    """The first one: a tag that moves later does not change what this revision was."""
    made = deploy().json
    assert made["image_digest"] is None
    for digest in ("sha256:" + "a" * 64, "sha256:" + "b" * 64):
        task_services.report_image_digest(made["id"], 1, digest)
    session.expire_all()
    assert call("GET", f"{URL}/deployments/{made['id']}/status").json["image_digest"] == "sha256:" + "a" * 64


def test_what_was_stored_before_there_were_these_options_still_runs(
    deploy: Callable[..., Any], session: Any
) -> None:
    made = deploy().json
    revision = session.scalars(select(DeploymentRevision)).one()
    kept = ("dag_id", "manifest", "environment", "namespace", "configuration", "schedule", "start_date")
    revision.spec = {name: revision.spec[name] for name in kept}
    session.flush()
    assert list(loader.load("f")) == [made["dag_id"]]
    assert deploy(schedule="@hourly").json["revision"] == 2
