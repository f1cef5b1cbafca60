"""The roles that logins by LDAP and OAuth give, as ``webserver_config.py`` says."""

from flask_appbuilder.const import AUTH_DB

from airflow_platform_plugin.airflow_compat.users import auth_manager


def roles_by_group() -> dict[str, list[str]] | None:
    """Return the roles that each login gives to the users of a group of the identity provider, by group.

    Returns:
        ``AUTH_ROLES_MAPPING``. None unless ``AUTH_ROLES_SYNC_AT_LOGIN`` is on: logins then keep the roles
        that users have.
    """
    manager = getattr(auth_manager(), "security_manager", None)
    if not getattr(manager, "auth_roles_sync_at_login", False):
        return None
    if getattr(manager, "auth_type", None) == AUTH_DB:
        return None  # a login with a password of Airflow's own gives no roles
    mapping = getattr(manager, "auth_roles_mapping", None) or {}
    return {str(group): [str(name) for name in names] for group, names in mapping.items()}
