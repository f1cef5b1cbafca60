"""Authentication of clients, revocation and introspection of tokens, and their expiry."""

import logging
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from registered import SERVICE, STOCK, Registered
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from airflow_platform_plugin.auth import credentials, key_format
from airflow_platform_plugin.auth.oauth import service, tokens
from airflow_platform_plugin.auth.oauth.models import AuthorizationCode, Client, Token
from airflow_platform_plugin.core import db

# --- authentication of clients ---


def test_a_client_can_send_its_secret_in_the_form(
    make_client: Callable[..., Registered], post: Callable[..., Any]
) -> None:
    client = make_client(**SERVICE)
    form = {"grant_type": "client_credentials", "client_id": client.client_id}
    assert post("token", **form, client_secret=client.secret or "").status == 200
    assert post("token", **form, client_secret="wrong").status == 401
    assert post("token", **form).status == 401


@pytest.mark.parametrize("path", ["token", "revoke", "introspect"])
@pytest.mark.parametrize(
    "basic", ["{id}:wrong", "{id}:", "nobody:x", "{id}", ":", "\x00:x", "é:x", "{id}:ä", "{id}:\x00"]
)
def test_a_client_that_does_not_authenticate_is_refused(
    app: Any, make_client: Callable[..., Registered], path: str, basic: str
) -> None:
    """RFC 6749 §5.2: the response is 401 and names the scheme to use."""
    sent = basic.format(id=make_client(**SERVICE).client_id).encode("latin-1")
    answer = app.test_client().post(
        f"/oauth/{path}",
        data={"grant_type": "client_credentials", "token": "x"},
        headers={"Authorization": f"Basic {b64encode(sent).decode()}"},
    )
    assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_public_client_cannot_send_a_secret(
    make_client: Callable[..., Registered], exchange: Callable[..., Any]
) -> None:
    """A client with a secret cannot omit it."""
    assert exchange(Registered(make_client(public=True).client_id, "any")).json["error"] == "invalid_client"
    assert exchange(Registered(make_client().client_id, None)).json["error"] == "invalid_client"


def test_a_public_client_cannot_introspect(
    make_client: Callable[..., Registered], exchange: Callable[..., Any], post: Callable[..., Any]
) -> None:
    """RFC 7662 §2.1 requires authentication."""
    client = make_client(public=True)
    token = exchange(client).json["access_token"]
    assert post("introspect", client, token=token).json["error"] == "invalid_client"


# --- revocation and introspection ---


def test_a_client_can_revoke_its_own_tokens(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    post: Callable[..., Any],
    get: Callable[..., int],
    refresh: Callable[..., Any],
) -> None:
    """An access token ends alone; a refresh token ends its whole family (RFC 7009 §2.1)."""
    client = make_client(public=True)
    first = exchange(client).json
    assert post("revoke", client, token=first["access_token"]).status == 200
    assert get(STOCK, first["access_token"]) == 401
    second = refresh(client, first["refresh_token"]).json
    assert get(STOCK, second["access_token"]) == 200
    hint = {"token_type_hint": "access_token"}  # a wrong hint changes nothing
    assert post("revoke", client, token=second["refresh_token"], **hint).status == 200
    assert get(STOCK, second["access_token"]) == 401
    assert refresh(client, second["refresh_token"]).status == 400


def test_revoking_an_unknown_token_succeeds_and_another_clients_token_fails(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    post: Callable[..., Any],
    get: Callable[..., int],
) -> None:
    """RFC 7009 §2.2 and §2.1."""
    client = make_client()
    token = exchange(client).json["access_token"]
    assert post("revoke", client, token="nonsense").json == {}
    assert post("revoke", client, token=str(key_format.generate(key_format.ACCESS_TOKEN))).json == {}
    assert post("revoke", client).json["error"] == "invalid_request"
    assert post("revoke", client, token=token, token_type_hint="x").json["error"] == "unsupported_token_type"
    assert post("revoke", make_client(), token=token).json["error"] == "invalid_grant"
    assert get(STOCK, token) == 200


def test_a_client_can_introspect_only_its_own_valid_tokens(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    post: Callable[..., Any],
    user_id: Callable[[str], int],
) -> None:
    """The response has the shape of RFC 7662 §2.2; other tokens are only "not active"."""
    client = make_client()
    made = exchange(client).json
    about = post("introspect", client, token=made["access_token"]).json
    issued, ends = about.pop("iat"), about.pop("exp")
    assert ends - issued == 3600
    assert about == {
        "active": True,
        "client_id": client.client_id,
        "username": "admin",
        "sub": str(user_id("admin")),
        "scope": "dags:read pools:write",
        "iss": "http://localhost",
        "token_type": "Bearer",
    }
    assert post("introspect", client, token=made["refresh_token"]).json["active"] is True
    assert post("introspect", make_client(), token=made["access_token"]).json == {"active": False}
    assert post("introspect", client, token="nonsense").json == {"active": False}
    post("revoke", client, token=made["refresh_token"])
    for token in (made["access_token"], made["refresh_token"]):
        assert post("introspect", client, token=token).json == {"active": False}


# --- the end of a token ---


def test_tokens_lose_the_scopes_that_their_client_loses(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    get: Callable[..., int],
    session: Any,
) -> None:
    """They lose them at once, and when they are refreshed."""
    client = make_client()
    made = exchange(client).json
    row = session.get(Client, client.client_id)
    for scopes, statuses in ((["pools:read"], [403, 403]), (["dags:read"], [200, 403])):
        row.scopes = scopes
        session.flush()
        assert [get(path, made["access_token"]) for path in (STOCK, "/api/v1/pools")] == statuses
    newer = exchange(client, grant_type="refresh_token", refresh_token=made["refresh_token"]).json
    assert newer["scope"] == "dags:read"


def test_deleting_a_client_deletes_its_tokens(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    get: Callable[..., int],
    session: Any,
) -> None:
    client = make_client()
    made = exchange(client).json
    assert get(STOCK, made["access_token"]) == 200
    service.delete(session, service.get(session, client.client_id))
    session.flush()
    assert get(STOCK, made["access_token"]) == 401
    refused = exchange(client, "any", grant_type="refresh_token", refresh_token=made["refresh_token"])
    assert refused.json["error"] == "invalid_client"
    assert (session.query(Token).count(), session.query(AuthorizationCode).count()) == (0, 0)


def test_an_expired_access_token_is_refused(
    app: Any, make_client: Callable[..., Registered], exchange: Callable[..., Any], session: Any
) -> None:
    """The response says so in the way of RFC 6750 §3."""
    made = exchange(make_client()).json["access_token"]
    row = session.get(Token, key_format.parse(made).id)
    row.expires_at = db.now()
    session.flush()
    answer = app.test_client().get(STOCK, headers={"Authorization": f"Bearer {made}"})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, "AUTHENTICATION_FAILED")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_expired_tokens_are_deleted_in_batches(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    get: Callable[..., int],
    session: Any,
) -> None:
    """Codes stay a day longer, so that a second use is detected."""
    client = make_client()
    exchange(client)
    live = exchange(client).json["access_token"]
    assert tokens.expire() == 0
    past = db.now() - timedelta(hours=1)
    for row in session.query(Token).filter(Token.id != key_format.parse(live).id):
        row.expires_at = past
    first, second = session.query(AuthorizationCode)
    first.expires_at, second.expires_at = past, past - timedelta(days=1)
    session.flush()
    assert (tokens.expire(), tokens.expire()) == (4, 0)
    assert session.query(AuthorizationCode).count() == 1
    assert get(STOCK, live) == 200


# --- secrets and errors ---


def test_no_token_or_secret_is_stored_or_logged(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    agree: Callable[..., str],
    session: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """This holds at DEBUG too, where authlib would log tokens."""
    caplog.set_level(logging.DEBUG)
    client = make_client()
    code = agree(client)
    made = exchange(client, code).json
    newer = exchange(client, grant_type="refresh_token", refresh_token=made["refresh_token"]).json
    texts = [code, client.secret, *(m[k] for m in (made, newer) for k in ("access_token", "refresh_token"))]
    secrets = [text if text in (code, client.secret) else key_format.parse(text).secret for text in texts]
    rows = [row for model in (Client, AuthorizationCode, Token) for row in session.query(model)]
    kept = caplog.text + str([vars(row) for row in rows])
    assert len(rows) > 5
    assert [secret for secret in secrets if secret in kept] == []


def test_a_token_is_authenticated_with_one_query(
    make_client: Callable[..., Registered],
    exchange: Callable[..., Any],
    session: Any,
    forget: Callable[[], None],
) -> None:
    token = exchange(make_client()).json["access_token"]
    forget()
    statements: list[str] = []
    event.listen(session.connection(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert credentials.authenticate(token, None) is not None
    assert len([statement for statement in statements if "SAVEPOINT" not in statement]) == 1


def test_a_token_with_a_known_id_and_a_wrong_secret_is_refused(
    make_client: Callable[..., Registered], exchange: Callable[..., Any], get: Callable[..., int]
) -> None:
    """The same id and secret as a token of the other kind are refused too."""
    made = exchange(make_client()).json
    access, new = key_format.parse(made["access_token"]), key_format.parse(made["refresh_token"])
    assert get(STOCK, str(key_format.generate(key_format.ACCESS_TOKEN, access.id))) == 401
    assert get(STOCK, str(new._replace(prefix=key_format.ACCESS_TOKEN))) == 401
    assert get(STOCK, str(access._replace(prefix=key_format.API_KEY))) == 401


@pytest.mark.parametrize("path", ["token", "revoke", "introspect"])
def test_a_repeated_parameter_is_refused(app: Any, path: str) -> None:
    """RFC 6749 §3.2."""
    answer = app.test_client().post(f"/oauth/{path}", data={"client_id": ["a", "b"]})
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")


def test_parameters_in_the_query_are_ignored(app: Any, make_client: Callable[..., Registered]) -> None:
    """Proxies log the query (RFC 6749 §2.3.1)."""
    client = make_client(**SERVICE)
    query = {
        "grant_type": "client_credentials",
        "client_id": client.client_id,
        "client_secret": client.secret,
    }
    assert app.test_client().post("/oauth/token", query_string=query).status_code == 400
    assert app.test_client().get("/oauth/token", query_string=query).status_code == 405


@pytest.mark.parametrize("base", ["http://airflow:8080", "https://airflow.example.com", "http://10.0.0.1"])
def test_it_works_behind_a_proxy_that_terminates_tls(
    app: Any, make_client: Callable[..., Registered], base: str
) -> None:
    """The server cannot know whether there is such a proxy."""
    client = make_client(**SERVICE)
    answer = app.test_client().post(
        "/oauth/token", base_url=base, data={"grant_type": "client_credentials"}, auth=client.basic
    )
    assert answer.status_code == 200


def test_an_internal_error_has_the_format_of_the_protocol(
    post: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The details of a database failure are not in the response."""

    def fail(*_: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("at db.example.com"))

    monkeypatch.setattr("airflow_platform_plugin.auth.oauth.server.OAuthServer.query_client", fail)
    monkeypatch.setattr(db, "is_current", lambda: True)
    answer = post("token", Registered("oac_1", "x"), grant_type="client_credentials")
    assert (answer.status, answer.json["error"]) == (503, "temporarily_unavailable")
    assert "example.com" not in str(answer.json)
