"""Measure what the limiter adds to a request, with four processes that contend for one counter.

The time is that of the hooks before and after the view in a bare Flask application, minus their time
without a limiter. Our limiter runs with its file and with Redis. Flask-Limiter, with the same headers,
runs with its own memory, which each process has for itself, and with the same Redis.
"""

import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask

PROCESSES = 4
REQUESTS = 4000  # by each process
GOAL_MS = 0.2
LIMIT = "1000000000/hour"


def bare() -> Flask:
    """Return an application with one view below the API's path."""
    app = Flask("bench")
    app.add_url_rule("/api/v1/dags", "dags", lambda: "ok")
    return app


def ours(storage: str) -> Flask:
    """The same with our limiter; every request comes with the same key."""
    from airflow_platform_plugin.core import settings
    from airflow_platform_plugin.core.principal import Credential, Principal
    from airflow_platform_plugin.http import request_state
    from airflow_platform_plugin.ratelimit import hooks

    settings.forget()
    os.environ |= {
        "AIRFLOW__PLATFORM__RATE_LIMIT_STORAGE": storage,
        "AIRFLOW__PLATFORM__RATE_LIMIT_READ": LIMIT,
    }
    principal = Principal("someone", None, Credential("key"))

    def recognise() -> None:
        request_state.current().principal = principal

    app, blueprint = bare(), Blueprint("hooks", __name__)
    app.api_auth = []  # type: ignore[attr-defined]  # an attribute of Airflow's application
    blueprint.before_app_request(recognise)
    hooks.install(app, blueprint)
    app.register_blueprint(blueprint)
    return app


def flask_limiter(storage: str) -> Flask:
    """Return the same with Flask-Limiter."""
    from flask_limiter import Limiter

    app = bare()
    Limiter(
        lambda: "key",
        app=app,
        application_limits=[LIMIT],
        storage_uri=storage,
        strategy="fixed-window",
        headers_enabled=True,
    )
    return app


def measure(app: Flask) -> list[float]:
    """Return the milliseconds that each request spent around its view."""
    answer = app.response_class("ok")
    took = []
    for _ in range(REQUESTS):
        with app.test_request_context("/api/v1/dags"):
            started = time.perf_counter()
            app.preprocess_request()
            answer = app.process_response(answer)
            took.append((time.perf_counter() - started) * 1000)
    if app.before_request_funcs and "X-RateLimit-Remaining" not in answer.headers:
        raise RuntimeError("Nothing was counted.")
    return took


def work(makers: dict[str, Callable[[], Flask]], barrier: Barrier, results: Any) -> None:  # noqa: ANN401 - a queue
    """Measure every application in turn, at the same time as the other processes."""
    for name, make in makers.items():
        app = make()
        barrier.wait()
        results.put((name, measure(app)))


def main() -> None:
    """Measure and print."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import servers

    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
        redis = servers.redis()
        try:
            makers = {
                "nothing": bare,
                "file": lambda: ours("platform-file://"),
                "redis": lambda: ours(redis.url),
                "flask_limiter_memory": lambda: flask_limiter("memory://"),
                "flask_limiter_redis": lambda: flask_limiter(redis.url),
            }
            context = multiprocessing.get_context("fork")
            barrier, results = context.Barrier(PROCESSES), context.Queue()
            processes = [
                context.Process(target=work, args=(makers, barrier, results)) for _ in range(PROCESSES)
            ]
            for process in processes:
                process.start()
            took: dict[str, list[float]] = {name: [] for name in makers}
            for _ in range(PROCESSES * len(makers)):
                name, measured = results.get(timeout=300)
                took[name] += measured
            for process in processes:
                process.join()
        finally:
            redis.stop()
    report(took)


def report(took: dict[str, list[float]]) -> None:
    """Print the medians and tails, minus the time without a limiter, and the ratios."""
    base = statistics.median(took["nothing"])
    p50 = {name: statistics.median(values) - base for name, values in took.items() if name != "nothing"}
    p99 = {name: statistics.quantiles(took[name], n=100)[98] - base for name in p50}
    print(
        json.dumps(
            {
                "benchmark": "ratelimit",
                "processes": PROCESSES,
                "p50_ms": {name: round(value, 4) for name, value in p50.items()},
                "p99_ms": {name: round(value, 4) for name, value in p99.items()},
                "ratio_to_flask_limiter_memory": round(p50["file"] / p50["flask_limiter_memory"], 2),
                "ratio_to_flask_limiter_redis": round(p50["file"] / p50["flask_limiter_redis"], 2),
                "goal_p50_ms": GOAL_MS,
            }
        )
    )


if __name__ == "__main__":
    main()
