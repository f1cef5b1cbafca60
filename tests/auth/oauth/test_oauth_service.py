"""OAuth clients through the API."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_platform_plugin.auth import service as keys_service
from airflow_platform_plugin.auth.oauth.models import Client
from airflow_platform_plugin.core import scopes as all_scopes

URL = "/api/v1/platform/oauth-clients"
APP = {
    "name": "Reports",
    "redirect_uris": ["https://reports.example.com/callback"],
    "scopes": ["dags:read", "dag_runs:write"],
}
SERVICE = APP | {"grant_types": ["client_credentials"], "redirect_uris": [], "acting_user": "admin"}


def test_a_new_clients_secret_is_shown_once(call: Callable[..., Any], session: Any) -> None:
    """The secret is in no later response and not in the database."""
    made = call("POST", URL, json=APP)
    assert made.status == 201
    secret = made.json.pop("client_secret")
    assert made.json | APP == made.json
    assert made.json["grant_types"] == ["authorization_code", "refresh_token"]
    assert (made.json["public"], made.json["acting_user"], made.json["created_by"]) == (False, None, "admin")
    assert call("GET", f"{URL}/{made.json['client_id']}").json == made.json
    row = session.get(Client, made.json["client_id"])
    assert len(secret) >= 43
    assert all(secret not in str(value) for value in vars(row).values())


def test_the_command_line_client_exists_after_the_migration(call: Callable[..., Any]) -> None:
    """It can be deleted like any other client."""
    listed = call("GET", URL).json
    assert [client["client_id"] for client in listed["oauth_clients"]] == ["airflow-cli"]
    (made,) = listed["oauth_clients"]
    assert (made["public"], made["scopes"], made["created_by"]) == (True, None, None)
    assert made["redirect_uris"] == ["http://127.0.0.1/callback"]
    assert call("DELETE", f"{URL}/airflow-cli").status == 204
    assert call("GET", f"{URL}/airflow-cli").status == 404
    assert call("DELETE", f"{URL}/airflow-cli").status == 404


def test_a_public_client_has_no_secret(call: Callable[..., Any]) -> None:
    made = call("POST", URL, json=APP | {"public": True, "redirect_uris": ["com.example.app:/callback"]})
    assert made.status == 201
    assert made.json["client_secret"] is None
    assert call("POST", f"{URL}/{made.json['client_id']}/rotate-secret").status == 409


@pytest.mark.parametrize(
    ("change", "pointer", "word"),
    [
        ({"name": ""}, "/name", "ength"),
        ({"scopes": ["dags:read", "dags:fly"]}, "/scopes/1", "Unknown"),
        ({"scopes": []}, "/scopes", "ength"),
        ({"grant_types": ["implicit"]}, "/grant_types/0", "Unknown"),
        ({"grant_types": []}, "/grant_types", "ength"),
        ({"redirect_uris": []}, "/redirect_uris", "at least one"),
        ({"redirect_uris": ["http://example.com/"]}, "/redirect_uris/0", "https"),
        ({"redirect_uris": ["https://example.com/", "com.example.app:/"]}, "/redirect_uris/1", "public"),
        ({"redirect_uris": ["https://example.com/" + "x" * 2000]}, "/redirect_uris/0", "2000"),
        ({"grant_types": ["refresh_token"]}, "/grant_types", "authorization_code"),
        ({"grant_types": ["client_credentials"]}, "/acting_user", "needs an acting user"),
        (
            {"grant_types": ["client_credentials"], "public": True, "acting_user": "admin"},
            "/grant_types",
            "public",
        ),
        ({"acting_user": "nobody"}, "/acting_user", "'nobody'"),
        ({"client_secret": "mine"}, "/client_secret", "Unknown"),
    ],
)
def test_an_invalid_client_is_refused_with_the_wrong_field(
    call: Callable[..., Any], change: dict[str, Any], pointer: str, word: str
) -> None:
    refused = call("POST", URL, json=APP | change)
    assert refused.status == 400
    (error,) = refused.json["error"]["details"]["errors"]
    assert error["pointer"] == pointer
    assert word in error["message"]
    assert call("GET", URL).json["total_entries"] == 1


def test_an_invalid_change_of_a_client_changes_nothing(call: Callable[..., Any]) -> None:
    made = call("POST", URL, json=APP).json
    one = f"{URL}/{made['client_id']}"
    changed = call("PATCH", one, json={"name": "New", "scopes": None, "acting_user": "viewer"})
    assert (changed.status, changed.json["name"]) == (200, "New")
    assert (changed.json["scopes"], changed.json["acting_user"]) == (None, "viewer")
    refused = call("PATCH", one, json={"name": "Newer", "redirect_uris": []})
    assert (refused.status, call("GET", one).json["name"]) == (400, "New")
    assert call("PATCH", one, json={"public": True}).status == 400
    removed = call("PATCH", one, json={"acting_user": None, "grant_types": ["client_credentials"]})
    assert removed.json["error"]["details"]["errors"][0]["pointer"] == "/acting_user"


def test_a_rotated_secret_replaces_the_old_one(app: Any, call: Callable[..., Any]) -> None:
    made = call("POST", URL, json=SERVICE).json
    rotated = call("POST", f"{URL}/{made['client_id']}/rotate-secret").json
    statuses = [
        app.test_client()
        .post(
            "/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(made["client_id"], answer["client_secret"]),
        )
        .status_code
        for answer in (made, rotated)
    ]
    assert statuses == [401, 200]


@pytest.fixture
def call_with(app: Any, session: Any, user_id: Callable[[str], int]) -> Callable[..., Any]:
    """Make requests with an administrator's key with limits."""

    def make(**limits: Any) -> Callable[..., Any]:
        _, key = keys_service.issue(session, name="limited", user_id=user_id("admin"), **limits)

        def call(method: str, path: str, **kwargs: Any) -> SimpleNamespace:
            answer = app.test_client().open(path, method=method, headers={"X-API-Key": key}, **kwargs)
            return SimpleNamespace(status=answer.status_code, json=answer.get_json())

        return call

    return make


def test_a_key_cannot_give_a_client_scopes_that_it_lacks(
    call: Callable[..., Any], call_with: Callable[..., Any]
) -> None:
    """It cannot create or change such a client, or rotate its secret."""
    limited = call_with(scopes=["oauth_clients:write", "dags:write"])
    assert limited("POST", URL, json=APP).status == 403
    assert limited("POST", URL, json=APP | {"scopes": None}).status == 403
    own = limited("POST", URL, json=APP | {"scopes": ["dags:read"]})
    assert own.status == 201
    assert limited("PATCH", f"{URL}/{own.json['client_id']}", json={"scopes": ["pools:read"]}).status == 403
    other = call("POST", URL, json=APP).json
    assert limited("POST", f"{URL}/{other['client_id']}/rotate-secret").status == 403
    assert limited("PATCH", f"{URL}/{other['client_id']}", json={"scopes": ["dags:read"]}).status == 403


@pytest.mark.parametrize(
    "limits",
    [{"allowed_networks": ["127.0.0.0/8"]}, {"allowed_dags": {"dag_ids": ["*"], "tags": []}}],
)
def test_a_key_with_limits_that_tokens_cannot_have_creates_no_clients(
    call_with: Callable[..., Any], limits: dict[str, Any]
) -> None:
    assert call_with(**limits)("POST", URL, json=APP).status == 403


def test_a_client_of_another_user_needs_the_permission_to_manage_keys(
    call: Callable[..., Any], call_with: Callable[..., Any]
) -> None:
    """This also applies to changing such a client and to rotating its secret."""
    scopes = ["oauth_clients:write", "dags:write", "dag_runs:write"]
    without, with_it = call_with(scopes=scopes), call_with(scopes=[*scopes, "api_keys:write"])
    refused = without("POST", URL, json=SERVICE | {"acting_user": "viewer"})
    assert (refused.status, refused.json["error"]["details"]) == (403, {"scope": "api_keys:write"})
    assert without("POST", URL, json=SERVICE | {"acting_user": "nobody"}).status == 403
    assert without("POST", URL, json=SERVICE).status == 201
    made = with_it("POST", URL, json=SERVICE | {"acting_user": "viewer"})
    assert made.status == 201
    assert without("POST", f"{URL}/{made.json['client_id']}/rotate-secret").status == 403
    assert without("PATCH", f"{URL}/{made.json['client_id']}", json={"name": "x"}).status == 403
    assert with_it("POST", f"{URL}/{made.json['client_id']}/rotate-secret").status == 200


def test_every_scope_has_a_text_for_the_consent_page() -> None:
    for scope in all_scopes.known():
        assert len(all_scopes.describe([scope])) == 1
    assert len(set(all_scopes.describe(all_scopes.known()))) == len(all_scopes.resources()) + 1
    assert all_scopes.describe(["pools:write", "pools:read"]) == all_scopes.describe(["pools:write"])
