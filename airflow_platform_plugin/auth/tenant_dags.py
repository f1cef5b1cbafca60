"""Tenants' DAGs in the auth manager's answers.

Airflow's webserver asks the auth manager about every DAG. ``TenantDagsMixin`` adds what the users of tenants
may do with their tenants' DAGs to what Airflow's own roles allow. No permission names a tenant or a DAG.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from flask import has_request_context
from sqlalchemy import event, or_, select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.authorization import ACTION_OF_METHOD
from airflow_platform_plugin.airflow_compat.types import Question, User
from airflow_platform_plugin.core import dag_ownership, db
from airflow_platform_plugin.core.dag_ids import DagIds
from airflow_platform_plugin.core.memberships import OWN_DAGS, Permission, memberships_of
from airflow_platform_plugin.http import request_state

# Lists of DAGs that one question looks up; a page of Airflow's has at most a hundred.
_MOST_LOOKED_UP = 500
_UNITED = "_platform_united_permissions"  # on a user object, which lives as long as a request


def install() -> None:
    """Add tenants' DAGs to the running auth manager's answers."""
    airflow_compat.users.extend_auth_manager(TenantDagsMixin)
    dag = airflow_compat.models.DagModel
    if not event.contains(dag, "load", _note_loaded):
        event.listen(dag, "load", _note_loaded)


class TenantDagsMixin:
    """The methods of the auth manager that know tenants, in front of its own."""

    def _get_user_permissions(self, user: User) -> Collection[Permission]:
        """Return the permissions of the user's roles, and what the user may do in some tenant.

        The latter say which pages a user may open. Which DAGs they show is decided by DAG.
        """
        united: Collection[Permission] | None = getattr(user, _UNITED, None)
        if united is None:  # a page asks more than a hundred times
            memberships = memberships_of(user)  # before the permissions, which it reads too
            united = airflow_compat.users.permissions(user) | memberships.anywhere
            setattr(user, _UNITED, united)
        return united

    def is_authorized_dag(self, **question: Question) -> bool:
        """Return whether the user's roles, or a role in the tenant that owns the DAG, allow it."""
        # A page asks several times about each of its DAGs, and the object is faster than the proxy that the
        # auth manager would ask.
        question["user"] = question.get("user") or airflow_compat.users.current_user()
        if super().is_authorized_dag(**question):  # type: ignore[misc]  # the auth manager's
            return True
        details = question.get("details")
        return details is not None and bool(details.id) and self._is_authorized_by_tenant(**question)

    def get_permitted_dag_ids(self, **question: Question) -> set[str] | DagIds:
        """Return the DAGs on which the user may use one of the methods; as SQL where that is possible."""
        user = question.get("user") or airflow_compat.users.current_user()
        methods = [each for each in ("GET", "PUT") if each in (question.get("methods") or ("GET", "PUT"))]
        reads_all = super().is_authorized_dag  # type: ignore[misc]  # the auth manager's
        if any(reads_all(method=method, user=user) for method in methods):
            dag = airflow_compat.models.DagModel.__table__.alias()
            return DagIds(select(dag.c.dag_id))
        memberships = memberships_of(user)
        if not memberships:
            return super().get_permitted_dag_ids(**question)  # type: ignore[misc,no-any-return]
        tenants = [memberships.tenants_with([(ACTION_OF_METHOD[each], OWN_DAGS)]) for each in methods]
        owned = dag_ownership.owned_dag_ids(frozenset().union(*tenants), reader=user)
        if has_request_context():
            _known_dags().owned.append(owned)
        held = airflow_compat.users.permissions(user)
        if not any(airflow_compat.authorization.is_of_one_dag(resource) for _, resource in held):
            return owned
        single: set[str] = super().get_permitted_dag_ids(**question)  # type: ignore[misc]
        dag = airflow_compat.models.DagModel.__table__.alias()
        return DagIds(
            select(dag.c.dag_id).where(
                or_(dag.c.dag_id.in_(owned), dag.c.dag_id.in_(single), dag.c.root_dag_id.in_(single))
            )
        )

    def _is_authorized_by_tenant(
        self, *, method: str, details: Question, user: User, access_entity: Question = None
    ) -> bool:
        """Return whether the user's roles in the tenant that owns the DAG allow it.

        What belongs to a DAG can be read with the DAG, and changed by those who may change the DAG. The
        DAG itself is deleted by nobody.
        """
        if access_entity is None and method not in {"GET", "PUT"}:
            return False
        memberships = memberships_of(user)
        if not memberships:
            return False
        owner = find_owner(details.id, user)
        granted = memberships.within(owner)
        if (ACTION_OF_METHOD["GET" if method == "GET" else "PUT"], OWN_DAGS) not in granted:
            return False
        needed = airflow_compat.authorization.permissions_of_part(method, access_entity)
        return needed - granted <= airflow_compat.users.permissions(user)


@dataclass
class _KnownDags:
    """What one request knows of DAGs.

    Attributes:
        loaded: DAGs that it has read, and may ask about.
        owners: the tenants of those that it has asked about; None for no tenant.
        owned: DAGs of the caller's tenants.
    """

    loaded: set[str] = field(default_factory=set)
    owners: dict[str, str | None] = field(default_factory=dict)
    owned: list[DagIds] = field(default_factory=list)

    def find_tenant(self, dag_id: str) -> str | None:
        """Return the tenant that owns a DAG, if the DAGs of this tenant alone have been read."""
        for each in self.owned:
            if each.owners is not None and len(each.owners) == 1 and each.is_known(dag_id):
                return next(iter(each.owners))
        return None


def _known_dags() -> _KnownDags:
    state = request_state.current()
    known = state.find(_KnownDags)
    if known is None:
        known = _KnownDags()
        state.put(known)
    return known


def _note_loaded(dag: Any, _context: object) -> None:  # noqa: ANN401 - a DagModel
    if has_request_context() and (dag_id := vars(dag).get("dag_id")) is not None:
        _known_dags().loaded.add(dag_id)


def find_owner(dag_id: str, user: User) -> str | None:
    """Return the tenant that owns the DAG, or None.

    A list asks about each of its DAGs in turn, so the first question looks up all that the request has read.

    Args:
        dag_id: the DAG.
        user: the caller; the owners are read with the caller's connection.
    """
    known = _known_dags() if has_request_context() else _KnownDags()
    if dag_id not in known.owners and (tenant_id := known.find_tenant(dag_id)) is not None:
        known.owners[dag_id] = tenant_id
    if dag_id not in known.owners:
        others = sorted(known.loaded - set(known.owners))[:_MOST_LOOKED_UP]
        wanted = {dag_id, *others}
        with db.connection_of(user) as connection:
            found = dag_ownership.owners(connection, wanted)
        known.owners |= {each: found.get(each) for each in wanted}
    return known.owners[dag_id]
