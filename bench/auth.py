"""Measure authentication: an API key against Airflow's basic auth and a browser's session.

It uses one real webserver and sends the three kinds of request in turn, so that a busy machine slows all
of them.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # for its webserver

import webserver

ROUNDS = 120
WARM_UP = 20
PATH = "/api/v1/dags?limit=1"
GOAL_BASIC, GOAL_SESSION = 9.0, 1.1


def main() -> None:
    """Measure and print."""
    times: dict[str, list[float]] = {"key": [], "basic": [], "session": []}
    with tempfile.TemporaryDirectory() as home, webserver.running(Path(home)) as server:
        clients = {
            "key": httpx.Client(base_url=server.url, headers={"X-API-Key": server.api_key}),
            "basic": httpx.Client(base_url=server.url, auth=("admin", "admin")),
            "session": server.log_in(),
        }
        for turn in range(WARM_UP + ROUNDS):
            for name, client in clients.items():
                started = time.perf_counter()
                client.get(PATH, timeout=30).raise_for_status()
                if turn >= WARM_UP:
                    times[name].append((time.perf_counter() - started) * 1000)
    median = {name: statistics.median(values) for name, values in times.items()}
    print(
        json.dumps(
            {
                "benchmark": "auth",
                **{f"{name}_ms": round(value, 2) for name, value in median.items()},
                "times_faster_than_basic_auth": round(median["basic"] / median["key"], 2),
                "goal_times_faster_than_basic_auth": GOAL_BASIC,
                "ratio_to_session": round(median["key"] / median["session"], 2),
                "goal_ratio_to_session": GOAL_SESSION,
            }
        )
    )


if __name__ == "__main__":
    main()
