"""What the plugin costs the processes that only load it."""

import json
import subprocess
import sys

import pytest
from flask import Flask

from airflow_platform_plugin import plugin, web

HEAVY = [
    "flask_appbuilder",
    "connexion",
    "marshmallow",
    "apispec",
    "httpx",
    "ariadne",
    "authlib",
    "limits",
    "sqlglot",
    "duckdb",
]


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after running the code."""
    report = "import json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_loading_the_plugin_loads_nothing_heavy() -> None:
    """As the scheduler and every task process do, through Airflow's own plugin manager."""
    code = (
        "import airflow; from airflow import plugins_manager as m; m.ensure_plugins_loaded(); "
        "assert 'platform' in [p.name for p in m.plugins], m.import_errors"
    )
    assert not loaded_by(code) & set(HEAVY)


def test_a_listeners_first_call_loads_nothing_heavy() -> None:
    """A task's end costs no library of the webserver either."""
    code = (
        "import airflow.models; from airflow_platform_plugin import listener; "
        "from airflow_platform_plugin.runs import run_events; from airflow_platform_plugin import supervisor"
    )
    assert not loaded_by(code) & set(HEAVY)


def test_parsing_the_loader_file_loads_nothing_heavy() -> None:
    code = "import airflow.models; from airflow_platform_plugin.deployments.execution import dag, loader"
    assert not loaded_by(code) & set(HEAVY)


def test_migrating_and_the_worker_need_no_protocol() -> None:
    """OAuth's tables and the end of its tokens are known without the library that serves it."""
    code = (
        "from airflow_platform_plugin import worker; "
        "from airflow_platform_plugin.core.feature import load_models; load_models()"
    )
    assert "authlib" not in loaded_by(code)


def test_a_plugin_that_cannot_be_installed_leaves_airflow_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The webserver starts; the log has the reason."""

    def fail(_: Flask) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(web, "install", fail)
    Flask("airflow").register_blueprint(plugin.blueprint)
    assert "Airflow goes on without it" in caplog.text
