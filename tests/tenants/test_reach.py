"""Who reaches what of a tenant: every endpoint, as its people, another's, a stranger, an administrator."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from calls import client
from sqlalchemy import select

from airflow_platform_plugin.auth import service as keys
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.datakits.models import Deployment
from airflow_platform_plugin.endpoint import Endpoint
from airflow_platform_plugin.tenants import roles

API = "/api/v1"
Call = Callable[..., Any]


class Own(NamedTuple):
    """What one tenant has: the values of paths' parameters."""

    tenant_id: str
    deployment_id: str
    webhook_id: str
    key_id: str
    connection_id: str


# Parameters whose values are no tenant's: nothing to hide behind them here.
NOT_TENANTS = {"datakit_id", "client_id", "dag_id", "backfill_id"}


@pytest.fixture
def people(session: Any, app: Any) -> dict[str, int]:
    """Users of Airflow by name: an administrator of each tenant, and one without any; gone with the test."""
    from airflow.providers.fab.auth_manager.models import User

    made = {}
    for name in ("ann-of-a", "bob-of-b", "stranger"):
        user = User(
            first_name=name,
            last_name="T",
            username=name,
            email=f"{name}@example.com",
            active=True,
            password="x",
        )
        session.add(user)
        session.flush()
        made[name] = user.id
    return made


@pytest.fixture
def tenants(session: Any, call: Call, people: dict[str, int], manifest: dict[str, Any]) -> dict[str, Own]:
    """Two tenants, each with one thing of every kind."""
    call("POST", f"{API}/datakits", json=manifest)
    return {name: own_things(call, name, admin) for name, admin in (("a", "ann-of-a"), ("b", "bob-of-b"))}


def own_things(call: Call, name: str, admin: str) -> Own:
    tenant = {
        "tenant_id": f"team-{name}",
        "namespace": name,
        "admin_users": [admin],
        "features": {"custom_operators": True},
    }
    assert call("POST", f"{API}/platform/tenants", json=tenant).status == 201
    place = {"environment": "production", "namespace": name}
    deployed = call("POST", f"{API}/datakits/customer-360-datakit/deploy", json=place)
    assert deployed.status == 201, deployed.text
    owner = {"tenant_id": f"team-{name}"}
    hook = {"name": f"hook-{name}", "url": "https://example.com", "events": ["dag.success"], **owner}
    key = {"name": f"key-{name}", "owner": "admin", **owner}
    connection = {
        "connection_id": f"warehouse_{name}",
        "connection_type": "http",
        "host": "10.0.0.1",
        **owner,
    }
    return Own(
        tenant_id=f"team-{name}",
        deployment_id=deployed.json["id"],
        webhook_id=call("POST", f"{API}/platform/webhooks", json=hook).json["webhook_id"],
        key_id=call("POST", f"{API}/platform/api-keys", json=key).json["id"],
        connection_id=call("POST", f"{API}/platform/connections", json=connection).json["connection_id"],
    )


@pytest.fixture
def as_person(
    app: Any, session: Any, people: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Call]:
    """Make requests as a user of the test's transaction, which Airflow's own sessions do not see."""
    from airflow.providers.fab.auth_manager.models import Permission, Role, User

    from airflow_platform_plugin import airflow_compat

    def user_by_id(user_id: int) -> Any:
        user = session.get(User, user_id)
        if user_id in people.values():
            session.expire(user)
            rows = session.scalars(select(Role).where(Role.user.any(User.id == user_id))).unique()
            pairs: list[Permission] = [pair for role in rows for pair in role.permissions]
            user._perms = {(pair.action.name, pair.resource.name) for pair in pairs}
            return user
        return original(user_id)

    original = airflow_compat.user_by_id
    monkeypatch.setattr(airflow_compat, "user_by_id", user_by_id)
    # They have no DAGs; Airflow would look the users up on a connection of its own.
    monkeypatch.setattr(airflow_compat, "permitted_dag_ids", lambda *_: set())
    monkeypatch.setattr(airflow_compat, "readable_dag_ids", set)

    def make(name: str) -> Call:
        _, key = keys.create(session, name=f"of {name}", user_id=people[name])
        return client(app, {"X-API-Key": key})

    return make


def endpoints(app: Any) -> list[tuple[str, str, Endpoint]]:
    """Method, path with parameters and declaration of every endpoint about one thing of a tenant's."""
    found = []
    for rule in app.url_map.iter_rules():
        declared = getattr(app.view_functions[rule.endpoint], "endpoint", None)
        if isinstance(declared, Endpoint) and rule.arguments & set(Own._fields):
            assert rule.arguments <= set(Own._fields), rule
            found.append((declared.method, str(rule), declared))
    return found


def path_of(rule: str, own: Own) -> str:
    for name, value in own._asdict().items():
        rule = re.sub(rf"<(\w+:)?{name}>", value, rule)
    return rule


def test_every_parameter_is_a_tenants_thing_or_known_not_to_be(app: Any) -> None:
    """Whoever adds an endpoint about something new decides here whether it is a tenant's."""
    known = NOT_TENANTS | set(Own._fields)
    for rule in app.url_map.iter_rules():
        if isinstance(getattr(app.view_functions[rule.endpoint], "endpoint", None), Endpoint):
            assert rule.arguments <= known, rule


def test_anothers_thing_is_as_one_that_does_not_exist(
    app: Any, tenants: dict[str, Own], as_person: Callable[[str], Call]
) -> None:
    """For each endpoint: the same status, and the same words but for the id that was asked for."""
    unknown = Own("nobody", "dep_0000000000000000", "wh_0000000000000000", "x" * 12, "none")
    request = as_person("ann-of-a")
    seen = 0
    for method, rule, declared in endpoints(app):
        body = {} if declared.body else None
        other = request(method, path_of(rule, tenants["b"]), json=body)
        nothing = request(method, path_of(rule, unknown), json=body)
        assert other.status == nothing.status, (method, rule)
        assert other.status in {400, 403, 404}, (method, rule, other.text)
        told = other.json["error"]["message"]
        for theirs, none in zip(tenants["b"], unknown, strict=True):
            told = told.replace(theirs, none)
        assert told == nothing.json["error"]["message"]
        seen += other.status == 404
    assert seen > 10


@pytest.mark.parametrize("person", ["stranger", "ann-of-a"])
def test_lists_and_their_counts_show_nothing_of_another(
    app: Any, tenants: dict[str, Own], as_person: Callable[[str], Call], person: str
) -> None:
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


def test_ones_own_things_are_there(
    app: Any, tenants: dict[str, Own], as_person: Callable[[str], Call]
) -> None:
    request = as_person("ann-of-a")
    for method, rule, _ in endpoints(app):
        if method == "GET" and "export" not in rule:
            answer = request(method, path_of(rule, tenants["a"]))
            assert answer.status == 200, (rule, answer.text)
    listed = request("GET", f"{API}/platform/tenants").json
    assert [tenant["tenant_id"] for tenant in listed["tenants"]] == ["team-a"]
    assert listed["total_entries"] == 1


def test_a_stranger_is_refused_or_finds_nothing(
    app: Any, tenants: dict[str, Own], as_person: Callable[[str], Call]
) -> None:
    request = as_person("stranger")
    for method, rule, declared in endpoints(app):
        answer = request(method, path_of(rule, tenants["a"]), json={} if declared.body else None)
        assert answer.status in {403, 404} or (answer.status == 400 and declared.personal), (
            rule,
            answer.text,
        )


def test_a_platform_administrator_reaches_all(app: Any, tenants: dict[str, Own], call: Call) -> None:
    for own in tenants.values():
        for method, rule, _ in endpoints(app):
            if method == "GET":
                assert call(method, path_of(rule, own)).status in {200, 403}, (
                    rule
                )  # 403: exports have own rights


def test_new_things_are_of_ones_own_tenant(
    session: Any, tenants: dict[str, Own], as_person: Callable[[str], Call]
) -> None:
    """Where none is named the only one is meant; another's is as one that does not exist."""
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
    assert len(session.scalars(select(Deployment).where(Deployment.tenant_id == "team-b")).all()) == 1
    assert session.scalars(select(PlatformConnection)).all()


def test_queries_reach_ones_own_connections_alone(
    tenants: dict[str, Own], as_person: Callable[[str], Call]
) -> None:
    request = as_person("ann-of-a")
    other, none = (
        request("POST", f"{API}/analytics/query", json={"query": "SELECT 1", "database": name})
        for name in ("warehouse_b", "warehouse_x")
    )
    assert (other.status, none.status) == (404, 404)
    assert other.json["error"]["message"].replace("_b", "_x") == none.json["error"]["message"]


def test_administrators_are_in_the_tenants_role(session: Any, call: Call, people: dict[str, int]) -> None:
    """By name or address, at once; whoever is taken from the list loses it."""
    from airflow.providers.fab.auth_manager.models import Role

    def members() -> set[str]:
        session.expire_all()
        role = session.scalars(select(Role).where(Role.name == roles.admin_role("t"))).unique().one()
        return {user.username for user in role.user}

    tenant = {"tenant_id": "t", "admin_users": ["ann-of-a", "stranger@example.com", "nobody-yet"]}
    call("POST", f"{API}/platform/tenants", json=tenant)
    assert members() == {"ann-of-a", "stranger"}
    call("PATCH", f"{API}/platform/tenants/t", json={"admin_users": ["stranger"]})
    assert members() == {"stranger"}


def test_who_logs_in_later_gets_the_role_then(session: Any, call: Call, people: dict[str, int]) -> None:
    from airflow.providers.fab.auth_manager.models import Role, User

    call("POST", f"{API}/platform/tenants", json={"tenant_id": "t", "admin_users": ["late@example.com"]})
    user = User(first_name="L", last_name="T", username="late", email="late@example.com", active=True)
    session.add(user)
    session.flush()
    roles.welcome(user.id, "late", "late@example.com")
    session.expire_all()
    role = session.scalars(select(Role).where(Role.name == roles.admin_role("t"))).unique().one()
    assert [member.username for member in role.user] == ["late"]


def test_a_tenant_that_owns_something_is_not_deleted(call: Call, tenants: dict[str, Own]) -> None:
    """The answer names what; with cascade it goes, all at once, and another tenant's stays."""
    path = f"{API}/platform/tenants/team-a"
    refused = call("DELETE", path)
    own = tenants["a"]
    assert (refused.status, refused.json["error"]["code"]) == (409, "CONFLICT")
    assert refused.json["error"]["details"]["owned"] == {
        "deployments": [own.deployment_id],
        "webhooks": [own.webhook_id],
        "connections": [own.connection_id],
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
