"""Measure the filter that lets Airflow's queries find only rows of the caller's DAGs.

One application in one process sends the same requests with and without the filter in turn, so that a busy
machine slows both. The callers are an admin, who may read all DAGs, and a tenant's member. The time is the
process's CPU time.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from http import HTTPStatus
from typing import Any
from unittest import mock

from flask import Flask
from flask.testing import FlaskClient

ROUNDS, WARM_UP = 150, 15
DAGS, OTHERS = 100, 100
PATHS = ("/api/v1/dags?limit=1", "/api/v1/dags/~/dagRuns?limit=10", "/home")
GOAL_ALL = 1.05


def application(home: str) -> Flask:
    """Return Airflow's application on a new SQLite database, with DAGs of a member and of others."""
    os.environ |= {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__PLATFORM__RATE_LIMIT_READ": "1000000/minute",
    }
    subprocess.run([sys.executable, "-W", "ignore", "-m", "airflow", "db", "migrate"], check=True)
    from airflow.www.app import create_app

    from airflow_platform_plugin import airflow_compat
    from airflow_platform_plugin.core import db
    from airflow_platform_plugin.tenants import roles

    app = create_app(testing=True)
    own = [f"own_{number}" for number in range(DAGS)]
    others = [f"other_{number}" for number in range(OTHERS)]
    with app.app_context(), db.transaction() as session:
        model = airflow_compat.models.DagModel
        session.add_all(
            [model(dag_id=name, is_active=True, fileloc="x.py", owners="x") for name in own + others]
        )
        session.flush()
        session.add_all(
            [airflow_compat.models.DagTag(name=f"tag {name}", dag_id=name) for name in own + others]
        )
        rights = {(action, f"DAG:{name}") for action in ("can_read", "can_edit") for name in own}
        airflow_compat.roles.ensure_role(session, "member", roles._AIRFLOW_PERMISSIONS | rights)  # noqa: SLF001 - what tenants get
    with app.app_context():
        manager = app.appbuilder.sm  # type: ignore[attr-defined]  # FAB's
        for name, role in (("admin", "Admin"), ("member", "member")):
            manager.add_user(name, name, "T", f"{name}@example.com", manager.find_role(role), password=name)
    return app


def browser(app: Flask, name: str) -> FlaskClient:
    """Return a client that is logged in."""
    client = app.test_client()
    page = client.get("/login/").get_data(as_text=True)
    token = page.split('name="csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
    client.post("/login/", data={"username": name, "password": name, "csrf_token": token})
    return client


def main() -> None:
    """Measure and print."""
    from contextlib import nullcontext

    with tempfile.TemporaryDirectory() as home:
        app = application(home)
        from airflow_platform_plugin.auth import row_filter

        result: dict[str, Any] = {"benchmark": "rows", "goal_ratio_for_admin": GOAL_ALL}
        for name in ("admin", "member"):
            client = browser(app, name)
            for path in PATHS:
                times: dict[bool, list[float]] = {True: [], False: []}
                for turn in range(WARM_UP + ROUNDS):
                    for filtered in (True, False):
                        blueprints = mock.patch.object(row_filter, "_filtered_blueprints", frozenset)
                        with nullcontext() if filtered else blueprints:
                            started = time.process_time()
                            status = client.get(path).status_code
                            if turn >= WARM_UP:
                                times[filtered].append((time.process_time() - started) * 1000)
                        if status != HTTPStatus.OK:
                            raise RuntimeError(f"{path}: {status}")
                medians = {kind: statistics.median(values) for kind, values in times.items()}
                result[f"{name} {path}"] = {
                    "filtered_ms": round(medians[True], 2),
                    "stock_ms": round(medians[False], 2),
                    "ratio": round(medians[True] / medians[False], 3),
                }
        print(json.dumps(result))


if __name__ == "__main__":
    main()
