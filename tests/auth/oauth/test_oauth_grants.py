"""The grants at ``/oauth/token``."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from registered import CHALLENGE, SERVICE, STOCK, Registered
from sqlalchemy import select

from airflow_platform_plugin.auth import key_format
from airflow_platform_plugin.auth.oauth.models import AuthorizationCode, Token
from airflow_platform_plugin.core import db

POOL = {"name": "made-by-a-client", "slots": 1, "description": ""}


# --- authorization code ---


@pytest.mark.parametrize("public", [False, True])
def test_a_code_is_exchanged_for_tokens(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    get: Callable[..., int],
    *,
    public: bool,
) -> None:
    """The response has the shape of RFC 6749 §5.1; the token works on stock endpoints and the platform's."""
    answer = exchange(make_client(public=public, scopes=["dags:read", "pools:write", "tenants:read"]))
    access, new = answer.json.pop("access_token"), answer.json.pop("refresh_token")
    assert answer.status == 200
    assert answer.json == {"token_type": "Bearer", "expires_in": 3600, "scope": "dags:read pools:write"}
    assert (access[:4], new[:4]) == ("afo_", "afr_")
    assert get(STOCK, access) == 200
    assert get("/api/v1/pools", access) == 200
    assert get("/api/v1/platform/tenants", access) == 403  # not among the scopes that the user agreed to
    assert get("/api/v1/variables", access) == 403
    assert get(STOCK, new) == 401  # a refresh token is no access token


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"code": "nonsense"}, "invalid_grant"),
        ({"redirect_uri": "https://evil.example.com/"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_grant"),
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"code_verifier": CHALLENGE}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
        ({"grant_type": ""}, "unsupported_grant_type"),
        ({"redirect_uri": 'https://app.example.com/"'}, "invalid_request"),
        ({"code": "\x00"}, "invalid_request"),
        ({"code": "ä"}, "invalid_request"),
    ],
)
def test_an_invalid_exchange_gives_no_token(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    session: Any,
    form: dict[str, str],
    error: str,
) -> None:
    refused = exchange(make_client(), **form)
    assert (refused.status, refused.json["error"]) == (400, error)
    assert session.query(Token).count() == 0


def test_pkce_is_optional_for_a_client_with_a_secret(
    make_client: Callable[..., Registered], exchange: Callable[..., Any], agree: Callable[..., str]
) -> None:
    """A verifier without a challenge is refused, since someone has removed the challenge (RFC 9700 §4.8)."""
    client = make_client()
    assert exchange(client, agree(client, challenge=None), code_verifier="").status == 200
    assert exchange(client, agree(client, challenge=None)).status == 400


def test_a_second_use_of_a_code_revokes_all_tokens_of_the_first_use(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    refresh: Callable[..., Any],
    agree: Callable[..., str],
    get: Callable[..., int],
) -> None:
    client = make_client()
    code = agree(client)
    first = exchange(client, code).json
    newer = refresh(client, first["refresh_token"]).json
    other = exchange(client).json
    assert [get(STOCK, made["access_token"]) for made in (first, newer, other)] == [200, 200, 200]
    assert exchange(client, code).json["error"] == "invalid_grant"
    assert [get(STOCK, made["access_token"]) for made in (first, newer, other)] == [401, 401, 200]
    assert refresh(client, newer["refresh_token"]).status == 400


def test_a_code_works_only_for_the_client_that_requested_it(
    make_client: Callable[..., Registered], exchange: Callable[..., Any], agree: Callable[..., str]
) -> None:
    """Another client cannot use the code, and cannot invalidate it."""
    client = make_client()
    code = agree(client)
    assert exchange(make_client(), code).json["error"] == "invalid_grant"
    assert exchange(client, code).status == 200


def test_a_code_expires_after_a_minute(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    agree: Callable[..., str],
    session: Any,
) -> None:
    client = make_client()
    code = agree(client)
    row = session.scalars(select(AuthorizationCode)).one()
    assert timedelta(seconds=50) < row.expires_at - db.now() <= timedelta(seconds=60)
    row.expires_at = db.now()
    session.flush()
    assert exchange(client, code).json["error"] == "invalid_grant"


# --- refresh token ---


def test_a_second_use_of_a_refresh_token_revokes_the_family(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    refresh: Callable[..., Any],
    get: Callable[..., int],
) -> None:
    """The thief's tokens and the victim's end alike: the server cannot distinguish them."""
    client = make_client(public=True)
    first = exchange(client).json
    second = refresh(client, first["refresh_token"]).json
    assert second["refresh_token"] != first["refresh_token"]
    assert second["scope"] == first["scope"]
    assert get(STOCK, second["access_token"]) == 200
    assert refresh(client, first["refresh_token"]).json == {"error": "invalid_grant"}
    assert [get(STOCK, made["access_token"]) for made in (first, second)] == [401, 401]
    assert refresh(client, second["refresh_token"]).status == 400


def test_a_refresh_token_works_only_for_its_client(
    make_client: Callable[..., Registered], exchange: Callable[..., Any], refresh: Callable[..., Any]
) -> None:
    """Another client's attempt does not use the token up. An access token cannot refresh."""
    client = make_client()
    made = exchange(client).json
    assert refresh(make_client(), made["refresh_token"]).json["error"] == "invalid_grant"
    assert refresh(client, made["access_token"]).json["error"] == "invalid_grant"
    assert refresh(client, "nonsense").json["error"] == "invalid_grant"
    assert refresh(client, made["refresh_token"]).status == 200


def test_a_refresh_can_request_fewer_scopes_but_not_more(
    make_client: Callable[..., Registered], exchange: Callable[..., Any], refresh: Callable[..., Any]
) -> None:
    """A refused request does not use the token up."""
    client = make_client(scopes=["dags:read", "pools:write", "tenants:read"])
    made = exchange(client).json
    assert refresh(client, made["refresh_token"], scope="dags:write").json["error"] == "invalid_scope"
    assert refresh(client, made["refresh_token"], scope="tenants:read").json["error"] == "invalid_scope"
    assert refresh(client, made["refresh_token"], scope="dags:read").json["scope"] == "dags:read"


def test_an_expired_refresh_token_is_refused(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    refresh: Callable[..., Any],
    session: Any,
) -> None:
    client = make_client()
    made = exchange(client).json
    row = session.get(Token, key_format.parse(made["refresh_token"]).id)
    assert timedelta(days=29) < row.expires_at - db.now() <= timedelta(days=30)
    row.expires_at = db.now()
    session.flush()
    assert refresh(client, made["refresh_token"]).json == {"error": "invalid_grant"}


def test_a_client_without_the_grant_gets_no_refresh_token(
    make_client: Callable[..., Registered], exchange: Callable[..., Any]
) -> None:
    assert "refresh_token" not in exchange(make_client(grant_types=["authorization_code"])).json


# --- client credentials ---


def test_a_client_acts_as_its_acting_user(
    make_client: Callable[..., Registered], post: Callable[..., Any], get: Callable[..., int]
) -> None:
    """It gets all of its scopes or the requested ones, and no refresh token (RFC 6749 §4.4.3)."""
    client = make_client(**SERVICE)
    all_of_it = post("token", client, grant_type="client_credentials")
    assert all_of_it.status == 200
    assert "refresh_token" not in all_of_it.json
    assert all_of_it.json["scope"] == "dags:read pools:write"
    some = post("token", client, grant_type="client_credentials", scope="pools:read").json
    assert some["scope"] == "pools:read"
    assert [get(STOCK, made["access_token"]) for made in (all_of_it.json, some)] == [200, 403]
    assert get("/api/v1/pools", some["access_token"], method="POST", json=POOL) == 403


@pytest.mark.parametrize("scope", ["tenants:read", "dags:write", "dags:read pools:fly", "everything"])
def test_scopes_beyond_the_clients_are_refused_by_name(
    make_client: Callable[..., Registered], post: Callable[..., Any], scope: str
) -> None:
    refused = post("token", make_client(**SERVICE), grant_type="client_credentials", scope=scope)
    assert (refused.status, refused.json["error"]) == (400, "invalid_scope")
    assert refused.json["error_description"].endswith(scope.rsplit(maxsplit=1)[-1])


def test_a_token_has_no_more_rights_than_its_user(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    agree: Callable[..., str],
    get: Callable[..., int],
) -> None:
    """A viewer's token cannot write pools, even if its client has the scope."""
    client = make_client()
    access = exchange(client, agree(client, "viewer")).json["access_token"]
    assert get(STOCK, access) == 200
    assert get("/api/v1/pools", access, method="POST", json=POOL) == 403
