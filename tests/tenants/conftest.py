"""Users of Airflow that tenants name."""

from collections.abc import Callable
from typing import Any

import pytest
from calls import client
from sqlalchemy import select


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


@pytest.fixture
def as_person(
    app: Any, session: Any, people: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Callable[..., Any]]:
    """Return callers for users of the test's transaction, which Airflow's own sessions do not see."""
    from airflow.providers.fab.auth_manager.models import Permission, Role, User

    from airflow_platform_plugin import airflow_compat
    from airflow_platform_plugin.auth import service as keys

    def user_by_id(user_id: int) -> Any:
        user = session.get(User, user_id)
        if user_id in people.values():
            session.expire(user)
            rows = session.scalars(select(Role).where(Role.user.any(User.id == user_id))).unique()
            pairs: list[Permission] = [pair for role in rows for pair in role.permissions]
            user._perms = {(pair.action.name, pair.resource.name) for pair in pairs}
            user._platform_memberships = None
            return user
        return original(user_id)

    original = airflow_compat.users.user_by_id
    monkeypatch.setattr(airflow_compat.users, "user_by_id", user_by_id)
    monkeypatch.setattr(airflow_compat.authorization, "user_by_id", user_by_id)

    def make(name: str) -> Callable[..., Any]:
        _, key = keys.issue(session, name=f"of {name}", user_id=people[name])
        return client(app, {"X-API-Key": key})

    return make
