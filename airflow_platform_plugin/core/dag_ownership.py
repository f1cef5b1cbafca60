"""Which tenant owns a DAG.

A deployment's DAG belongs to the deployment's tenant, whatever its tags and its file. ``[platform]
dag_ownership`` says whether a DAG that somebody has written by hand can belong to a tenant too: by its tag
``tenant:<id>``, or by its file's folder.
"""

import logging
import re
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import PurePath

from sqlalchemy import BINARY, String, cast, false, func, or_, select, type_coerce, union
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnCollection, ColumnElement, FromClause, Select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db, settings
from airflow_platform_plugin.core.dag_ids import DagIds
from airflow_platform_plugin.core.feature import dag_files, dag_owners
from airflow_platform_plugin.core.naming import DNS_LABEL_PATTERN, TENANT_TAG_PREFIX, tenant_of, tenant_tag
from airflow_platform_plugin.core.settings import DagOwnership
from airflow_platform_plugin.core.types import Row, TableColumn

log = logging.getLogger(__name__)

_BATCH = 500
_UP = "/../"  # a path with it may be anywhere


def owned_dag_ids(tenant_ids: Collection[str], reader: Row | None = None) -> DagIds:
    """Return the DAGs that belong to one of the tenants, with their SubDAGs.

    Args:
        tenant_ids: the tenants.
        reader: the user; as for ``DagIds``.
    """
    wanted = sorted(tenant_ids)
    made = _made()
    selected = select(made.c.dag_id).where(made.c.tenant_id.in_(wanted))
    match _mode():
        case "tags":
            tag = aliased(airflow_compat.models.DagTag.__table__).c
            tagged = _select_tagged(tag, wanted)
            tagged = tagged.where(_is_by_hand(tag.dag_id))
            selected = union(selected, tagged, _select_subdags(tagged))
        case "paths":
            selected = union(selected, _select_in_folders(wanted))
        case "deployments":
            return DagIds(selected, wanted, reader)
    return DagIds(select(selected.subquery().c.dag_id), wanted, reader)


def owners(session: Session | Connection, dag_ids: Iterable[str]) -> dict[str, str]:
    """Return the tenants that own DAGs, by the DAG's id. A DAG that belongs to no tenant is not in it."""
    found: dict[str, str] = {}
    wanted = sorted(set(dag_ids))
    for start in range(0, len(wanted), _BATCH):
        found |= _owners(session, wanted[start : start + _BATCH])
    return found


def owner(session: Session, dag_id: str) -> str | None:
    """Return the tenant that owns the DAG, or None."""
    return owners(session, [dag_id]).get(dag_id)


def made_dag_ids() -> set[str]:
    """Return the DAGs of all deployments; none while the platform's tables cannot be read."""
    try:
        with db.transaction() as session:
            return set(session.scalars(select(dag_owners().subquery().c.dag_id)))
    except SQLAlchemyError:
        log.exception("The DAGs of deployments cannot be read")
        return set()


@cache
def _made() -> FromClause:
    """Return the DAGs of deployments with their tenants. Requests need it often; building it takes long."""
    return dag_owners().subquery()


def _owners(session: Session | Connection, dag_ids: list[str]) -> dict[str, str]:
    claimed = {row.dag_id: row.tenant_id for row in session.execute(dag_owners(dag_ids))}
    found = {dag_id: tenant_id for dag_id, tenant_id in claimed.items() if tenant_id is not None}
    by_hand = [dag_id for dag_id in dag_ids if dag_id not in claimed]
    match _mode():
        case "tags" if by_hand:
            found |= _find_owners_by_tag(session, by_hand)
        case "paths" if by_hand:
            found |= _find_owners_by_folder(session, by_hand)
        case _:
            pass
    return found


def _find_owners_by_tag(session: Session | Connection, dag_ids: list[str]) -> dict[str, str]:
    roots = {row.dag_id: row.root_dag_id or row.dag_id for row in _read_by_hand(session, dag_ids)}
    tags = airflow_compat.dags.tags(session, set(roots.values()))
    found = {dag_id: tenant_of(tags.get(root, ())) for dag_id, root in roots.items()}
    return {dag_id: tenant_id for dag_id, tenant_id in found.items() if tenant_id is not None}


def _find_owners_by_folder(session: Session | Connection, dag_ids: list[str]) -> dict[str, str]:
    found = {row.dag_id: _tenant_of_file(row.fileloc) for row in _read_by_hand(session, dag_ids)}
    return {dag_id: tenant_id for dag_id, tenant_id in found.items() if tenant_id is not None}


def _read_by_hand(session: Session | Connection, dag_ids: list[str]) -> list[Row]:
    """Return what Airflow knows of those of the DAGs that are not in a file of the platform's."""
    dag = airflow_compat.models.DagModel.__table__.c
    columns = select(dag.dag_id, dag.root_dag_id, dag.fileloc).where(dag.dag_id.in_(dag_ids))
    by_hand = or_(dag.fileloc.is_(None), dag.fileloc.not_in(dag_files()))
    return list(session.execute(columns.where(by_hand)))


def _tenant_of_file(fileloc: str | None) -> str | None:
    """Return the tenant that has the folder with the file, or None."""
    folder = f"{_tenants_folder()}/"
    if fileloc is None or not fileloc.startswith(folder) or _UP in fileloc:
        return None
    tenant_id, slash, _ = fileloc.removeprefix(folder).partition("/")
    return tenant_id if slash and re.fullmatch(DNS_LABEL_PATTERN, tenant_id) else None


def _is_by_hand(dag_id: TableColumn) -> ColumnElement[bool]:
    """Return the SQL condition that somebody has written the DAG: no deployment and no loader file makes it.

    What a deployment makes belongs to that deployment's tenant, whatever its tags and its file say. What is
    left of a deleted tenant's deployment belongs to nobody: a later tenant may have the same id.
    """
    made, dag = dag_owners().subquery(), airflow_compat.models.DagModel.__table__.alias()
    claimed = select(made.c.dag_id).where(made.c.dag_id == dag_id)
    loaded = select(dag.c.dag_id).where(dag.c.dag_id == dag_id, dag.c.fileloc.in_(dag_files()))
    return ~claimed.correlate(dag_id.table).exists() & ~loaded.correlate(dag_id.table).exists()


def _select_tagged(tag: ColumnCollection, tenant_ids: list[str]) -> Select:
    """Select the DAGs with a tag of one of the tenants, and of no other tenant.

    Args:
        tag: the columns of the table of tags.
        tenant_ids: the tenants.
    """
    other = aliased(airflow_compat.models.DagTag.__table__)
    tags = [tenant_tag(tenant_id) for tenant_id in tenant_ids]
    another = (
        select(other.c.name)
        .where(
            other.c.dag_id == tag.dag_id,
            other.c.name != tag.name,
            _exactly(func.substr(other.c.name, 1, len(TENANT_TAG_PREFIX))) == TENANT_TAG_PREFIX,
        )
        .correlate(tag.name.table)
    )
    # The first condition is for the index, the second for MySQL, which compares without case.
    return select(tag.dag_id).where(tag.name.in_(tags), _exactly(tag.name).in_(tags), ~another.exists())


def _select_subdags(roots: Select) -> Select:
    dag = aliased(airflow_compat.models.DagModel.__table__)
    return select(dag.c.dag_id).where(dag.c.root_dag_id.in_(roots))


def _select_in_folders(tenant_ids: list[str]) -> Select:
    dag = aliased(airflow_compat.models.DagModel.__table__)
    prefixes = [f"{_tenants_folder() / tenant_id}/" for tenant_id in tenant_ids]
    return select(dag.c.dag_id).where(
        or_(
            false(), *(_exactly(func.substr(dag.c.fileloc, 1, len(prefix))) == prefix for prefix in prefixes)
        ),
        ~dag.c.fileloc.contains(_UP, autoescape=True),
        _is_by_hand(dag.c.dag_id),
    )


def _exactly(column: TableColumn) -> ColumnElement[str]:
    """Return the column so that it is compared by letters; MySQL ignores case and accents otherwise."""
    if airflow_compat.database.dialect() != "mysql":
        return column
    return type_coerce(cast(column, BINARY), String)


def _tenants_folder() -> PurePath:
    folder = settings.get(settings.CoreSettings).dag_ownership_folder
    return PurePath(airflow_compat.config.dags_folder()) / folder


def _mode() -> DagOwnership:
    return settings.get(settings.CoreSettings).dag_ownership
