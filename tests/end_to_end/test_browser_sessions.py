"""What tenants' people see in a browser: real logins, sessions and forms on a real webserver."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest
import webserver

OURS, THEIRS = "alpha_etl", "beta_secret"
RUN = {OURS: "run-of-alpha", THEIRS: "run-of-beta"}
MOMENT = "2024-01-02T00:00:00+00:00"
# By user, the role. Nobody but the last belongs to the other tenant.
PEOPLE = {"max": "Tenant alpha Member", "vera": "Tenant alpha Viewer", "nina": "Tenant gamma Member"}
DAG_FILE = """
from datetime import datetime
from airflow import DAG
from airflow.operators.empty import EmptyOperator

with DAG("{dag_id}", start_date=datetime(2024, 1, 1), schedule=None, tags=["tenant:{tenant}", "of-{tenant}"]):
    EmptyOperator(task_id="task-of-{tenant}")
"""

pytestmark = pytest.mark.end_to_end


class Site(NamedTuple):
    """The webserver and the browsers that are logged in, by user."""

    server: webserver.Webserver
    browsers: dict[str, httpx.Client]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give two tenants a DAG each by its tag, with one run that has a log."""
    home = tmp_path_factory.mktemp("browser")
    (home / "dags").mkdir()
    for dag_id in (OURS, THEIRS):
        text = DAG_FILE.format(dag_id=dag_id, tenant=tenant_of(dag_id))
        (home / "dags" / f"{dag_id}.py").write_text(text, encoding="utf-8")
    with webserver.running(home, workers=1, AIRFLOW__PLATFORM__DAG_OWNERSHIP="tags") as server:
        server.airflow("dags", "reserialize")
        with httpx.Client(base_url=server.url, headers={"X-API-Key": server.api_key}, timeout=30) as admin:
            for tenant_id in ("alpha", "beta", "gamma"):
                post(admin, "/api/v1/platform/tenants", {"tenant_id": tenant_id})
            for name, role in PEOPLE.items():
                account = {"username": name, "password": name, "email": f"{name}@example.com"}
                names = {"first_name": name, "last_name": "T", "roles": [{"name": role}]}
                post(admin, "/auth/fab/v1/users", account | names)
            for dag_id, run_id in RUN.items():
                post(admin, f"/api/v1/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": MOMENT})
        for dag_id in RUN:
            write_log(home, dag_id)
        browsers = {name: server.log_in(name) for name in PEOPLE}
        yield Site(server, browsers)
        for browser in browsers.values():
            browser.close()


def tenant_of(dag_id: str) -> str:
    return dag_id.partition("_")[0]


def post(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    answer = client.post(path, json=body)
    assert answer.is_success, answer.text


def write_log(home: Path, dag_id: str) -> None:
    """Store the first try of the run's task, which no scheduler has run here, and its log."""
    task = f"task-of-{tenant_of(dag_id)}"
    with closing(sqlite3.connect(home / "airflow.db")) as connection, connection:
        changed = connection.execute(
            "UPDATE task_instance SET state = 'success', try_number = 1 WHERE dag_id = ?", [dag_id]
        )
        assert changed.rowcount == 1
    folder = home / "airflow" / "logs" / f"dag_id={dag_id}" / f"run_id={RUN[dag_id]}"
    file = folder / f"task_id={task}" / "attempt=1.log"
    file.parent.mkdir(parents=True)
    file.write_text(f"log line of {dag_id}\n", encoding="utf-8")


def pages(dag_id: str) -> dict[str, tuple[str, str]]:
    """Return the address of each page and of its data, with what it shows of the DAG."""
    task, run = f"task-of-{tenant_of(dag_id)}", RUN[dag_id]
    log = f"dag_id={dag_id}&task_id={task}&execution_date={quote(MOMENT)}&try_number=1"
    return {
        "home": ("/home", f'value="of-{tenant_of(dag_id)}"'),
        "home with a tag": (f"/home?tags=of-{tenant_of(dag_id)}", f"/dags/{dag_id}/"),
        "grid": (f"/dags/{dag_id}/grid", f"<title>{dag_id} - Grid"),
        "grid's data": (f"/object/grid_data?dag_id={dag_id}", run),
        "graph": (f"/dags/{dag_id}/graph", f"<title>{dag_id} - Grid"),
        "graph's data": (f"/object/graph_data?dag_id={dag_id}", task),
        "log": (f"/api/v1/dags/{dag_id}/dagRuns/{run}/taskInstances/{task}/logs/1", f"log line of {dag_id}"),
        "log's text": (f"/get_logs_with_metadata?{log}", f"log line of {dag_id}"),
        "runs": ("/dagrun/list/", run),
        "tasks": ("/taskinstance/list/", task),
    }


@pytest.mark.parametrize("name", ["max", "vera"])
@pytest.mark.parametrize("page", pages(OURS))
def test_a_browser_of_a_tenant_shows_its_dags_and_nothing_of_others(site: Site, name: str, page: str) -> None:
    """A page of another tenant's DAG says as much as one of a DAG that does not exist."""
    browser = site.browsers[name]
    path, shown = pages(OURS)[page]
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    assert shown in answer.text
    assert not find_secrets(answer.text)
    path, shown = pages(THEIRS)[page]
    others = browser.get(path)
    assert shown not in others.text
    assert not find_secrets(others.text.replace(THEIRS, "").replace("of-beta", ""))


def find_secrets(text: str) -> list[str]:
    """Return what the text says of the other tenant."""
    return [word for word in (THEIRS, RUN[THEIRS], "of-beta", "tenant:beta") if word in text]


def test_a_browser_of_a_new_tenant_shows_empty_pages(site: Site) -> None:
    """Its first list of DAGs is empty, in the browser, in the API and on the command line; no 403."""
    browser = site.browsers["nina"]
    for path in ("/home", "/dagrun/list/", "/taskinstance/list/"):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "alpha" not in answer.text
        assert not find_secrets(answer.text)
    assert browser.get("/api/v1/dags").json() == {"dags": [], "total_entries": 0}
    key = site.server.new_key("--user", "nina")
    listed = subprocess.run(
        [sys.executable, "-m", "airflow_platform_cli", "dags", "list", "-o", "json"],
        env=os.environ | {"AIRFLOW_PLATFORM_BASE_URL": site.server.url, "AIRFLOW_PLATFORM_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (listed.returncode, listed.stdout.strip()) == (0, "[]"), listed.stderr


def test_a_member_pauses_the_own_dag_in_the_browser_and_nobody_else_does(site: Site) -> None:
    """The page's own form token is sent, as the browser does."""
    for name, dag_id, may in (("vera", OURS, False), ("max", THEIRS, False), ("max", OURS, True)):
        browser = site.browsers[name]
        token = re.search(r"csrfToken = '([^']+)'", browser.get("/home").text)
        assert token is not None
        before = is_paused(site, dag_id)
        browser.post(
            "/paused",
            params={"dag_id": dag_id, "is_paused": "true" if before else "false"},
            headers={"X-CSRFToken": token[1]},
        )
        assert (is_paused(site, dag_id) != before) is may, (name, dag_id)


def is_paused(site: Site, dag_id: str) -> bool:
    headers = {"X-API-Key": site.server.api_key}
    answer = httpx.get(f"{site.server.url}/api/v1/dags/{dag_id}", headers=headers, timeout=30)
    return bool(answer.json()["is_paused"])
