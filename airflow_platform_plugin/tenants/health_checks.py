"""The checks of tenants for ``airflow-platform doctor``."""

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.naming import TenantRole, shared_role_name


def check_shared_roles() -> tuple[bool, str]:
    """Check that the roles exist that say what admins, members and viewers may do."""
    wanted = [shared_role_name(role) for role in TenantRole]
    with db.transaction() as session:
        found = airflow_compat.roles.permissions_by_role(session, wanted)
    if missing := [name for name in wanted if not found.get(name)]:
        return False, (
            f"Users of tenants have no rights: the roles {', '.join(missing)} are missing or empty. Restart"
            " the webserver, which creates missing ones."
        )
    return True, "The shared roles of tenants exist."
