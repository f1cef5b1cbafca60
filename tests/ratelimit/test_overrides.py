"""Rate limits of a key and of its tenant."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from airflow_platform_plugin.auth import credentials, service
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core import principal as principals
from airflow_platform_plugin.core.memberships import Memberships
from airflow_platform_plugin.core.naming import TenantRole

pytestmark = pytest.mark.usefixtures("fresh_credentials")

KEYS, TENANTS = "/api/v1/platform/api-keys", "/api/v1/platform/tenants"
READ = "/api/v1/pools"
Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def _limits(limit: Callable[..., Any]) -> None:
    """Set the limits of the reference."""
    limit()


@pytest.fixture
def limit_of(call_anonymously: Call) -> Callable[..., int]:
    """Return the limit in the response to a request with a key."""

    def ask(key: str, method: str = "GET", path: str = READ) -> int:
        credentials.clear_cache()
        answer = call_anonymously(
            method, path, headers={"X-API-Key": key}, json=None if method == "GET" else {}
        )
        return int(answer.headers["X-RateLimit-Limit"])

    return ask


@pytest.fixture
def by_viewer(call_anonymously: Call, make_key: Callable[[str], str]) -> Call:
    headers = {"X-API-Key": make_key("viewer")}
    return lambda method, path, **options: call_anonymously(method, path, headers=headers, **options)


def test_a_key_can_have_its_own_limits(call: Call, limit_of: Callable[..., int]) -> None:
    """By class; other classes keep theirs. Responses show them, and null removes them."""
    made = call("POST", KEYS, json={"name": "k", "rate_limits": {"read": "5000/minute"}}).json
    assert (limit_of(made["key"]), limit_of(made["key"], "POST", TENANTS)) == (5000, 100)
    path = f"{KEYS}/{made['id']}"
    changed = call("PATCH", path, json={"rate_limits": {"write": "7/hour"}}).json
    assert changed["rate_limits"] == {"write": "7/hour"} == call("GET", path).json["rate_limits"]
    assert (limit_of(made["key"]), limit_of(made["key"], "POST", TENANTS)) == (1000, 7)
    assert call("PATCH", path, json={"rate_limits": None}).json["rate_limits"] is None
    assert limit_of(made["key"], "POST", TENANTS) == 100


def test_a_keys_limit_replaces_its_tenants_which_replaces_the_settings(
    call: Call, limit_of: Callable[..., int]
) -> None:
    """This holds for each class; each key of a tenant has the tenant's limit for itself."""
    tenant = {"tenant_id": "busy", "rate_limits": {"read": "2000/minute", "write": "200/minute"}}
    made = call("POST", TENANTS, json=tenant)
    assert (made.status, made.json["rate_limits"]) == (201, tenant["rate_limits"])
    assert call("GET", f"{TENANTS}/busy").json["rate_limits"] == tenant["rate_limits"]
    key = call(
        "POST", KEYS, json={"name": "k", "tenant_id": "busy", "rate_limits": {"read": "3000/minute"}}
    ).json["key"]
    assert limit_of(key) == 3000
    assert limit_of(key, "POST", TENANTS) == 200
    assert limit_of(key, "DELETE", "/api/v1/platform/webhooks/x") == 50


@pytest.mark.parametrize(
    ("rate_limits", "pointer"),
    [
        ({"read": "many"}, "/rate_limits/read"),
        ({"read": 5}, "/rate_limits/read"),
        ({"read": None}, "/rate_limits/read"),
        ({"write": "9999999999/minute"}, "/rate_limits/write"),
        ({"free": "1/minute"}, "/rate_limits/free"),
        ({"fly": "1/minute"}, "/rate_limits/fly"),
        ("5/minute", "/rate_limits"),
    ],
)
def test_an_invalid_limit_is_named_and_nothing_is_stored(call: Call, rate_limits: Any, pointer: str) -> None:
    for path, body in ((KEYS, {"name": "k"}), (TENANTS, {"tenant_id": "t"})):
        before = call("GET", path).json["total_entries"]
        answer = call("POST", path, json={**body, "rate_limits": rate_limits})
        assert answer.status == 400
        assert [error["pointer"] for error in answer.json["error"]["details"]["errors"]] == [pointer]
        assert call("GET", path).json["total_entries"] == before


def test_a_user_cannot_change_their_own_rate_limits(
    call: Call, by_viewer: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not on a key, and not by moving it into or out of a tenant with limits. Other changes are allowed."""
    member = Memberships(dict.fromkeys(("plain", "busy"), frozenset({TenantRole.MEMBER})))
    monkeypatch.setattr(
        principals, "memberships_of", lambda user: member if user.username == "viewer" else Memberships()
    )
    call("POST", TENANTS, json={"tenant_id": "plain"})
    call("POST", TENANTS, json={"tenant_id": "busy", "rate_limits": {"read": "9000/minute"}})
    fields = {"name": "k", "owner": "viewer", "tenant_id": "busy", "rate_limits": {"read": "1/minute"}}
    limited = f"{KEYS}/{call('POST', KEYS, json=fields).json['id']}"
    own = f"{KEYS}/{by_viewer('POST', KEYS, json={'name': 'k'}).json['id']}"
    refused = [
        by_viewer("POST", KEYS, json={"name": "k", "rate_limits": {"read": "9000/minute"}}),
        by_viewer("POST", KEYS, json={"name": "k", "tenant_id": "busy"}),
        by_viewer("PATCH", own, json={"rate_limits": {"read": "9000/minute"}}),
        by_viewer("PATCH", own, json={"tenant_id": "busy"}),
        by_viewer("PATCH", limited, json={"rate_limits": None}),
        by_viewer("PATCH", limited, json={"tenant_id": None}),
    ]
    assert [answer.status for answer in refused] == [403] * 6
    assert all(answer.json["error"]["details"] == {"scope": "api_keys:write"} for answer in refused)
    assert by_viewer("PATCH", limited, json={"name": "mine"}).status == 200
    assert by_viewer("PATCH", own, json={"tenant_id": "plain"}).status == 200


def test_the_limits_of_a_key_need_no_query_for_each_request(
    call: Call, session: Any, user_id: Callable[[str], int]
) -> None:
    """There is one query a second for the key and its tenant."""
    call("POST", TENANTS, json={"tenant_id": "busy", "rate_limits": {"read": "9/minute"}})
    statements: list[str] = []
    event.listen(session.connection(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    for tenant_id in (None, "busy"):
        row, text = service.issue(session, name="k", user_id=user_id("admin"), tenant_id=tenant_id)
        row.last_used_at = db.now()
        session.flush()
        session.expunge(row)
        statements.clear()
        found = credentials.authenticate(text, None)
        assert found is not None
        assert found.credential.rate_limits == ({"read": "9/minute"} if tenant_id else {})
        assert len([each for each in statements if each.startswith("SELECT")]) == 1
        statements.clear()
        assert credentials.authenticate(text, None) == found
        assert statements == []


def test_an_invalid_limit_in_the_database_is_ignored(
    session: Any, user_id: Callable[[str], int], limit_of: Callable[..., int]
) -> None:
    row, text = service.issue(session, name="k", user_id=user_id("admin"))
    session.get(ApiKey, row.id).rate_limits = {"read": "nonsense", "fly": "1/minute"}
    session.flush()
    assert limit_of(text) == 1000
