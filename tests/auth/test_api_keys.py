"""API keys through the API: creation, limits, rotation and revocation, and their effect on requests."""

import json
import logging
import re
import shlex
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest
from calls import client
from flask.views import MethodView
from options import set_options
from sqlalchemy import delete, event

from airflow_platform_plugin.__main__ import _parser
from airflow_platform_plugin.auth import credentials, dag_limit, key_format, key_lookup, rejections, service
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.principal import DagLimit
from airflow_platform_plugin.core.timestamps import timestamp
from airflow_platform_plugin.http.endpoint import declared

pytestmark = pytest.mark.usefixtures("fresh_credentials")

URL = "/api/v1/platform/api-keys"
STOCK = "/api/v1/dags"
Call = Callable[..., Any]


@pytest.fixture
def viewer(app: Any, make_key: Callable[[str], str]) -> Call:
    return client(app, {"X-API-Key": make_key("viewer")})


@pytest.fixture
def as_key(app: Any) -> Callable[[str], Call]:
    return lambda key: client(app, {"X-API-Key": key})


def test_a_key_is_shown_once(call: Call) -> None:
    """Only the response to its creation has the key's text."""
    made = call("POST", URL, json={"name": "ci"})
    assert made.status == 201
    assert key_format.parse(made.json["key"]).id == made.json["id"]
    shown = call("GET", f"{URL}/{made.json['id']}").json
    assert "key" not in shown
    assert {key: value for key, value in made.json.items() if key != "key"} == shown
    assert made.json["key"] not in call("GET", URL).text


def test_every_field_is_stored_and_shown(call: Call) -> None:
    call("POST", "/api/v1/platform/tenants", json={"tenant_id": "analytics"})
    fields = {
        "name": "ci",
        "owner": "viewer",
        "tenant_id": "analytics",
        "scopes": ["dags:read", "dag_runs:write"],
        "allowed_dags": {"dag_ids": ["analytics_*"], "tags": ["shared"]},
        "allowed_networks": ["10.0.0.0/8", "2001:db8::/32"],
        "expires_at": "2037-01-01T00:00:00Z",
    }
    made = call("POST", URL, json=fields).json
    assert {name: made[name] for name in fields} == fields
    assert (made["created_by"], made["last_used_at"], made["revoked_at"]) == ("admin", None, None)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "k", "scopes": ["dags:fly"]}, "/scopes/0"),
        ({"name": "k", "allowed_dags": ["x"]}, "/allowed_dags"),
        ({"name": "k", "allowed_dags": {"ids": []}}, "/allowed_dags/ids"),
        ({"name": "k", "allowed_networks": ["10.0.0.1/8"]}, "/allowed_networks/0"),
        ({"name": "k", "allowed_networks": ["home"]}, "/allowed_networks/0"),
        ({"name": "k", "expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"name": "k", "expires_at": "2037-01-01T00:00:00"}, "/expires_at"),
        ({"name": "k", "expires_at": "2099-01-01T00:00:00Z"}, "/expires_at"),
        ({"name": "k", "owner": "nobody"}, "/owner"),
        ({"name": "k", "tenant_id": "nowhere"}, "/tenant_id"),
        ({"name": "k", "colour": "red"}, "/colour"),
        ({"name": "k", "scopes": ["dags:read"] * 101}, "/scopes"),
        ({"name": "k", "allowed_dags": {"dag_ids": ["a"] * 101}}, "/allowed_dags/dag_ids"),
        ({"name": "k", "allowed_dags": {"dag_ids": ["a" * 251]}}, "/allowed_dags/dag_ids/0"),
        ({"name": "k", "allowed_dags": {"dag_ids": [""]}}, "/allowed_dags/dag_ids/0"),
        ({"name": "k", "allowed_dags": {"tags": ["a"] * 101}}, "/allowed_dags/tags"),
        ({"name": "k", "allowed_networks": ["10.0.0.0/8"] * 101}, "/allowed_networks"),
        ({"name": "k", "allowed_networks": ["1" * 101]}, "/allowed_networks/0"),
    ],
)
def test_an_invalid_field_is_named_in_the_error(call: Call, fields: dict[str, Any], pointer: str) -> None:
    answer = call("POST", URL, json=fields)
    assert answer.status == 400
    assert [error["pointer"] for error in answer.json["error"]["details"]["errors"]] == [pointer]


# --- owners ---


def test_every_user_can_manage_their_own_keys(viewer: Call) -> None:
    """This needs no permission, since a key has no more rights than its owner."""
    made = viewer("POST", URL, json={"name": "mine"})
    assert made.status == 201
    path = f"{URL}/{made.json['id']}"
    assert viewer("PATCH", path, json={"name": "still mine"}).json["name"] == "still mine"
    assert viewer("POST", f"{path}/rotate", json={}).status == 200
    assert viewer("DELETE", path).status == 204


def test_other_users_keys_are_hidden(call: Call, viewer: Call) -> None:
    """Without the permission they are a 404 and in no list or count, and none can be created for others."""
    made = call("POST", URL, json={"name": "admin's"}).json
    path = f"{URL}/{made['id']}"
    answers = [
        viewer("GET", path),
        viewer("PATCH", path, json={"name": "x"}),
        viewer("POST", f"{path}/rotate", json={}),
        viewer("DELETE", path),
    ]
    assert [answer.status for answer in answers] == [404] * 4
    listed = viewer("GET", URL).json
    assert {key["owner"] for key in listed["api_keys"]} == {"viewer"}
    assert listed["total_entries"] == 1
    assert viewer("GET", f"{URL}?owner=admin").json == {"api_keys": [], "total_entries": 0}
    refused = viewer("POST", URL, json={"name": "x", "owner": "admin"})
    assert (refused.status, refused.json["error"]["details"]) == (403, {"scope": "api_keys:write"})


def test_a_user_with_the_permission_can_manage_other_users_keys(
    call: Call, as_key: Callable[[str], Call]
) -> None:
    made = call("POST", URL, json={"name": "k", "owner": "viewer"}).json
    assert as_key(made["key"])("GET", URL).json["total_entries"] == 1
    assert [key["id"] for key in call("GET", f"{URL}?owner=viewer").json["api_keys"]] == [made["id"]]
    assert call("DELETE", f"{URL}/{made['id']}").status == 204
    assert call("GET", f"{URL}?owner=viewer").json["total_entries"] == 0
    assert call("GET", f"{URL}?owner=viewer&revoked=true").json["total_entries"] == 1


# --- delegation ---


def test_a_key_cannot_create_a_key_with_more_rights(call: Call, as_key: Callable[[str], Call]) -> None:
    """It can also not change itself to have more, or rotate a key that has more."""
    wide = call("POST", URL, json={"name": "wide"}).json
    narrow = call("POST", URL, json={"name": "narrow", "scopes": ["api_keys:write", "dags:read"]}).json
    request = as_key(narrow["key"])
    for attempt in (
        request("POST", URL, json={"name": "x", "scopes": ["dags:write"]}),
        request("POST", URL, json={"name": "x", "scopes": None}),
        request("PATCH", f"{URL}/{narrow['id']}", json={"scopes": None}),
        request("PATCH", f"{URL}/{wide['id']}", json={"scopes": ["dags:read"]}),
        request("POST", f"{URL}/{wide['id']}/rotate", json={}),
    ):
        assert (attempt.status, attempt.json["error"]["code"]) == (403, "PERMISSION_DENIED")
    assert request("POST", URL, json={"name": "x"}).json["scopes"] == ["api_keys:write", "dags:read"]
    assert request("POST", URL, json={"name": "x", "scopes": ["dags:read"]}).status == 201


@pytest.mark.parametrize("limit", [{"allowed_dags": {"dag_ids": ["*"]}}, {"allowed_networks": ["0.0.0.0/0"]}])
def test_a_key_limited_to_dags_or_networks_creates_no_keys(
    call: Call, as_key: Callable[[str], Call], limit: dict[str, Any]
) -> None:
    made = call("POST", URL, json={"name": "k", "scopes": ["api_keys:write"], **limit}).json
    assert as_key(made["key"])("POST", URL, json={"name": "x"}).status == 403


def test_the_platforms_endpoints_need_the_scope_too(call: Call, as_key: Callable[[str], Call]) -> None:
    request = as_key(call("POST", URL, json={"name": "k", "scopes": ["tenants:read"]}).json["key"])
    assert request("GET", "/api/v1/platform/tenants").status == 200
    for method, path, scope in (
        ("POST", "/api/v1/platform/tenants", "tenants:write"),
        ("GET", "/api/v1/datakits", "datakits:read"),
        ("GET", URL, "api_keys:read"),
    ):
        refused = request(method, path, json={} if method == "POST" else None)
        assert (refused.status, refused.json["error"]["details"]) == (403, {"scope": scope})


def test_a_dag_limited_key_needs_listed_scopes_for_the_platforms_endpoints(
    call: Call, as_key: Callable[[str], Call]
) -> None:
    """It never reaches endpoints that affect other DAGs, such as webhooks."""
    limit = {"allowed_dags": {"dag_ids": ["a_*"]}}
    implicit = as_key(call("POST", URL, json={"name": "k", **limit}).json["key"])
    scopes = ["tenants:read", "webhooks:read", "datakits:read"]
    explicit = as_key(call("POST", URL, json={"name": "k", "scopes": scopes, **limit}).json["key"])
    tenants, hooks = "/api/v1/platform/tenants", "/api/v1/platform/webhooks"
    assert [implicit("GET", tenants).status, explicit("GET", tenants).status] == [403, 200]
    assert [implicit("GET", hooks).status, explicit("GET", hooks).status] == [403, 403]
    assert explicit("GET", "/api/v1/datakits/deployments").status == 403


# --- revocation, expiry and rotation ---


def test_a_revoked_key_is_refused_and_stays_in_the_list(call: Call, as_key: Callable[[str], Call]) -> None:
    made = call("POST", URL, json={"name": "k"}).json
    path = f"{URL}/{made['id']}"
    assert call("DELETE", path).status == 204
    assert as_key(made["key"])("GET", STOCK).status == 401
    assert call("GET", path).json["revoked_at"] is not None
    assert call("PATCH", path, json={"name": "x"}).status == 409
    assert call("POST", f"{path}/rotate", json={}).status == 409
    assert call("DELETE", path).status == 204


def test_a_revocation_takes_effect_within_two_seconds_in_every_worker(
    call: Call, as_key: Callable[[str], Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker caches a key for one second."""
    made = call("POST", URL, json={"name": "k"}).json
    clock = [1000.0]
    monkeypatch.setattr(credentials, "_clock", lambda: clock[0])
    assert as_key(made["key"])("GET", STOCK).status == 200
    call("DELETE", f"{URL}/{made['id']}")
    clock[0] += credentials.CACHE_SECONDS
    assert credentials.CACHE_SECONDS <= 1
    assert as_key(made["key"])("GET", STOCK).status == 401


def test_an_expired_key_is_refused(
    session: Any, app: Any, user_id: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused at the moment it expires, even if a worker has cached it."""
    ends = db.now() + timedelta(minutes=5)
    _, key = service.issue(session, name="k", user_id=user_id("admin"), expires_at=ends)
    request = client(app, {"X-API-Key": key})
    assert request("GET", STOCK).status == 200
    monkeypatch.setattr(db, "now", lambda: ends)
    assert request("GET", STOCK).status == 401


def test_after_a_rotation_both_secrets_work_during_the_overlap(
    call: Call, as_key: Callable[[str], Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = call("POST", URL, json={"name": "k"}).json
    rotated = call("POST", f"{URL}/{made['id']}/rotate", json={"overlap_seconds": 60}).json
    assert rotated["id"] == made["id"]
    assert rotated["key"] != made["key"]
    assert [as_key(key)("GET", STOCK).status for key in (made["key"], rotated["key"])] == [200, 200]
    credentials.clear_cache()
    later = db.now() + timedelta(seconds=61)
    monkeypatch.setattr(db, "now", lambda: later)
    assert [as_key(key)("GET", STOCK).status for key in (made["key"], rotated["key"])] == [401, 200]


def test_a_rotation_without_overlap_ends_the_old_secret_at_once(
    call: Call, as_key: Callable[[str], Call]
) -> None:
    made = call("POST", URL, json={"name": "k"}).json
    call("POST", f"{URL}/{made['id']}/rotate", json={"overlap_seconds": 0})
    assert as_key(made["key"])("GET", STOCK).status == 401


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        (["10.0.0.0/8"], "10.1.2.3", 200),
        (["10.0.0.0/8"], "11.1.2.3", 401),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", 200),
        (["2001:db8::/32", "10.0.0.0/8"], "2001:db8::1", 200),
        (["2001:db8::/32"], "10.1.2.3", 401),
        ([], "10.1.2.3", 401),
        (["10.0.0.0/8"], "unix", 401),
    ],
)
def test_a_key_works_only_from_its_networks(
    call: Call, as_key: Callable[[str], Call], networks: list[str], address: str, status: int
) -> None:
    key = call("POST", URL, json={"name": "k", "allowed_networks": networks}).json["key"]
    assert as_key(key)("GET", STOCK, environ_base={"REMOTE_ADDR": address}).status == status


def test_a_key_loses_the_rights_of_its_owner_at_once(app: Any) -> None:
    """A worker caches keys, but not users."""
    manager = app.appbuilder.sm
    # Each in a context of its own, as each request is: users' rights are remembered within one.
    with app.app_context():
        role = manager.find_role("Op")
        user_id = manager.add_user("leaver", "L", "T", "leaver@example.com", role, "x").id
    with db.transaction() as own:
        key = service.issue(own, name="k", user_id=user_id)[1]

    def status() -> int:
        return int(client(app, {"X-API-Key": key})("GET", "/api/v1/pools").status)

    assert status() == 200
    with app.app_context():
        user = manager.find_user("leaver")
        user.roles = [manager.find_role("Public")]
        manager.update_user(user)
    assert status() == 403
    with app.app_context():
        user = manager.find_user("leaver")
        user.active = False
        manager.update_user(user)
    assert status() == 401
    with db.transaction() as own:
        own.execute(delete(ApiKey))
    with app.app_context():  # other tests have a user of this name
        manager.get_session.delete(manager.find_user("leaver"))
        manager.get_session.commit()


# --- cost of authentication ---


def test_a_key_is_read_once_a_second_and_its_use_stored_once_a_minute(
    session: Any, app: Any, user_id: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    row, key = service.issue(session, name="k", user_id=user_id("admin"))
    clock = [1000.0]
    monkeypatch.setattr(credentials, "_clock", lambda: clock[0])
    statements: list[str] = []
    event.listen(session.connection(), "before_cursor_execute", lambda *args: statements.append(args[2]))

    def cost() -> list[str]:
        statements.clear()
        assert credentials.authenticate(key, None) is not None
        return [words.split()[0] for words in statements if "SAVEPOINT" not in words]

    assert cost() == ["SELECT", "UPDATE"]
    assert cost() == []
    clock[0] += 1
    assert cost() == ["SELECT"]
    clock[0] += 60
    assert cost() == ["SELECT", "UPDATE"]
    session.refresh(row)
    assert row.last_used_at is not None
    del app


def test_the_last_use_is_stored_only_if_it_is_older_than_a_minute(
    session: Any, user_id: Callable[[str], int]
) -> None:
    """Several web workers that get the key store its use once."""
    moment = db.now()
    row, _ = service.issue(session, name="k", user_id=user_id("admin"))
    row.last_used_at = moment
    session.flush()
    key_lookup.record_use(session, row.id, unless_since=moment - timedelta(minutes=1))
    session.refresh(row)
    assert row.last_used_at == moment


def test_a_use_that_cannot_be_stored_does_not_fail_the_request(
    session: Any, user_id: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    def locked(*_: Any, **__: Any) -> None:
        raise OperationalError("UPDATE", {}, Exception("database is locked"))

    _, key = service.issue(session, name="k", user_id=user_id("admin"))
    monkeypatch.setattr(key_lookup, "record_use", locked)
    assert credentials.authenticate(key, None) is not None


def test_a_key_can_be_sent_as_a_bearer_token(call: Call, app: Any) -> None:
    """The API reference's OAuth clients and Airflow's client libraries send ``Authorization: Bearer``."""
    made = call("POST", URL, json={"name": "k"}).json
    for words in (f"Bearer {made['key']}", f"bearer  {made['key']}"):
        assert client(app, {"Authorization": words})("GET", STOCK).status == 200
    wrong = key_format.generate(key_format.ACCESS_TOKEN)
    assert client(app, {"Authorization": f"Bearer {wrong}"})("GET", STOCK).status == 401
    refresh = key_format.generate(key_format.REFRESH_TOKEN)
    assert client(app, {"Authorization": f"Bearer {refresh}"})("GET", STOCK).status == 401


# --- number and size of keys ---


def test_the_number_of_active_keys_of_a_user_is_limited(
    call: Call, viewer: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys that others create for the user count. Revoked and expired keys and other users' keys do not."""
    set_options(monkeypatch, api_keys_per_user=3)
    made = [viewer("POST", URL, json={"name": "k"}) for _ in range(2)]
    assert [answer.status for answer in made] == [201, 201]
    for refused in (
        viewer("POST", URL, json={"name": "k"}),
        call("POST", URL, json={"name": "k", "owner": "viewer"}),
    ):
        error = refused.json["error"]
        assert (refused.status, error["code"]) == (409, "CONFLICT")
        assert error["details"] == {"owner": "viewer", "api_keys_per_user": 3}
        assert "Revoke one" in error["message"]
    assert call("POST", URL, json={"name": "k"}).status == 201
    assert viewer("POST", f"{URL}/{made[0].json['id']}/rotate", json={}).status == 200
    assert viewer("DELETE", f"{URL}/{made[0].json['id']}").status == 204
    ends = {"expires_at": timestamp(db.now() + timedelta(minutes=5))}
    assert viewer("POST", URL, json={"name": "k", **ends}).status == 201
    assert viewer("POST", URL, json={"name": "k"}).status == 409
    later = db.now() + timedelta(minutes=6)
    monkeypatch.setattr(db, "now", lambda: later)
    assert viewer("POST", URL, json={"name": "k"}).status == 201


@pytest.mark.parametrize(
    "limits",
    [
        {"allowed_dags": {"dag_ids": [f"*{'a*' * 120}{number}" for number in range(100)], "tags": []}},
        {"allowed_dags": {"dag_ids": [f"z{number:05}" for number in range(90_000)], "tags": []}},
        {"allowed_dags": {"dag_ids": [f"*z{number:05}*" for number in range(90_000)], "tags": []}},
        {"allowed_dags": {"dag_ids": [], "tags": [f"t{number}" for number in range(40_000)]}},
        {"allowed_networks": [f"10.{n >> 8}.{n & 255}.0/24" for n in range(60_000)] + ["127.0.0.0/8"]},
    ],
    ids=["maximal", "names", "patterns", "tags", "networks"],
)
def test_a_key_with_the_longest_lists_is_fast(
    app: Any, user_id: Callable[[str], int], limits: dict[str, Any]
) -> None:
    """This includes keys that are older than the bounds of lists. The time allows for busy machines."""
    # Committed: SQLite would lock out readers while so much is being written.
    with db.transaction() as own:
        _, key = service.issue(own, name="k", user_id=user_id("admin"), **limits)
    request = client(app, {"X-API-Key": key})
    try:
        status = request("GET", f"{STOCK}?limit=1").status
        started = time.process_time()
        for _ in range(5):
            assert request("GET", f"{STOCK}?limit=1").status == status
        assert (time.process_time() - started) / 5 < 1
    finally:
        with db.transaction() as own:
            own.execute(delete(ApiKey))


def test_matching_a_thousand_dags_against_the_most_patterns_is_fast(app: Any) -> None:
    """It uses a hundred of the slowest patterns and the longest ids, without a cache."""
    worst = tuple(f"*{'a*' * 120}{number}" for number in range(100))
    late = tuple("*" + "a" * 240 + f"b{number}" for number in range(100))
    dag_ids = {f"{'a' * 240}c{number}" for number in range(1000)}
    for patterns in (worst[:99] + late[:1], late):
        limit = dag_limit.CredentialLimit(dags=(DagLimit(dag_ids=patterns),))
        with app.test_request_context():
            limit.narrow({"first"})
            started = time.process_time()
            limit.narrow(dag_ids)
            first = time.process_time()
            limit.narrow(dag_ids)
        assert first - started < 10  # measured: 0.7 s
        assert time.process_time() - first < 0.1  # measured: 0.5 ms


# --- log of refused credentials ---


def written(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == rejections.__name__]


def test_a_refused_credential_is_logged_without_its_secret(
    app: Any, call: Call, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has the key, the address and the request; one line a minute for each, and few lines in all."""
    now = [1e6]
    monkeypatch.setattr(rejections, "_clock", lambda: now[0])
    monkeypatch.setattr(rejections, "_period", rejections._Period())  # not what other tests were refused
    caplog.set_level(logging.WARNING, logger=rejections.__name__)
    made = call("POST", URL, json={"name": "k"}).json
    call("DELETE", f"{URL}/{made['id']}")
    for _ in range(3):
        assert client(app, {"X-API-Key": made["key"]})("GET", STOCK).status == 401
    (line,) = written(caplog)
    assert f"afp_{made['id']}_" in line
    assert "127.0.0.1" in line
    assert key_format.parse(made["key"]).secret not in caplog.text  # type: ignore[union-attr]
    client(app, {"X-API-Key": "forged\nline INFO - admin logged in"})
    for number in range(100):
        guess = str(key_format.generate())
        client(app, {"X-API-Key": guess})("GET", f"{STOCK}/a%0AINFO%20forged{number}")
    assert "\nINFO" not in caplog.text
    assert len(written(caplog)) == rejections.MOST
    now[0] += rejections.EVERY
    client(app, {"X-API-Key": "nonsense-secret"})("GET", STOCK)
    assert [line.split()[0] for line in written(caplog)[-2:]] == ["Credentials", "Refused"]
    assert "nonsense-secret" not in caplog.text
    form = {"grant_type": "refresh_token", "refresh_token": "a-secret", "client_id": "airflow-cli"}
    assert app.test_client().post("/oauth/token", data=form).status_code == 400
    assert app.test_client().post("/oauth/token", data=form, auth=("a\nb", "a-secret")).status_code == 401
    first, second = written(caplog)[-2:]
    assert "the OAuth client airflow-cli from" in first
    assert "an OAuth client from" in second
    assert "a-secret" not in caplog.text


# --- views of other plugins ---


class Declared:
    """An attribute of another plugin's view, with the same name as the declaration of ``@endpoint``."""

    scope = None


@pytest.mark.parametrize("kind", ["function", "object", "class", "wrapped"])
def test_a_view_with_an_attribute_named_endpoint_is_not_a_declared_one(
    app: Any, call: Call, kind: str
) -> None:
    """The key is checked against the table of operations, which does not have the view."""

    def view() -> str:
        return "let in"

    class Called:
        endpoint = "something"

        def __init__(self) -> None:
            self.__name__ = self.__qualname__ = "called"

        def __call__(self) -> str:
            return "let in"

    class View(MethodView):
        endpoint = Declared()

        def get(self) -> str:
            return "let in"

    view.endpoint = Declared()  # type: ignore[attr-defined]
    made: Any = {
        "function": view,
        "object": Called(),
        "class": View.as_view("v"),
        "wrapped": wraps(view)(partial(view)),
    }[kind]
    if kind == "class":
        made.endpoint = {"scope": None}
    name = "platform_rate_limit.get_rate_limit"
    before = app.view_functions[name]
    app.view_functions[name] = made
    try:
        answer = app.test_client().get("/api/v1/platform/rate-limit", headers={"X-API-Key": _key_of(call)})
    finally:
        app.view_functions[name] = before
    assert answer.status_code == 403
    assert declared(made) is None
    assert declared(before) is not None


def _key_of(call: Call) -> str:
    return str(call("POST", URL, json={"name": "k", "scopes": ["dags:read"]}).json["key"])


# --- examples of the document ---


def test_the_commands_of_the_document_create_a_key_with_a_key(
    app: Any, session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command and the request work as written; the second key is as the document says."""
    text = (Path(__file__).parents[2] / "docs" / "api-keys.md").read_text()
    command = re.search(r"\$\(airflow-platform (.*?)\)", text)
    body = re.search(r"-d '(\{.*?\})'", text, flags=re.DOTALL)
    assert command is not None
    assert body is not None
    arguments = _parser().parse_args(shlex.split(command[1]))
    assert arguments.run(arguments) == 0
    first = as_printed(capsys)
    made = client(app, {"X-API-Key": first})("POST", URL, json=json.loads(body[1]))
    assert made.status == 201, made.text
    assert made.json["parent"] == f"api_key:{key_format.parse(first).id}"  # type: ignore[union-attr]
    assert made.json["expires_at"] is not None
    request = client(app, {"X-API-Key": made.json["key"]})
    inside = {"environ_base": {"REMOTE_ADDR": "10.1.2.3"}}
    assert request("GET", "/api/v1/dags/analytics_x/dagRuns", **inside).status == 200
    assert request("GET", "/api/v1/dags/other/dagRuns", **inside).status == 403
    assert request("GET", "/api/v1/dags/analytics_x/dagRuns").status == 401


def as_printed(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.strip().splitlines()[-1]
