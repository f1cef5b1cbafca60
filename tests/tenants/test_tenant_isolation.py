"""Tenant isolation: the answer of every endpoint to each kind of caller."""

import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, NamedTuple

import pytest
import tenancy
from calls import client
from sqlalchemy import select

from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.testing.results import TestResult
from airflow_platform_plugin.core import scopes
from airflow_platform_plugin.core.naming import TenantRole, shared_role_name
from airflow_platform_plugin.core.principal import tenant_permission
from airflow_platform_plugin.deployments.models import Deployment
from airflow_platform_plugin.http.endpoint import Endpoint

API = "/api/v1"
FILE = "/dags/of_tests.py"
Call = Callable[..., Any]


class Own(NamedTuple):
    """The ids of what one tenant owns, by the names of path parameters."""

    tenant_id: str
    deployment_id: str
    webhook_id: str
    key_id: str
    connection_id: str
    datakit_id: str
    dag_id: str
    backfill_id: str
    username: str


UNKNOWN = Own(
    tenant_id="nobody",
    deployment_id="dep_0000000000000000",
    webhook_id="wh_0000000000000000",
    key_id="x" * 12,
    connection_id="none",
    datakit_id="no-kit",
    dag_id="no_dag",
    backfill_id="bf_0000000000000000",
    username="no-user",
)

# Path parameters of objects that belong to no tenant.
NOT_TENANTS = {"client_id"}

DAYS = {"start_date": "2024-01-01", "end_date": "2024-01-03"}
OTHER_DAYS = {"start_date": "2024-02-01", "end_date": "2024-02-03"}

# Every endpoint about one object of a tenant, with its statuses for an admin of that tenant, an admin of
# another tenant, an outsider, and a platform admin.
REACH = {
    "GET /platform/tenants/{tenant_id}": (200, 404, 403, 200),
    "GET /platform/tenants/{tenant_id}/usage": (200, 404, 403, 200),
    # A tenant does not set its own limits and features.
    "PATCH /platform/tenants/{tenant_id}": (403, 403, 403, 200),
    "DELETE /platform/tenants/{tenant_id}": (403, 403, 403, 409),
    "GET /platform/tenants/{tenant_id}/members": (200, 404, 403, 200),
    "GET /platform/tenants/{tenant_id}/members/{username}": (200, 404, 403, 200),
    "PUT /platform/tenants/{tenant_id}/members/{username}": (200, 404, 403, 200),
    "DELETE /platform/tenants/{tenant_id}/members/{username}": (204, 404, 403, 204),
    "GET /platform/api-keys/{key_id}": (200, 404, 404, 200),
    # Only the key's user or a platform admin changes it; the tenant may revoke it.
    "PATCH /platform/api-keys/{key_id}": (403, 404, 404, 200),
    "POST /platform/api-keys/{key_id}/rotate": (403, 404, 404, 200),
    "DELETE /platform/api-keys/{key_id}": (204, 404, 404, 204),
    "GET /platform/connections/{connection_id}": (200, 404, 403, 200),
    "GET /platform/connections/{connection_id}/usage": (200, 404, 403, 200),
    "PATCH /platform/connections/{connection_id}": (200, 404, 403, 200),
    "DELETE /platform/connections/{connection_id}": (204, 404, 403, 204),
    "POST /platform/connections/{connection_id}/test": (200, 404, 403, 200),
    "GET /platform/webhooks/{webhook_id}": (200, 404, 403, 200),
    "PATCH /platform/webhooks/{webhook_id}": (200, 404, 403, 200),
    "DELETE /platform/webhooks/{webhook_id}": (204, 404, 403, 204),
    "GET /datakits/{datakit_id}": (200, 404, 403, 200),
    "GET /datakits/{datakit_id}/versions": (200, 404, 403, 200),
    "PATCH /datakits/{datakit_id}": (200, 404, 403, 200),
    "DELETE /datakits/{datakit_id}": (409, 404, 403, 409),
    "POST /datakits/{datakit_id}/deploy": (200, 404, 403, 200),
    "GET /datakits/deployments/{deployment_id}": (200, 404, 403, 200),
    "GET /datakits/deployments/{deployment_id}/revisions": (200, 404, 403, 200),
    "GET /datakits/deployments/{deployment_id}/status": (200, 404, 403, 200),
    "POST /datakits/deployments/{deployment_id}/pause": (200, 404, 403, 200),
    "POST /datakits/deployments/{deployment_id}/resume": (200, 404, 403, 200),
    "POST /datakits/deployments/{deployment_id}/retire": (200, 404, 403, 200),
    "POST /datakits/deployments/{deployment_id}/redeploy": (200, 404, 403, 200),
    # There is no revision before the first.
    "POST /datakits/deployments/{deployment_id}/rollback": (400, 404, 403, 400),
    # Airflow's own permissions on DAGs decide; the scope alone reaches nothing.
    "GET /platform/dags/{dag_id}/backfills": (200, 404, 404, 200),
    "POST /platform/dags/{dag_id}/backfills": (201, 404, 404, 201),
    "GET /platform/backfills/{backfill_id}": (200, 404, 404, 200),
    "POST /platform/backfills/{backfill_id}/pause": (200, 404, 404, 200),
    "POST /platform/backfills/{backfill_id}/resume": (409, 404, 404, 409),  # it is running
    "POST /platform/backfills/{backfill_id}/cancel": (200, 404, 404, 200),
}
# Bodies of requests, unless it is an empty object.
BODIES: dict[str, dict[str, Any]] = {
    "PATCH /platform/connections/{connection_id}": {"host": "10.0.0.2"},
    "PATCH /datakits/{datakit_id}": {"withdrawn": True},
    "POST /datakits/{datakit_id}/deploy": {"environment": "production", "namespace": "a"},
    "POST /platform/dags/{dag_id}/backfills": OTHER_DAYS,
    "PUT /platform/tenants/{tenant_id}/members/{username}": {"role": "viewer"},
}

# Endpoints without an object in the path, with bodies that name an object of a tenant.
NAMING: dict[str, dict[str, Any]] = {
    "POST /platform/connections": {
        "connection_id": "new",
        "connection_type": "http",
        "host": "10.0.0.1",
        "tenant_id": "{tenant_id}",
    },
    "POST /platform/connections/test": {
        "connection_type": "ssh",
        "host": "10.0.0.1",
        "extra": {"ssh_conn_id": "{connection_id}"},
    },
    "POST /platform/connections/import": {
        "connections": {"new": {"conn_type": "http", "host": "10.0.0.1", "tenant_id": "{tenant_id}"}}
    },
    "POST /platform/webhooks": {
        "name": "new",
        "url": "https://example.com",
        "events": ["dag.success"],
        "tenant_id": "{tenant_id}",
    },
    "POST /platform/api-keys": {"name": "new", "tenant_id": "{tenant_id}"},
    "POST /datakits": {"name": "new", "version": "1.0.0", "image": "kits/new:1", "tenant_id": "{tenant_id}"},
    "POST /analytics/query": {"query": "SELECT 1", "database": "{connection_id}"},
    "POST /platform/dags/trigger": {"runs": [{"dag_id": "{dag_id}"}]},
    "POST /platform/tasks/clear": {"tasks": [{"dag_id": "{dag_id}", "dag_run_id": "r"}]},
}
# Endpoints whose bodies name no existing object of a tenant.
NOT_NAMING = {"POST /platform/tenants", "POST /platform/connections/export", "POST /platform/oauth-clients"}


@pytest.fixture
def tenants(session: Any, call: Call, people: dict[str, int], manifest: dict[str, Any]) -> dict[str, Own]:
    """Create two tenants, each with one thing of every kind."""
    call("POST", f"{API}/datakits", json=manifest)
    return {
        name: own_things(session, call, manifest, name, admin)
        for name, admin in (("a", "ann-of-a"), ("b", "bob-of-b"))
    }


def own_things(session: Any, call: Call, manifest: dict[str, Any], name: str, admin: str) -> Own:
    def made(path: str, body: dict[str, Any]) -> Any:
        answer = call("POST", f"{API}/{path}", json=body)
        assert answer.status == 201, answer.text
        return answer.json

    owner = {"tenant_id": f"team-{name}"}
    features = {"custom_operators": True}  # in tests, kits run as processes next to Airflow
    made("platform/tenants", owner | {"namespace": name, "admin_users": [admin], "features": features})
    kit = made("datakits", manifest | owner | {"name": f"kit-{name}"})
    place = {"environment": "production", "namespace": name}
    hook = {"name": f"hook-{name}", "url": "https://example.com", "events": ["dag.success"], **owner}
    connection = {"connection_id": f"warehouse_{name}", "connection_type": "http", "host": "10.0.0.1"}
    dag_id = make_dag(session, name)
    return Own(
        tenant_id=f"team-{name}",
        deployment_id=made(f"datakits/kit-{name}/deploy", place)["id"],
        webhook_id=made("platform/webhooks", hook)["webhook_id"],
        key_id=made("platform/api-keys", {"name": f"key-{name}", "owner": "admin", **owner})["id"],
        connection_id=made("platform/connections", connection | owner)["connection_id"],
        datakit_id=kit["name"],
        dag_id=dag_id,
        backfill_id=made(f"platform/dags/{dag_id}/backfills", DAYS)["backfill_id"],
        username=admin,
    )


def make_dag(session: Any, name: str) -> str:
    """Store a DAG of a deployment of the tenant, as Airflow does."""
    from airflow import DAG
    from airflow.models.dag import DagModel
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.operators.empty import EmptyOperator

    with DAG(
        f"dag_of_{name}", schedule="@daily", start_date=datetime(2024, 1, 1, tzinfo=timezone.utc)
    ) as dag:
        EmptyOperator(task_id="t")
    dag.fileloc = FILE
    session.add(DagModel(dag_id=dag.dag_id, is_active=True, is_paused=False, fileloc=dag.fileloc))
    session.add(SerializedDagModel(dag))
    session.flush()
    tenancy.own_dag(session, f"team-{name}", dag.dag_id, FILE)
    return str(dag.dag_id)


def endpoints(app: Any) -> dict[str, tuple[set[str], Endpoint]]:
    """Return every endpoint by its name in the tables: its path parameters and its declaration."""
    found = {}
    for rule in app.url_map.iter_rules():
        declared = getattr(app.view_functions[rule.endpoint], "endpoint", None)
        if isinstance(declared, Endpoint):
            path = re.sub(r"<(\w+:)?(\w+)>", r"{\2}", str(rule)).removeprefix(API)
            found[f"{declared.method} {path}"] = (rule.arguments, declared)
    return found


def test_every_endpoint_is_in_a_table(app: Any) -> None:
    """A new endpoint needs a row that says who reaches it; lists have their own test."""
    named = {row: names for row, (names, _) in endpoints(app).items()}
    assert set().union(*named.values()) <= NOT_TENANTS | set(Own._fields)
    assert {row for row, names in named.items() if names - NOT_TENANTS} == set(REACH)
    others = {row for row, names in named.items() if not names and not row.startswith("GET ")}
    assert others == NOT_NAMING | set(NAMING)


@pytest.fixture
def ask(app: Any, session: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Send the request of a row about one tenant's things, and undo its changes."""
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    monkeypatch.setattr(
        "airflow_platform_plugin.connections.testing.runner.run",
        lambda *_, **__: TestResult("unsupported", "Not here."),
    )
    declared = endpoints(app)

    def ask(request: Call, row: str, own: Own) -> Any:
        method, path = row.split(" ")
        body = BODIES.get(row, {}) if declared[row][1].body else None
        undone = session.connection().begin_nested()
        answer = request(method, API + path.format(**own._asdict()), json=body)
        undone.rollback()
        session.expire_all()
        return answer

    return ask


def test_each_endpoint_answers_each_caller_as_the_table_says(
    tenants: dict[str, Own], as_person: Callable[[str], Call], call: Call, ask: Callable[..., Any]
) -> None:
    """The callers are the tenant's admin, another tenant's admin, an outsider and a platform admin."""
    ann, stranger = as_person("ann-of-a"), as_person("stranger")
    answers = {
        row: tuple(
            ask(request, row, tenants[whose]).status
            for request, whose in ((ann, "a"), (ann, "b"), (stranger, "a"), (call, "a"))
        )
        for row in REACH
    }
    assert answers == REACH


@pytest.fixture
def mixed(
    session: Any, tenants: dict[str, Own], people: dict[str, int], as_person: Callable[[str], Call]
) -> Call:
    """A caller who may read everything of the first tenant, and write everything of the second."""
    own = {scope: tenant_permission(scope) for scope in scopes.known()}
    everything = {own[scope] for scope in own if scope.endswith(":read")}
    tenancy.grant(session, shared_role_name(TenantRole.VIEWER), everything)
    tenancy.grant(session, shared_role_name(TenantRole.ADMIN), {*own.values()})
    tenancy.add_member(session, "team-a", TenantRole.VIEWER, [people["stranger"]])
    tenancy.add_member(session, "team-b", TenantRole.ADMIN, [people["stranger"]])
    return as_person("stranger")


def test_the_right_to_read_in_one_tenant_and_to_write_in_another_changes_nothing_in_the_first(
    app: Any, tenants: dict[str, Own], mixed: Call, ask: Callable[..., Any]
) -> None:
    """Each right counts only where it was given, for every endpoint that writes."""
    statuses = {
        row: ask(mixed, row, tenants["a"]).status
        for row, (_, declared) in endpoints(app).items()
        if row in REACH and declared.scope is not None and declared.scope.endswith(":write")
    }
    # The place of a deploy is in its body: the namespace of a tenant in which the caller may not write.
    assert statuses.pop("POST /datakits/{datakit_id}/deploy") == 400
    assert set(statuses.values()) <= {403, 404}, statuses
    assert len(statuses) > 15


def test_another_tenants_objects_look_as_if_they_did_not_exist(
    tenants: dict[str, Own], as_person: Callable[[str], Call], ask: Callable[..., Any]
) -> None:
    """Each endpoint answers with the same status and message as for an unknown id."""
    for person in ("ann-of-a", "stranger"):
        request = as_person(person)
        for row in REACH:
            other, nothing = (ask(request, row, own) for own in (tenants["b"], UNKNOWN))
            assert other.status == nothing.status, row
            errors = [answer.json["error"] for answer in (other, nothing)]
            answers = [json.dumps([error["message"], error["details"]]) for error in errors]
            for theirs, none in zip(tenants["b"], UNKNOWN, strict=True):
                answers[0] = answers[0].replace(theirs, none)
            assert answers[0] == answers[1], row


@pytest.mark.parametrize("person", ["stranger", "ann-of-a"])
def test_lists_and_counts_show_nothing_of_another_tenant(
    app: Any, tenants: dict[str, Own], as_person: Callable[[str], Call], person: str
) -> None:
    """No list has another tenant's names, and no count includes them."""
    request = as_person(person)
    theirs = [*tenants["b"], "hook-b", "key-b"]
    lists = 0
    for rule in app.url_map.iter_rules():
        declared = getattr(app.view_functions[rule.endpoint], "endpoint", None)
        if isinstance(declared, Endpoint) and declared.method == "GET" and not rule.arguments:
            answer = request("GET", str(rule))
            assert answer.status in {200, 403}, rule
            if answer.status == 200 and not str(rule).endswith(("openapi.json", "rate-limit")):
                lists += 1
                assert not [word for word in theirs if word in answer.text], rule
                total = (answer.json or {}).get("total_entries", 0) if isinstance(answer.json, dict) else 0
                assert total <= 3, rule
    assert lists >= (5 if person == "ann-of-a" else 1)


@pytest.mark.parametrize("person", ["stranger", "ann-of-a"])
@pytest.mark.parametrize("row", NAMING)
def test_naming_another_tenants_object_in_a_body_is_like_naming_an_unknown_one(
    tenants: dict[str, Own],
    as_person: Callable[[str], Call],
    monkeypatch: pytest.MonkeyPatch,
    row: str,
    person: str,
) -> None:
    """Status and message are the same."""
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    method, path = row.split(" ")
    request, answers = as_person(person), []
    for own in (tenants["b"], UNKNOWN):
        body = json.dumps(NAMING[row])
        for name, value in own._asdict().items():
            body = body.replace(f"{{{name}}}", value)
        answer = request(method, API + path, json=json.loads(body))
        assert answer.status >= 400 or answer.json["succeeded"] == 0, answer.text
        text = answer.text.replace(answer.headers["X-Request-Id"], "")
        for theirs, none in zip(own, UNKNOWN, strict=True):
            text = text.replace(theirs, none)
        answers.append((answer.status, re.sub(r'"timestamp": "[^"]*"', "", text)))
    assert answers[0] == answers[1]


def test_a_tenants_admin_lists_only_its_own_tenant(
    tenants: dict[str, Own], as_person: Callable[[str], Call]
) -> None:
    """The count is 1."""
    listed = as_person("ann-of-a")("GET", f"{API}/platform/tenants").json
    assert [tenant["tenant_id"] for tenant in listed["tenants"]] == ["team-a"]
    assert listed["total_entries"] == 1


def test_new_objects_belong_to_the_callers_only_tenant(
    session: Any, tenants: dict[str, Own], as_person: Callable[[str], Call]
) -> None:
    """The caller need not name it; another tenant's id is refused like an unknown one."""
    request = as_person("ann-of-a")
    hook = {"name": "mine", "url": "https://example.com", "events": ["dag.success"]}
    assert request("POST", f"{API}/platform/webhooks", json=hook).json["tenant_id"] == "team-a"
    refused = request("POST", f"{API}/platform/webhooks", json={**hook, "tenant_id": "team-b"})
    unknown = request("POST", f"{API}/platform/webhooks", json={**hook, "tenant_id": "team-x"})
    assert (refused.status, unknown.status) == (400, 400)
    assert refused.json["error"]["message"].replace("team-b", "team-x") == unknown.json["error"]["message"]
    place = {"environment": "staging", "namespace": "b"}
    deploy = f"{API}/datakits/customer-360-datakit/deploy"
    other, none = (request("POST", deploy, json={**place, "namespace": name}) for name in ("b", "x"))
    assert (other.status, none.status) == (400, 400)
    assert other.json["error"]["message"].replace("'b'", "'x'") == none.json["error"]["message"]
    assert request("POST", deploy, json={**place, "namespace": "a"}).status == 201
    # A caller that reaches only one tenant need not name it.
    assert request("POST", deploy, json={"environment": "staging"}).json["namespace"] == "a"
    active = select(Deployment).where(Deployment.tenant_id == "team-b", Deployment.retired_at.is_(None))
    assert len(session.scalars(active).all()) == 1
    assert session.scalars(select(PlatformConnection)).all()


@pytest.mark.parametrize("person", ["stranger", "ann-of-a"])
def test_a_key_for_another_tenant_is_refused_like_one_for_an_unknown_tenant(
    tenants: dict[str, Own], as_person: Callable[[str], Call], call: Call, person: str
) -> None:
    """It would reveal that the tenant exists, and block its deletion."""
    request = as_person(person)
    url, mine = f"{API}/platform/api-keys", {"name": "mine"}
    own = request("POST", url, json=mine).json["id"]
    for method, path in (("POST", url), ("PATCH", f"{url}/{own}")):
        other, none = (
            request(method, path, json=mine | {"tenant_id": name}) for name in ("team-b", "team-x")
        )
        assert (other.status, none.status) == (400, 400)
        assert other.json["error"]["message"].replace("team-b", "team-x") == none.json["error"]["message"]
    assert call("GET", f"{API}/platform/tenants/team-b/usage").json["owned"]["api_keys"] == 1


def test_a_key_of_a_tenant_can_create_another_key_of_the_tenant(
    app: Any, tenants: dict[str, Own], as_person: Callable[[str], Call]
) -> None:
    """The scope api_keys:write suffices."""
    body = {"name": "k", "tenant_id": "team-a", "scopes": ["api_keys:write"]}
    made = as_person("ann-of-a")("POST", f"{API}/platform/api-keys", json=body)
    assert made.status == 201
    again = client(app, {"X-API-Key": made.json["key"]})
    assert again("POST", f"{API}/platform/api-keys", json=body).status == 201


def test_a_tenant_that_owns_something_is_deleted_only_with_cascade(
    call: Call, tenants: dict[str, Own]
) -> None:
    """The error names what it owns; with cascade all of it is deleted, and other tenants keep theirs."""
    path = f"{API}/platform/tenants/team-a"
    refused = call("DELETE", path)
    own = tenants["a"]
    assert (refused.status, refused.json["error"]["code"]) == (409, "CONFLICT")
    assert refused.json["error"]["details"]["owned"] == {
        "deployments": [own.deployment_id],
        "webhooks": [own.webhook_id],
        "connections": [own.connection_id],
        "datakits": [call("GET", f"{API}/datakits/{own.datakit_id}").json["id"]],
        "api_keys": [own.key_id],
    }
    assert call("DELETE", f"{path}?cascade=true").status == 204
    assert call("GET", path).status == 404
    for rule, thing in (
        ("datakits/deployments", own.deployment_id),
        ("platform/webhooks", own.webhook_id),
        ("platform/connections", own.connection_id),
    ):
        assert call("GET", f"{API}/{rule}/{thing}").status == 404
    assert call("GET", f"{API}/platform/api-keys/{own.key_id}").json["revoked_at"] is not None
    assert call("GET", f"{API}/datakits/deployments/{tenants['b'].deployment_id}").status == 200
    assert call("GET", f"{API}/platform/tenants/team-b/usage").json["owned"]["deployments"] == 1
