"""Members of a tenant over HTTP: who may see and change them, and what a change leaves behind."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
import tenancy
from calls import client
from flask_appbuilder.const import AUTH_DB, AUTH_LDAP
from options import set_options
from sqlalchemy import select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.auth import service as keys
from airflow_platform_plugin.core.naming import TenantRole, tenant_role_name
from airflow_platform_plugin.tenants.models import Tenant

TENANTS = "/api/v1/platform/tenants"
URL = f"{TENANTS}/t/members"
Call = Callable[..., SimpleNamespace]


@pytest.fixture(autouse=True)
def tenants(session: Any, people: dict[str, int]) -> None:
    """Create the tenants "t" with an admin, and "u" with another."""
    for tenant_id, admin in (("t", "ann-of-a"), ("u", "bob-of-b")):
        tenancy.add_tenant(session, tenant_id)
        session.get(Tenant, tenant_id).admin_users = [admin]
        tenancy.add_member(session, tenant_id, TenantRole.ADMIN, [people[admin]])
    session.flush()


@pytest.fixture
def add_user(session: Any, people: dict[str, int]) -> Callable[..., int]:
    """Return a function that creates an Airflow user of that name."""
    from airflow.providers.fab.auth_manager.models import User

    def add(name: str, email: str | None = None) -> int:
        email = email or f"{len(people)}@example.com"
        user = User(first_name="T", last_name="T", username=name, email=email, active=True, password="x")
        session.add(user)
        session.flush()
        people[name] = user.id
        return int(user.id)

    return add


@pytest.fixture
def labels(session: Any, people: dict[str, int]) -> Callable[[str], list[str]]:
    """Return a function that reads the names of a user's Airflow roles."""
    from airflow.providers.fab.auth_manager.models import Role, User

    def read(name: str) -> list[str]:
        session.expire_all()
        held = select(Role.name).where(Role.user.any(User.id == people[name]))
        return sorted(session.scalars(held))

    return read


@pytest.fixture
def admins(session: Any) -> Callable[[], list[str]]:
    """Return a function that reads the ``admin_users`` of the tenant "t"."""

    def read() -> list[str]:
        session.expire_all()
        return list(session.get(Tenant, "t").admin_users)

    return read


@pytest.fixture
def synchronize(app: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that lets logins replace roles by those of these groups."""

    def turn_on(**mapping: list[str]) -> None:
        monkeypatch.setitem(app.config, "AUTH_TYPE", AUTH_LDAP)
        monkeypatch.setitem(app.config, "AUTH_ROLES_SYNC_AT_LOGIN", value=True)
        monkeypatch.setitem(app.config, "AUTH_ROLES_MAPPING", mapping)

    return turn_on


def put(call: Call, name: str, role: str = "member", tenant_id: str = "t") -> SimpleNamespace:
    """Give a user a role."""
    return call("PUT", f"{TENANTS}/{tenant_id}/members/{quote(name, safe='')}", json={"role": role})


def test_a_user_is_added_changed_listed_and_removed(call: Call, labels: Callable[[str], list[str]]) -> None:
    """PUT answers 201 and then 200, and leaves one label of the tenant; DELETE leaves no label."""
    member = {"username": "stranger", "role": "member", "source": "assigned", "editable": True}
    added = put(call, "stranger")
    assert (added.status, added.json) == (201, member)
    assert labels("stranger") == ["Tenant t Member"]
    again = put(call, "stranger")
    assert (again.status, again.json) == (200, member)
    changed = put(call, "stranger", "viewer")
    assert (changed.status, changed.json) == (200, member | {"role": "viewer"})
    assert labels("stranger") == ["Tenant t Viewer"]
    assert call("GET", f"{URL}/stranger").json == changed.json
    ann = {"username": "ann-of-a", "role": "admin", "source": "admin_users", "editable": True}
    assert call("GET", URL).json == {"members": [ann, changed.json], "total_entries": 2, "groups": []}
    assert call("DELETE", f"{URL}/stranger").status == 204
    assert labels("stranger") == []
    assert [call(method, f"{URL}/stranger").status for method in ("GET", "DELETE")] == [404, 404]


def test_a_role_in_another_tenant_and_other_roles_stay(
    session: Any, call: Call, people: dict[str, int], labels: Callable[[str], list[str]]
) -> None:
    """A change in one tenant touches only its own labels."""
    tenancy.add_member(session, "u", TenantRole.VIEWER, [people["stranger"]])
    airflow_compat.roles.add_users(session, "Viewer", {people["stranger"]})
    tenancy.add_member(session, "t", TenantRole.VIEWER, [people["stranger"]])
    tenancy.add_member(session, "t", TenantRole.MEMBER, [people["stranger"]])
    assert call("GET", f"{URL}/stranger").json["role"] == "member"
    assert put(call, "stranger", "admin").status == 200
    assert labels("stranger") == ["Tenant t Admin", "Tenant u Viewer", "Viewer"]
    assert call("DELETE", f"{URL}/stranger").status == 204
    assert labels("stranger") == ["Tenant u Viewer", "Viewer"]


def test_the_list_is_filtered_searched_ordered_and_paged(
    session: Any, call: Call, people: dict[str, int], add_user: Callable[..., int]
) -> None:
    """A user with two roles counts once, with the stronger."""
    for name in ("zoe", "Yan", "x%y"):
        tenancy.add_member(session, "t", TenantRole.VIEWER, [add_user(name)])
    tenancy.add_member(session, "t", TenantRole.MEMBER, [people["zoe"]])

    def names(query: str) -> list[str]:
        answer = call("GET", f"{URL}?{query}").json
        assert answer["total_entries"] >= len(answer["members"])
        return [member["username"] for member in answer["members"]]

    assert sorted(names("")) == ["Yan", "ann-of-a", "x%y", "zoe"]
    assert names("role=member") == ["zoe"]
    assert sorted(names("role=viewer")) == ["Yan", "x%y"]
    assert names("role=admin") == ["ann-of-a"]
    assert names("search=YA") == ["Yan"]
    assert names("search=%25") == ["x%y"]
    whole = names("")
    assert names("order_by=-username") == whole[::-1]
    assert names("limit=2&offset=1") == whole[1:3]
    assert call("GET", f"{URL}?limit=1&role=viewer").json["total_entries"] == 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/role"), ({"role": "owner"}, "/role"), ({"role": "admin", "username": "x"}, "/username")],
)
def test_an_invalid_body_is_refused(call: Call, body: dict[str, Any], pointer: str) -> None:
    """The error names the field."""
    refused = call("PUT", f"{URL}/stranger", json=body)
    assert (refused.status, refused.json["error"]["details"]["errors"][0]["pointer"]) == (400, pointer)


def test_an_unknown_user_is_not_found(call: Call) -> None:
    """The message names the field and the user; a mail address is no user name."""
    for name in ("nobody", "stranger@example.com"):
        refused = put(call, name)
        assert (refused.status, refused.json["error"]["details"]) == (404, {"username": name})
        assert refused.json["error"]["message"].startswith(f"username: there is no user '{name}'")


@pytest.mark.parametrize(
    "name", ["a.b@example.com", "Jürgen Groß", "DOMAIN\\user", "a/b", "日本", "50%", "x" * 512, "a+b&c?d#e;f"]
)
def test_any_user_name_works(call: Call, add_user: Callable[..., int], name: str) -> None:
    """Names have dots, spaces, slashes, any letters and up to 512 characters."""
    add_user(name)
    path = f"{URL}/{quote(name, safe='')}"
    assert put(call, name, "admin").json["username"] == name
    assert call("GET", path).json["role"] == "admin"
    assert name in call("GET", TENANTS + "/t").json["admin_users"]
    kept = {"admin_users": call("GET", TENANTS + "/t").json["admin_users"]}
    assert call("PATCH", TENANTS + "/t", json=kept).status == 200
    assert call("DELETE", path).status == 204


def test_a_name_that_no_user_can_have_is_refused(call: Call) -> None:
    """It is longer than the column."""
    refused = put(call, "x" * 513)
    assert (refused.status, refused.json["error"]["details"]["errors"][0]["pointer"]) == (400, "/username")


def test_the_case_of_a_name_does_not_matter(
    call: Call,
    add_user: Callable[..., int],
    labels: Callable[[str], list[str]],
    admins: Callable[[], list[str]],
) -> None:
    """It is the same user on every database, as at login, and answers have the stored name."""
    add_user("Carol")
    assert put(call, "CAROL", "admin").json["username"] == "Carol"
    assert put(call, "carol", "admin").status == 200
    assert admins() == ["ann-of-a", "Carol"]
    call("PATCH", TENANTS + "/t", json={"admin_users": ["ann-of-a", "cAROL"]})
    assert labels("Carol") == ["Tenant t Admin"]
    assert call("GET", f"{URL}/carol").json["source"] == "admin_users"
    assert call("DELETE", f"{URL}/cArol").status == 204
    assert (admins(), labels("Carol")) == (["ann-of-a"], [])


def test_admin_users_follow_the_members(
    session: Any, call: Call, add_user: Callable[..., int], admins: Callable[[], list[str]]
) -> None:
    """An admin is added once; a lower role or a removal takes out the name and the mail address."""
    add_user("dan", "dan@example.com")
    before = session.get(Tenant, "t").row_version
    put(call, "dan", "admin")
    put(call, "dan", "admin")
    assert admins() == ["ann-of-a", "dan"]
    assert session.get(Tenant, "t").row_version == before + 1
    call("PATCH", TENANTS + "/t", json={"admin_users": ["dan@example.com", "dan", "later"]})
    put(call, "dan", "viewer")
    assert admins() == ["later"]
    call("PATCH", TENANTS + "/t", json={"admin_users": ["dan@example.com", "later"]})
    assert put(call, "dan", "admin").json["source"] == "admin_users"
    assert admins() == ["dan@example.com", "later"]
    assert call("DELETE", f"{URL}/dan").status == 204
    assert admins() == ["later"]


def test_a_change_of_members_leaves_the_tenant_as_it_was(call: Call) -> None:
    """Only a changed list of admins changes its ``ETag`` and ``updated_at``."""
    before = call("GET", f"{TENANTS}/t")
    assert put(call, "stranger").status == 201
    after = call("GET", f"{TENANTS}/t")
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])
    assert put(call, "stranger", "admin").status == 200
    changed = call("GET", f"{TENANTS}/t")
    assert changed.headers["ETag"] != before.headers["ETag"]
    assert changed.json["updated_at"] > before.json["updated_at"]


def test_a_changed_list_of_admins_leaves_other_members_alone(
    session: Any, call: Call, people: dict[str, int], add_user: Callable[..., int]
) -> None:
    """Only users who enter or leave the list gain or lose the role."""
    tenancy.add_member(session, "t", TenantRole.ADMIN, [add_user("by-hand")])
    put(call, "stranger")
    call("PATCH", TENANTS + "/t", json={"admin_users": ["stranger"]})
    roles = {each["username"]: each["role"] for each in call("GET", URL).json["members"]}
    assert roles == {"by-hand": "admin", "stranger": "admin"}


def test_the_list_of_admins_has_a_bound(session: Any, call: Call, people: dict[str, int]) -> None:
    """A PUT that would exceed it is a conflict, and changes nothing."""
    session.get(Tenant, "t").admin_users = [f"later-{number}" for number in range(100)]
    session.flush()
    assert put(call, "stranger", "admin").status == 409
    assert call("GET", f"{URL}/stranger").status == 404
    assert put(call, "stranger").status == 201


def test_the_last_admin_may_be_removed(
    call: Call, as_person: Callable[[str], Call], admins: Callable[[], list[str]]
) -> None:
    """An admin may also remove itself; a platform admin can add another one."""
    ann = as_person("ann-of-a")
    assert ann("DELETE", f"{URL}/ann-of-a").status == 204
    assert admins() == []
    assert ann("GET", URL).status == 403
    assert put(call, "ann-of-a", "admin").status == 201


def test_a_deleted_tenant_has_no_members(call: Call, labels: Callable[[str], list[str]]) -> None:
    """Its labels are taken from all members, and a later tenant of that id begins without members."""
    assert [
        put(call, name, role).status for name, role in (("stranger", "viewer"), ("bob-of-b", "admin"))
    ] == [
        201,
        201,
    ]
    assert call("DELETE", f"{TENANTS}/t").status == 204
    assert (labels("stranger"), labels("bob-of-b")) == ([], ["Tenant u Admin"])
    assert call("GET", URL).status == 404
    call("POST", TENANTS, json={"tenant_id": "t"})
    assert call("GET", URL).json["total_entries"] == 0


def test_a_role_that_somebody_deleted_is_created_again(session: Any, call: Call) -> None:
    """Airflow's pages can delete the roles of tenants."""
    airflow_compat.roles.delete_roles(session, [tenant_role_name("t", TenantRole.VIEWER)])
    assert put(call, "stranger", "viewer").json["role"] == "viewer"


# --- who may ---

# The statuses of GET the list, GET a member, PUT and DELETE for each caller; bob-of-b is no member.
CALLERS = {
    "admin": (200, 200, 200, 204),
    "member": (200, 200, 403, 403),
    "viewer": (200, 200, 403, 403),
    "admin of another tenant": (404, 404, 404, 404),
    "stranger": (403, 403, 403, 403),
}


@pytest.fixture
def callers(
    session: Any, people: dict[str, int], add_user: Callable[..., int], as_person: Callable[[str], Call]
) -> dict[str, Call]:
    """Return a caller of each kind."""
    for name, role in (("mel", TenantRole.MEMBER), ("vic", TenantRole.VIEWER), ("eve", TenantRole.VIEWER)):
        tenancy.add_member(session, "t", role, [add_user(name)])
    persons = dict(zip(CALLERS, ("ann-of-a", "mel", "vic", "bob-of-b", "stranger"), strict=True))
    return {kind: as_person(name) for kind, name in persons.items()}


def statuses(request: Call, name: str = "eve") -> tuple[int, ...]:
    """Return the statuses of the four requests."""
    return (
        request("GET", URL).status,
        request("GET", f"{URL}/{name}").status,
        put(request, name).status,
        request("DELETE", f"{URL}/{name}").status,
    )


@pytest.mark.parametrize("kind", CALLERS)
def test_each_caller_may_what_its_role_allows(callers: dict[str, Call], kind: str) -> None:
    """Members and viewers see the members, admins change them, and others do not learn of the tenant."""
    assert statuses(callers[kind]) == CALLERS[kind]


def test_the_operator_can_leave_members_to_platform_admins(
    callers: dict[str, Call], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the setting off, a tenant's admin gets 403 with the setting's name; nothing else changes."""
    set_options(monkeypatch, tenant_admins_manage_members=False)
    assert statuses(callers["admin"]) == (200, 200, 403, 403)
    message = put(callers["admin"], "eve").json["error"]["message"]
    assert "tenant_admins_manage_members" in message
    for kind in set(CALLERS) - {"admin"}:
        assert statuses(callers[kind]) == CALLERS[kind]
    assert statuses(call) == (200, 200, 200, 204)


def test_a_tenants_admin_learns_of_another_user_only_that_the_name_exists(
    callers: dict[str, Call],
) -> None:
    """A member of another tenant looks like any user; answers have no mail addresses and no other roles."""
    admin = callers["admin"]
    members = [admin("GET", f"{URL}/{name}").json["error"]["message"] for name in ("bob-of-b", "nobody")]
    assert members[0].replace("bob-of-b", "nobody") == members[1]
    assert put(admin, "nobody").status == 404
    added = put(admin, "bob-of-b", "viewer")
    assert added.json == {
        "username": "bob-of-b",
        "role": "viewer",
        "source": "assigned",
        "editable": True,
    }
    assert "@" not in admin("GET", URL).text


def test_a_tenants_key_reaches_only_its_tenant(
    app: Any, session: Any, people: dict[str, int], callers: dict[str, Call], user_id: Callable[[str], int]
) -> None:
    """Another tenant looks as if it did not exist, whatever the key's owner may do."""
    for owner in (people["ann-of-a"], user_id("admin")):
        _, key = keys.issue(session, name="k", user_id=owner, tenant_id="t")
        request = client(app, {"X-API-Key": key})
        assert put(request, "eve", "viewer").status == 200
        other, none = (request("GET", f"{TENANTS}/{name}/members") for name in ("u", "nobody"))
        assert (other.status, none.status) == (404, 404)
        assert other.json["error"]["message"].replace("'u'", "'nobody'") == none.json["error"]["message"]
        assert put(request, "eve", tenant_id="u").status == 404


@pytest.mark.usefixtures("callers")
@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (["members:read"], (200, 200, 403, 403)),
        (["members:write"], (200, 200, 200, 204)),
        (["tenants:write"], (403, 403, 403, 403)),
    ],
)
def test_a_key_needs_the_scope(
    app: Any,
    session: Any,
    people: dict[str, int],
    scopes: list[str],
    expected: tuple[int, ...],
) -> None:
    """``members:write`` includes ``members:read``, and scopes of tenants do not matter."""
    _, key = keys.issue(session, name="k", user_id=people["ann-of-a"], scopes=scopes)
    assert statuses(client(app, {"X-API-Key": key})) == expected


def test_the_right_to_change_members_counts_only_where_it_was_given(
    session: Any, people: dict[str, int], callers: dict[str, Call]
) -> None:
    """An admin of one tenant who is a viewer of another sees the members there and changes none."""
    tenancy.add_member(session, "t", TenantRole.VIEWER, [people["bob-of-b"]])
    bob = callers["admin of another tenant"]
    assert statuses(bob) == (200, 200, 403, 403)
    assert put(bob, "eve", tenant_id="u").status == 201


# --- groups of the identity provider ---

GROUPS = {"cn=ops": ["Tenant t Viewer", "Op"], "all": ["Tenant t Viewer", "Tenant u Member", "Viewer"]}


def test_groups_are_shown_and_their_members_not_editable(
    session: Any, call: Call, people: dict[str, int], synchronize: Callable[..., None]
) -> None:
    """Only groups of this tenant are shown; a change says what to change instead."""
    synchronize(**GROUPS)
    tenancy.add_member(session, "t", TenantRole.VIEWER, [people["stranger"]])
    listed = call("GET", URL).json
    assert listed["groups"] == [{"group": "all", "role": "viewer"}, {"group": "cn=ops", "role": "viewer"}]
    assert listed["members"][1] == {
        "username": "stranger",
        "role": "viewer",
        "source": "group",
        "editable": False,
    }
    for refused in (put(call, "stranger", "admin"), call("DELETE", f"{URL}/stranger")):
        assert refused.status == 409
        assert "AUTH_ROLES_MAPPING" in refused.json["error"]["message"]
        assert refused.json["error"]["details"]["groups"] == listed["groups"]


def test_a_role_that_the_next_login_would_remove_is_refused(
    session: Any, call: Call, people: dict[str, int], synchronize: Callable[..., None]
) -> None:
    """The message says so. An admin stays, since the list of admins gives the role back."""
    synchronize()
    for name in ("stranger", "ann-of-a"):
        refused = put(call, name, "member")
        assert (refused.status, refused.json["error"]["details"]) == (409, {"role": "member"})
        assert "next login would remove" in refused.json["error"]["message"]
    assert put(call, "stranger", "admin").json["source"] == "admin_users"
    assert call("DELETE", f"{URL}/stranger").status == 204
    tenancy.add_member(session, "t", TenantRole.VIEWER, [people["stranger"]])
    assert call("DELETE", f"{URL}/stranger").status == 204


def test_an_admin_of_the_list_stays_editable_if_a_group_gives_the_role_too(
    call: Call, synchronize: Callable[..., None], labels: Callable[[str], list[str]]
) -> None:
    """Otherwise the API could not remove an admin that it has added itself."""
    synchronize(bosses=["Tenant t Admin"])
    assert [put(call, "stranger", "admin").status for _ in range(2)] == [201, 200]
    assert call("DELETE", f"{URL}/stranger").status == 204
    assert labels("stranger") == []


def test_without_synchronization_mapped_roles_are_editable(
    app: Any, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow then gives them once, when it creates the user."""
    monkeypatch.setitem(app.config, "AUTH_ROLES_MAPPING", GROUPS)
    put(call, "stranger", "viewer")
    assert call("GET", URL).json["groups"] == []
    assert call("GET", f"{URL}/stranger").json["editable"] is True
    assert call("DELETE", f"{URL}/stranger").status == 204


# --- audit ---


def test_changes_are_in_the_audit_log(session: Any, call: Call) -> None:
    """A row has the roles before and after, and the changed list of admins; a repetition writes no row."""
    put(call, "stranger", "admin")
    put(call, "stranger", "admin")
    put(call, "stranger", "viewer")
    call("DELETE", f"{URL}/stranger")
    log = airflow_compat.models.Log
    rows = session.scalars(
        select(log).where(log.event.like("platform.%_tenant_member")).order_by(log.id)
    ).all()
    assert [row.event for row in rows] == [
        "platform.set_tenant_member",
        "platform.set_tenant_member",
        "platform.remove_tenant_member",
    ]
    changes = [json.loads(row.extra)["changes"] for row in rows]
    members = [next(each for each in listed if each["object"] == "tenant_member") for listed in changes]
    assert {each["id"] for each in members} == {"t/stranger"}
    assert [(each["before"], each["after"]) for each in members] == [
        (None, {"roles": ["admin"]}),
        ({"roles": ["admin"]}, {"roles": ["viewer"]}),
        ({"roles": ["viewer"]}, None),
    ]
    (tenant,) = [each for each in changes[0] if each["object"] == "tenant"]
    assert tenant["after"]["admin_users"] == ["ann-of-a", "stranger"]


def test_a_login_with_a_password_of_airflows_own_removes_no_role(
    app: Any,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    synchronize: Callable[..., None],
    people: dict[str, int],
) -> None:
    """FAB ignores AUTH_ROLES_SYNC_AT_LOGIN then."""
    synchronize(leads=["Tenant t Admin"])
    monkeypatch.setitem(app.config, "AUTH_TYPE", AUTH_DB)
    assert put(call, "stranger").status == 201
    assert call("GET", f"{TENANTS}/t/members").json["groups"] == []


def test_an_admin_who_is_expected_can_be_removed(call: Call, people: dict[str, int], session: Any) -> None:
    """The name leaves the list of admins, with and without a user, in any case."""
    from airflow.providers.fab.auth_manager.models import User

    listed = ["Nobody-Yet", "late@example.com", "ann-of-a"]
    call("PATCH", f"{TENANTS}/t", json={"admin_users": listed})
    late = User(first_name="L", last_name="T", username="late", email="late@example.com", active=True)
    session.add(late)
    session.flush()
    for name in ("nobody-yet", "late"):
        assert call("DELETE", f"{TENANTS}/t/members/{name}").status == 204
        assert call("DELETE", f"{TENANTS}/t/members/{name}").status == 404
    assert call("GET", f"{TENANTS}/t").json["admin_users"] == ["ann-of-a"]


def test_the_list_of_admins_follows_a_user_who_is_renamed(
    call: Call, people: dict[str, int], session: Any
) -> None:
    """A later user with the old name or mail address is another person."""
    from airflow.providers.fab.auth_manager.models import User

    call("PATCH", f"{TENANTS}/t", json={"admin_users": ["stranger", "ANN-of-a@example.com", "bob-of-b"]})
    session.get(User, people["stranger"]).username = "renamed"
    session.get(User, people["ann-of-a"]).email = "new@example.com"
    session.get(User, people["bob-of-b"]).first_name = "Robert"
    session.flush()
    assert call("GET", f"{TENANTS}/t").json["admin_users"] == ["renamed", "new@example.com", "bob-of-b"]
