"""OAuth clients for tests, and their requests."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from registered import CHALLENGE, REDIRECT, VERIFIER, Registered, register


@pytest.fixture
def make_client(session: Any, user_id: Callable[[str], int]) -> Callable[..., Registered]:
    """Create a client in the test's transaction."""
    return lambda **fields: register(session, user_id("admin"), **fields)


@pytest.fixture
def committed_client(app: Any, user_id: Callable[[str], int]) -> Iterator[Callable[..., Registered]]:
    """Create a committed client, for tests with logins and real servers."""
    from airflow_platform_plugin.auth.oauth import service
    from airflow_platform_plugin.core import db
    from airflow_platform_plugin.core.errors import NotFound

    made: list[Registered] = []

    def make(**fields: Any) -> Registered:
        with db.transaction() as own:
            made.append(register(own, user_id("admin"), **fields))
        return made[-1]

    yield make
    for client in made:
        with db.transaction() as own, suppress(NotFound):  # deleted by the test itself
            service.delete(own, service.get(own, client.client_id))


@pytest.fixture
def cli(app: Any) -> Iterator[str]:
    """Return the built-in client, committed."""
    from airflow_platform_plugin.auth.oauth import tokens
    from airflow_platform_plugin.core import db

    yield "airflow-cli"
    with db.transaction() as own:
        tokens.delete_all(own, "airflow-cli")


@pytest.fixture
def forget() -> Callable[[], None]:
    """Clear the cache of credentials."""
    from airflow_platform_plugin.auth import credentials

    return credentials.clear_cache


@pytest.fixture
def post(app: Any) -> Callable[..., SimpleNamespace]:
    """Send a form as a client; ``post("token", client, grant_type=…)``."""

    def send(path: str, client: Registered | None = None, **form: str) -> SimpleNamespace:
        if client is not None and client.secret is None:
            form = {"client_id": client.client_id} | form
        auth = client.basic if client is not None and client.secret is not None else None
        answer = app.test_client().post(f"/oauth/{path}", data=form, auth=auth)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.content_type == "application/json"
        assert "Set-Cookie" not in answer.headers
        return SimpleNamespace(status=answer.status_code, json=answer.get_json(), headers=answer.headers)

    return send


@pytest.fixture
def get(app: Any, forget: Callable[[], None]) -> Callable[..., int]:
    """Return the status of a request with a token."""

    def send(path: str, token: str, **kwargs: Any) -> int:
        forget()
        headers = {"Authorization": f"Bearer {token}"}
        method = kwargs.pop("method", "GET")
        return int(app.test_client().open(path, method=method, headers=headers, **kwargs).status_code)

    return send


@pytest.fixture
def agree(session: Any, user_id: Callable[[str], int]) -> Callable[..., str]:
    """Return a code of a user who has agreed."""
    from airflow_platform_plugin import airflow_compat
    from airflow_platform_plugin.auth import key_format
    from airflow_platform_plugin.auth.oauth import tokens
    from airflow_platform_plugin.auth.oauth.models import Client

    def make(client: Registered, user: str = "admin", challenge: str | None = CHALLENGE) -> str:
        code = f"code-{key_format.generate()}"
        row = session.get(Client, client.client_id)
        granted = tokens.TokenGrant(
            row, airflow_compat.users.account(session, user_id(user)), ["dags:read", "pools:write"]
        )
        tokens.issue_code(session, code, granted, redirect_uri=REDIRECT, code_challenge=challenge)
        session.flush()
        return code

    return make


@pytest.fixture
def exchange(post: Callable[..., Any], agree: Callable[..., str]) -> Callable[..., SimpleNamespace]:
    """Exchange a code for tokens; arguments replace the correct parameters."""

    def send(client: Registered, code: str | None = None, **form: str) -> SimpleNamespace:
        right = {
            "grant_type": "authorization_code",
            "code": code or agree(client),
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        }
        return post("token", client, **{name: value for name, value in (right | form).items() if value})

    return send


@pytest.fixture
def refresh(post: Callable[..., Any]) -> Callable[..., SimpleNamespace]:
    """Exchange a refresh token for new tokens."""
    return lambda client, token, **form: post(
        "token", client, grant_type="refresh_token", refresh_token=token, **form
    )
