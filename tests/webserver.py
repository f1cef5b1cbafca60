"""A real webserver with the plugin: gunicorn and several workers, for end-to-end tests and benchmarks."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from forms import form_token

from airflow_platform_plugin.quickstart.processes import Processes, environment, free_port

START_TIMEOUT = 180.0
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Webserver:
    """A running webserver; ``admin`` with the password ``admin`` may log in."""

    url: str
    api_key: str
    processes: Processes

    def airflow(self, *arguments: str) -> str:
        """Run ``airflow …`` on its database."""
        return self.processes.run("airflow", str(BIN / "airflow"), *arguments)

    def new_key(self, *arguments: str) -> str:
        """Make an API key as an operator does."""
        create = str(BIN / "airflow-platform"), "api-keys", "create"
        return self.processes.run("api-keys", *create, *arguments).split()[-1]

    def log_in(self, name: str = "admin") -> httpx.Client:
        """A client with the session of a browser that has logged in; the password is the name."""
        client = httpx.Client(base_url=self.url, follow_redirects=True, timeout=30)
        token = form_token(client.get("/login/").text)
        form = {"username": name, "password": name, "csrf_token": token}
        client.post("/login/", data=form).raise_for_status()
        return client


@contextmanager
def running(home: Path, *, workers: int = 2, **settings: str) -> Iterator[Webserver]:
    """Start it on a new SQLite database below ``home``; ``settings`` are variables of the environment."""
    variables = environment(home, home / "dags") | {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__WEBSERVER__WORKERS": str(workers),
        "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.session,"
        "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth",
        **settings,
    }
    processes = Processes(variables, home / "logs")
    (home / "dags").mkdir(exist_ok=True)
    airflow = str(BIN / "airflow")
    processes.run("airflow", airflow, "db", "migrate")
    user = ["--username", "admin", "--password", "admin", "--role", "Admin", "--email", "a@example.com"]
    processes.run("airflow", airflow, "users", "create", *user, "--firstname", "A", "--lastname", "A")
    port = free_port()
    server = Webserver(f"http://127.0.0.1:{port}", "", processes)
    server = Webserver(server.url, server.new_key("--user", "admin"), processes)
    try:
        processes.start("webserver", airflow, "webserver", "--port", str(port), "--hostname", "127.0.0.1")
        deadline = time.monotonic() + START_TIMEOUT
        while not _answers(server.url):
            processes.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"No webserver. Its log: {processes.log('webserver')}")
            time.sleep(0.2)
        yield server
    finally:
        processes.stop()


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/health", timeout=10).status_code == httpx.codes.OK
    return False
