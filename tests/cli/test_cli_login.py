"""``airflow-cli login``, and as whom commands act, against an OAuth server of the tests' own."""

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
    """An OAuth server, and DAGs that a token opens."""
    oauth = FakeOAuth(platform)
    platform.routes["GET", "/api/v1/dags"] = oauth.protect({"dags": [{"dag_id": "a"}], "total_entries": 1})
    return oauth


@pytest.fixture
def cli(unconfigured: Run, oauth: FakeOAuth, platform: FakePlatform) -> Run:
    """``airflow-cli`` for that platform, as nobody yet."""
    unconfigured("config", "set", "base_url", platform.url)
    return unconfigured


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Response]:
    """The pages at which a browser ends that follows every redirect."""
    pages: list[httpx.Response] = []

    def browse(url: str) -> bool:
        pages.append(httpx.get(url, follow_redirects=True))
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    return pages


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for."""
    monkeypatch.setattr(login, "PATIENCE", 0.0)


def test_login(cli: Run, platform: FakePlatform, pages: list[httpx.Response], nowhere: Path) -> None:
    """Whoever logs in with a browser is let in from then on; the tokens are shown to nobody."""
    result = cli("login")
    assert (result.status, result.out) == (0, "")
    assert result.err.endswith(f"Logged in to {platform.url}\n")
    assert pages[0].status_code == 200
    assert "Go back to the terminal" in pages[0].text
    assert cli("dags", "list").status == 0
    assert platform.last.headers["authorization"].startswith("Bearer access-")
    assert stat.S_IMODE(nowhere.stat().st_mode) == 0o600
    listed = cli("config", "list").out
    assert "login" in listed
    assert not any(secret in listed for secret in ("access-", "refresh-"))


def test_scopes(cli: Run, oauth: FakeOAuth, platform: FakePlatform) -> None:
    """A login can be for less than all."""
    assert cli("login", "--scopes", "dags:read, tasks:read").err.endswith(" for dags:read tasks:read\n")
    assert platform.requests[0].query["scope"] == ["dags:read tasks:read"]


@pytest.mark.usefixtures("impatient")
def test_no_browser(cli: Run, platform: FakePlatform, pages: list[httpx.Response], nowhere: Path) -> None:
    """Without a browser the address is printed, as with one; nobody waits for ever, and nothing is kept."""
    before = nowhere.read_text()
    result = cli("login", "--no-browser")
    address, error = result.err.splitlines()
    assert (
        f"{platform.url}/oauth/authorize?response_type=code&client_id=airflow-cli&redirect_uri=http"
        in address
    )
    assert (result.status, error) == (1, "Error: Nobody has logged in within 0 s")
    assert not pages
    assert nowhere.read_text() == before


def test_refusal(cli: Run, oauth: FakeOAuth, nowhere: Path) -> None:
    """What the platform says instead of letting the user in is told."""
    oauth.denies = "access_denied"
    result = cli("login")
    assert result.status == 1
    assert result.err.endswith("Error: The platform let nobody in: The user said no\n")
    assert "login" not in nowhere.read_text()


def test_another_page_cannot_log_in(
    cli: Run, oauth: FakeOAuth, pages: list[httpx.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the answer to this login counts: not one with another state, or none, or at another path."""
    browse = webbrowser.open

    others = ("?code=of-a-thief&state=x", "?code=of-a-thief", "?error=access_denied&state=%C3%BC", "/x")

    def attacked(url: str) -> bool:
        callback = httpx.URL(url).params["redirect_uri"]
        pages.extend(httpx.get(callback + other) for other in others)
        return browse(url)

    monkeypatch.setattr(webbrowser, "open", attacked)
    assert cli("login").status == 0
    assert [page.status_code for page in pages] == [400, 400, 400, 404, 200]
    assert all(form["code"] != "of-a-thief" for form in oauth.asked)


def test_code_that_is_refused(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without a code that counts is an error, and leads to no login."""

    def browse(url: str) -> bool:
        query = httpx.URL(url).params
        httpx.get(f"{query['redirect_uri']}?state={query['state']}&code=old")
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    assert "Error: That is invalid_grant (invalid_grant)" in cli("login").err
    assert config_file.read().login is None


def test_renewal(cli: Run, oauth: FakeOAuth) -> None:
    """A login goes on although its tokens end; the new ones are kept."""
    oauth.lifetime = 0
    cli("login")
    for _ in range(3):
        assert cli("dags", "list").status == 0
    assert len(oauth.asked) == 4
    kept = config_file.read().login
    assert kept is not None
    assert kept.token.refresh_token == oauth.grants[0].refresh[-1]


def test_commands_at_once(cli: Run, oauth: FakeOAuth) -> None:
    """Of several commands whose token has ended, one renews it, and no refresh token is used twice."""
    oauth.lifetime = 0
    cli("login")
    oauth.lifetime = 3600
    command = [sys.executable, "-m", "airflow_platform_cli", "dags", "list"]
    commands = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(PROCESSES)]
    assert [each.wait(timeout=60) for each in commands] == [0] * PROCESSES
    assert [form["grant_type"] for form in oauth.asked] == ["authorization_code", "refresh_token"]


def test_login_that_has_ended(cli: Run, oauth: FakeOAuth) -> None:
    """Whose login the platform has ended is told how to begin another."""
    oauth.lifetime = 0
    cli("login")
    oauth.grants.clear()
    result = cli("dags", "list")
    assert result.status == 1
    assert result.err.splitlines() == [
        "Error: That is invalid_grant (invalid_grant)",
        "See airflow-cli login, or airflow-cli config list.",
    ]


def test_login_is_for_one_platform(cli: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens are sent to no other platform than the one that gave them."""
    cli("login")
    monkeypatch.setenv("AIRFLOW_PLATFORM_BASE_URL", f"{platform.url}/elsewhere")
    cli("dags", "list")
    assert platform.last.path == "/elsewhere/api/v1/dags"
    assert "authorization" not in platform.last.headers


def test_logout(cli: Run, oauth: FakeOAuth, platform: FakePlatform, nowhere: Path) -> None:
    """A logout ends the login on the platform, and forgets it."""
    cli("login")
    assert cli("logout").err == f"Logged out of {platform.url}\n"
    assert oauth.grants == []
    assert yaml.safe_load(nowhere.read_text()) == {"base_url": platform.url}
    assert cli("logout").err == "Nobody is logged in.\n"


def test_logout_from_a_platform_that_is_away(
    cli: Run, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The login is forgotten also where the platform cannot be told, which is said."""
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
        f"Error: The login is forgotten here, but lives on the platform: No answer from {away}"
    )
    assert "login" not in nowhere.read_text()


def test_second_login(cli: Run, oauth: FakeOAuth) -> None:
    """A login replaces the one before, which is ended."""
    cli("login")
    first = oauth.grants[0]
    assert cli("login").status == 0
    assert first not in oauth.grants
    assert cli("dags", "list").status == 0


CLIENT = {"client_id": "program", "client_secret": "sesame"}


@pytest.mark.parametrize(
    ("file", "environment", "winner"),
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
def test_who_wins(  # noqa: PLR0913, PLR0917 - fixtures
    file: dict[str, str],
    environment: dict[str, str],
    winner: str,
    cli: Run,
    oauth: FakeOAuth,
    platform: FakePlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The environment wins over the file; an API key over a client, and a client over the login."""
    for name, value in file.items():
        cli("config", "set", name, value)
    for name, value in environment.items():
        monkeypatch.setenv(f"AIRFLOW_PLATFORM_{name.upper()}", value)
    said = cli("login").err
    cli("dags", "list")
    key = platform.last.headers.get("x-api-key")
    grant = oauth.asked[-1]["grant_type"]
    assert winner == (key or {"authorization_code": "login", "client_credentials": "client"}[grant])
    assert ("It is not used as long as" in said) is (winner != "login")


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
def test_half_a_client(name: str, cli: Run, platform: FakePlatform) -> None:
    """A client without its other half is an error that names what there is."""
    cli("config", "set", name, "half")
    result = cli("dags", "list")
    assert result.status == 1
    assert result.err.endswith(f"given: {name}\n")
    assert not platform.requests


def test_client(cli: Run, platform: FakePlatform) -> None:
    """A client that is configured proves itself as it should."""
    cli("config", "set", "client_id", "program")
    cli("config", "set", "client_secret", "sesame")
    assert cli("dags", "list").status == 0
    expected = base64.b64encode(b"program:sesame").decode()
    assert platform.requests[0].headers["authorization"] == f"Basic {expected}"


def test_lock_of_another_command(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another command holds is an error in the end, and is left as it is."""
    monkeypatch.setattr(config_file, "LOCK_TIMEOUT", 0.05)
    with config_file.locked():
        result = cli("config", "set", "api_key", "k")
    assert (result.status, "Another command has locked" in result.err) == (1, True)
    assert config_file.read().api_key is None
