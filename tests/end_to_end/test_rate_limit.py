"""Rate limits in a real webserver with several worker processes."""

import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from airflow_platform_plugin.quickstart.processes import Processes, environment, free_port

BIN = Path(sys.executable).parent


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, str, Path]]:
    """Start a webserver with two workers; give its address, an admin's key and its access log."""
    settings = environment(tmp_path, tmp_path / "dags") | {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__PLATFORM__RATE_LIMIT_READ": "1000/hour",  # an hour, for the machine may be slow
    }
    processes = Processes(settings, tmp_path / "logs")
    airflow, platform = str(BIN / "airflow"), str(BIN / "airflow-platform")
    processes.run("db", airflow, "db", "migrate")
    processes.run(
        "user", airflow, "users", "create", "--username", "admin", "--password", "admin", "--role", "Admin",
        "--firstname", "A", "--lastname", "D", "--email", "admin@example.com",
    )  # fmt: skip
    key = processes.run("key", platform, "api-keys", "create", "--user", "admin").strip()
    port, log = free_port(), tmp_path / "access.log"
    processes.start(
        "webserver", airflow, "webserver", "--port", str(port), "--hostname", "127.0.0.1", "--workers", "2",
        "--access-logfile", str(log), "--access-logformat", "%(p)s %(s)s %(U)s",
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health")
                break
            except httpx.TransportError:
                processes.check()
                assert time.monotonic() < deadline
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}", key, log
    finally:
        processes.stop()


@pytest.mark.end_to_end
def test_all_workers_count_together(server: tuple[str, str, Path], tmp_path: Path) -> None:
    """Of 1,050 requests from eight clients at once, on a stock endpoint, exactly 1,000 pass."""
    url, key, log = server
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=120) as client:

        def ask(_: int) -> httpx.Response:
            return client.get("/api/v1/version")

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(ask, range(1050)))
        assert Counter(answer.status_code for answer in answers) == {200: 1000, 429: 50}
        left = [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers]
        assert sorted(left) == [0] * 50 + list(range(1000))
        refused = ask(0)
        assert refused.json()["error"]["code"] == "RATE_LIMIT_EXCEEDED"
        assert 0 < int(refused.headers["Retry-After"]) <= 3600
        own = client.get("/api/v1/platform/rate-limit").json()
        assert (own["limits"][0]["class"], own["limits"][0]["remaining"]) == ("read", 0)
    lines = re.findall(r"<(\d+)> (\d+) /api/v1/version", log.read_text())
    assert {worker for worker, status in lines if status == "200"} == {worker for worker, _ in lines}
    assert len({worker for worker, _ in lines}) == 2
    counters = tmp_path / "airflow" / "platform" / "rate-limits"
    assert counters.stat().st_mode & 0o777 == 0o600
