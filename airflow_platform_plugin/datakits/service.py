"""The registry of DataKits: register, find, withdraw and delete versions."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import delete as sql_delete
from sqlalchemy import or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import Select
from sqlalchemy.sql.elements import ColumnElement

from airflow_platform_plugin.core import db, pagination
from airflow_platform_plugin.core.errors import Conflict, NotFound, PermissionDenied, ValidationFailed
from airflow_platform_plugin.core.feature import datakit_references
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.reach import Reach
from airflow_platform_plugin.datakits.inputs import DataKitChanges, DataKitFilter
from airflow_platform_plugin.datakits.manifest import Registration
from airflow_platform_plugin.datakits.models import DataKit, DataKitName, DataKitTag
from airflow_platform_plugin.datakits.semantic_version import precedence
from airflow_platform_plugin.tenants import service as tenants

READ, WRITE = "datakits:read", "datakits:write"

# Paths of the API, which would hide kits with these names.
RESERVED = ("deployments", "schema")


def register(session: Session, data: Registration, *, by: Principal) -> tuple[DataKit, bool]:
    """Register a version. Registering the same manifest again changes nothing.

    Returns:
        The version, and whether it is new.

    Raises:
        ValidationFailed: the name is reserved, or the caller may not register kits for that tenant.
        Conflict: another tenant owns the name, or the version exists with another manifest.
    """
    name, version = data.name, data.version
    if name in RESERVED:
        raise ValidationFailed.of("name", message="is reserved for the API; choose another name")
    tenant_id = _claim_name(session, data, by)
    document = data.document
    existing = _find_version(session, name, version)
    if existing is not None:
        if existing.manifest != document:
            raise Conflict(
                f"DataKit '{name}' {version} is registered with another manifest, "
                "and a version never changes: register a new version.",
                name=name,
                version=version,
            )
        return existing, False
    kit = DataKit(
        name=name,
        version=version,
        tenant_id=tenant_id,
        type=data.type,
        description=data.description,
        manifest=document,
        created_by=by.username,
    )
    session.add(kit)
    session.flush()
    session.add_all(DataKitTag(datakit_id=kit.id, tag=tag) for tag in sorted(set(data.tags)))
    session.flush()
    return kit, True


def _claim_name(session: Session, data: Registration, by: Principal) -> str | None:
    """Return the tenant that owns the name, after claiming the name for it if it is free."""
    claim: DataKitName | None = session.get(DataKitName, data.name)
    if claim is None:
        tenant_id = tenants.resolve_owner(session, data.tenant_id, by=by, scope=WRITE)
        session.add(DataKitName(name=data.name, tenant_id=tenant_id))
        session.flush()
        return tenant_id
    owner: str | None = claim.tenant_id
    if not by.reach(WRITE).allows(owner) or data.tenant_id not in (None, owner):
        raise Conflict(f"The name '{data.name}' is taken by a DataKit of another owner.", name=data.name)
    return owner


def get(session: Session, datakit_id: str, *, by: Principal) -> DataKit:
    """Return a version that the caller may read.

    Args:
        session: the request's transaction.
        datakit_id: an id, ``name@version``, or a name, which means its newest version that is not withdrawn.
        by: the caller.

    Raises:
        NotFound: there is no such version that the caller may read.
    """
    return find(session, datakit_id, by.reach(READ))


def get_writable(session: Session, datakit_id: str, *, by: Principal) -> DataKit:
    """Return a version that the caller may change.

    Raises:
        NotFound: there is no such version that the caller may read.
        PermissionDenied: the caller may read the version, but not change it.
    """
    kit = get(session, datakit_id, by=by)
    if not by.may(WRITE, kit.tenant_id):
        raise PermissionDenied(f"You may not change DataKit '{kit.name}': you do not own it.", scope=WRITE)
    return kit


def find(session: Session, datakit_id: str, reach: Reach) -> DataKit:
    """Return a version that is readable within ``reach``; see ``get``.

    Raises:
        NotFound: there is no such version.
    """
    name, at, version = datakit_id.partition("@")
    selected = select(DataKit).where(DataKit.name == name, DataKit.version == version)
    if not at:
        versions = _newest_first(session, datakit_id)
        # If all versions are withdrawn, the newest of them.
        usable = [each for each in versions if not each.withdrawn] or versions
        selected = select(DataKit).where(DataKit.id == (usable[0].id if usable else datakit_id))
    found: DataKit | None = session.scalar(selected.where(_is_readable(reach)))
    if found is None:
        raise NotFound(f"DataKit '{datakit_id}' not found", datakit_id=datakit_id)
    return found


def _find_version(session: Session, name: str, version: str) -> DataKit | None:
    selected = select(DataKit).where(DataKit.name == name, DataKit.version == version)
    found: DataKit | None = session.scalar(selected)
    return found


def _is_readable(reach: Reach) -> ColumnElement[bool]:
    """Return the SQL condition for versions of the reached tenants, and for those that everybody may use."""
    condition: ColumnElement[bool] = or_(DataKit.tenant_id.is_(None), reach.where(DataKit.tenant_id))
    return condition


class _Version(NamedTuple):
    id: str
    version: str
    withdrawn: bool


def _newest_first(session: Session, name: str) -> list[_Version]:
    columns: Select = select(DataKit.id, DataKit.version, DataKit.withdrawn_at).where(DataKit.name == name)
    versions = [
        _Version(row.id, row.version, row.withdrawn_at is not None) for row in session.execute(columns)
    ]
    return sorted(versions, key=lambda each: precedence(each.version), reverse=True)


def page(session: Session, query: DataKitFilter, *, by: Principal) -> pagination.Page:
    """Return a page of versions, by default ordered by name, with the newest version first."""
    rows = select(DataKit).where(_is_readable(by.reach(READ)))
    rows = rows.order_by(DataKit.name, DataKit.created_at.desc())
    if query.type:
        rows = rows.where(DataKit.type == query.type)
    if query.tenant_id:
        rows = rows.where(DataKit.tenant_id == query.tenant_id)
    for tag in query.tags:
        rows = rows.where(DataKit.id.in_(select(DataKitTag.datakit_id).where(DataKitTag.tag == tag)))
    if query.search:
        rows = rows.where(pagination.containing(query.search, DataKit.name, DataKit.description))
    return pagination.fetch(session, rows, query)


def page_versions(
    session: Session, datakit_id: str, query: pagination.Query, *, by: Principal
) -> pagination.Page:
    """Return a page of the versions of a kit, the newest first.

    Raises:
        NotFound: as for ``get``.
    """
    ids = [each.id for each in _newest_first(session, str(get(session, datakit_id, by=by).name))]
    selected = ids[query.offset : query.offset + query.limit]
    rows = {kit.id: kit for kit in session.scalars(select(DataKit).where(DataKit.id.in_(selected)))}
    return pagination.Page([rows[id_] for id_ in selected], len(ids))


def update(session: Session, kit: DataKit, data: DataKitChanges) -> DataKit:
    """Withdraw a version, so that it can no longer be deployed, or undo that. Deployments keep running."""
    if data["withdrawn"]:
        kit.withdrawn_at = kit.withdrawn_at or db.now()
        kit.withdrawn_reason = data["reason"]
    else:
        kit.withdrawn_at = kit.withdrawn_reason = None
    session.flush()
    return kit


def delete(session: Session, kit: DataKit) -> None:
    """Delete a version. Its name becomes free if it was the last one.

    Raises:
        Conflict: a deployment runs the version.
    """
    deployments = datakit_references(session, str(kit.name), str(kit.version))
    if deployments:
        raise Conflict(
            f"DataKit '{kit.name}' {kit.version} is deployed; retire its deployments first.",
            deployments=deployments,
        )
    delete_all(session, [kit])


def delete_all(session: Session, kits: Iterable[DataKit]) -> None:
    """Delete versions, also those that are deployed, and free the names that have no version left."""
    names = set()
    for kit in kits:
        names.add(kit.name)
        session.execute(sql_delete(DataKitTag).where(DataKitTag.datakit_id == kit.id))
        session.delete(kit)
    session.flush()
    left = set(session.scalars(select(DataKit.name).where(DataKit.name.in_(names)).distinct()))
    for claim in session.scalars(select(DataKitName).where(DataKitName.name.in_(names - left))).all():
        session.delete(claim)
