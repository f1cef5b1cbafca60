"""A real webserver: gunicorn with several workers, each with a memory of its own."""

import sqlite3
import time
from pathlib import Path

import httpx
import pytest
import webserver

PATH = "/api/v1/dags?limit=1"
TRIES = 30  # enough that each of the workers answers some


@pytest.mark.end_to_end
def test_keys_under_gunicorn(tmp_path: Path) -> None:
    """A revocation counts in every worker within 2 s, and a program's requests leave no session behind."""
    with webserver.running(tmp_path, workers=3) as server:
        headers = {"X-API-Key": server.new_key("--user", "admin", "--scopes", "dags:read,api_keys:write")}
        statuses = {
            httpx.get(server.url + PATH, headers=headers, timeout=30).status_code for _ in range(TRIES)
        }
        assert statuses == {200}
        public_id = headers["X-API-Key"].split("_")[1]
        keys = f"{server.url}/api/v1/platform/api-keys"
        assert httpx.delete(f"{keys}/{public_id}", headers=headers, timeout=30).status_code == 204
        time.sleep(2)
        statuses = {
            httpx.get(server.url + PATH, headers=headers, timeout=30).status_code for _ in range(TRIES)
        }
        assert statuses == {401}
        with sqlite3.connect(tmp_path / "airflow.db") as connection:
            assert connection.execute("SELECT count(*) FROM session").fetchone() == (0,)
        logs = "".join(file.read_text(errors="replace") for file in (tmp_path / "logs").iterdir())
        assert headers["X-API-Key"] not in logs.replace(server.api_key, "")
