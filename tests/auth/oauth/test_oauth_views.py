"""``/oauth/authorize``: the page where a user agrees. In a browser, so outside of the tests' transactions."""

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
    """A client that is logged in as the administrator; once, for logins are limited."""
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
    """An authorization request, with whatever is given in place of what is right; None leaves out."""

    def make(client: Registered | str, **given: str | None) -> dict[str, str]:
        client_id = client if isinstance(client, str) else client.client_id
        right = {"response_type": "code", "client_id": client_id, "redirect_uri": REDIRECT, "state": "s1"}
        return {name: value for name, value in (right | given).items() if value is not None}

    return make


@pytest.fixture
def decide(browser: Any) -> Callable[..., SimpleNamespace]:
    """Answer the form of an authorization request; gives back where the browser is sent."""

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
def test_whoever_is_not_logged_in_is_sent_to_airflows_login(app: Any, headers: dict[str, str]) -> None:
    """With the way back, and whatever the request is; keys and tokens are no login."""
    wanted = f"{URL}?{urlencode({'client_id': 'airflow-cli', 'redirect_uri': 'https://evil.example.com/'})}"
    answer = app.test_client().get(wanted, headers=headers)
    assert answer.status_code == 302
    assert urlsplit(answer.location).path == "/login/"
    assert parse_qs(urlsplit(answer.location).query) == {"next": [wanted]}


def test_the_way_back_leads_below_the_path_where_airflow_is_mounted(app: Any) -> None:
    answer = app.test_client().get(f"{URL}?state=s1", base_url="http://localhost/airflow")
    assert urlsplit(answer.location).path == "/airflow/login/"
    assert parse_qs(urlsplit(answer.location).query) == {"next": [f"/airflow{URL}?state=s1"]}


def test_a_real_key_is_no_login_either(app: Any, committed_key: Callable[[str], str]) -> None:
    """A program cannot agree in its owner's name."""
    answer = app.test_client().get(URL, headers={"X-API-Key": committed_key("admin")})
    assert urlsplit(answer.location).path == "/login/"


def test_the_page_says_who_wants_what(
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


def test_the_page_cannot_be_framed_or_kept(
    browser: Any, committed_client: Callable[..., Registered], request_of: Callable[..., Any]
) -> None:
    """Nor can its errors."""
    for query in (request_of(committed_client()), request_of("nobody")):
        headers = browser.get(URL, query_string=query).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize("state", ["s1", 'a&b=c "d" \\ #', "ä€", None])
def test_who_agrees_is_sent_back_with_a_code(
    decide: Callable[..., Any],
    committed_client: Callable[..., Registered],
    request_of: Callable[..., Any],
    state: str | None,
) -> None:
    """And with the client's own state, and this server's name (RFC 9207)."""
    sent = decide(request_of(committed_client(), state=state))
    assert sent.base == REDIRECT
    assert getattr(sent, "state", None) == state
    assert sent.iss == "http://localhost"
    assert len(sent.code) >= 43


def test_who_does_not_agree_is_sent_back_without(
    decide: Callable[..., Any], committed_client: Callable[..., Registered], request_of: Callable[..., Any]
) -> None:
    """Whatever else the form says than to allow it."""
    client, before = committed_client(), codes()
    for decision in ("deny", "", "ALLOW"):
        sent = decide(request_of(client), decision)
        assert (sent.base, sent.error, sent.state) == (REDIRECT, "access_denied", "s1")
        assert sent.iss == "http://localhost"
    assert codes() == before


def test_agreeing_needs_the_form_token(
    app: Any, browser: Any, committed_client: Callable[..., Registered], request_of: Callable[..., Any]
) -> None:
    """Another site cannot make a user's browser agree."""
    query, before = request_of(committed_client()), codes()
    stranger = form_token(app.test_client().get("/login/").get_data(as_text=True))
    for form in ({}, {"csrf_token": ""}, {"csrf_token": stranger}):
        answer = browser.post(URL, query_string=query, data=form | {"decision": "allow"})
        assert (answer.status_code, "Location" in answer.headers) == (400, False)
    assert app.test_client().post(URL, query_string=query, data={"decision": "allow"}).status_code == 400
    assert codes() == before


def test_what_the_form_says_of_the_request_does_not_count(
    browser: Any, committed_client: Callable[..., Registered], request_of: Callable[..., Any]
) -> None:
    """The user has seen what stands in the query."""
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
def test_nobody_is_sent_to_where_no_client_is_known_to_be(
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
    """Of two redirect URIs one might be the client's."""
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
def test_a_known_client_is_told_what_is_wrong(  # noqa: PLR0913, PLR0917 - three fixtures and a row of a table
    browser: Any,
    committed_client: Callable[..., Registered],
    request_of: Callable[..., Any],
    client: dict[str, Any],
    change: dict[str, str | None],
    error: str,
) -> None:
    """At its redirect URI, with its state; the user is not asked."""
    answer = browser.get(URL, query_string=request_of(committed_client(**client), **change))
    assert (answer.status_code, answer.location.partition("?")[0]) == (302, REDIRECT)
    sent = dict(parse_qsl(urlsplit(answer.location).query))
    assert (sent["error"], sent["state"], sent["iss"]) == (error, "s1", "http://localhost")
    assert "code" not in sent


def test_the_command_line_is_called_back_on_whatever_port_it_has(
    app: Any, cli: str, decide: Callable[..., Any], request_of: Callable[..., Any]
) -> None:
    """With every scope there is, if it asks for none."""
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


def test_a_client_with_one_redirect_uri_need_not_name_it(
    browser: Any,
    decide: Callable[..., Any],
    committed_client: Callable[..., Registered],
    request_of: Callable[..., Any],
) -> None:
    """One with two must (RFC 6749 §3.1.2.3)."""
    assert decide(request_of(committed_client(), redirect_uri=None)).base == REDIRECT
    client = committed_client(redirect_uris=[REDIRECT, "https://b.example.com/"])
    answer = browser.get(URL, query_string=request_of(client, redirect_uri=None))
    assert (answer.status_code, "Location" in answer.headers) == (400, False)


def test_a_failure_inside_is_a_page_too(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away says nothing of itself."""

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
def test_a_redirect_uri_that_is_none_is_refused(
    browser: Any, cli: str, request_of: Callable[..., Any], redirect_uri: str
) -> None:
    """As a request that does not fit, on a page, and nobody is sent there."""
    answer = browser.get(URL, query_string=request_of(cli, redirect_uri=redirect_uri) | PKCE)
    assert (answer.status_code, "Location" in answer.headers) == (400, False)


def test_the_servers_name_is_the_operators_and_not_the_requests(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes another Host into a request learns nothing else, and no cache learns it from them."""
    monkeypatch.setenv("AIRFLOW__WEBSERVER__BASE_URL", "https://airflow.example.com/airflow/")
    path = "/.well-known/oauth-authorization-server"
    for base in ("http://evil.example/airflow", "http://10.0.0.1:8080"):
        told = app.test_client().get(path, base_url=base).get_json()
        assert told["issuer"] == "https://airflow.example.com/airflow"
        for name in ("authorization", "token", "revocation", "introspection"):
            assert told[f"{name}_endpoint"].startswith("https://airflow.example.com/airflow/oauth/")
        with app.test_request_context(base_url=base):
            assert server.IssuerExtension().get_issuer() == told["issuer"]
    monkeypatch.setenv("AIRFLOW__WEBSERVER__BASE_URL", "http://localhost:8080")
    assert app.test_client().get(path, base_url="http://10.0.0.1").get_json()["issuer"] == "http://10.0.0.1"


@pytest.mark.parametrize("base", ["https://airflow.example.com", "http://airflow:8080"])
def test_clients_can_learn_where_everything_is(app: Any, base: str) -> None:
    """RFC 8414, by the name under which they reach this server; Airflow may be mounted below a path."""
    for mounted in ("", "/airflow"):
        answer = app.test_client().get(
            "/.well-known/oauth-authorization-server",
            base_url=base + mounted,
        )
        told = AuthorizationServerMetadata(answer.get_json())
        assert told["issuer"] == base + mounted
        assert told["authorization_endpoint"] == f"{base}{mounted}/oauth/authorize"
        assert told["token_endpoint"] == f"{base}{mounted}/oauth/token"
        assert told["code_challenge_methods_supported"] == ["S256"]
        assert "dags:read" in told["scopes_supported"]
        if base.startswith("https"):
            told.validate()  # as authlib's own clients do
