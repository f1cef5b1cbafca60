"""The shared Airflow roles of tenants: what an admin, a member and a viewer of any tenant may do there.

Airflow's role editor shows and changes them, for all tenants at once. They give nothing to a user who has
none of the roles ``Tenant <id> …``.
"""

import logging
from collections.abc import Collection

from sqlalchemy.exc import IntegrityError

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.feature import role_scopes
from airflow_platform_plugin.core.memberships import OWN_DAGS, Permission
from airflow_platform_plugin.core.naming import TenantRole, shared_role_name
from airflow_platform_plugin.core.principal import tenant_permission

log = logging.getLogger(__name__)

_ATTEMPTS = 3

# What Airflow's pages and API require as well as the permission on the DAG itself. Each of these works only
# together with a DAG, or shows only rows of DAGs that the user may read.
_SEE = {
    ("menu_access", "Platform"),
    ("menu_access", "API"),
    ("can_read", "Website"),
    ("menu_access", "DAGs"),
    ("menu_access", "Browse"),
    ("menu_access", "DAG Runs"),
    ("menu_access", "Task Instances"),
    ("can_read", "My Profile"),
    ("can_edit", "My Profile"),
    ("can_read", "My Password"),
    ("can_edit", "My Password"),
    ("can_read", "DAG Code"),
    ("can_read", "DAG Runs"),
    ("can_read", "Task Instances"),
    ("can_read", "Task Logs"),
    ("can_read", "XComs"),
    ("can_read", "ImportError"),
    ("can_read", "DAG Warnings"),
    ("can_read", OWN_DAGS),
}
_RUN = {
    ("can_edit", OWN_DAGS),
    ("can_create", "DAG Runs"),
    ("can_edit", "DAG Runs"),
    ("can_create", "Task Instances"),
    ("can_edit", "Task Instances"),
}
_AIRFLOW_PERMISSIONS = {
    TenantRole.VIEWER: _SEE,
    TenantRole.MEMBER: _SEE | _RUN,
    TenantRole.ADMIN: _SEE | _RUN,
}


def usual_permissions(role: TenantRole) -> set[Permission]:
    """Return what a shared role may do unless somebody changes it."""
    return {tenant_permission(scope) for scope in role_scopes(role)} | _AIRFLOW_PERMISSIONS[role]


def ensure(offered: Collection[str]) -> None:
    """Create the shared roles, and give existing ones the permissions that a new version brings.

    A permission that somebody has taken from a role stays away, since it is not new. Several processes may do
    this at once: one creates a row, the others find it when they try again.

    Args:
        offered: further scopes whose permissions the role editor offers.
    """
    wanted = {shared_role_name(role): usual_permissions(role) for role in TenantRole}
    others = {tenant_permission(scope) for scope in offered}
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with db.transaction() as session:
                # Before our first start, a role of such a name was somebody's own, for something else.
                own = airflow_compat.roles.set_aside(session, wanted, unless=("can_read", OWN_DAGS))
                airflow_compat.roles.grant_new_permissions(session, wanted, others)
        except IntegrityError:
            if attempt == _ATTEMPTS:
                raise
            log.debug("Another process creates the shared roles at the same time")
        else:
            for name, new in own.items():
                log.warning("The role '%s' is called '%s' now; the platform uses its name", name, new)
            return
