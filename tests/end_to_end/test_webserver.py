"""A real webserver: gunicorn with several workers, which share no memory."""

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import webserver
from airflow_platform import AsyncPlatformClient, PlatformClient
from airflow_platform.exceptions import AuthenticationError, PermissionDeniedError
from forms import form_token

PATH = "/api/v1/dags?limit=1"
TRIES = 30  # enough that each of the workers answers some

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("webserver")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[webserver.Webserver]:
    with webserver.running(home, workers=3) as running:
        yield running


def test_a_revoked_key_is_refused_by_every_worker(server: webserver.Webserver, home: Path) -> None:
    """A revocation takes effect in every worker within 2 s; requests with keys leave no session behind."""
    headers = {"X-API-Key": server.new_key("--user", "admin", "--scopes", "dags:read,api_keys:write")}
    statuses = {httpx.get(server.url + PATH, headers=headers, timeout=30).status_code for _ in range(TRIES)}
    assert statuses == {200}
    public_id = headers["X-API-Key"].split("_")[1]
    keys = f"{server.url}/api/v1/platform/api-keys"
    assert httpx.delete(f"{keys}/{public_id}", headers=headers, timeout=30).status_code == 204
    time.sleep(2)
    statuses = {httpx.get(server.url + PATH, headers=headers, timeout=30).status_code for _ in range(TRIES)}
    assert statuses == {401}
    with sqlite3.connect(home / "airflow.db") as connection:
        assert connection.execute("SELECT count(*) FROM session").fetchone() == (0,)
    logs = "".join(file.read_text(errors="replace") for file in (home / "logs").iterdir())
    assert headers["X-API-Key"] not in logs.replace(server.api_key, "")


@pytest.mark.parametrize("length", [983_040, 983_041, 1_000_000, 1_048_575, 1_048_576, 1_048_577, 3_000_000])
def test_bodies_near_the_limits_get_a_response(server: webserver.Webserver, length: int) -> None:
    """Below and above each limit, with a Content-Length or in chunks, on our endpoints and stock ones."""
    headers = {"X-API-Key": server.api_key, "Content-Type": "application/json"}
    body = b'{"name": "' + b"x" * (length - 12) + b'"}'
    for path in ("/api/v1/platform/tenants", "/api/v1/dags/~/dagRuns/list"):
        for content in (body, iter([body[:7], body[7:]])):
            answer = httpx.post(server.url + path, headers=headers, content=content, timeout=30)
            assert answer.status_code in {400, 413}, answer.text
            assert answer.json()["error"]["code"] in {"VALIDATION_ERROR", "PAYLOAD_TOO_LARGE"}


def test_an_unexpected_error_gets_the_error_envelope(server: webserver.Webserver) -> None:
    """The response is not gunicorn's page; the log has the traceback with the request id."""
    path = f"/api/v1/importErrors/{10**30}"
    answer = httpx.get(server.url + path, headers={"X-API-Key": server.api_key}, timeout=30)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "X-RateLimit-Limit" in answer.headers
    log = server.processes.log("webserver").read_text(encoding="utf-8", errors="replace")
    assert f"Request {answer.headers['X-Request-ID']} failed" in log


def test_the_sdk_with_client_credentials(server: webserver.Webserver) -> None:
    """With ``client_id`` and ``client_secret`` the SDK gets its tokens, sync and async."""
    with PlatformClient(base_url=server.url, api_key=server.api_key) as admin:
        made = admin.oauth_clients.create(
            name="reports",
            grant_types=["client_credentials"],
            scopes=["dags:read"],
            acting_user="admin",
        )
    credentials: dict[str, Any] = {"client_id": made.client_id, "client_secret": made.client_secret}
    with PlatformClient(base_url=server.url, **credentials) as client:
        assert list(client.dags.list()) == []
        with pytest.raises(PermissionDeniedError) as refused:
            client.tenants.list()
        assert refused.value.scope == "tenants:read"

    async def ask() -> list[Any]:
        async with AsyncPlatformClient(base_url=server.url, **credentials) as client:
            return [dag async for dag in await client.dags.list()]

    assert asyncio.run(ask()) == []
    wrong = PlatformClient(base_url=server.url, client_id=made.client_id, client_secret="wrong")
    with wrong, pytest.raises(AuthenticationError):
        list(wrong.dags.list())


def test_the_command_line_logs_in_with_a_browser(server: webserver.Webserver, tmp_path: Path) -> None:
    """``airflow-cli login`` passes Airflow's login and the consent page; then commands work."""
    environment = os.environ | {"AIRFLOW_PLATFORM_BASE_URL": server.url, "HOME": str(tmp_path)}
    environment |= {"XDG_CONFIG_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1", "COLUMNS": "1000"}
    command = [sys.executable, "-m", "airflow_platform_cli"]

    def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    with subprocess.Popen(
        [*command, "login", "--no-browser", "--scopes", "dags:read"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as login:
        assert login.stdout is not None
        try:
            printed, url = "", None
            while url is None:
                line = login.stdout.readline()
                assert line, printed
                printed += line
                url = re.search(r"http\S+/oauth/authorize\S+", printed)
            with closing(server.log_in()) as browser:
                page = browser.get(url[0])
                form = {"csrf_token": form_token(page.text), "decision": "allow"}
                assert browser.post(str(page.url), data=form).status_code == 200
            printed += login.stdout.read()
        except BaseException:
            login.kill()
            raise
    assert login.returncode == 0, printed
    listed = cli("dags", "list", "-o", "json")
    assert (listed.returncode, listed.stdout.strip()) == (0, "[]"), listed.stderr
    assert cli("tenants", "list").returncode != 0
    assert cli("logout").returncode == 0
    assert cli("dags", "list").returncode != 0
