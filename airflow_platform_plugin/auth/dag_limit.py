"""The DAG limit of a credential, on top of the auth manager's own checks.

Every check of a DAG in Airflow's webserver calls one of two methods of the auth manager. ``DagLimitMixin``
narrows both for a credential with a limit, with any auth manager. Stock code that calls neither is covered
by ``row_filter``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import current_app, has_request_context, request
from sqlalchemy import select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.types import Question
from airflow_platform_plugin.auth import airflow_operations, tenant_dags
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.dag_ids import DagIds, select_within
from airflow_platform_plugin.core.dag_ownership import owned_dag_ids
from airflow_platform_plugin.core.memberships import memberships_of
from airflow_platform_plugin.core.principal import DagLimit
from airflow_platform_plugin.http import request_state, responses
from airflow_platform_plugin.http.endpoint import declared
from airflow_platform_plugin.http.request_state import current_principal

# Tags in one query; a key that is older than the bound of lists may have more.
_MOST_TAGS = 500


def install() -> None:
    """Add the limit to the running auth manager. It narrows what the tenants' mixin adds."""
    airflow_compat.users.extend_auth_manager(DagLimitMixin)


class DagLimitMixin:
    """The two methods that a credential's limit narrows, in front of the auth manager's own."""

    def is_authorized_dag(self, **question: Question) -> bool:
        """Return False for a DAG outside the limit, and for all DAGs together."""
        limit, details = current_limit(), question.get("details")
        if limit:
            if details is not None and details.id:
                if not limit.allows(details.id):
                    return False
            elif question.get("access_entity") is None:
                return details is not None and self._may_list_dags()
        if super().is_authorized_dag(**question):  # type: ignore[misc]  # the auth manager's
            return True
        is_list = details is not None and not details.id and question.get("access_entity") is None
        return is_list and question.get("method") == "GET" and self._may_list_dags()

    def _may_list_dags(self) -> bool:
        """Return whether this is a request for the list of DAGs from a user who may read some DAGs.

        Airflow refuses the list to a user without any DAG, such as a member of a new tenant. The list itself
        has only the DAGs of ``get_permitted_dag_ids``.
        """
        if not has_request_context() or request.blueprint not in responses.STOCK_BLUEPRINTS:
            return False
        if airflow_operations.operation_id(str(request.endpoint)) != "get_dags":
            return False
        user = airflow_compat.users.current_user()
        if memberships_of(user):
            return True
        with _without_limit():
            everything = super().is_authorized_dag(method="GET", user=user)  # type: ignore[misc]  # as above
            some = super().get_permitted_dag_ids(methods=["GET"], user=user)  # type: ignore[misc]
        return bool(everything or some)

    def get_permitted_dag_ids(self, **question: Question) -> set[str] | DagIds:
        """Return the user's DAGs that are within the limit; a stock view reads them once per request.

        Airflow's own code and the platform's can take them as SQL. Other code gets a ``set``.
        """
        cache = request_state.current().find(PermittedDags) if has_request_context() else None
        answers = cache.answers if cache is not None else {}
        user = question.get("user") or airflow_compat.users.current_user()
        key = (user.get_id(), frozenset(question.get("methods") or ("GET", "PUT")))
        if key not in answers:
            with _without_limit():
                permitted = super().get_permitted_dag_ids(**question)  # type: ignore[misc]
            answers[key] = current_limit().narrow(permitted)
        answer = answers[key]
        return answer if isinstance(answer, DagIds) and _takes_sql() else set(answer)


def _takes_sql() -> bool:
    """Return whether Airflow's or the platform's own code handles this request."""
    if not has_request_context() or request.endpoint is None:
        return False
    if request_state.current().find(PermittedDags) is not None:
        return True
    return declared(current_app.view_functions[request.endpoint]) is not None


@dataclass
class PermittedDags:
    """The auth manager's answers in one request to a stock view.

    Attributes:
        answers: the ids of DAGs, by the user's id and the methods in question.
    """

    answers: dict[tuple[object, frozenset[str]], set[str] | DagIds] = field(default_factory=dict)


@dataclass
class _LimitState:
    """What one request knows of DAG limits.

    Attributes:
        suspended: whether the auth manager is asked about the user alone.
        tagged: the ids of DAGs that have one of some tags, by these tags.
    """

    suspended: bool = False
    tagged: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict)


def _limit_state() -> _LimitState:
    state = request_state.current()
    found = state.find(_LimitState)
    if found is None:
        found = _LimitState()
        state.put(found)
    return found


@dataclass(frozen=True)
class CredentialLimit:
    """The DAGs that a credential reaches. The default is all DAGs.

    Attributes:
        dags: its DAG limits; a DAG must be within each of them.
        tenant_id: the tenant that must own the DAG; None if the credential is not limited to one.
    """

    dags: tuple[DagLimit, ...] = ()
    tenant_id: str | None = None

    def __bool__(self) -> bool:
        """Return whether there is any limit."""
        return bool(self.dags) or self.tenant_id is not None

    def allows(self, dag_id: str) -> bool:
        """Return whether the DAG is within the limit."""
        if self.tenant_id is not None:
            user = airflow_compat.users.current_user()
            if tenant_dags.find_owner(dag_id, user) != self.tenant_id:
                return False
        return all(_is_within(limit, dag_id) for limit in self.dags)

    def narrow(self, dag_ids: set[str] | DagIds) -> set[str] | DagIds:
        """Return those of the DAGs that are within the limit."""
        if self.tenant_id is not None:
            dag_ids = _narrow_to_tenant(dag_ids, self.tenant_id)
        if not self.dags:
            return dag_ids
        return {dag_id for dag_id in dag_ids if all(_is_within(limit, dag_id) for limit in self.dags)}


_NO_LIMIT = CredentialLimit()


def _narrow_to_tenant(dag_ids: set[str] | DagIds, tenant_id: str) -> set[str] | DagIds:
    if not isinstance(dag_ids, DagIds):
        return dag_ids & set(owned_dag_ids([tenant_id]))
    if dag_ids.owners is not None:
        if dag_ids.owners <= {tenant_id}:
            return dag_ids
        return owned_dag_ids(dag_ids.owners & {tenant_id}, dag_ids.reader)
    return select_within(dag_ids, owned_dag_ids([tenant_id]))


def current_limit() -> CredentialLimit:
    """Return the limit of this request's credential."""
    principal = current_principal()
    credential = principal.credential if principal is not None else None
    if credential is None or _limit_state().suspended:
        return _NO_LIMIT
    return CredentialLimit(credential.dags, credential.tenant_id)


@contextmanager
def _without_limit() -> Iterator[None]:
    """Suspend the limits: the auth manager may call its own methods to answer."""
    if not has_request_context():
        yield
        return
    state = _limit_state()
    before, state.suspended = state.suspended, True
    try:
        yield
    finally:
        state.suspended = before


def _is_within(limit: DagLimit, dag_id: str) -> bool:
    return limit.patterns.match(dag_id) or (bool(limit.tags) and dag_id in _tagged(limit.tags))


def _tagged(tags: tuple[str, ...]) -> frozenset[str]:
    """Return the DAGs with one of the tags; a request reads them once."""
    known = _limit_state().tagged
    if tags not in known:
        tag = airflow_compat.models.DagTag.__table__.c  # not the class, since its rows are filtered
        with db.transaction() as session:
            known[tags] = frozenset(
                dag_id
                for start in range(0, len(tags), _MOST_TAGS)
                for dag_id in session.scalars(
                    select(tag.dag_id).where(tag.name.in_(tags[start : start + _MOST_TAGS]))
                )
            )
    return known[tags]
