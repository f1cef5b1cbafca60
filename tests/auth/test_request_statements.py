"""The statements that a request of a tenant's member sends."""

from collections.abc import Iterator
from typing import Any

import pytest
import tenancy
from forms import log_in
from sqlalchemy import delete, event
from stock_data import MINE, path, two_dags

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import dag_ids, db
from airflow_platform_plugin.core.naming import TenantRole, tenant_role_name
from airflow_platform_plugin.deployments.models import Deployment, LoaderFile
from airflow_platform_plugin.tenants import roles
from airflow_platform_plugin.tenants.models import Tenant

NAME = "counted"


@pytest.fixture(scope="module")
def browser(app: Any) -> Iterator[Any]:
    """Return the browser of a member whose tenant owns a DAG, and who has no other role."""
    manager = app.appbuilder.sm
    with two_dags(app):
        with db.transaction() as session:
            tenancy.add_tenant(session, NAME)
            tenancy.own_dag(session, NAME, MINE, str(path(MINE)))
        with app.app_context():
            role = manager.find_role(tenant_role_name(NAME, TenantRole.MEMBER))
            user = manager.add_user(NAME, NAME, "T", f"{NAME}@example.com", role, password=NAME)
            user_id = user.id
        yield log_in(app, NAME)
        with app.app_context():
            manager.get_session.delete(manager.get_user_by_id(user_id))
            manager.get_session.commit()
        with db.transaction() as session:
            session.execute(delete(Deployment))
            session.execute(delete(LoaderFile))
            roles.delete(session, NAME)
            session.delete(session.get(Tenant, NAME))


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Note the statements that are sent."""
    sent: list[str] = []

    def note(*arguments: Any) -> None:
        sent.append(arguments[2])

    engine = airflow_compat.database.engine()
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("url", ["/home", "/api/v1/dags"])
def test_permissions_and_tenants_are_read_once(browser: Any, statements: list[str], url: str) -> None:
    """Also if the user has no permissions apart from the tenant's: FAB reads an empty set again each time."""
    answer = browser.get(url)
    assert (answer.status_code, MINE in answer.get_data(as_text=True)) == (200, True)
    for table in ("ab_permission_view_role", "platform_tenant"):
        assert len([each for each in statements if f"FROM {table}" in each or f", {table}" in each]) == 1, (
            table
        )


@pytest.mark.parametrize("url", ["/home", "/api/v1/dags"])
def test_few_dags_of_a_tenant_are_read_once_with_their_owner(
    browser: Any, statements: list[str], url: str
) -> None:
    """All statements of the page use them as a list, and nothing asks for the owners again."""
    assert MINE in browser.get(url).get_data(as_text=True)
    assert len([each for each in statements if "platform_deployment" in each]) == 1


@pytest.mark.parametrize("url", ["/home", "/api/v1/dags"])
def test_many_dags_of_a_tenant_are_not_read(
    browser: Any, statements: list[str], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """The statements find them as SQL, so the cost of a request does not grow with them."""
    monkeypatch.setattr(dag_ids, "_FEW", 0)
    assert MINE in browser.get(url).get_data(as_text=True)
    assert [each for each in statements if "FROM dag \n" in each and "platform_deployment" in each]
    (read,) = (each for each in statements if each.startswith("SELECT anon_1.dag_id"))
    assert "LIMIT" in read


def test_the_tags_of_a_list_are_found_without_all_dags_of_the_caller(
    browser: Any, statements: list[str]
) -> None:
    """A list reads the tags of each of its DAGs, so that would cost the square of their number."""
    (shown,) = browser.get("/api/v1/dags").get_json()["dags"]
    assert [tag["name"] for tag in shown["tags"]] == ["mine"]
    of_tags = [each for each in statements if "FROM dag_tag" in each]
    assert of_tags
    assert not [each for each in of_tags if "platform_deployment" in each]
