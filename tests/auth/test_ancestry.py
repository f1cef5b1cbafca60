"""A credential limits the credentials that it creates: in rights, in lifetime, and when it ends."""

from collections.abc import Callable
from datetime import timedelta, timezone
from typing import Any

import pytest
from calls import client

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.auth import ancestry, credentials, key_format, service
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.auth.oauth import tokens
from airflow_platform_plugin.auth.oauth.models import Client, Token
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.principal import Credential, DagLimit
from airflow_platform_plugin.core.timestamps import timestamp

pytestmark = pytest.mark.usefixtures("fresh_credentials")

KEYS, CLIENTS = "/api/v1/platform/api-keys", "/api/v1/platform/oauth-clients"
STOCK = "/api/v1/pools"
Call = Callable[..., Any]


@pytest.fixture
def make(app: Any, session: Any, user_id: Callable[[str], int]) -> Callable[..., Call]:
    """Return a program with a new key of the administrator, which no credential created."""

    def program(**limits: Any) -> Call:
        return as_key(app, service.issue(session, name="k", user_id=user_id("admin"), **limits)[1])

    return program


@pytest.fixture
def token(app: Any, session: Any, user_id: Callable[[str], int]) -> Callable[..., Call]:
    """Return a program with an access token."""

    def program(client_id: str = "airflow-cli", family: str = "f") -> Call:
        text = str(key_format.generate(key_format.ACCESS_TOKEN))
        account = airflow_compat.users.account(session, user_id("admin"))
        assert account is not None
        scopes = ["api_keys:write", "oauth_clients:write", "pools:read"]
        granted = tokens.TokenGrant(session.get(Client, client_id), account, scopes)
        tokens.issue(session, text, granted, family=family)
        session.flush()
        return as_key(app, text)

    return program


def as_key(app: Any, text: str) -> Call:
    """Return a program with the key; the cache is cleared before each request."""
    call = client(app, {"Authorization": f"Bearer {text}"})

    def request(*asked: Any, **options: Any) -> Any:
        credentials.clear_cache()
        answer = call(*asked, **options)
        answer.text = text if asked == () else answer.text
        return answer

    return request


def child(app: Any, parent: Call, **fields: Any) -> tuple[Call, dict[str, Any]]:
    """Return a program with a key that another program creates, and the response to its creation."""
    made = parent("POST", KEYS, json={"name": "child", **fields})
    assert made.status == 201, made.text
    return as_key(app, made.json["key"]), made.json


# --- time ---


def test_a_key_expires_no_later_than_the_key_that_created_it(app: Any, make: Callable[..., Call]) -> None:
    """The request may omit the expiry or set an earlier one, a later one or null; in each generation."""
    ends = db.now() + timedelta(hours=1)
    parent = make(expires_at=ends)
    second, made = child(app, parent)
    assert made["expires_at"] == timestamp(ends)
    earlier = timestamp(ends - timedelta(minutes=30))
    assert child(app, parent, expires_at=earlier)[1]["expires_at"] == earlier
    for program in (parent, second):
        for never_or_later in (None, timestamp(ends + timedelta(seconds=1))):
            refused = program("POST", KEYS, json={"name": "x", "expires_at": never_or_later})
            assert (refused.status, refused.json["error"]["code"]) == (403, "PERMISSION_DENIED")
            assert refused.json["error"]["details"] == {"expires_at": made["expires_at"]}
    assert child(app, second)[1]["expires_at"] == made["expires_at"]
    # The same moment, said in another time zone.
    same = ends.astimezone(timezone(timedelta(hours=5))).isoformat()
    assert child(app, parent, expires_at=same)[1]["expires_at"] == made["expires_at"]


def test_a_key_cannot_extend_its_own_life_or_another_keys(
    app: Any, make: Callable[..., Call], session: Any
) -> None:
    parent = make(expires_at=db.now() + timedelta(hours=1))
    (mine,) = parent("GET", KEYS).json["api_keys"]
    path = f"{KEYS}/{mine['id']}"
    later = timestamp(db.now() + timedelta(hours=2))
    for moment in (None, later):
        assert parent("PATCH", path, json={"expires_at": moment}).status == 403
    make()
    permanent = next(key for key in parent("GET", KEYS).json["api_keys"] if key["id"] != mine["id"])
    for method, where, body in (
        ("PATCH", "", {"name": "x"}),
        ("PATCH", "", {"expires_at": mine["expires_at"]}),
        ("POST", "/rotate", {}),
    ):
        status = parent(method, f"{KEYS}/{permanent['id']}{where}", json=body).status
        assert status == 403, (method, body)
    assert (
        parent("POST", f"{path}/rotate", json={"overlap_seconds": 2_592_000}).json["expires_at"]
        == (mine["expires_at"])
    )
    assert session.get(ApiKey, mine["id"]).expires_at is not None
    sooner = timestamp(db.now() + timedelta(minutes=1))
    assert parent("PATCH", path, json={"expires_at": sooner}).json["expires_at"] == sooner


def test_a_key_ends_early_when_its_parents_expiry_is_moved_forward(
    app: Any, make: Callable[..., Call], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends when the parent expires, although its own row is unchanged."""
    parent = make()
    program, _ = child(app, parent)
    (mine,) = (key for key in parent("GET", KEYS).json["api_keys"] if key["name"] == "k")
    soon = db.now() + timedelta(minutes=1)
    assert call("PATCH", f"{KEYS}/{mine['id']}", json={"expires_at": timestamp(soon)}).status == 200
    assert program("GET", STOCK).status == 200
    monkeypatch.setattr(db, "now", lambda: soon)
    assert program("GET", STOCK).status == 401


def test_a_clock_that_is_set_back_revives_no_revoked_key(
    app: Any, make: Callable[..., Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = make()
    program, made = child(app, parent)
    assert parent("DELETE", f"{KEYS}/{made['id']}").status == 204
    before = db.now() - timedelta(days=1)
    monkeypatch.setattr(db, "now", lambda: before)
    assert program("GET", STOCK).status == 401


# --- a parent that ends ---


def test_revoking_a_key_ends_all_generations_below_it(
    app: Any, make: Callable[..., Call], call: Call
) -> None:
    """They end at once, and lists show it. Keys of others still work."""
    parent = make()
    (first,) = (key for key in parent("GET", KEYS).json["api_keys"] if key["name"] == "k")
    one, second = child(app, parent)
    two, third = child(app, one)
    other = make()
    assert [program("GET", STOCK).status for program in (one, two, other)] == [200] * 3
    assert call("DELETE", f"{KEYS}/{first['id']}").status == 204
    assert [program("GET", STOCK).status for program in (parent, one, two, other)] == [401, 401, 401, 200]
    for made in (second, third):
        assert call("GET", f"{KEYS}/{made['id']}").json["revoked_at"] is not None


@pytest.mark.parametrize("generation", [0, 1])
def test_a_revoked_parent_ends_its_descendants_without_a_change_of_their_rows(
    app: Any, make: Callable[..., Call], session: Any, generation: int
) -> None:
    """Each use reads the parents again."""
    first = make()
    second, made = child(app, first)
    third, _ = child(app, second)
    (root,) = (key for key in first("GET", KEYS).json["api_keys"] if key["name"] == "k")
    ended = [root["id"], made["id"]][generation]
    session.get(ApiKey, ended).revoked_at = db.now()
    session.flush()
    assert third("GET", STOCK).status == 401


@pytest.mark.parametrize("way", ["client", "token", "family", "refresh", "row"])
def test_a_key_created_with_a_token_ends_with_the_token(
    app: Any, token: Callable[..., Call], session: Any, call: Call, way: str
) -> None:
    """The client, the grant or the token alone may end; the rule holds in the next generation too."""
    program, made = child(app, token())
    assert made["expires_at"] is not None
    grandchild, _ = child(app, program)
    assert [each("GET", STOCK).status for each in (program, grandchild)] == [200, 200]
    row = session.query(Token).one()
    match way:
        case "client":
            assert call("DELETE", f"{CLIENTS}/airflow-cli").status == 204
        case "token":
            tokens.revoke(session, row)
        case "family":
            tokens.revoke_family(session, "f")
        case "refresh":
            refresh = Token(**{column: getattr(row, column) for column in (*Token.__table__.c.keys(),)})
            refresh.id, refresh.kind = "other", "refresh_token"
            tokens.revoke(session, refresh)
        case "row":
            session.delete(row)
    session.flush()
    assert [each("GET", STOCK).status for each in (program, grandchild)] == [401, 401]
    if way != "row":
        assert session.get(ApiKey, made["id"]).revoked_at is not None


def test_a_key_created_with_a_token_expires_with_it(
    app: Any, token: Callable[..., Call], session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = token()
    program, made = child(app, parent)
    row = session.query(Token).one()
    assert made["expires_at"] == timestamp(row.expires_at)
    assert parent("POST", KEYS, json={"name": "x", "expires_at": None}).status == 403
    monkeypatch.setattr(db, "now", lambda: row.expires_at)
    assert program("GET", STOCK).status == 401


def test_descendants_lose_the_scopes_that_a_client_or_parent_loses(
    app: Any, token: Callable[..., Call], make: Callable[..., Call], call: Call
) -> None:
    program, _ = child(app, token())
    assert program("GET", STOCK).status == 200
    assert call("PATCH", f"{CLIENTS}/airflow-cli", json={"scopes": ["api_keys:write"]}).status == 200
    assert program("GET", STOCK).status == 403
    parent = make()
    below, _ = child(app, parent)
    (mine,) = (key for key in parent("GET", KEYS).json["api_keys"] if key["name"] == "k")
    assert call("PATCH", f"{KEYS}/{mine['id']}", json={"scopes": ["api_keys:read"]}).status == 200
    assert [below("GET", STOCK).status, below("GET", KEYS).status] == [403, 200]
    assert call("PATCH", f"{KEYS}/{mine['id']}", json={"allowed_networks": ["10.0.0.0/8"]}).status == 200
    assert below("GET", KEYS).status == 401
    assert below("GET", KEYS, environ_base={"REMOTE_ADDR": "10.1.1.1"}).status == 200


# --- OAuth clients that a credential creates ---


def test_an_oauth_client_ends_with_the_key_that_created_it(
    app: Any, make: Callable[..., Call], call: Call
) -> None:
    """Its tokens and their keys end too, and it gets no new tokens."""
    ends = db.now() + timedelta(minutes=20)
    maker = make(expires_at=ends)
    (mine,) = (key for key in maker("GET", KEYS).json["api_keys"] if key["expires_at"])
    fields = {
        "name": "s",
        "grant_types": ["client_credentials"],
        "acting_user": "admin",
        "scopes": ["pools:read", "api_keys:write"],
    }
    made = maker("POST", CLIENTS, json=fields)
    assert (made.status, made.json["expires_at"]) == (201, timestamp(ends))

    def ask() -> Any:
        auth = (made.json["client_id"], made.json["client_secret"])
        return app.test_client().post("/oauth/token", data={"grant_type": "client_credentials"}, auth=auth)

    answer = ask().get_json()
    assert 0 < answer["expires_in"] <= 1200
    program = as_key(app, answer["access_token"])
    below, key = child(app, program)
    assert key["expires_at"] is not None
    assert [each("GET", STOCK).status for each in (program, below)] == [200, 200]
    assert call("DELETE", f"{KEYS}/{mine['id']}").status == 204
    assert [each("GET", STOCK).status for each in (program, below)] == [401, 401]
    refused = ask()
    assert (refused.status_code, refused.get_json()["error"]) == (401, "invalid_client")


def test_only_the_creating_credential_can_rotate_a_clients_secret(
    app: Any, make: Callable[..., Call]
) -> None:
    """A credential that created the creator can rotate it too. Others get an error with the reason."""
    maker = make()
    made = maker("POST", CLIENTS, json={"name": "c", "redirect_uris": ["https://a.example/cb"]}).json
    path = f"{CLIENTS}/{made['client_id']}/rotate-secret"
    assert maker("POST", path, json={}).status == 200
    assert make()("POST", path, json={}).status == 403
    below, _ = child(app, maker)
    assert below("POST", path, json={}).status == 403


@pytest.mark.parametrize("limits", [{"rate_limits": {"read": "3/minute"}}])
def test_a_key_with_rate_limits_creates_no_clients(make: Callable[..., Call], limits: dict[str, Any]) -> None:
    body = {"name": "c", "redirect_uris": ["https://a.example/cb"]}
    assert make(**limits)("POST", CLIENTS, json=body).status == 403


# --- rotated secrets ---


def test_a_key_ends_with_the_credential_that_rotated_it(
    app: Any, make: Callable[..., Call], call: Call
) -> None:
    """This applies to a key that a person created. A key of another credential cannot be rotated."""
    thief, victim = make(), make()
    listed = {key["id"]: key for key in victim("GET", KEYS).json["api_keys"]}
    (own,) = (key for key in listed.values() if key["last_used_at"] and key["name"] == "k")
    rotated = thief("POST", f"{KEYS}/{own['id']}/rotate", json={"overlap_seconds": 0}).json
    stolen = as_key(app, rotated["key"])
    assert stolen("GET", STOCK).status == 200
    (thiefs,) = (
        key
        for key in call("GET", KEYS).json["api_keys"]
        if key["id"] != own["id"] and key["last_used_at"] and key["name"] == "k"
    )
    other, made = child(app, make())
    assert thief("POST", f"{KEYS}/{made['id']}/rotate", json={}).status == 403
    assert other("GET", STOCK).status == 200
    assert call("DELETE", f"{KEYS}/{thiefs['id']}").status == 204
    assert stolen("GET", STOCK).status == 401


def test_two_keys_that_rotate_each_other_end_together(
    app: Any, make: Callable[..., Call], session: Any
) -> None:
    """A cycle of parents is followed once."""
    (one, first), (two, second) = (child(app, make()) for _ in range(2))
    for made, other in ((first, second), (second, first)):
        session.get(ApiKey, made["id"]).parent = f"api_key:{other['id']}"
    session.flush()
    assert [each("GET", STOCK).status for each in (one, two)] == [200, 200]
    ancestry.revoke_descendants(session, [f"api_key:{first['id']}"])
    session.flush()
    assert [each("GET", STOCK).status for each in (one, two)] == [401, 401]


def test_the_number_of_generations_is_limited(app: Any, make: Callable[..., Call]) -> None:
    """So the authentication of a key needs a bounded number of queries."""
    program = make()
    for _ in range(ancestry.MOST_GENERATIONS - 1):
        program, _ = child(app, program)
        assert program("GET", STOCK).status == 200
    last, _ = child(app, program)
    refused = last("POST", KEYS, json={"name": "one too many"})
    assert (last("GET", STOCK).status, refused.status) == (200, 403)


# --- rate limits ---


def test_a_key_shares_the_rate_limit_of_the_key_that_created_it(
    app: Any, make: Callable[..., Call], limit: Callable[..., Any]
) -> None:
    """A key cannot get more requests by creating keys or by changing itself."""
    limit()
    parent = make(rate_limits={"read": "6/minute"})
    (mine,) = (key for key in parent("GET", KEYS).json["api_keys"] if key["rate_limits"])
    path = f"{KEYS}/{mine['id']}"
    assert parent("PATCH", path, json={"rate_limits": None}).status == 403
    assert parent("PATCH", path, json={"rate_limits": {}}).status == 403
    assert parent("PATCH", path, json={"rate_limits": {"read": "7/minute"}}).status == 403
    assert parent("POST", KEYS, json={"name": "x", "rate_limits": {"read": "1000/minute"}}).status == 403
    programs = [parent, *(child(app, parent)[0] for _ in range(3))]
    programs.append(child(app, programs[-1])[0])
    assert [program("GET", STOCK).status for program in programs] == [200] * 5
    assert [program("GET", STOCK).status for program in programs] == [429] * 5
    assert programs[-1]("GET", STOCK).headers["X-RateLimit-Limit"] == "6"


# --- the combination of two credentials ---


def test_a_credential_has_its_own_limits_and_its_parents() -> None:
    def found(**fields: Any) -> credentials.StoredCredential:
        return credentials.StoredCredential(Credential("k", **fields), None)

    limits = (DagLimit(("a",)), DagLimit(("b",)))
    above = found(
        scopes=frozenset({"dags:write", "pools:read"}),
        dags=limits[1:],
        own_limits={"read": "10/minute", "write": "1/minute"},
    )
    below = found(
        scopes=frozenset({"dags:read", "pools:write", "tasks:read"}),
        dags=limits[:1],
        rate_limits={"read": "20/minute", "delete": "5/minute", "write": "1/hour"},
    ).limited_by(above)
    assert below is not None
    assert below.credential.scopes == {"dags:read", "pools:read"}
    assert below.credential.dags == limits
    assert below.credential.rate_limits == {"read": "10/minute", "delete": "5/minute", "write": "1/hour"}
    assert found(tenant_id="a").limited_by(found(tenant_id="b")) is None
    assert found().limited_by(found(tenant_id="b")).credential.tenant_id == "b"  # type: ignore[union-attr]
    assert found(scopes=None).limited_by(found(scopes=frozenset())).credential.scopes == frozenset()  # type: ignore[union-attr]
