"""Requests that pages of other sites send with a browser's session."""

from collections.abc import Callable
from typing import Any

import pytest
from forms import log_in

# They take no body, or none that a browser would ask leave for; nothing of these names exists.
POSTS = [
    ("POST", "/api/v1/datakits/deployments/none/pause"),
    ("POST", "/api/v1/datakits/deployments/none/retire"),
    ("POST", "/api/v1/platform/oauth-clients/none/rotate-secret"),
    ("POST", "/api/v1/platform/backfills/none/cancel"),
    ("DELETE", "/api/v1/platform/api-keys/none"),
    ("POST", "/api/v1/platform/connections/none/test"),
    ("POST", "/api/v1/dags/none/dagRuns"),
    ("PUT", "/api/v1/parseDagFile/none"),
    ("POST", "/auth/fab/v1/roles"),
]
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "://localhost"},
    {"Origin": "http://localhost@evil.example"},
    {"Origin": "https://evil.example", "X-Forwarded-Host": ""},
    {"Origin": "http://localhost:9999"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://other.localhost", "Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://["},
]
OWN = [
    {},
    {"Origin": "http://localhost"},
    {"Origin": "http://localhost:80"},
    {"Origin": "http://LOCALHOST", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://airflow.example", "X-Forwarded-Host": "airflow.example"},
    {"Origin": "https://airflow.example", "X-Forwarded-Host": "Airflow.example:443, 10.0.0.1"},
    {"Origin": "http://localhost:8443", "X-Forwarded-Port": "8443"},
    {"Origin": "http://localhost:8080"},  # [webserver] base_url
    {"Origin": "https://anything.example", "Sec-Fetch-Site": "same-origin"},
]


@pytest.fixture(scope="module")
def browser(app: Any) -> Any:
    """Return a client that is logged in as an administrator."""
    return log_in(app, "admin")


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_page_of_another_site_cannot_change_anything(browser: Any, headers: dict[str, str]) -> None:
    """This holds for every form type, on the platform's endpoints and on stock ones."""
    for method, path in POSTS:
        for kind in (None, "application/x-www-form-urlencoded", "text/plain", "application/json"):
            answer = browser.open(path, method=method, headers=headers, content_type=kind)
            assert answer.status_code == 403, path
            assert answer.json["error"]["message"].startswith("A page of another site")


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_a_page_of_the_same_site_still_works(browser: Any, headers: dict[str, str]) -> None:
    """This also holds behind a proxy."""
    for method, path in POSTS[:5]:
        assert browser.open(path, method=method, headers=headers).status_code == 404, path


def test_a_page_of_another_site_can_send_a_get(browser: Any) -> None:
    """It cannot read the response."""
    assert browser.get("/api/v1/datakits", headers={"Origin": "https://evil.example"}).status_code == 200


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
def test_keys_and_tokens_work_from_any_site(
    app: Any, make_key: Callable[[str], str], headers: dict[str, str], header: str
) -> None:
    """A page of another site cannot make a browser send them; also with cookies."""
    key = make_key("admin")
    client = app.test_client()
    client.set_cookie("session", "something")
    shown = {header: key if header == "X-API-Key" else f"Bearer {key}"}
    for method, path in POSTS[:5]:
        assert client.open(path, method=method, headers=headers | shown).status_code == 404, path


def test_a_request_without_credentials_is_asked_to_authenticate(app: Any) -> None:
    method, path = POSTS[0]
    answer = app.test_client().open(path, method=method, headers=FOREIGN[0])
    assert answer.status_code == 401
