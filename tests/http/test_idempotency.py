"""A POST that is sent twice."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from calls import client
from sqlalchemy import delete, select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.auth import key_format
from airflow_platform_plugin.auth import service as auth
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.auth.oauth import tokens
from airflow_platform_plugin.auth.oauth.models import Client
from airflow_platform_plugin.core import crypto, db
from airflow_platform_plugin.core import principal as principals
from airflow_platform_plugin.core.errors import PermissionDenied
from airflow_platform_plugin.core.feature import role_scopes
from airflow_platform_plugin.core.memberships import Memberships
from airflow_platform_plugin.core.naming import TenantRole
from airflow_platform_plugin.core.principal import Credential, Principal, tenant_permission
from airflow_platform_plugin.core.reach import EVERYWHERE
from airflow_platform_plugin.http import idempotency
from airflow_platform_plugin.http.idempotency import IdempotencyKey
from airflow_platform_plugin.tenants import service
from airflow_platform_plugin.tenants.inputs import NewTenant
from airflow_platform_plugin.tenants.models import Tenant

KEYS, TENANTS = "/api/v1/platform/api-keys", "/api/v1/platform/tenants"
Call = Callable[..., Any]


def test_a_repeated_request_gets_the_first_answer(call: Call, tenant: dict[str, Any]) -> None:
    """The response has the first ETag, and no second tenant is created."""
    header = {"Idempotency-Key": "a1"}
    first, second = (call("POST", TENANTS, json=tenant, headers=header) for _ in range(2))
    assert (first.status, second.status) == (201, 201)
    assert first.json == second.json
    assert first.headers["ETag"] == second.headers["ETag"] == '"1"'
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]
    assert call("GET", TENANTS).json["total_entries"] == 1


ID_FIELDS = {
    KEYS: "id",
    "/api/v1/platform/oauth-clients": "client_id",
    "/api/v1/platform/webhooks": "webhook_id",
}


@pytest.mark.parametrize(
    ("path", "body", "secret"),
    [
        (KEYS, {"name": "k"}, "key"),
        (
            "/api/v1/platform/oauth-clients",
            {"name": "c", "redirect_uris": ["https://a.example"]},
            "client_secret",
        ),
        (
            "/api/v1/platform/webhooks",
            {"name": "w", "url": "https://a.example", "events": ["dag.success"]},
            "secret",
        ),
    ],
)
def test_a_secret_is_not_shown_again(
    call: Call, session: Any, path: str, body: dict[str, Any], secret: str
) -> None:
    """It is not stored either. The caller learns that the first request succeeded, and what it created."""
    header = {"Idempotency-Key": "a1"}
    first, second = (call("POST", path, json=body, headers=header) for _ in range(2))
    assert (first.status, second.status) == (201, 409)
    details = second.json["error"]["details"]
    assert (details["status"], details["idempotency_key"]) == (201, "a1")
    assert details["id"] == first.json[ID_FIELDS[path]]
    kept = crypto.decrypt(session.scalars(select(IdempotencyKey.encrypted_answer)).one())
    assert first.json[secret] not in kept + second.text
    assert call("GET", path).json["total_entries"] == (2 if path != "/api/v1/platform/webhooks" else 1)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"tenant_id": "t", "webhook_id": "w"}, "w"),
        ({"webhook_id": "w", "tenant_id": "t"}, "w"),
        ({"dag_id": "d", "backfill_id": "b"}, "b"),
        ({"datakit_id": "k", "id": "d"}, "d"),
        ({"tenant_id": "t"}, "t"),
        ({"status": "ok"}, None),
        ([1], None),
        (None, None),
    ],
)
def test_the_id_of_what_was_created_is_its_own(answer: Any, found: str | None) -> None:
    """It is not the id of its tenant or its DAG, in whatever order the fields are."""
    assert idempotency._find_id(answer) == found


def test_an_answer_whose_secret_field_is_empty_is_shown_again(call: Call) -> None:
    body = {"name": "c", "public": True, "redirect_uris": ["http://127.0.0.1/callback"]}
    path = "/api/v1/platform/oauth-clients"
    first, second = (call("POST", path, json=body, headers={"Idempotency-Key": "a1"}) for _ in range(2))
    assert (first.status, second.status) == (201, 201)
    assert first.json == second.json


@pytest.mark.parametrize(("setting", "value"), [("LONGEST", 100), ("MOST_STORED", 100)])
def test_the_stored_answers_are_bounded(
    call: Call, session: Any, monkeypatch: pytest.MonkeyPatch, setting: str, value: int
) -> None:
    """They are bounded in length and in number; the work is still done once."""
    tenant = {"tenant_id": "one", "metadata": {"x": "y" * 1000}}
    monkeypatch.setattr(idempotency, setting, value)
    first, second = (call("POST", TENANTS, json=tenant, headers={"Idempotency-Key": "a1"}) for _ in range(2))
    assert (first.status, second.status) == (201, 409)
    assert second.json["error"]["details"]["id"] == tenant["tenant_id"]
    assert len(session.scalars(select(IdempotencyKey.encrypted_answer)).one()) < 500


def test_a_caller_who_has_lost_a_tenant_does_not_get_the_stored_answer(
    call: Call, app: Any, make_key: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller may have lost one of several tenants, or all except one."""
    admin = {tenant_permission(scope) for scope in role_scopes(TenantRole.ADMIN)}
    mine: dict[str, frozenset[TenantRole]] = {}

    def memberships(user: Any) -> Memberships:
        is_member = user.username == "viewer"
        return Memberships(mine, {TenantRole.ADMIN: frozenset(admin)}) if is_member else Memberships()

    monkeypatch.setattr(principals, "memberships_of", memberships)
    for tenant_id in ("one", "two"):
        call("POST", TENANTS, json={"tenant_id": tenant_id})
    member = client(app, {"X-API-Key": make_key("viewer")})
    path, hook = (
        "/api/v1/platform/webhooks",
        {"name": "w", "url": "https://a.example", "events": ["dag.success"]},
    )
    kit = {"name": "a-kit", "version": "1.0.0", "image": "registry.localhost/a:1", "type": "transformation"}
    both = dict.fromkeys(("one", "two"), frozenset({TenantRole.ADMIN}))
    mine |= both

    def send() -> Any:
        return member(
            "POST", "/api/v1/datakits", json={**kit, "tenant_id": "one"}, headers={"Idempotency-Key": "a1"}
        )

    assert send().status == 201, send().text
    assert send().headers["Idempotency-Replayed"] == "true"
    del mine["one"]
    refused = send()
    assert (refused.status, "Idempotency-Replayed" in refused.headers) == (403, False)
    mine |= both
    assert send().headers["Idempotency-Replayed"] == "true"
    assert member("POST", path, json={**hook, "tenant_id": "two"}).status == 201


def test_a_caller_who_has_lost_a_dag_does_not_get_the_stored_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rights on DAGs that the request or its answer names are checked again."""
    principal = Principal("u", SimpleNamespace(id=1, username="u", created_on=None))
    gone: set[str] = set()
    monkeypatch.setattr(airflow_compat.users, "permissions", lambda _user: set())
    monkeypatch.setattr(
        airflow_compat.authorization, "is_authorized_dag", lambda *asked: asked[2] not in gone
    )
    then = idempotency.collect_rights(
        principal, "dag_runs:write", {"runs": [{"dag_id": "a"}]}, [{"x": {"dag_id": "b"}}]
    )
    assert list(then["dags"]) == ["a", "b"]
    idempotency._require_rights(principal, "dag_runs:write", then)
    for dag_id in ("a", "b"):
        gone.add(dag_id)
        with pytest.raises(PermissionDenied):
            idempotency._require_rights(principal, "dag_runs:write", then)
        gone.clear()


# --- callers ---


def test_every_kind_of_credential_is_a_separate_caller(app: Any) -> None:
    """The kind of credential, its id and the user's account distinguish callers."""
    made = datetime(2026, 1, 1)  # noqa: DTZ001 - as Airflow keeps it
    user, same_id, same_name = (
        SimpleNamespace(id=number, username=name, created_on=moment)
        for number, name, moment in ((1, "ann", made), (1, "bob", made), (2, "ann", made))
    )
    later = SimpleNamespace(id=1, username="ann", created_on=datetime(2027, 1, 1))  # noqa: DTZ001 - the same
    key, other = (Credential(name, reference=f"api_key:{name}") for name in ("ann", "other"))
    token = Credential("ann", reference="token:xyz")
    callers = []
    for each in (user, same_id, same_name, later):
        for credential in (None, key, other, token):
            with app.test_request_context():
                callers.append(idempotency._identify_caller(Principal(each.username, each, credential)))
    with app.test_request_context(headers={"Authorization": "Basic YTpi"}):
        callers.append(idempotency._identify_caller(Principal("ann", user)))
    assert len({repr(caller) for caller in callers}) == len(callers) == 17
    refreshed = Credential("ann", reference="token:another")
    with app.test_request_context():
        assert idempotency._identify_caller(Principal("ann", user, refreshed)) == callers[3]


def test_two_users_of_one_oauth_client_are_two_callers(
    app: Any, session: Any, user_id: Callable[[str], int]
) -> None:
    """With the same key, path and body, each user gets a separate answer."""
    shown = {}
    for name in ("admin", "viewer"):
        account = airflow_compat.users.account(session, user_id(name))
        assert account is not None
        text = str(key_format.generate(key_format.ACCESS_TOKEN))
        granted = tokens.TokenGrant(session.get(Client, "airflow-cli"), account, ["api_keys:write"])
        tokens.issue(session, text, granted, family=name)
        session.flush()
        call = client(app, {"Authorization": f"Bearer {text}", "Idempotency-Key": "make-ci-key-1"})
        answer = call("POST", KEYS, json={"name": "ci"})
        assert answer.status == 201
        shown[name] = answer.json["key"]
        assert answer.json["owner"] == name
    assert shown["admin"] != shown["viewer"]


def test_without_a_key_each_request_does_its_work(call: Call) -> None:
    first, second = (call("POST", KEYS, json={"name": "k"}) for _ in range(2))
    assert first.json["id"] != second.json["id"]


def test_the_same_key_with_another_body_is_a_conflict(call: Call) -> None:
    header = {"Idempotency-Key": "a1"}
    call("POST", KEYS, json={"name": "k"}, headers=header)
    other = call("POST", KEYS, json={"name": "other"}, headers=header)
    assert (other.status, other.json["error"]["code"]) == (409, "CONFLICT")
    assert other.json["error"]["details"] == {"idempotency_key": "a1"}


def test_the_stored_digest_does_not_help_to_guess_the_body(call: Call, session: Any) -> None:
    """The digest includes the key, which is not stored, so nobody can try passwords against it."""
    body = b'{"name": "guessable"}'
    call("POST", KEYS, data=body, content_type="application/json", headers={"Idempotency-Key": "a1"})
    (kept,) = session.scalars(select(IdempotencyKey.body_digest)).all()
    assert kept != hashlib.sha256(body).hexdigest()


def test_a_key_belongs_to_its_caller_and_path(call: Call, app: Any, make_key: Callable[[str], str]) -> None:
    """No caller gets another caller's answer."""
    header = {"Idempotency-Key": "a1"}
    mine = call("POST", KEYS, json={"name": "k"}, headers=header).json
    viewer = client(app, {"X-API-Key": make_key("viewer")})
    assert viewer("POST", KEYS, json={"name": "k"}, headers=header).json["owner"] == "viewer"
    rotated = call("POST", f"{KEYS}/{mine['id']}/rotate", json={}, headers=header)
    assert rotated.status == 200


def test_a_failed_request_can_be_sent_again(call: Call, tenant: dict[str, Any], session: Any) -> None:
    """Nothing of it is stored."""
    header = {"Idempotency-Key": "a1"}
    admin = SimpleNamespace(username="admin", reach=lambda _scope: EVERYWHERE)
    service.create(session, NewTenant(**tenant), by=admin)
    assert call("POST", TENANTS, json=tenant, headers=header).status == 409
    session.execute(delete(Tenant))
    assert call("POST", TENANTS, json=tenant, headers=header).status == 201


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
def test_an_invalid_key_is_refused_with_the_headers_name(call: Call, key: str) -> None:
    answer = call(
        "POST", KEYS, json={"name": "k"}, headers={"Idempotency-Key": key.encode().decode("latin-1")}
    )
    assert answer.status == 400
    assert answer.json["error"]["details"]["errors"][0]["pointer"] == "/Idempotency-Key"


def test_the_answer_is_stored_encrypted_for_a_day(
    call: Call, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = {"Idempotency-Key": "a1"}
    first = call("POST", TENANTS, json={"tenant_id": "unmistakable"}, headers=header).json
    assert first["tenant_id"] not in session.scalars(select(IdempotencyKey)).one().encrypted_answer
    later = db.now() + idempotency.RETENTION + timedelta(seconds=1)
    monkeypatch.setattr(db, "now", lambda: later)
    second = call("POST", TENANTS, json={"tenant_id": "another"}, headers=header)
    assert (second.status, second.json["tenant_id"]) == (201, "another")


def test_old_keys_are_deleted(call: Call, session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    call("POST", KEYS, json={"name": "k"}, headers={"Idempotency-Key": "a1"})
    assert idempotency.expire() == 0
    later = db.now() + idempotency.RETENTION + timedelta(seconds=1)
    monkeypatch.setattr(db, "now", lambda: later)
    assert idempotency.expire() == 1
    assert session.scalars(select(IdempotencyKey)).all() == []


@pytest.fixture
def _clean() -> Iterator[None]:
    yield
    with db.transaction() as own:
        for model in (IdempotencyKey, ApiKey, Tenant):
            own.execute(delete(model))


@pytest.mark.usefixtures("_clean")
def test_two_simultaneous_requests_do_the_work_once(
    app: Any, user_id: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second request waits for the first one at the claim, and gets its answer."""
    with db.transaction() as own:
        _, key = auth.issue(own, name="k", user_id=user_id("admin"))
    working, second_sent, calls = threading.Event(), threading.Event(), []
    create = service.create

    def slowly(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        working.set()
        second_sent.wait(10)
        return create(*args, **kwargs)

    claim = idempotency.claim_key

    def announced(*args: Any) -> Any:
        if working.is_set():
            second_sent.set()
        return claim(*args)

    monkeypatch.setattr(service, "create", slowly)
    monkeypatch.setattr(idempotency, "claim_key", announced)
    answers: list[Any] = []

    def send() -> None:
        headers = {"X-API-Key": key, "Idempotency-Key": "once"}
        answers.append(client(app, headers)("POST", TENANTS, json={"tenant_id": "one"}))

    first, second = threading.Thread(target=send), threading.Thread(target=send)
    first.start()
    assert working.wait(10)
    second.start()
    first.join(30)
    second.join(30)
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].json == answers[1].json
    assert len(calls) == 1
    assert sorted("Idempotency-Replayed" in answer.headers for answer in answers) == [False, True]
