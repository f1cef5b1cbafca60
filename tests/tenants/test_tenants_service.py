"""The service of tenants decides who may do what, whichever interface calls it."""

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_platform_plugin.core.errors import NotFound, PermissionDenied, ValidationFailed
from airflow_platform_plugin.core.reach import EVERYWHERE, NOWHERE, Reach
from airflow_platform_plugin.tenants import service
from airflow_platform_plugin.tenants.inputs import NewTenant, TenantFilter


def caller(reach: Reach) -> Any:
    """Return a caller that holds every scope in that reach. The service asks a caller for nothing else."""
    return SimpleNamespace(username="u", reach=lambda _scope: reach)


ADMIN, OUTSIDER = caller(EVERYWHERE), caller(NOWHERE)
OF_A, OF_BOTH = caller(Reach(frozenset({"a"}))), caller(Reach(frozenset({"a", "b"})))


@pytest.fixture
def _tenants(session: Any) -> None:
    for tenant_id in ("a", "b"):
        service.create(session, NewTenant(tenant_id=tenant_id), by=ADMIN)


@pytest.mark.usefixtures("_tenants")
def test_only_a_platform_admin_writes_tenants(session: Any) -> None:
    """A caller with the scope in one tenant cannot create a tenant or change its own."""
    for by in (OF_A, OUTSIDER):
        with pytest.raises(PermissionDenied):
            service.create(session, NewTenant(tenant_id="c"), by=by)
        with pytest.raises(PermissionDenied):
            service.get_writable(session, "a", by=by)
    assert service.get_writable(session, "a", by=ADMIN).tenant_id == "a"


@pytest.mark.usefixtures("_tenants")
def test_a_caller_reads_only_tenants_that_it_reaches(session: Any) -> None:
    """Another tenant looks as if it did not exist."""
    assert service.get(session, "a", by=OF_A).tenant_id == "a"
    for tenant_id in ("b", "unknown"):
        with pytest.raises(NotFound):
            service.get(session, tenant_id, by=OF_A)
    listed = service.page(session, TenantFilter(search="A"), by=OF_BOTH)
    assert [tenant.tenant_id for tenant in listed.items] == ["a"]
    assert service.page(session, TenantFilter(), by=OUTSIDER).total_entries == 0


@pytest.mark.parametrize(
    ("by", "named", "owner"),
    [(ADMIN, None, None), (ADMIN, "b", "b"), (OF_A, None, "a"), (OF_A, "a", "a"), (OF_BOTH, "b", "b")],
)
@pytest.mark.usefixtures("_tenants")
def test_the_owner_of_something_new_is_the_named_or_the_only_tenant(
    session: Any, by: Any, named: str | None, owner: str | None
) -> None:
    """A caller that reaches everything and names none creates it for no tenant."""
    assert service.resolve_owner(session, named, by=by, scope="webhooks:write") == owner


@pytest.mark.parametrize(("by", "named"), [(OF_BOTH, None), (OF_A, "b"), (OF_A, "c"), (ADMIN, "c")])
@pytest.mark.usefixtures("_tenants")
def test_an_owner_that_the_caller_does_not_reach_is_refused(session: Any, by: Any, named: str | None) -> None:
    """So are an unknown tenant, and no name if the caller reaches several tenants."""
    with pytest.raises(ValidationFailed) as error:
        service.resolve_owner(session, named, by=by, scope="webhooks:write")
    assert error.value.details["errors"][0]["pointer"] == "/tenant_id"
