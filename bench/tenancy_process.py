"""Airflow's web application in one process, with or without the plugin; ``tenancy`` starts this.

It reads one command as JSON from each line of its input, and writes one line of JSON for each.
"""

import gc
import json
import os
import sys
import time
from http import HTTPStatus
from itertools import count
from pathlib import Path

from airflow import plugins_manager
from flask.testing import FlaskClient
from tenancy_rows import STOCK_CALLERS, TENANT, TENANT_CALLERS

_numbers = count(1)


def hide_plugin() -> None:
    """Let Airflow find every plugin except for the platform's."""
    original = plugins_manager.entry_points_with_dist
    plugins_manager.entry_points_with_dist = lambda group: (
        (entry, dist) for entry, dist in original(group) if entry.name != "platform"
    )


def memory() -> dict[str, int]:
    """Return this process's memory in kB: resident, and its own alone."""
    rows = [line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]]
    found = {row[0].rstrip(":"): int(row[1]) for row in rows}
    return {"rss": found["Rss"], "uss": found["Private_Clean"] + found["Private_Dirty"]}


class Application:
    """The application with a client for each caller."""

    def __init__(self) -> None:
        from airflow.www.app import create_app

        started = time.process_time(), time.perf_counter()
        self.app = create_app()
        self.start = _took(started)
        gc.collect()
        self.memory = memory()
        self.app.config["WTF_CSRF_ENABLED"] = False
        self.clients: dict[str, FlaskClient] = {}

    def log_in_all(self, *, plugin: bool, tenants: bool) -> None:
        """Log all callers in, and create a key of the member for its tenant."""
        names = [*STOCK_CALLERS, *(TENANT_CALLERS if tenants else ())]
        self.clients = {name: self._log_in(name) for name in names}
        if plugin and tenants:
            body = {"name": "bench", "tenant_id": TENANT}
            answer = self.clients["member"].post("/api/v1/platform/api-keys", json=body)
            self.clients["key"] = self.app.test_client()
            self.clients["key"].environ_base["HTTP_X_API_KEY"] = answer.get_json()["key"]

    def time_requests(
        self, *, caller: str, method: str, path: str, times: int, body: dict[str, str] | None
    ) -> list[tuple[float, float]]:
        """Return the CPU time and the time of each request, in milliseconds. ``{n}`` is a new number."""
        took = []
        for _ in range(times):
            number = str(next(_numbers))
            given = None if body is None else {key: text.replace("{n}", number) for key, text in body.items()}
            started = time.process_time(), time.perf_counter()
            answer = self.clients[caller].open(path, method=method, json=given)
            answer.get_data()
            took.append(_took(started))
            if answer.status_code >= HTTPStatus.MULTIPLE_CHOICES:
                raise RuntimeError(f"{caller} {method} {path}: {answer.status} {answer.get_data()[:300]!r}")
        return took

    def time_logins(self, *, caller: str, times: int) -> list[tuple[float, float]]:
        """Return the times of logins with a password."""
        took = []
        for _ in range(times):
            started = time.process_time(), time.perf_counter()
            self._log_in(caller)
            took.append(_took(started))
        return took

    def _log_in(self, name: str) -> FlaskClient:
        client = self.app.test_client()
        answer = client.post("/login/", data={"username": name, "password": name})
        if answer.status_code != HTTPStatus.FOUND or "login" in answer.headers["Location"]:
            raise RuntimeError(f"{name} cannot log in: {answer.status}")
        return client


def _took(started: tuple[float, float]) -> tuple[float, float]:
    return (time.process_time() - started[0]) * 1000, (time.perf_counter() - started[1]) * 1000


def main() -> None:
    """Answer commands until the input ends."""
    answers = os.fdopen(os.dup(1), "w")  # Airflow prints to the standard output too
    os.dup2(2, 1)
    if sys.argv[1] == "without":
        hide_plugin()
    application = Application()
    print(json.dumps({"start": application.start, **application.memory}), file=answers, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        result = getattr(application, command.pop("do"))(**command)
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
