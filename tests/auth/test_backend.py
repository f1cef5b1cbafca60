"""API keys on stock endpoints and on the platform's."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from forms import log_in
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from airflow_platform_plugin.auth import credentials, key_format, key_lookup, service
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.core import db

STOCK = "/api/v1/dags"
OURS = "/api/v1/platform/tenants"


@pytest.mark.parametrize("path", [STOCK, OURS])
def test_a_key_works_without_any_configuration(call: Callable[..., Any], path: str) -> None:
    assert call("GET", path).status == 200


def test_a_key_has_the_rights_of_its_owner(app: Any, make_key: Callable[[str], str]) -> None:
    """A viewer's key can read DAGs and cannot create a pool."""
    headers = {"X-API-Key": make_key("viewer")}
    assert app.test_client().get(STOCK, headers=headers).status_code == 200
    refused = app.test_client().post(
        "/api/v1/pools", headers=headers, json={"name": "p", "slots": 1, "description": ""}
    )
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("path", [STOCK, OURS])
@pytest.mark.parametrize("key", ["", "nonsense", str(key_format.generate())])
def test_a_wrong_key_is_refused_even_with_a_valid_session(browser: Any, path: str, key: str) -> None:
    """No other backend gets the request."""
    assert browser.get(path).status_code == 200
    refused = browser.get(path, headers={"X-API-Key": key})
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (401, "AUTHENTICATION_FAILED")


def test_a_key_takes_precedence_over_a_session(browser: Any, committed_key: Callable[[str], str]) -> None:
    """An administrator's browser that sends a viewer's key acts as the viewer."""
    assert browser.get(OURS, headers={"X-API-Key": committed_key("viewer")}).status_code == 403


def test_the_platforms_endpoints_accept_the_same_credentials_as_stock_ones(app: Any, browser: Any) -> None:
    """Both use the operator's ``[api] auth_backends``; by default, that is the browser's session."""
    assert browser.get(OURS).status_code == 200
    basic = b64encode(b"admin:admin").decode()
    assert app.test_client().get(OURS, headers={"Authorization": f"Basic {basic}"}).status_code == 401


def test_a_revoked_key_is_refused(app: Any, session: Any, user_id: Callable[[str], int]) -> None:
    row, key = service.issue(session, name="k", user_id=user_id("admin"))
    row.revoked_at = db.now()
    session.flush()
    assert app.test_client().get(STOCK, headers={"X-API-Key": key}).status_code == 401


def test_a_key_without_an_owner_is_refused(app: Any, session: Any) -> None:
    _, key = service.issue(session, name="k", user_id=10_000)
    assert app.test_client().get(STOCK, headers={"X-API-Key": key}).status_code == 401


@pytest.mark.parametrize("path", [STOCK, OURS])
def test_a_key_that_cannot_be_checked_is_refused_as_unavailable(
    app: Any, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """The response says to try again, and not that the key is wrong."""

    def fail(*_: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("db.example.com is away"))

    monkeypatch.setattr(key_lookup, "find", fail)
    answer = app.test_client().get(path, headers={"X-API-Key": str(key_format.generate())})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert "example.com" not in answer.get_data(as_text=True)


def test_the_secret_is_not_stored(session: Any) -> None:
    _, key = service.issue(session, name="k", user_id=1)
    row = session.query(ApiKey).one()
    secret = key_format.parse(key).secret
    assert all(secret not in str(value) for value in vars(row).values())


def test_requests_with_a_key_start_no_session(app: Any, call: Callable[..., Any]) -> None:
    """They add no row to Airflow's session table, and set no cookie."""
    for path in (STOCK, OURS):
        assert "Set-Cookie" not in call("GET", path).headers
    from airflow import settings

    with settings.engine.connect() as connection:
        before = connection.execute(text("SELECT count(*) FROM session")).scalar()
        call("GET", OURS)
        assert connection.execute(text("SELECT count(*) FROM session")).scalar() == before


def test_a_damaged_key_costs_no_query(session: Any) -> None:
    statements: list[str] = []
    connection = session.connection()
    event.listen(connection, "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert credentials.authenticate(str(key_format.generate())[:-1] + "!", None) is None
    assert statements == []
    assert credentials.authenticate(str(key_format.generate()), None) is None
    assert len([statement for statement in statements if "SAVEPOINT" not in statement]) == 1


@pytest.fixture(scope="module")
def browser(app: Any) -> Any:
    """Return a browser that is logged in as the administrator; once, since logins are limited."""
    return log_in(app, "admin")
