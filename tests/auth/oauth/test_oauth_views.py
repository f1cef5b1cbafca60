"""``/oauth/authorize``, the consent page. A browser's session needs committed rows."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from forms import form_token
from registered import CHALLENGE, REDIRECT, VERIFIER, Registered
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from airflow_platform_plugin.auth.oauth import server
from airflow_platform_plugin.auth.oauth.models import AuthorizationCode
from airflow_platform_plugin.core import db

URL = "/oauth/authorize"
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}


@pytest.fixture(scope="module")
def browser(app: Any) -> Any:
    """Return a client that is logged in as the administrator; once, since logins are limited."""
    client = app.test_client()
    token = form_token(client.get("/login/").get_data(as_text=True))
    form = {"username": "admin", "password": "admin", "csrf_token": token}
    wanted = f"{URL}?{urlencode({'client_id': 'nobody', 'state': 'a&b c'})}"
    answer = client.post("/login/", query_string={"next": wanted}, data=form)
    # Where the redirect of an anonymous browser has it come back to.
    assert (answer.status_code, answer.location) == (302, f"http://localhost{wanted}")
    return client


@pytest.fixture
def request_of() -> Callable[..., dict[str, str]]:
    """Return an authorization request; arguments replace the correct parameters, and None omits one."""

    def make(client: Registered | str, **given: str | None) -> dict[str, str]:
        client_id = client if isinstance(client, str) else client.client_id
        right = {"response_type": "code", "client_id": client_id, "redirect_uri": REDIRECT, "state": "s1"}
        return {name: value for name, value in (right | given).items() if value is not None}

    return make


@pytest.fixture
def decide(browser: Any) -> Callable[..., SimpleNamespace]:
    """Submit the form of an authorization request, and return the URL that the browser is sent to."""

    def send(query: dict[str, str], decision: str = "allow") -> SimpleNamespace:
        page = browser.get(URL, query_string=query)
        assert page.status_code == 200, page.get_data(as_text=True)
        form = {"csrf_token": form_token(page.get_data(as_text=True)), "decision": decision}
        answer = browser.post(URL, query_string=query, data=form)
        assert answer.status_code == 302
        assert answer.headers["Cache-Control"] == "no-store"
        base, _, sent = answer.location.partition("?")
        return SimpleNamespace(base=base, **dict(parse_qsl(sent)))

    return send


def codes() -> int:
    with db.transaction() as own:
        return int(own.scalar(select(func.count()).select_from(AuthorizationCode)))


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"X-API-Key": "x"}])
def test_a_user_who_is_not_logged_in_is_sent_to_airflows_login(app: Any, headers: dict[str, str]) -> None:
    """The login leads back to the request. Keys and tokens do not replace the login."""
    wanted = f"{URL}?{urlencode({'client_id': 'airflow-cli', 'redirect_uri': 'https://evil.example.com/'})}"
    answer = app.test_client().get(wanted, headers=headers)
    assert answer.status_code == 302
    assert urlsplit(answer.location).path == "/login/"
    assert parse_qs(urlsplit(answer.location).query) == {"next": [wanted]}


def test_the_login_leads_back_below_the_path_where_airflow_is_mounted(app: Any) -> None:
    answer = app.test_client().get(f"{URL}?state=s1", base_url="http://localhost/airflow")
    assert urlsplit(answer.location).path == "/airflow/login/"
    assert parse_qs(urlsplit(answer.location).query) == {"next": [f"/airflow{URL}?state=s1"]}


def test_a_valid_key_does_not_replace_the_login(app: Any, committed_key: Callable[[str], str]) -> None:
    """A program cannot consent in its owner's name."""
    answer = app.test_client().get(URL, headers={"X-API-Key": committed_key("admin")})
    assert urlsplit(answer.location).path == "/login/"


def test_the_consent_page_shows_the_client_and_the_scopes(
    browser: Any, committed_client: Callable[..., Registered], request_of: Callable[..., Any]
) -> None:
    client = committed_client(name="<b>Reports</b>", scopes=["dags:read", "analytics:read", "pools:write"])
    page = browser.get(URL, query_string=request_of(client, scope="dags:read pools:write"))
    text = page.get_data(as_text=True)
    assert page.status_code == 200
    assert "&lt;b&gt;Reports&lt;/b&gt;" in text
    assert "<b>Reports" not in text
    for word in ("<strong>admin</strong>", "See DAGs", "change and delete pools", "https://app.example.com<"):
        assert word in text
    assert "SQL connection" not in text
    assert 'class="navbar' in text  # Airflow's own frame


def test_the_consent_page_and_its_errors_cannot_be_framed_or_cached(
    browser: Any, committed_client: Callable[..., Registered], request_of: Callable[..., Any]
) -> None:
    for query in (request_of(committed_client()), request_of("nobody")):
        headers = browser.get(URL, query_string=query).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize("state", ["s1", 'a&b=c "d" \\ #', "ä€", None])
def test_a_user_who_agrees_is_sent_back_with_a_code(
    decide: Callable[..., Any],
    committed_client: Callable[..., Registered],
    request_of: Callable[..., Any],
    state: str | None,
) -> None:
    """The redirect has the client's own state and this server's name (RFC 9207)."""
    sent = decide(request_of(committed_client(), state=state))
    assert sent.base == REDIRECT
    assert getattr(sent, "state", None) == state
    assert sent.iss == "http://localhost"
    assert len(sent.code) >= 43


def test_a_user_who_does_not_agree_is_sent_back_without_a_code(
    decide: Callable[..., Any], committed_client: Callable[..., Registered], request_of: Callable[..., Any]
) -> None:
    """Only the decision to allow counts as consent."""
    client, before = committed_client(), codes()
    for decision in ("deny", "", "ALLOW"):
        sent = decide(request_of(client), decision)
        assert (sent.base, sent.error, sent.state) == (REDIRECT, "access_denied", "s1")
        assert sent.iss == "http://localhost"
    assert codes() == before


def test_consent_needs_the_form_token(
    app: Any, browser: Any, committed_client: Callable[..., Registered], request_of: Callable[..., Any]
) -> None:
    """Another site cannot make a user's browser consent."""
    query, before = request_of(committed_client()), codes()
    stranger = form_token(app.test_client().get("/login/").get_data(as_text=True))
    for form in ({}, {"csrf_token": ""}, {"csrf_token": stranger}):
        answer = browser.post(URL, query_string=query, data=form | {"decision": "allow"})
        assert (answer.status_code, "Location" in answer.headers) == (400, False)
    assert app.test_client().post(URL, query_string=query, data={"decision": "allow"}).status_code == 400
    assert codes() == before


def test_the_form_cannot_change_the_request(
    browser: Any, committed_client: Callable[..., Registered], request_of: Callable[..., Any]
) -> None:
    """The user has seen the request in the query."""
    query = request_of(committed_client(), scope="dags:read")
    page = browser.get(URL, query_string=query).get_data(as_text=True)
    form = {
        "csrf_token": form_token(page),
        "decision": "allow",
        "scope": "dags:read pools:write",
        "redirect_uri": "https://evil.example.com/",
    }
    answer = browser.post(URL, query_string=query, data=form)
    assert answer.location.startswith(f"{REDIRECT}?code=")
    with db.transaction() as own:
        assert own.scalars(select(AuthorizationCode)).one().scopes == ["dags:read"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"client_id": "nobody"}, "does not exist"),
        ({"client_id": None}, "client_id"),
        ({"client_id": "\x00"}, "client_id"),
        ({"client_id": "x' OR 1=1"}, "does not exist"),
        ({"redirect_uri": "https://evil.example.com/"}, "not supported by client"),
        ({"redirect_uri": f"{REDIRECT}/"}, "not supported by client"),
        ({"redirect_uri": f"{REDIRECT}@evil.example.com/"}, "not supported by client"),
        ({"redirect_uri": "//app.example.com/callback"}, "not supported by client"),
        ({"redirect_uri": "javascript:alert(1)"}, "not supported by client"),
        ({"redirect_uri": f"{REDIRECT}\r\nX-Evil: 1"}, "redirect_uri"),
        ({"redirect_uri": "https://äpp.example.com/<script>"}, "redirect_uri"),
        ({"redirect_uri": "https://evil.example.com/<script>"}, "&lt;script&gt;"),
        ({"redirect_uri": "https://evil.example.com/", "response_type": "token"}, "not supported"),
        ({"response_type": '"'}, "response_type"),
    ],
)
def test_the_browser_is_not_sent_to_an_unregistered_uri(
    browser: Any,
    committed_client: Callable[..., Registered],
    request_of: Callable[..., Any],
    change: dict[str, str | None],
    word: str,
) -> None:
    """The user sees an error instead (RFC 6749 §4.1.2.1)."""
    answer = browser.get(URL, query_string=request_of(committed_client()) | change)
    text = answer.get_data(as_text=True)
    assert (answer.status_code, "Location" in answer.headers) == (400, False)
    assert word in text
    assert "<script>alert" not in text
    assert "evil.example.com/<script>" not in text


def test_a_repeated_parameter_is_refused(
    browser: Any, committed_client: Callable[..., Registered], request_of: Callable[..., Any]
) -> None:
    """One of two redirect URIs might not be the client's."""
    query = request_of(committed_client()) | {"redirect_uri": [REDIRECT, "https://evil.example.com/"]}
    answer = browser.get(URL, query_string=query)
    assert (answer.status_code, "Location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    ("client", "change", "error"),
    [
        ({}, {"response_type": "token"}, "unsupported_response_type"),
        ({}, {"response_type": None}, "unsupported_response_type"),
        ({}, {"scope": "dags:read tenants:write"}, "invalid_scope"),
        ({}, {"scope": "everything"}, "invalid_scope"),
        ({}, {"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
        ({}, {"code_challenge": CHALLENGE}, "invalid_request"),
        ({}, {"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
        ({}, {"code_challenge_method": "S256"}, "invalid_request"),
        ({"public": True}, {}, "invalid_request"),
        ({"public": True}, {"code_challenge": VERIFIER, "code_challenge_method": "plain"}, "invalid_request"),
        (
            {"grant_types": ["client_credentials"], "acting_user": "admin"},
            {},
            "unauthorized_client",
        ),
    ],
)
def test_a_known_client_gets_the_error_at_its_redirect_uri(  # noqa: PLR0913, PLR0917 - three fixtures and a row of a table
    browser: Any,
    committed_client: Callable[..., Registered],
    request_of: Callable[..., Any],
    client: dict[str, Any],
    change: dict[str, str | None],
    error: str,
) -> None:
    """The response has the client's state, and the user is not asked."""
    answer = browser.get(URL, query_string=request_of(committed_client(**client), **change))
    assert (answer.status_code, answer.location.partition("?")[0]) == (302, REDIRECT)
    sent = dict(parse_qsl(urlsplit(answer.location).query))
    assert (sent["error"], sent["state"], sent["iss"]) == (error, "s1", "http://localhost")
    assert "code" not in sent


def test_the_command_line_client_can_use_any_loopback_port(
    app: Any, cli: str, decide: Callable[..., Any], request_of: Callable[..., Any]
) -> None:
    """It gets all scopes if it requests none."""
    redirect = "http://127.0.0.1:54321/callback"
    sent = decide(request_of(cli, redirect_uri=redirect) | PKCE)
    assert sent.base == redirect
    form = {"grant_type": "authorization_code", "client_id": cli, "code": sent.code}
    right = form | {"redirect_uri": redirect, "code_verifier": VERIFIER}
    for wrong in (form, right | {"redirect_uri": "http://127.0.0.1/callback"}, right | {"code_verifier": ""}):
        assert app.test_client().post("/oauth/token", data=wrong).status_code == 400
    answer = app.test_client().post("/oauth/token", data=right)
    assert answer.status_code == 200
    assert "oauth_clients:write" in answer.get_json()["scope"].split()


def test_a_client_with_one_redirect_uri_can_omit_it(
    browser: Any,
    decide: Callable[..., Any],
    committed_client: Callable[..., Registered],
    request_of: Callable[..., Any],
) -> None:
    """A client with two must send one (RFC 6749 §3.1.2.3)."""
    assert decide(request_of(committed_client(), redirect_uri=None)).base == REDIRECT
    client = committed_client(redirect_uris=[REDIRECT, "https://b.example.com/"])
    answer = browser.get(URL, query_string=request_of(client, redirect_uri=None))
    assert (answer.status_code, "Location" in answer.headers) == (400, False)


def test_an_internal_error_is_a_page(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The details of a database failure are not on the page."""

    def fail(*_: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("at db.example.com"))

    monkeypatch.setattr("airflow_platform_plugin.auth.oauth.server.OAuthServer.query_client", fail)
    monkeypatch.setattr(db, "is_current", lambda: True)
    answer = browser.get(URL, query_string={"response_type": "code", "client_id": "x"})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (503, "no-store")
    assert "does not answer" in answer.get_data(as_text=True)
    assert "example.com" not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:0/callback",
        "http://[::1/callback",
        "http://[::1]:99999/callback",
        "http://[::gg]/callback",
        "http://127.0.0.1:\u0661/callback",
        "http://127.0.0.1:8000/" + "a" * 3000,
    ],
)
def test_an_invalid_redirect_uri_is_refused(
    browser: Any, cli: str, request_of: Callable[..., Any], redirect_uri: str
) -> None:
    """The user sees an error page, and the browser is sent nowhere."""
    answer = browser.get(URL, query_string=request_of(cli, redirect_uri=redirect_uri) | PKCE)
    assert (answer.status_code, "Location" in answer.headers) == (400, False)


def test_the_issuer_comes_from_the_configuration_and_not_from_the_request(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forged ``Host`` changes nothing for other clients or for caches."""
    monkeypatch.setenv("AIRFLOW__WEBSERVER__BASE_URL", "https://airflow.example.com/airflow/")
    path = "/.well-known/oauth-authorization-server"
    for base in ("http://evil.example/airflow", "http://10.0.0.1:8080"):
        metadata = app.test_client().get(path, base_url=base).get_json()
        assert metadata["issuer"] == "https://airflow.example.com/airflow"
        for name in ("authorization", "token", "revocation", "introspection"):
            assert metadata[f"{name}_endpoint"].startswith("https://airflow.example.com/airflow/oauth/")
        with app.test_request_context(base_url=base):
            assert server.IssuerExtension().get_issuer() == metadata["issuer"]
    monkeypatch.setenv("AIRFLOW__WEBSERVER__BASE_URL", "http://localhost:8080")
    assert app.test_client().get(path, base_url="http://10.0.0.1").get_json()["issuer"] == "http://10.0.0.1"


@pytest.mark.parametrize("base", ["https://airflow.example.com", "http://airflow:8080"])
def test_the_metadata_has_the_urls_of_all_endpoints(app: Any, base: str) -> None:
    """RFC 8414; Airflow may be mounted below a path."""
    for mounted in ("", "/airflow"):
        answer = app.test_client().get(
            "/.well-known/oauth-authorization-server",
            base_url=base + mounted,
        )
        metadata = AuthorizationServerMetadata(answer.get_json())
        assert metadata["issuer"] == base + mounted
        assert metadata["authorization_endpoint"] == f"{base}{mounted}/oauth/authorize"
        assert metadata["token_endpoint"] == f"{base}{mounted}/oauth/token"
        assert metadata["code_challenge_methods_supported"] == ["S256"]
        assert "dags:read" in metadata["scopes_supported"]
        if base.startswith("https"):
            metadata.validate()  # as authlib's own clients do
