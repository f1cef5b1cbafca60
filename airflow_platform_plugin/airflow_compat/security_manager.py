"""FAB's security manager with very many roles.

Stock FAB reads the permissions of all of a user's roles in each request, and all roles with all permissions
at each start of a webserver and in ``airflow sync-perm``. The methods here do the same with queries that read
only what is needed. Each replaces a method only if Airflow has the version of it that we know, and a custom
``SECURITY_MANAGER_CLASS`` does not override it.
"""

from collections.abc import Callable, Iterator, Mapping

from airflow_platform_plugin.airflow_compat.stock_code import is_stock
from airflow_platform_plugin.airflow_compat.types import Model, SecurityManager, User
from airflow_platform_plugin.airflow_compat.users import auth_manager

# The code of the stock methods, as ``stock_code.fingerprint`` returns it.
_KNOWN = {
    "get_user_by_id": "adba6c9df83d9c89",
    "add_homepage_access_to_custom_roles": "e861d050399fb2bc",
    "_get_all_roles_with_permissions": "f8f0ae3c57f97543",
    "create_dag_specific_permissions": "310b047006829f58",
}
_MARK = "_reads_few_roles"


def read_few_roles(is_label: Callable[[str], bool], dags_without_permissions: Callable[[], set[str]]) -> None:
    """Let the running security manager read only the roles that it needs.

    Airflow creates the security manager itself and keeps the object, so the object gets another class.

    Args:
        is_label: whether the role of that name is a label, which needs no access to the home page.
        dags_without_permissions: returns the DAGs that need no permissions of their own.
    """
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride

    manager = getattr(auth_manager(), "security_manager", None)
    stock = type(manager)
    if not isinstance(manager, FabAirflowSecurityManagerOverride) or hasattr(stock, _MARK):
        return
    methods = {
        "get_user_by_id": _get_user_by_id(manager),
        "add_homepage_access_to_custom_roles": _add_homepage_access(is_label),
        "_get_all_roles_with_permissions": _get_all_roles_with_permissions,
        "create_dag_specific_permissions": _create_dag_permissions(dags_without_permissions),
    }
    replaced = {
        name: method
        for name, method in methods.items()
        if is_stock(FabAirflowSecurityManagerOverride, name, stock, _KNOWN[name])
    }
    attributes = {_MARK: True, "__module__": stock.__module__, **replaced}
    manager.__class__ = type(stock.__name__, (stock,), attributes)


def _get_user_by_id(manager: SecurityManager) -> Callable[[SecurityManager, int], User]:
    """Return a method that reads a user with the roles, but not the roles' permissions.

    FAB reads what a user may do with a query of its own (``User.perms``). If someone asks for the permissions
    of a role, they are read then.
    """
    from sqlalchemy.orm import selectinload

    roles = manager.user_model.roles
    options = [selectinload(roles).lazyload(roles.property.mapper.class_.permissions)]

    def get_user_by_id(self: SecurityManager, pk: int) -> User:
        return self.get_session.get(self.user_model, pk, options=options)

    return get_user_by_id


def _add_homepage_access(is_label: Callable[[str], bool]) -> Callable[[SecurityManager], None]:
    """Return a method that gives access to the home page to custom roles without it, except for labels."""
    from airflow.security.permissions import ACTION_CAN_READ, RESOURCE_WEBSITE
    from airflow.www.security_manager import EXISTING_ROLES
    from sqlalchemy import select

    def add_homepage_access_to_custom_roles(self: SecurityManager) -> None:
        role, session = self.role_model, self.get_session
        website = self.create_permission(ACTION_CAN_READ, RESOURCE_WEBSITE)
        if website is None:
            return  # the database failed, and FAB has logged it
        without = select(role.id, role.name).where(
            role.name.notin_(EXISTING_ROLES),
            ~role.permissions.any(self.permission_model.id == website.id),
        )
        for found in session.execute(without).all():
            if not is_label(found.name):
                self.add_permission_to_role(session.get(role, found.id), website)
        session.commit()

    return add_homepage_access_to_custom_roles


def _create_dag_permissions(without: Callable[[], set[str]]) -> Callable[[SecurityManager], None]:
    """Return a method that creates the permissions of stored DAGs, except for those that need none.

    ``airflow sync-perm --include-dags`` calls it. A DAG with ``access_control`` always gets its permissions.
    """
    from airflow.models.dagbag import DagBag

    def create_dag_specific_permissions(self: SecurityManager) -> None:
        known, needless = self.get_all_permissions(), without()
        dags = DagBag(read_dags_from_db=True)
        dags.collect_dags_from_db()
        for dag in dags.dags.values():
            root_id = (dag.parent_dag or dag).dag_id
            wanted = {
                (action, self._resource_name(root_id, of))
                for of, details in self.RESOURCE_DETAILS_MAP.items()
                for action in details["actions"]
            }
            if dag.access_control is not None or not (root_id in needless or wanted <= known):
                self.sync_perm_for_dag(root_id, dag.access_control)

    return create_dag_specific_permissions


def _get_all_roles_with_permissions(self: SecurityManager) -> Mapping[str, Model]:
    return _RolesByName(self)


class _RolesByName(Mapping[str, Model]):
    """All roles by name, each read when someone asks for it."""

    def __init__(self, manager: SecurityManager) -> None:
        self._manager = manager

    def __getitem__(self, name: str) -> Model:
        role = self._manager.find_role(name)
        if role is None:
            raise KeyError(name)
        return role

    def __iter__(self) -> Iterator[str]:
        from sqlalchemy import select

        return iter(self._manager.get_session.scalars(select(self._manager.role_model.name)).all())

    def __len__(self) -> int:
        return sum(1 for _ in self)
