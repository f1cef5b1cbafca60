"""``airflow-cli login`` and the precedence of credentials, with a fake OAuth server."""

import base64
import socket
import stat
import subprocess
import sys
import webbrowser
from pathlib import Path

import httpx
import pytest
import yaml
from airflow_platform_cli import config_file, login
from command_line import Run
from fake_oauth import FakeOAuth
from fake_platform import FakePlatform

PROCESSES = 4


@pytest.fixture
def oauth(platform: FakePlatform) -> FakeOAuth:
    """Return a fake OAuth server; its tokens give access to the DAGs."""
    oauth = FakeOAuth(platform)
    platform.routes["GET", "/api/v1/dags"] = oauth.protect({"dags": [{"dag_id": "a"}], "total_entries": 1})
    return oauth


@pytest.fixture
def cli(unconfigured: Run, oauth: FakeOAuth, platform: FakePlatform) -> Run:
    """Return a function that runs ``airflow-cli`` with that server, without credentials."""
    unconfigured("config", "set", "base_url", platform.url)
    return unconfigured


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Response]:
    """Replace the browser; return the pages that it ends at after all redirects."""
    pages: list[httpx.Response] = []

    def browse(url: str) -> bool:
        pages.append(httpx.get(url, follow_redirects=True))
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    return pages


@pytest.fixture
def no_login_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a login time out at once."""
    monkeypatch.setattr(login, "LOGIN_TIMEOUT", 0.0)


def test_commands_use_the_login(
    cli: Run, platform: FakePlatform, pages: list[httpx.Response], config_path: Path
) -> None:
    """Commands after a login are authenticated; the file is private and no output has tokens."""
    result = cli("login")
    assert (result.status, result.out) == (0, "")
    assert result.err.endswith(f"Logged in to {platform.url}\n")
    assert pages[0].status_code == 200
    assert "Go back to the terminal" in pages[0].text
    assert cli("dags", "list").status == 0
    assert platform.last.headers["authorization"].startswith("Bearer access-")
    assert stat.S_IMODE(config_path.stat().st_mode) == 0o600
    listed = cli("config", "list").out
    assert "login" in listed
    assert not any(secret in listed for secret in ("access-", "refresh-"))


def test_a_login_can_be_limited_to_scopes(cli: Run, oauth: FakeOAuth, platform: FakePlatform) -> None:
    """``--scopes`` is requested and printed."""
    assert cli("login", "--scopes", "dags:read, tasks:read").err.endswith(" for dags:read tasks:read\n")
    assert platform.requests[0].query["scope"] == ["dags:read tasks:read"]


@pytest.mark.usefixtures("no_login_timeout")
def test_no_browser_prints_the_url_and_times_out(
    cli: Run, platform: FakePlatform, pages: list[httpx.Response], config_path: Path
) -> None:
    """``--no-browser`` prints the URL; after the timeout nothing is stored."""
    before = config_path.read_text()
    result = cli("login", "--no-browser")
    address, error = result.err.splitlines()
    assert (
        f"{platform.url}/oauth/authorize?response_type=code&client_id=airflow-cli&redirect_uri=http"
        in address
    )
    assert (result.status, error) == (1, "Error: Nobody logged in within 0 s; run airflow-cli login again")
    assert not pages
    assert config_path.read_text() == before


def test_a_refused_login_is_an_error(cli: Run, oauth: FakeOAuth, config_path: Path) -> None:
    """The error has the platform's description, and no login is stored."""
    oauth.denial = "access_denied"
    result = cli("login")
    assert result.status == 1
    assert result.err.endswith("Error: The platform refused the login: The user said no\n")
    assert "login" not in config_path.read_text()


def test_another_page_cannot_log_in(
    cli: Run, oauth: FakeOAuth, pages: list[httpx.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callbacks with another state, without a state or at another path are refused."""
    browse = webbrowser.open

    others = ("?code=of-a-thief&state=x", "?code=of-a-thief", "?error=access_denied&state=%C3%BC", "/x")

    def attacked(url: str) -> bool:
        callback = httpx.URL(url).params["redirect_uri"]
        pages.extend(httpx.get(callback + other) for other in others)
        return browse(url)

    monkeypatch.setattr(webbrowser, "open", attacked)
    assert cli("login").status == 0
    assert [page.status_code for page in pages] == [400, 400, 400, 404, 200]
    assert all(form["code"] != "of-a-thief" for form in oauth.token_requests)


def test_an_invalid_code_leads_to_no_login(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code that the platform rejects is an error, and no login is stored."""

    def browse(url: str) -> bool:
        query = httpx.URL(url).params
        httpx.get(f"{query['redirect_uri']}?state={query['state']}&code=old")
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    assert "Error: That is invalid_grant (invalid_grant)" in cli("login").err
    assert config_file.read().login is None


def test_expired_tokens_are_renewed(cli: Run, oauth: FakeOAuth) -> None:
    """Commands renew expired tokens and store the new ones."""
    oauth.lifetime = 0
    cli("login")
    for _ in range(3):
        assert cli("dags", "list").status == 0
    assert len(oauth.token_requests) == 4
    kept = config_file.read().login
    assert kept is not None
    assert kept.token.refresh_token == oauth.grants[0].refresh[-1]


def test_concurrent_commands_renew_the_token_once(cli: Run, oauth: FakeOAuth) -> None:
    """One of several processes renews the token, and no refresh token is used twice."""
    oauth.lifetime = 0
    cli("login")
    oauth.lifetime = 3600
    command = [sys.executable, "-m", "airflow_platform_cli", "dags", "list"]
    commands = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(PROCESSES)]
    assert [each.wait(timeout=60) for each in commands] == [0] * PROCESSES
    assert [form["grant_type"] for form in oauth.token_requests] == ["authorization_code", "refresh_token"]


def test_an_ended_login_is_explained(cli: Run, oauth: FakeOAuth) -> None:
    """The error is OAuth's, with a hint to log in again."""
    oauth.lifetime = 0
    cli("login")
    oauth.grants.clear()
    result = cli("dags", "list")
    assert result.status == 1
    assert result.err.splitlines() == [
        "Error: That is invalid_grant (invalid_grant)",
        "Run airflow-cli login, or check airflow-cli config list.",
    ]


def test_tokens_are_sent_to_their_own_platform_only(
    cli: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another base_url no token is sent."""
    cli("login")
    monkeypatch.setenv("AIRFLOW_PLATFORM_BASE_URL", f"{platform.url}/elsewhere")
    cli("dags", "list")
    assert platform.last.path == "/elsewhere/api/v1/dags"
    assert "authorization" not in platform.last.headers


def test_logout_ends_the_login(cli: Run, oauth: FakeOAuth, platform: FakePlatform, config_path: Path) -> None:
    """``logout`` ends the login on the platform and removes it from the file."""
    cli("login")
    assert cli("logout").err == f"Logged out of {platform.url}\n"
    assert oauth.grants == []
    assert yaml.safe_load(config_path.read_text()) == {"base_url": platform.url}
    assert cli("logout").err == "You are not logged in.\n"


def test_logout_removes_the_login_even_if_the_platform_is_unreachable(
    cli: Run, config_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says that the login could not be ended on the platform."""
    cli("login")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{unused.getsockname()[1]}"
        content = config_file.read()
        assert content.login is not None
        config_file.write(
            content.model_copy(update={"login": content.login.model_copy(update={"base_url": away})})
        )
        result = cli("logout")
    assert result.status == 1
    assert result.err.startswith(
        "Error: The login was removed from the file, but it could not be ended on the platform: "
        f"No answer from {away}"
    )
    assert "login" not in config_path.read_text()


def test_a_second_login_ends_the_first(cli: Run, oauth: FakeOAuth) -> None:
    """A new login replaces the former one, which is ended on the platform."""
    cli("login")
    first = oauth.grants[0]
    assert cli("login").status == 0
    assert first not in oauth.grants
    assert cli("dags", "list").status == 0


CLIENT = {"client_id": "program", "client_secret": "sesame"}


@pytest.mark.parametrize(
    ("file", "environment", "used"),
    [
        ({}, {}, "login"),
        (CLIENT, {}, "client"),
        ({"api_key": "of-the-file"}, {}, "of-the-file"),
        (CLIENT | {"api_key": "of-the-file"}, {}, "of-the-file"),
        ({"api_key": "of-the-file"}, {"api_key": "of-the-environment"}, "of-the-environment"),
        ({}, CLIENT | {"api_key": "of-the-environment"}, "of-the-environment"),
        ({"api_key": "of-the-file"}, CLIENT, "client"),
        ({"api_key": "of-the-file", "client_id": "program"}, {"client_secret": "sesame"}, "client"),
    ],
)
def test_precedence_of_credentials(  # noqa: PLR0913, PLR0917 - fixtures
    file: dict[str, str],
    environment: dict[str, str],
    used: str,
    cli: Run,
    oauth: FakeOAuth,
    platform: FakePlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The environment precedes the file; an API key precedes a client, and a client the login."""
    for name, value in file.items():
        cli("config", "set", name, value)
    for name, value in environment.items():
        monkeypatch.setenv(f"AIRFLOW_PLATFORM_{name.upper()}", value)
    messages = cli("login").err
    cli("dags", "list")
    key = platform.last.headers.get("x-api-key")
    grant = oauth.token_requests[-1]["grant_type"]
    assert used == (key or {"authorization_code": "login", "client_credentials": "client"}[grant])
    assert ("The login is not used" in messages) is (used != "login")


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
def test_an_incomplete_client_is_an_error(name: str, cli: Run, platform: FakePlatform) -> None:
    """The error names the setting that is given; nothing is sent."""
    cli("config", "set", name, "half")
    result = cli("dags", "list")
    assert result.status == 1
    assert result.err.endswith(f"given: {name}\n")
    assert not platform.requests


def test_a_configured_client_authenticates_with_basic(cli: Run, platform: FakePlatform) -> None:
    """The token request has the client's id and secret."""
    cli("config", "set", "client_id", "program")
    cli("config", "set", "client_secret", "sesame")
    assert cli("dags", "list").status == 0
    expected = base64.b64encode(b"program:sesame").decode()
    assert platform.requests[0].headers["authorization"] == f"Basic {expected}"


def test_a_locked_file_is_an_error(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another command has locked stays unchanged."""
    monkeypatch.setattr(config_file, "LOCK_TIMEOUT", 0.05)
    with config_file.lock():
        result = cli("config", "set", "api_key", "k")
    assert (result.status, "Another command has locked" in result.err) == (1, True)
    assert config_file.read().api_key is None
