"""The real Airflow application on a real database. Each test's transaction is rolled back."""

import atexit
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import servers
from calls import client

HOME = Path(tempfile.mkdtemp(prefix="platform-tests-"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", default="sqlite", choices=["sqlite", "postgresql", "mysql"])


def pytest_configure(config: pytest.Config) -> None:
    """Set Airflow's configuration before any test module imports Airflow, which reads it then."""
    assert "airflow" not in sys.modules, "A conftest.py imports Airflow before it is configured."
    os.environ |= {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(HOME / "dags"),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "SQLALCHEMY_WARN_20": "1",
    }
    # Tests of other things may ask as often as they like.
    for rate in ("READ", "WRITE", "DELETE", "QUERY", "BULK", "USER_QUERY", "USER_BULK", "FAILED"):
        os.environ[f"AIRFLOW__PLATFORM__RATE_LIMIT_{rate}"] = "1000000/minute"
    if config.getoption("--database") != "sqlite":
        server = {"postgresql": servers.postgresql, "mysql": servers.mysql}[config.getoption("--database")]()
        # Registered before Airflow is imported, so run after Airflow has closed its connections.
        atexit.register(server.stop)
        os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = server.url


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def app() -> Any:
    """Return Airflow's web application with the plugin, loaded by its entry point, with the tests' users."""
    from airflow.www.app import create_app

    # In its own process: Airflow keeps the database handle of the process that migrates first.
    subprocess.run([sys.executable, "-W", "ignore", "-m", "airflow", "db", "migrate"], check=True)
    application = create_app(testing=True)
    with application.app_context():
        manager = application.appbuilder.sm
        for name, role in (("admin", "Admin"), ("viewer", "Viewer")):
            manager.add_user(name, name.title(), "Test", f"{name}@example.com", manager.find_role(role), name)
    return application


@pytest.fixture
def session(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a session that is rolled back after the test; the product's own transactions join it."""
    from airflow import settings
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session
    from sqlalchemy.pool import NullPool

    from airflow_platform_plugin.core import db

    engine = create_engine(settings.engine.url, poolclass=NullPool, future=True)
    with engine.connect() as connection, connection.begin() as outer:
        if engine.dialect.name == "sqlite":
            # The driver would begin too late for SAVEPOINT: let it do nothing, and begin by hand.
            connection.connection.isolation_level = None
            connection.exec_driver_sql("BEGIN")

        @contextmanager
        def joined() -> Iterator[Session]:
            with Session(connection, future=True) as own, connection.begin_nested():
                yield own
                own.flush()

        monkeypatch.setattr(db, "transaction", joined)
        with Session(connection, future=True) as own:
            yield own
        outer.rollback()


@pytest.fixture
def declared_payloads(session: Any) -> Iterator[None]:
    """Check after the test that each stored event has the payload that its type declares."""
    from airflow_platform_plugin.core import events
    from airflow_platform_plugin.core.feature import resolve

    yield
    session.expire_all()
    for event in session.query(events.Event):
        payload = resolve(events.types()[event.type].payload)
        payload.model_validate_json(json.dumps(event.data), strict=True)


@pytest.fixture(autouse=True)
def _unmasked(request: pytest.FixtureRequest) -> None:
    """Reset Airflow's masker: a password of one test may be a plain word of another."""
    if "app" in request.fixturenames:
        from airflow.utils.log.secrets_masker import _secrets_masker

        masker = _secrets_masker()
        masker.patterns.clear()
        masker.replacer = None


@pytest.fixture
def user_id(app: Any) -> Callable[[str], int]:
    """Return the id of a user by name."""

    def find(name: str) -> int:
        with app.app_context():
            return int(app.appbuilder.sm.find_user(name).id)

    return find


@pytest.fixture
def make_key(session: Any, user_id: Callable[[str], int]) -> Callable[[str], str]:
    """Create an API key of a user."""
    from airflow_platform_plugin.auth import service

    return lambda name: service.issue(session, name="test", user_id=user_id(name))[1]


@pytest.fixture
def committed_key(app: Any, user_id: Callable[[str], int]) -> Iterator[Callable[[str], str]]:
    """Create a committed API key, for requests that also write to Airflow's own tables."""
    from sqlalchemy import delete

    from airflow_platform_plugin.auth import service
    from airflow_platform_plugin.auth.models import ApiKey
    from airflow_platform_plugin.core import db

    def make(name: str) -> str:
        with db.transaction() as own:
            return service.issue(own, name="test", user_id=user_id(name))[1]

    yield make
    with db.transaction() as own:
        own.execute(delete(ApiKey))


@pytest.fixture
def call(app: Any, make_key: Callable[[str], str]) -> Callable[..., SimpleNamespace]:
    """Make a request with an administrator's key; ``call("GET", "/api/v1/…").json``."""
    key = make_key("admin")
    return client(app, {"X-API-Key": key})


@pytest.fixture
def call_anonymously(app: Any) -> Callable[..., SimpleNamespace]:
    """Make a request without any credentials."""
    return client(app, {})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stop the counters' clock at noon; ``clock(seconds)`` moves it."""
    from airflow_platform_plugin.ratelimit import file_storage

    now = [1_800_000_000.0]
    monkeypatch.setattr(file_storage, "_clock", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


@pytest.fixture
def fresh_credentials() -> Iterator[None]:
    """Clear this process's cache of credentials before and after the test."""
    from airflow_platform_plugin.auth import credentials

    credentials.clear_cache()
    yield
    credentials.clear_cache()


@pytest.fixture
def limit(app: Any, tmp_path: Path, clock: object) -> Iterator[Callable[..., Any]]:
    """Set the API reference's limits, except for the given ones: ``limit(read="3/minute")``."""
    from airflow_platform_plugin.core.rate_limits import LIMITED, RequestClass
    from airflow_platform_plugin.ratelimit.limiter import Limiter
    from airflow_platform_plugin.ratelimit.limits import ConfiguredLimits
    from airflow_platform_plugin.ratelimit.settings import RateLimitSettings

    before = app.extensions["platform_ratelimit"]
    fields = RateLimitSettings.model_fields
    table = {rate: fields[f"rate_limit_{rate.value}"].default for rate in LIMITED}
    defaults = {
        rate: fields[f"rate_limit_user_{rate.value}"].default
        for rate in (RequestClass.QUERY, RequestClass.BULK)
    }

    def install(
        storage: str = f"platform-file://{tmp_path}/counters",
        *,
        user: dict[str, str] | None = None,
        failed: str = fields["rate_limit_failed"].default,
        **limits: str,
    ) -> Limiter:
        of_users = defaults | {RequestClass(name): text for name, text in (user or {}).items()}
        each = table | {RequestClass(name): text for name, text in limits.items()}
        limiter = Limiter(storage, ConfiguredLimits(each, of_users, failed))
        app.extensions["platform_ratelimit"] = limiter
        return limiter

    yield install
    app.extensions["platform_ratelimit"] = before


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a DuckDB file with the API reference's table, and the connection ``warehouse`` for it."""
    import duckdb

    file = tmp_path / "w.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE SCHEMA gold")
        connection.execute(
            "CREATE TABLE gold.dim_customer AS SELECT * FROM (VALUES "
            "('Gold', 10.0, true), ('Gold', 20.0, true), ('Diamond', 100.5, true), ('Gold', 9.0, false)) "
            "v(customer_segment, lifetime_value, is_active)"
        )
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f'{{"conn_type": "duckdb", "host": "{file}"}}')
    return file


@pytest.fixture
def tenant() -> dict[str, Any]:
    """The tenant of the API reference."""
    return {
        "tenant_id": "analytics-team",
        "display_name": "Analytics Team",
        "namespace": "analytics",
        "resource_limits": {"cpu": "4000m", "memory": "16Gi", "storage": "100Gi"},
        "features": {"datakits": True, "custom_operators": True, "external_connections": True},
        "admin_users": ["alice@example.com", "bob@example.com"],
        "metadata": {"cost_center": "CC-123", "department": "Analytics", "environment": "production"},
    }


@pytest.fixture
def manifest() -> dict[str, Any]:
    """The DataKit of the API reference."""
    return {
        "name": "customer-360-datakit",
        "version": "1.2.0",
        "description": "Customer 360 view transformation pipeline",
        "image": "registry.localhost/datakits/customer-360:1.2.0",
        "type": "transformation",
        "inputs": [
            {"name": "customers", "type": "table", "schema": "bronze"},
            {"name": "orders", "type": "table", "schema": "bronze"},
        ],
        "outputs": [{"name": "customer_360", "type": "table", "schema": "gold"}],
        "configuration": {
            "batch_size": {"type": "integer", "default": 1000, "description": "Processing batch size"},
            "parallel_tasks": {"type": "integer", "default": 4, "description": "Number of parallel tasks"},
        },
        "requirements": {"cpu": "2000m", "memory": "4Gi", "gpu": False},
        "tags": ["customer", "gold-layer", "analytics"],
    }


@pytest.fixture
def deployment() -> dict[str, Any]:
    """The deploy request of the API reference."""
    return {
        "environment": "production",
        "namespace": "analytics",
        "configuration": {"batch_size": 5000, "parallel_tasks": 8},
        "schedule": "0 2 * * *",
        "notifications": {"on_success": ["success@example.com"], "on_failure": ["alerts@example.com"]},
    }
