"""The DAG limit of a credential, on top of the auth manager's own checks.

Every check of a DAG in Airflow's webserver calls one of two methods of the auth manager. ``DagLimitMixin``
narrows both for a credential with a limit, with any auth manager. Stock code that calls neither is covered
by ``row_filter``.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import has_request_context, request
from sqlalchemy import select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.types import Question
from airflow_platform_plugin.auth import airflow_operations
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.naming import tenant_tag
from airflow_platform_plugin.core.principal import DagLimit, in_any_tenant
from airflow_platform_plugin.http import request_state, responses
from airflow_platform_plugin.http.request_state import current_principal

# Tags in one query; a key that is older than the bound of lists may have more.
_MOST_TAGS = 500


def install() -> None:
    """Add the limit to the running auth manager."""
    airflow_compat.users.extend_auth_manager(DagLimitMixin)


class DagLimitMixin:
    """The two methods that a credential's limit narrows, in front of the auth manager's own."""

    def is_authorized_dag(self, **question: Question) -> bool:
        """Return False for a DAG outside the limit, and for all DAGs together."""
        limits, details = current_limits(), question.get("details")
        if limits:
            if details is not None and details.id:
                if not _within_all(limits, [details.id]):
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
        if in_any_tenant(user):
            return True
        with _without_limits():
            everything = super().is_authorized_dag(method="GET", user=user)  # type: ignore[misc]  # as above
            some = super().get_permitted_dag_ids(methods=["GET"], user=user)  # type: ignore[misc]
        return bool(everything or some)

    def get_permitted_dag_ids(self, **question: Question) -> set[str]:
        """Return the user's DAGs that are within the limit; a stock view reads them once per request."""
        limits = current_limits()
        cache = request_state.current().find(PermittedDags) if has_request_context() else None
        answers = cache.answers if cache is not None else {}
        user = question.get("user") or airflow_compat.users.current_user()
        key = (user.get_id(), frozenset(question.get("methods") or ("GET", "PUT")))
        if key not in answers:
            with _without_limits():
                dag_ids: set[str] = super().get_permitted_dag_ids(**question)  # type: ignore[misc]
            answers[key] = _within_all(limits, dag_ids)
        return set(answers[key])


@dataclass
class PermittedDags:
    """The auth manager's answers in one request to a stock view.

    Attributes:
        answers: the ids of DAGs, by the user's id and the methods in question.
    """

    answers: dict[tuple[object, frozenset[str]], set[str]] = field(default_factory=dict)


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


def current_limits() -> list[DagLimit]:
    """Return the limits of this request's credential; a DAG must be within each of them."""
    principal = None
    if has_request_context() and not _limit_state().suspended:
        principal = current_principal()
    credential = principal.credential if principal is not None else None
    if credential is None:
        return []
    limits = list(credential.dags)
    if credential.tenant_id is not None:
        limits.append(DagLimit(tags=(tenant_tag(credential.tenant_id),)))
    return limits


@contextmanager
def _without_limits() -> Iterator[None]:
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


def _within_all(limits: list[DagLimit], dag_ids: Iterable[str]) -> set[str]:
    """Return the DAGs that are within each limit."""
    return {dag_id for dag_id in dag_ids if all(_is_within(limit, dag_id) for limit in limits)}


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
