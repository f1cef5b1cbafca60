"""Whole flows, with OAuth client libraries, a browser's session and a real HTTP server."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from forms import form_token
from registered import SERVICE, Registered
from requests_oauthlib import OAuth2Session
from werkzeug.serving import make_server

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.auth import key_format
from airflow_platform_plugin.auth.oauth import tokens
from airflow_platform_plugin.auth.oauth.models import Client, Token
from airflow_platform_plugin.core import db

DAGS = "/api/v1/dags"
LOOPBACK = "http://127.0.0.1:54321/callback"


@pytest.fixture(scope="module")
def server(app: Any) -> Iterator[str]:
    """Serve the real application on a free port."""
    running = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()


@pytest.fixture(scope="module")
def person(server: str) -> Iterator[requests.Session]:
    """Return a browser's session; it logs in once, at the consent page, since logins are limited."""
    with requests.Session() as browser:
        query = urlencode({"client_id": "nobody", "response_type": "code"})
        login = browser.get(f"{server}/oauth/authorize?{query}")
        assert login.url.startswith(f"{server}/login/?next=")
        form = {"username": "admin", "password": "admin", "csrf_token": form_token(login.text)}
        back = browser.post(login.url, data=form)
        assert back.url == f"{server}/oauth/authorize?{query}"
        assert "does not exist" in back.text
        yield browser


@pytest.fixture
def agree(person: requests.Session) -> Callable[[str], str]:
    """Open a URL, agree on the consent page, and return the URL that the browser is sent to."""

    def act(url: str) -> str:
        page = person.get(url)
        assert page.status_code == HTTPStatus.OK, page.text
        form = {"csrf_token": form_token(page.text), "decision": "allow"}
        answer = person.post(page.url, data=form, allow_redirects=False)
        assert answer.status_code == HTTPStatus.FOUND
        return answer.headers["Location"]

    return act


def status(server: str, token: str, forget: Callable[[], None]) -> int:
    """Return the status of a stock request with the token."""
    forget()
    return requests.get(server + DAGS, headers={"Authorization": f"Bearer {token}"}, timeout=60).status_code


def test_the_api_reference_example_gets_a_token(
    server: str,
    agree: Callable[[str], str],
    committed_client: Callable[..., Registered],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The example works word for word over http; only the client library needs a flag that allows http."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    client_id, client_secret = committed_client(redirect_uris=["https://your-app.com/callback"])

    oauth = OAuth2Session(client_id, redirect_uri="https://your-app.com/callback")
    authorization_url, _ = oauth.authorization_url(f"{server}/oauth/authorize")
    authorization_response = agree(authorization_url)
    oauth.fetch_token(
        f"{server}/oauth/token",
        authorization_response=authorization_response,
        client_secret=client_secret,
    )
    assert oauth.get(server + DAGS).json()["total_entries"] >= 0


def test_a_command_line_client_logs_in_refreshes_and_logs_out(
    server: str, cli: str, agree: Callable[[str], str], forget: Callable[[], None]
) -> None:
    """Authlib's client works with the built-in client, PKCE and the metadata of RFC 8414."""
    metadata = requests.get(f"{server}/.well-known/oauth-authorization-server", timeout=60).json()
    assert metadata["issuer"] == server
    verifier = generate_token(48)
    with AuthlibSession(
        cli,
        token_endpoint_auth_method="none",
        redirect_uri=LOOPBACK,
        scope="dags:read dag_runs:write",
        code_challenge_method="S256",
    ) as client:
        url, state = client.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier
        )
        location = agree(url)
        assert location.startswith(f"{LOOPBACK}?code=")
        first = client.fetch_token(
            metadata["token_endpoint"], authorization_response=location, state=state, code_verifier=verifier
        )
        assert first["scope"] == "dags:read dag_runs:write"
        assert client.get(server + DAGS).status_code == HTTPStatus.OK
        assert client.get(f"{server}/api/v1/pools").status_code == HTTPStatus.FORBIDDEN
        second = client.refresh_token(metadata["token_endpoint"], refresh_token=first["refresh_token"])
        assert second["refresh_token"] != first["refresh_token"]
        assert client.get(server + DAGS).status_code == HTTPStatus.OK
        done = client.revoke_token(metadata["revocation_endpoint"], token=second["refresh_token"])
        assert done.status_code == HTTPStatus.OK
        assert status(server, second["access_token"], forget) == HTTPStatus.UNAUTHORIZED


def test_a_service_gets_a_token_with_its_own_credentials(
    server: str, committed_client: Callable[..., Registered]
) -> None:
    """It can also introspect the token, with both ways to send a secret."""
    client_id, secret = committed_client(**SERVICE)
    for method in ("client_secret_basic", "client_secret_post"):
        with AuthlibSession(client_id, secret, token_endpoint_auth_method=method) as client:
            token = client.fetch_token(f"{server}/oauth/token", grant_type="client_credentials")
            assert client.get(server + DAGS).status_code == HTTPStatus.OK
            about = client.introspect_token(f"{server}/oauth/introspect", token=token["access_token"])
            assert (about.json()["active"], about.json()["username"]) == (True, "admin")


def test_deactivating_a_user_ends_all_tokens_of_the_user(
    app: Any,
    server: str,
    committed_client: Callable[..., Registered],
    user_id: Callable[[str], int],
    forget: Callable[[], None],
) -> None:
    """Access tokens, refresh tokens, codes and clients that act as the user stop working."""
    app_client = committed_client()
    service = committed_client(grant_types=["client_credentials"], acting_user="admin")
    code = "a-code-of-the-viewers"
    with db.transaction() as own:
        row = own.get(Client, app_client.client_id)
        granted = tokens.TokenGrant(row, airflow_compat.users.account(own, user_id("viewer")), ["dags:read"])
        for text in (code, f"{code}-2"):
            tokens.issue_code(own, text, granted, redirect_uri=None, code_challenge=None)
        own.get(Client, service.client_id).account = airflow_compat.users.account(own, user_id("viewer"))

    def ask(path: str, client: Registered, **form: str) -> Any:
        return requests.post(f"{server}/oauth/{path}", data=form, auth=client.basic, timeout=60).json()

    def activate(*, active: bool) -> None:
        with app.app_context():
            user = app.appbuilder.sm.find_user("viewer")
            user.active = active
            app.appbuilder.sm.update_user(user)

    made = ask("token", app_client, grant_type="authorization_code", code=code)
    own_token = ask("token", service, grant_type="client_credentials")
    texts = [made["access_token"], own_token["access_token"]]
    assert [status(server, text, forget) for text in texts] == [HTTPStatus.OK] * 2
    activate(active=False)
    try:
        assert [status(server, text, forget) for text in texts] == [HTTPStatus.UNAUTHORIZED] * 2
        refused = [
            ask("token", app_client, grant_type="refresh_token", refresh_token=made["refresh_token"]),
            ask("token", app_client, grant_type="authorization_code", code=f"{code}-2"),
            ask("token", service, grant_type="client_credentials"),
        ]
        assert [answer["error"] for answer in refused] == [
            "invalid_grant",
            "invalid_grant",
            "unauthorized_client",
        ]
        assert ask("introspect", app_client, token=made["access_token"]) == {"active": False}
    finally:
        activate(active=True)


def test_tokens_issued_during_the_revocation_of_their_family_are_revoked_too(
    committed_client: Callable[..., Registered], user_id: Callable[[str], int]
) -> None:
    """A refresh that runs while an old token is used a second time leaves no valid token."""
    client = committed_client()

    def issue(session: Any) -> str:
        account = airflow_compat.users.account(session, user_id("admin"))
        granted = tokens.TokenGrant(session.get(Client, client.client_id), account, ["dags:read"])
        text = str(key_format.generate(key_format.REFRESH_TOKEN))
        tokens.issue(session, text, granted, family="oaf_2")
        return text

    def revoke() -> None:
        with db.transaction() as session:
            tokens.revoke_family(session, "oaf_2")

    with db.transaction() as own:
        current = issue(own)
    other = threading.Thread(target=revoke)
    with db.transaction() as own:
        assert tokens.use_up(own, tokens.find_text(own, current))
        for _ in range(5):
            issue(own)
        own.flush()
        other.start()
        other.join(0.5)  # by now it waits; if not, then it has an easier task, and the same result
    other.join()
    with db.transaction() as own:
        rows = own.query(Token).filter(Token.family == "oaf_2").all()
        assert [row.is_revoked() for row in rows] == [True] * 6


@pytest.mark.parametrize("kind", ["code", "refresh token"])
def test_simultaneous_uses_of_a_token_leave_no_valid_token(
    server: str,
    committed_client: Callable[..., Registered],
    user_id: Callable[[str], int],
    forget: Callable[[], None],
    kind: str,
) -> None:
    """The database decides which request is first; the others revoke its tokens."""
    client, first = committed_client(), str(key_format.generate(key_format.REFRESH_TOKEN))
    with db.transaction() as own:
        account = airflow_compat.users.account(own, user_id("admin"))
        granted = tokens.TokenGrant(own.get(Client, client.client_id), account, ["dags:read"])
        tokens.issue_code(own, "a-code", granted, redirect_uri=None, code_challenge=None)
        tokens.issue(own, first, granted, family="oaf_1")
    form = (
        {"grant_type": "authorization_code", "code": "a-code"}
        if kind == "code"
        else {"grant_type": "refresh_token", "refresh_token": first}
    )

    def use(_: int) -> requests.Response:
        return requests.post(f"{server}/oauth/token", data=form, auth=client.basic, timeout=120)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(use, range(6)))
    assert {answer.status_code for answer in answers} <= {HTTPStatus.OK, HTTPStatus.BAD_REQUEST}
    won = [answer.json() for answer in answers if answer.status_code == HTTPStatus.OK]
    assert len(won) == 1
    assert status(server, won[0]["access_token"], forget) == HTTPStatus.UNAUTHORIZED
    with db.transaction() as own:
        left = own.query(Token).filter(Token.client_id == client.client_id, Token.revoked_at.is_(None))
        assert [row.kind for row in left] == (["refresh_token"] if kind == "code" else [])
