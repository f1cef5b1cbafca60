"""Users of Airflow that tenants name."""

from typing import Any

import pytest


@pytest.fixture
def people(session: Any, app: Any) -> dict[str, int]:
    """Create Airflow users for the test: an administrator of each tenant, and an outsider."""
    from airflow.providers.fab.auth_manager.models import User

    made = {}
    for name in ("ann-of-a", "bob-of-b", "stranger"):
        user = User(
            first_name=name,
            last_name="T",
            username=name,
            email=f"{name}@example.com",
            active=True,
            password="x",
        )
        session.add(user)
        session.flush()
        made[name] = user.id
    return made
