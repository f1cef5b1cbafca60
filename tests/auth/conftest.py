"""Committed API keys, since Airflow reads on its own connections."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def with_key(app: Any, user_id: Callable[[str], int]) -> Iterator[Callable[..., Any]]:
    """Make requests with an administrator's key with the given limits."""
    from sqlalchemy import delete

    from airflow_platform_plugin.auth import service
    from airflow_platform_plugin.auth.models import ApiKey
    from airflow_platform_plugin.core import db

    def make(**limits: Any) -> Callable[..., SimpleNamespace]:
        with db.transaction() as session:
            _, key = service.issue(session, name="k", user_id=user_id("admin"), **limits)

        def request(method: str, path: str, **kwargs: Any) -> SimpleNamespace:
            answer = app.test_client().open(
                path, method=method, headers={"X-API-Key": key, "Accept": "application/json"}, **kwargs
            )
            return SimpleNamespace(
                status=answer.status_code,
                json=answer.get_json(silent=True),
                text=answer.get_data(as_text=True),
            )

        return request

    yield make
    with db.transaction() as session:
        session.execute(delete(ApiKey))
