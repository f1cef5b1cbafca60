"""The cost of loading the plugin in each Airflow process."""

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
    """Return the top-level modules that a new interpreter has loaded after running the code."""
    report = "import json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_loading_the_plugin_loads_no_heavy_modules() -> None:
    """It is loaded by Airflow's plugin manager, as in the scheduler and in every task process."""
    code = (
        "import airflow; from airflow import plugins_manager as m; m.ensure_plugins_loaded(); "
        "assert 'platform' in [p.name for p in m.plugins], m.import_errors"
    )
    assert not loaded_by(code) & set(HEAVY)


def test_the_first_call_of_a_listener_loads_no_heavy_modules() -> None:
    """The end of a task loads no library of the webserver."""
    code = (
        "import airflow.models; from airflow_platform_plugin import listener; "
        "from airflow_platform_plugin.runs import run_events; from airflow_platform_plugin import supervisor"
    )
    assert not loaded_by(code) & set(HEAVY)


def test_parsing_the_loader_file_loads_no_heavy_modules() -> None:
    code = "import airflow.models; from airflow_platform_plugin.deployments.execution import dag, loader"
    assert not loaded_by(code) & set(HEAVY)


def test_migrations_and_the_worker_do_not_load_authlib() -> None:
    """OAuth's tables and the expiry of tokens work without it."""
    code = (
        "from airflow_platform_plugin import worker; "
        "from airflow_platform_plugin.core.feature import load_models; load_models()"
    )
    assert "authlib" not in loaded_by(code)


def test_a_plugin_that_cannot_be_installed_does_not_stop_airflow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The webserver starts, and the log has the reason."""

    def fail(_: Flask) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(web, "install", fail)
    Flask("airflow").register_blueprint(plugin.blueprint)
    assert "Airflow goes on without it" in caplog.text
