"""Airflow's own migrations with the plugin installed."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

pytestmark = pytest.mark.end_to_end


def test_airflows_migrations_succeed_with_the_plugin(tmp_path: Path) -> None:
    """Some of them create a web application; the plugin creates its tables at the next start."""
    file = tmp_path / "airflow.db"
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{file}",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }

    def airflow(*arguments: str) -> str:
        command = [sys.executable, "-W", "ignore", "-m", "airflow", *arguments]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert "platform" not in ended.stderr.lower(), ended.stderr
        return ended.stdout

    def tables() -> set[str]:
        with closing(connect(file)) as connection:
            return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}

    airflow("db", "migrate", "--use-migration-files")
    assert {"dag_run", "ab_user"} <= tables()
    assert not {name for name in tables() if name.startswith("platform_")}
    airflow("db", "check-migrations", "-t", "5")
    airflow("roles", "list")  # a web application
    start = "from airflow.www.app import create_app; create_app()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", start], env=environment, check=True)
    assert "platform_alembic_version" in tables()
    airflow("db", "reset", "--yes", "--use-migration-files")
    assert "ab_user" in tables()
