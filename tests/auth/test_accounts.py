"""A credential belongs to one account, and not to a later user with the same id or name."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from calls import client
from sqlalchemy import delete, select, text, update

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.auth import cleanup, credentials, key_format, service
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.auth.oauth import service as clients
from airflow_platform_plugin.auth.oauth import tokens
from airflow_platform_plugin.auth.oauth.inputs import NewClient
from airflow_platform_plugin.auth.oauth.models import AuthorizationCode, Client, Token
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.principal import Principal

STOCK = "/api/v1/pools"
KEYS = "/api/v1/platform/api-keys"
Call = Callable[..., Any]


class Someone:
    """A committed user, and the credentials of the user's programs."""

    def __init__(self, app: Any, name: str, role: str = "Op", user_id: int | None = None) -> None:
        self.app, self.name = app, name
        with app.app_context():
            manager = app.appbuilder.sm
            made = manager.add_user(name, "S", "O", f"{name}@example.com", manager.find_role(role), "x")
            self.id = made.id
        if user_id is not None and user_id != self.id:
            self._take(user_id)

    def _take(self, user_id: int) -> None:
        """Take the id of a deleted user: SQLite assigns it again, other databases after a reset."""
        # MySQL keeps whole seconds of when a user was made, and a test makes the second one in the same.
        own = {"old": self.id, "new": user_id, "later": datetime.now() + timedelta(seconds=2)}  # noqa: DTZ005 - as Airflow's
        with db.transaction() as session:
            session.execute(text("UPDATE ab_user_role SET user_id = NULL WHERE user_id = :old"), own)
            session.execute(text("UPDATE ab_user SET id = :new, created_on = :later WHERE id = :old"), own)
            session.execute(text("UPDATE ab_user_role SET user_id = :new WHERE user_id IS NULL"), own)
        self.id = user_id

    def key(self, **limits: Any) -> str:
        """Return a new key of the user."""
        with db.transaction() as session:
            return service.issue(session, name="k", user_id=self.id, **limits)[1]

    def token(self, kind: str = key_format.ACCESS_TOKEN) -> str:
        """Return a new token of the user."""
        made = str(key_format.generate(kind))
        with db.transaction() as session:
            account = airflow_compat.users.account(session, self.id)
            assert account is not None
            granted = tokens.TokenGrant(session.get(Client, "airflow-cli"), account, ["pools:read"])
            tokens.issue(session, made, granted, family="f")
        return made

    def delete(self) -> None:
        """Delete the user as Airflow's API and pages do."""
        with self.app.app_context():
            manager = self.app.appbuilder.sm
            user = manager.find_user(self.name)
            user.roles = []
            manager.get_session.delete(user)
            manager.get_session.commit()

    def delete_by_api(self) -> None:
        """Delete the user with a request of another user."""
        boss = Someone(self.app, "the-boss", role="Admin")
        answer = client(self.app, {"X-API-Key": boss.key()})("DELETE", f"/auth/fab/v1/users/{self.name}")
        assert answer.status == 204
        boss.delete_with_sql()

    def delete_with_sql(self) -> None:
        """Delete the user with SQL, so that no hook runs."""
        with db.transaction() as session:
            session.execute(text("DELETE FROM ab_user_role WHERE user_id = :id"), {"id": self.id})
            session.execute(text("DELETE FROM ab_user WHERE id = :id"), {"id": self.id})


@pytest.fixture
def someone(app: Any) -> Iterator[Callable[..., Someone]]:
    made: list[Someone] = []

    def make(name: str, **options: Any) -> Someone:
        made.append(Someone(app, name, **options))
        return made[-1]

    yield make
    for each in made:
        each.delete_with_sql()
    credentials.clear_cache()
    with db.transaction() as session:
        for model in (ApiKey, Token, AuthorizationCode):
            session.execute(delete(model))
        session.execute(delete(Client).where(Client.client_id != "airflow-cli"))


def status(app: Any, shown: str, path: str = STOCK) -> int:
    credentials.clear_cache()
    return int(client(app, {"Authorization": f"Bearer {shown}"})("GET", path).status)


# --- users with the id of a deleted user ---


@pytest.mark.parametrize("way", ["delete", "delete_by_api", "delete_with_sql"])
@pytest.mark.parametrize("name", ["successor", "leaver"])
def test_a_user_with_a_deleted_users_id_gets_no_credentials_of_that_user(
    app: Any, someone: Callable[..., Someone], way: str, name: str
) -> None:
    """This holds for keys and tokens, for any name and role of the new user, and for any way of deletion."""
    former = someone("leaver")
    shown = [former.key(), former.token()]
    assert [status(app, each) for each in shown] == [200, 200]
    getattr(former, way)()
    assert [status(app, each) for each in shown] == [401, 401]
    successor = someone(name, role="Admin", user_id=former.id)
    assert successor.id == former.id
    assert [status(app, each) for each in shown] == [401, 401]
    assert status(app, successor.key()) == 200


def test_a_cached_key_does_not_act_as_a_new_user_with_the_same_id(
    app: Any, someone: Callable[..., Someone]
) -> None:
    """Only the credential is cached; each request reads the user."""
    former = someone("leaver")
    request = client(app, {"X-API-Key": former.key()})
    assert request("GET", STOCK).status == 200
    former.delete_with_sql()
    someone("successor", role="Admin", user_id=former.id)
    assert request("GET", STOCK).status == 401


def test_a_refresh_token_a_code_and_an_acting_user_end_with_the_account(
    app: Any, someone: Callable[..., Someone]
) -> None:
    former = someone("leaver")
    refresh = former.token(key_format.REFRESH_TOKEN)
    with db.transaction() as session:
        account = airflow_compat.users.account(session, former.id)
        assert account is not None
        by = Principal("leaver", airflow_compat.users.user_model()(id=1, username="leaver"))
        by.user.created_on = account.created_on
        by.user.id = account.id
        new = NewClient(
            name="s", grant_types=["client_credentials"], scopes=["pools:read"], acting_user="leaver"
        )
        service_client = clients.create(session, new, by=by)
        acting = (str(service_client.client_id), str(service_client.secret))
        cli = session.get(Client, "airflow-cli")
        granted = tokens.TokenGrant(cli, account, ["pools:read"])
        challenge = "x" * 43
        tokens.issue_code(session, "the-code", granted, redirect_uri=None, code_challenge=challenge)
    former.delete_with_sql()
    someone("successor", role="Admin", user_id=former.id)

    def post(auth: tuple[str, str] | None = None, **form: str) -> tuple[int, str]:
        answer = app.test_client().post("/oauth/token", data=form, auth=auth)
        return answer.status_code, answer.get_json()["error"]

    assert post(grant_type="refresh_token", refresh_token=refresh, client_id="airflow-cli")[0] == 400
    assert post(grant_type="client_credentials", auth=acting) == (400, "unauthorized_client")
    redeemed = post(
        grant_type="authorization_code", code="the-code", client_id="airflow-cli", code_verifier="y" * 43
    )
    assert redeemed[0] == 400


def test_a_new_user_cannot_see_or_change_keys_of_a_deleted_user_with_the_same_id(
    app: Any, someone: Callable[..., Someone]
) -> None:
    """A list shows no owner for these keys."""
    former = someone("leaver")
    left = key_format.parse(former.key())
    assert left is not None
    former.delete_with_sql()
    successor = someone("successor", role="Viewer", user_id=former.id)
    request = client(app, {"X-API-Key": successor.key()})
    assert request("GET", KEYS).json["total_entries"] == 1
    path = f"{KEYS}/{left.id}"
    assert [request("GET", path).status, request("POST", f"{path}/rotate", json={}).status] == [404, 404]
    admin = someone("another-admin", role="Admin")
    shown = client(app, {"X-API-Key": admin.key()})("GET", path)
    assert (shown.status, shown.json["owner"]) == (200, None)


# --- users that are renamed ---


def test_a_renamed_user_keeps_all_credentials(app: Any, someone: Callable[..., Someone]) -> None:
    renamed = someone("before")
    shown = [renamed.key(), renamed.token()]
    admin = client(app, {"X-API-Key": someone("boss", role="Admin").key()})
    remembered = client(app, {"X-API-Key": shown[0]})
    assert remembered("GET", STOCK).status == 200
    person = {"first_name": "S", "last_name": "O", "email": "before@example.com", "roles": [{"name": "Op"}]}
    answer = admin("PATCH", "/auth/fab/v1/users/before", json=person | {"username": "after"})
    assert answer.status == 200
    assert remembered("GET", STOCK).status == 200  # also by a process that remembers the key
    assert [status(app, each) for each in shown] == [200, 200]
    assert [status(app, each) for each in shown] == [200, 200]
    listed = client(app, {"X-API-Key": shown[0]})("GET", KEYS).json
    assert [key["owner"] for key in listed["api_keys"]] == ["after"]


@pytest.mark.parametrize(("created_on", "expected"), [(None, 200), (datetime(2020, 1, 1), 401)])  # noqa: DTZ001 - Airflow's are naive
def test_without_a_creation_time_the_name_must_match(
    app: Any, someone: Callable[..., Someone], created_on: datetime | None, expected: int
) -> None:
    user = airflow_compat.users.user_model()
    old = someone("old")
    with db.transaction() as session:
        session.execute(update(user).where(user.id == old.id).values(created_on=None))
    shown = old.key()
    assert status(app, shown) == 200
    with db.transaction() as session:
        session.execute(update(user).where(user.id == old.id).values(created_on=created_on))
    assert status(app, shown) == expected
    with db.transaction() as session:
        session.execute(update(user).where(user.id == old.id).values(created_on=None, username="other"))
    assert status(app, shown) == 401


# --- deletion of a user ---


def test_deleting_a_user_ends_the_users_credentials_and_their_descendants(
    app: Any, someone: Callable[..., Someone]
) -> None:
    """In the same transaction, tokens are deleted and keys are revoked, in all generations, for any owner."""
    admin, other = someone("boss", role="Admin"), someone("robot")
    made = client(app, {"X-API-Key": admin.key()})("POST", KEYS, json={"name": "c", "owner": "robot"}).json
    refresh = admin.token(key_format.REFRESH_TOKEN)
    assert status(app, made["key"]) == 200
    admin.delete()
    with db.transaction() as session:
        assert session.get(ApiKey, made["id"]).revoked_at is not None
        assert session.scalars(select(Token.id)).all() == []
    assert status(app, made["key"]) == 401
    assert status(app, refresh) == 401
    assert status(app, other.key()) == 200


def test_a_key_ends_when_its_grandparents_owner_is_deleted_with_sql(
    app: Any, someone: Callable[..., Someone]
) -> None:
    admin = someone("boss", role="Admin")
    someone("robot")
    made = client(app, {"X-API-Key": admin.key()})("POST", KEYS, json={"name": "c", "owner": "robot"}).json
    assert status(app, made["key"]) == 200
    admin.delete_with_sql()
    assert status(app, made["key"]) == 401


def test_a_failing_hook_does_not_stop_the_deletion_or_renaming_of_a_user(
    app: Any, someone: Callable[..., Someone], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credentials that stay are not valid."""
    from sqlalchemy.exc import OperationalError

    def fail(*_: Any) -> None:
        raise OperationalError("UPDATE", {}, Exception("no such table"))

    monkeypatch.setattr(cleanup, "_end", fail)
    leaver = someone("leaver")
    shown = leaver.key()
    leaver.delete()
    assert status(app, shown) == 401
    with db.transaction() as session:
        assert airflow_compat.users.account(session, leaver.id) is None


def test_deleting_a_user_on_the_command_line_revokes_the_users_keys(
    app: Any, someone: Callable[..., Someone]
) -> None:
    """``airflow users delete`` is a process without an API, but it loads the plugin."""
    import subprocess
    import sys

    leaver = someone("leaver")
    shown = leaver.key()
    parsed = key_format.parse(shown)
    assert parsed is not None
    request = client(app, {"X-API-Key": shown})
    assert request("GET", STOCK).status == 200
    subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "airflow", "users", "delete", "--username", "leaver"],
        check=True,
        capture_output=True,
    )
    assert request("GET", STOCK).status == 401  # at once, though this process remembers the key
    with db.transaction() as session:
        assert session.get(ApiKey, parsed.id).revoked_at is not None


# --- the migration ---


def test_the_migration_binds_older_credentials_to_their_users(
    app: Any, someone: Callable[..., Someone]
) -> None:
    """A credential without a user, or with a user who was created later, ends."""
    import importlib

    migration = importlib.import_module(
        "airflow_platform_plugin.migrations.versions.0011_credentials_of_accounts"
    )
    user = someone("here")
    kept, orphan, elder = (key_format.parse(user.key()) for _ in range(3))
    assert kept is not None
    assert orphan is not None
    assert elder is not None
    token = key_format.parse(user.token())
    assert token is not None
    unbound = {"user_name": None, "user_created_on": None}
    with db.transaction() as session:
        session.execute(update(ApiKey).values(**unbound), execution_options={"synchronize_session": False})
        session.execute(update(Token).values(**unbound), execution_options={"synchronize_session": False})
        session.get(ApiKey, orphan.id).user_id = 987654
        session.get(ApiKey, elder.id).created_at = db.now() - timedelta(days=3)
        session.flush()
        migration._fill(session.connection())
    with db.transaction() as session:
        rows = {row.id: row for row in session.scalars(select(ApiKey))}
        assert rows[kept.id].account == airflow_compat.users.account(session, user.id)
        assert rows[kept.id].revoked_at is None
        assert rows[orphan.id].revoked_at is not None
        assert rows[elder.id].revoked_at is not None
        assert session.get(Token, token.id).account == rows[kept.id].account
