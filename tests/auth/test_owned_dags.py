"""A DAG that a tenant owns in each way that ``dag_ownership`` allows, in Airflow's API and pages."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tenancy
from calls import client
from forms import log_in
from options import set_options
from sqlalchemy import delete, update
from stock_data import HIDDEN, MINE, path, two_dags

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.auth import service
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.naming import TenantRole, tenant_role_name, tenant_tag
from airflow_platform_plugin.deployments.models import Deployment, LoaderFile
from airflow_platform_plugin.tenants import roles
from airflow_platform_plugin.tenants.models import Tenant

LISTS = (
    "GET /api/v1/dags",
    "GET /api/v1/dags/~/dagRuns",
    "POST /api/v1/dags/~/dagRuns/~/taskInstances/list",
    "GET /api/v1/dags/~/dagRuns/~/taskInstances/~/xcomEntries",
    "GET /api/v1/dagWarnings",
)


@pytest.fixture(scope="module", autouse=True)
def _rows(app: Any) -> Iterator[None]:
    with two_dags(app):
        with db.transaction() as session:
            tenancy.add_tenant(session, "team")
            tenancy.add_tenant(session, "team-b")
        yield
        with db.transaction() as session:
            for tenant_id in ("team", "team-b"):
                roles.delete(session, tenant_id)
                session.delete(session.get(Tenant, tenant_id))


@pytest.fixture(scope="module")
def people(app: Any) -> Iterator[dict[str, int]]:
    """Create a member and a viewer of the tenant, and a member of another tenant."""
    manager, ids = app.appbuilder.sm, {}
    for name, tenant_id, role in (
        ("member", "team", TenantRole.MEMBER),
        ("reader", "team", TenantRole.VIEWER),
        ("other", "team-b", TenantRole.ADMIN),
    ):
        with app.app_context():
            held = manager.find_role(tenant_role_name(tenant_id, role))
            ids[name] = manager.add_user(name, name, "T", f"{name}@example.com", held, password=name).id
    yield ids
    with app.app_context():
        for user_id in ids.values():
            manager.get_session.delete(manager.get_user_by_id(user_id))
            manager.get_session.commit()


@pytest.fixture(params=["deployments", "tags", "paths"])
def _owned(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the tenant own one of the two DAGs."""
    dag, tag = airflow_compat.models.DagModel.__table__, airflow_compat.models.DagTag.__table__
    set_options(monkeypatch, dag_ownership=request.param)
    before, folder = str(path(MINE)), airflow_compat.config.dags_folder()
    in_folder = update(dag).where(dag.c.dag_id == MINE)
    with db.transaction() as session:
        if request.param == "deployments":
            tenancy.own_dag(session, "team", MINE, before)
        elif request.param == "tags":
            session.execute(tag.insert().values(name=tenant_tag("team"), dag_id=MINE))
        else:
            session.execute(in_folder.values(fileloc=str(folder / "tenants" / "team" / "etl.py")))
    yield
    with db.transaction() as session:
        session.execute(in_folder.values(fileloc=before))
        session.execute(delete(tag).where(tag.c.name == tenant_tag("team")))
        session.execute(delete(Deployment))
        session.execute(delete(LoaderFile))


@pytest.fixture
def with_key_of(app: Any, people: dict[str, int]) -> Iterator[Callable[..., Any]]:
    """Make requests with a user's key."""

    def make(name: str, **limits: Any) -> Any:
        with db.transaction() as session:
            _, key = service.issue(session, name="k", user_id=people[name], **limits)
        return client(app, {"X-API-Key": key, "Accept": "application/json"})

    yield make
    with db.transaction() as session:
        session.execute(delete(ApiKey))


@pytest.mark.usefixtures("_owned")
@pytest.mark.parametrize("limits", [{}, {"tenant_id": "team"}], ids=["key", "tenant's key"])
@pytest.mark.parametrize("name", ["member", "reader"])
def test_the_tenants_users_see_its_dags_and_no_others(
    with_key_of: Callable[..., Any], name: str, limits: dict[str, Any]
) -> None:
    request = with_key_of(name, **limits)
    for operation in LISTS:
        method, url = operation.split()
        answer = request(method, url, json={} if method == "POST" else None)
        assert answer.status == 200, operation
        assert MINE in answer.text, operation
        assert HIDDEN not in answer.text, operation
    assert request("GET", f"/api/v1/dags/{MINE}").status == 200
    assert request("GET", f"/api/v1/dags/{HIDDEN}").status == 403


@pytest.mark.usefixtures("_owned")
def test_the_home_page_shows_own_dags_and_their_tags(app: Any, people: dict[str, int]) -> None:
    shown = log_in(app, "reader").get("/home").get_data(as_text=True)
    assert all(text in shown for text in (MINE, 'value="mine"'))
    assert all(text not in shown for text in (HIDDEN, 'value="theirs"'))
    assert people


@pytest.mark.usefixtures("_owned")
def test_a_viewer_changes_nothing(with_key_of: Callable[..., Any]) -> None:
    """A member may pause the same DAG, and no member deletes it."""
    for name, pausing in (("reader", 403), ("member", 200)):
        request = with_key_of(name)
        assert request("PATCH", f"/api/v1/dags/{MINE}", json={"is_paused": False}).status == pausing, name
        assert request("DELETE", f"/api/v1/dags/{MINE}").status == 403


@pytest.mark.usefixtures("_owned")
def test_another_tenants_admin_sees_nothing(with_key_of: Callable[..., Any]) -> None:
    request = with_key_of("other")
    assert request("GET", "/api/v1/dags").json == {"dags": [], "total_entries": 0}
    for operation in LISTS:
        method, url = operation.split()
        assert MINE not in request(method, url, json={} if method == "POST" else None).text, operation
    assert request("GET", f"/api/v1/dags/{MINE}").status == 403
