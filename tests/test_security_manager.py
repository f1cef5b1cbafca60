"""FAB's security manager and its forms with many roles."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from forms import form_token, log_in
from sqlalchemy import event

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat import security_manager, stock_code
from airflow_platform_plugin.tenants.roles import is_label

NAMES = ["Tenant ocean Admin", "Tenant ocean Member", "Tenant ocean Viewer"]


@pytest.fixture
def manager(app: Any) -> Iterator[Any]:
    with app.app_context():
        yield app.appbuilder.sm
        app.appbuilder.sm.get_session.rollback()


@pytest.fixture
def labels(manager: Any) -> Iterator[list[Any]]:
    """Return three roles of a tenant without permissions."""
    yield [manager.add_role(name) for name in NAMES]
    _delete_roles(manager, *NAMES)


@pytest.fixture
def user(manager: Any, labels: list[Any]) -> Iterator[Any]:
    """Return a user with two of the labels and the role Viewer."""
    made = manager.add_user(
        "sailor", "S", "R", "sailor@example.com", [*labels[:2], manager.find_role("Viewer")], "sailor"
    )
    yield made
    manager.get_session.rollback()
    made = manager.find_user("sailor")
    made.roles = []
    manager.get_session.delete(made)
    manager.get_session.commit()


def _delete_roles(manager: Any, *names: str) -> None:
    session = manager.get_session
    session.rollback()
    for name in names:
        if (role := manager.find_role(name)) is not None:
            role.permissions, role.user = [], []
            session.delete(role)
    session.commit()


@contextmanager
def _statements() -> Iterator[list[str]]:
    from airflow import settings

    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(settings.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(settings.engine, "before_cursor_execute", note)


def test_a_request_reads_a_users_roles_without_their_permissions(manager: Any, user: Any) -> None:
    """Also after a commit has expired the user."""
    user_id, session = user.id, manager.get_session
    session.expunge_all()
    with _statements() as seen:
        found = manager.load_user(user_id)
        assert {role.name for role in found.roles} == {*NAMES[:2], "Viewer"}
        session.commit()
        assert len(found.roles) == 3
    assert not [statement for statement in seen if "ab_permission_view_role" in statement]
    held = {str(permission) for role in found.roles for permission in role.permissions}
    assert "can read on Website" in held
    assert ("can_read", "Website") in found.perms


def test_labels_get_no_access_to_the_home_page_and_other_custom_roles_do(
    manager: Any, labels: list[Any]
) -> None:
    """As stock Airflow gives it, when it synchronizes the roles."""
    manager.add_role("Data team")
    try:
        manager.sync_roles()
        manager.get_session.expire_all()
        assert [str(held) for held in manager.find_role("Data team").permissions] == ["can read on Website"]
        assert [manager.find_role(name).permissions for name in NAMES] == [[], [], []]
    finally:
        _delete_roles(manager, "Data team")


def test_a_start_reads_no_labels(manager: Any, labels: list[Any]) -> None:
    """It reads only their names."""
    from airflow.providers.fab.auth_manager.models import Role

    manager.get_session.expunge_all()
    loaded = []

    def note(role: Any, _context: object) -> None:
        loaded.append(role.name)

    event.listen(Role, "load", note)
    try:
        manager.sync_roles()
    finally:
        event.remove(Role, "load", note)
    assert loaded
    assert not set(NAMES) & set(loaded)


def test_roles_by_name_are_all_roles(manager: Any, labels: list[Any]) -> None:
    """Airflow code that lists them finds each with its permissions."""
    found = manager._get_all_roles_with_permissions()
    assert {*NAMES, "Admin", "Viewer"} <= set(found)
    assert len(found) == len(manager.get_all_roles())
    assert found["Viewer"].permissions
    assert found.get("Nobody") is None


def test_bulk_sync_gives_permissions_to_a_label(manager: Any, labels: list[Any]) -> None:
    """An operator may put permissions on a label, by Airflow's API too."""
    manager.bulk_sync_roles([{"role": NAMES[0], "perms": [("can_read", "Pools")]}])
    assert [str(held) for held in manager.find_role(NAMES[0]).permissions] == ["can read on Pools"]


def test_the_known_code_is_that_of_this_version_of_airflow(manager: Any) -> None:
    """Otherwise nothing is replaced, and Airflow becomes slower with each tenant."""
    for name in security_manager._KNOWN:
        assert type(manager).__dict__[name].__module__ == security_manager.__name__


def test_a_method_of_another_version_or_of_an_operators_class_is_not_replaced() -> None:
    """A changed body or an override is not known. Comments and docstrings do not matter."""

    class Stock:
        def method(self) -> int:
            """Return one."""
            return 1

    class SameCode:
        def method(self) -> int:
            return 1  # the same

    class OtherVersion:
        def method(self) -> int:
            return 2

    class Custom(Stock):
        def method(self) -> int:
            return 1

    class Unchanged(Stock):
        pass

    known = stock_code.fingerprint(Stock.method)
    assert known is not None
    assert known == stock_code.fingerprint(SameCode.method)
    assert stock_code.is_stock(Stock, "method", Unchanged, known)
    assert not stock_code.is_stock(OtherVersion, "method", OtherVersion, known)
    assert not stock_code.is_stock(Stock, "method", Custom, known)
    assert not stock_code.is_stock(Stock, "absent", Stock, known)
    assert stock_code.fingerprint(len) is None


def test_a_custom_security_manager_keeps_its_own_methods(
    manager: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are replaced; doing so twice changes nothing."""
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride

    class Custom(FabAirflowSecurityManagerOverride):
        def get_user_by_id(self, pk: int) -> str:
            return f"user {pk}"

    monkeypatch.setattr(manager, "__class__", Custom)
    security_manager.read_few_roles(is_label, set)
    extended = type(manager)
    security_manager.read_few_roles(is_label, set)
    assert (type(manager), extended.__bases__) == (extended, (Custom,))
    assert manager.get_user_by_id(7) == "user 7"
    assert "add_homepage_access_to_custom_roles" in vars(extended)


def test_the_list_of_users_offers_all_roles_and_reads_only_their_names(app: Any, user: Any) -> None:
    """The search form offers them, and finds users by one."""
    browser = log_in(app, "admin")
    airflow_compat.users.security_manager().get_session.expunge_all()
    with _statements() as seen:
        page = browser.get("/users/list/").get_data(as_text=True)
    for name in NAMES:
        assert name in page
    unbounded = [text for text in seen if "FROM ab_role" in text and "WHERE" not in text]
    assert len(unbounded) == 1
    assert "ab_permission" not in unbounded[0]
    role = next(role.id for role in user.roles if role.name == NAMES[0])
    found = browser.get(f"/users/list/?_flt_0_roles={role}").get_data(as_text=True)
    assert ("sailor@example.com" in found, "viewer@example.com" in found) == (True, False)


def _chosen(page: str) -> dict[str, str]:
    return {name: row for row, name in re.findall(r'<option selected value="(\d+)">([^<]+)</option>', page)}


def test_saving_a_users_form_keeps_and_changes_roles(
    app: Any, manager: Any, user: Any, labels: list[Any]
) -> None:
    """The form shows what the user has; what is sent is what the user then has."""
    browser = log_in(app, "admin")
    address = f"/users/edit/{user.id}"
    page = browser.get(address).get_data(as_text=True)
    chosen = _chosen(page)
    assert set(chosen) == {*NAMES[:2], "Viewer"}
    wanted = {labels[2].name: str(labels[2].id)} | {name: chosen[name] for name in (NAMES[0], "Viewer")}
    form = {"csrf_token": form_token(page), "first_name": "New", "last_name": "R", "username": "sailor"}
    form |= {"email": "sailor@example.com", "active": "y"}

    def save(roles: list[str]) -> tuple[set[str], str]:
        answer = browser.post(address, data=form | {"roles": roles}, follow_redirects=True)
        assert answer.status_code == 200
        saved = manager.find_user("sailor")
        assert saved.first_name == "New"
        return {role.name for role in saved.roles}, answer.get_data(as_text=True)

    assert save(list(chosen.values()))[0] == set(chosen)
    assert save(list(wanted.values()))[0] == set(wanted)
    for wrong in ("999999999", "99999999999999999999", "x"):
        roles, page = save([chosen["Viewer"], wrong])
        assert roles == set(wanted)
        assert "Not a valid choice" in page


def test_names_in_forms_are_escaped(app: Any, manager: Any) -> None:
    """A role's name is text, wherever a form shows it."""
    manager.add_role("<b>&\"Team'")
    try:
        page = log_in(app, "admin").get("/users/add").get_data(as_text=True)
    finally:
        _delete_roles(manager, "<b>&\"Team'")
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page


def test_a_form_that_filters_its_roles_stays_as_it_is(app: Any) -> None:
    """An operator's own page may offer some roles only."""
    from airflow.providers.fab.auth_manager.models import User
    from flask_appbuilder import ModelView
    from flask_appbuilder.fields import QuerySelectMultipleField
    from flask_appbuilder.models.sqla.filters import FilterStartsWith
    from flask_appbuilder.models.sqla.interface import SQLAInterface

    from airflow_platform_plugin.airflow_compat import role_forms

    class Filtered(ModelView):  # type: ignore[misc]
        datamodel = SQLAInterface(User)
        list_columns = add_columns = edit_columns = search_columns = ["roles"]  # noqa: RUF012 - FAB's own
        add_form_query_rel_fields = {"roles": [["name", FilterStartsWith, "A"]]}  # noqa: RUF012 - the same

    with app.app_context():
        page = Filtered()
        page.appbuilder = app.appbuilder
        for attribute, filters in role_forms._FORMS.items():
            form = getattr(page, attribute)
            expected = [] if attribute == "add_form" else ["roles"]
            assert role_forms._plain_fields(page, form, getattr(page, filters) or {}) == expected
            assert form.roles.field_class is QuerySelectMultipleField


@pytest.mark.parametrize(("version", "replaced"), [("4.5.9", True), ("4.6.0", False)])
def test_forms_of_another_version_of_fab_stay_as_they_are(
    app: Any,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    replaced: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    """They are slower, and work."""
    from airflow_platform_plugin.airflow_compat import role_forms

    forms: list[Any] = []
    monkeypatch.setattr("flask_appbuilder.__version__", version)
    monkeypatch.setattr(role_forms, "_plain_fields", lambda _view, form, _filters: forms.append(form) or [])
    with app.app_context():
        role_forms.offer_names_only(app)
    assert bool(forms) is replaced
