"""The registry of kits: versions registered, found, withdrawn, deleted."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete as sql_delete
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from airflow_platform_plugin.core import db, pagination, settings
from airflow_platform_plugin.core.errors import Conflict, NotFound, PermissionDenied, ValidationFailed
from airflow_platform_plugin.core.feature import datakit_references
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.reach import Reach
from airflow_platform_plugin.datakits.manifest import Registration
from airflow_platform_plugin.datakits.models import DataKit, DataKitName, DataKitTag
from airflow_platform_plugin.datakits.semantic_version import precedence
from airflow_platform_plugin.datakits.settings import DataKitSettings
from airflow_platform_plugin.tenants import service as tenants
from airflow_platform_plugin.tenants.models import Tenant

# Paths of the API in the place of a kit's name.
RESERVED = ("deployments", "schema")


def register(session: Session, registration: Registration, *, by: Principal) -> tuple[DataKit, bool]:
    """Register a version; returns it and whether it is new. The same manifest again changes nothing.

    Raises:
        ValidationFailed: the name is a word of the API, or there is no such tenant that the caller reaches.
        Conflict: the name is another's, or the version exists with another manifest.
    """
    name, version = registration.name, registration.version
    if name in RESERVED:
        raise ValidationFailed.of("name", message="is a word of the API")
    reach = by.reach("datakits:write")
    claim: DataKitName | None = session.get(DataKitName, name)
    if claim is None:
        tenant_id = tenants.resolve_owner(session, registration.tenant_id, by=by, scope="datakits:write")
        session.add(DataKitName(name=name, tenant_id=tenant_id))
        session.flush()
    else:
        tenant_id = claim.tenant_id
        theirs = reach.allows(tenant_id)
        if not theirs or registration.tenant_id not in (None, tenant_id):
            raise Conflict(f"The name '{name}' is taken by a DataKit of somebody else.", name=name)
    document = registration.document
    known = select(DataKit).where(DataKit.name == name, DataKit.version == version)
    existing: DataKit | None = session.scalar(known)
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
        type=registration.type,
        description=registration.description,
        manifest=document,
        created_by=by.username,
    )
    session.add(kit)
    session.flush()
    session.add_all(DataKitTag(datakit_id=kit.id, tag=tag) for tag in sorted(set(registration.tags)))
    session.flush()
    return kit, True


def _readable(statement: Any, reach: Reach) -> Any:  # noqa: ANN401 - a Select
    """Those that the caller may see: of the tenants that are reached (None for all), and everybody's."""
    return statement.where(or_(DataKit.tenant_id.is_(None), reach.where(DataKit.tenant_id)))


def get(session: Session, datakit_id: str, *, reach: Reach) -> DataKit:
    """A kit by its id, by ``name@version``, or by its name: the newest version that is not withdrawn.

    Raises:
        NotFound: there is none that the caller may see.
    """
    name, at, version = datakit_id.partition("@")
    wanted = select(DataKit).where(DataKit.name == name, DataKit.version == version)
    if not at:
        named = _sorted(session, select(DataKit).where(DataKit.name == datakit_id))
        # Where all are withdrawn, the newest of them.
        newest = next((id_ for id_, withdrawn in named if not withdrawn), named[0][0] if named else None)
        wanted = select(DataKit).where(DataKit.id == (newest or datakit_id))
    found: DataKit | None = session.scalar(_readable(wanted, reach))
    if found is None:
        raise NotFound(f"DataKit '{datakit_id}' not found", datakit_id=datakit_id)
    return found


def _sorted(session: Session, statement: Any) -> list[tuple[str, bool]]:  # noqa: ANN401 - a Select
    """The ids of versions, the newest first, and whether they are withdrawn."""
    rows = session.execute(
        statement.with_only_columns(DataKit.id, DataKit.version, DataKit.withdrawn_at)
    ).all()
    newest_first = sorted(rows, key=lambda row: precedence(row.version), reverse=True)
    return [(row.id, row.withdrawn_at is not None) for row in newest_first]


def versions(session: Session, datakit_id: str, *, reach: Reach, query: pagination.Query) -> pagination.Page:
    """All versions of a kit, the newest first.

    Raises:
        NotFound: as for ``get``.
    """
    name = get(session, datakit_id, reach=reach).name
    ids = [id_ for id_, _ in _sorted(session, select(DataKit).where(DataKit.name == name))]
    wanted = ids[query.offset : query.offset + query.limit]
    rows = {kit.id: kit for kit in session.scalars(select(DataKit).where(DataKit.id.in_(wanted)))}
    return pagination.Page([rows[id_] for id_ in wanted], len(ids))


def page(  # noqa: PLR0913 - the list's own parameters
    session: Session,
    *,
    reach: Reach,
    limit: int,
    offset: int,
    type: str | None = None,  # noqa: A002 - the parameter's name in the API
    tags: Iterable[str] = (),
    search: str | None = None,
    tenant_id: str | None = None,
    order_by: str | None = None,
) -> pagination.Page:
    """Versions that fit all that is given; by name and the newest first, if nothing else is asked for."""
    wanted = _readable(select(DataKit).order_by(DataKit.name, DataKit.created_at.desc()), reach)
    if type:
        wanted = wanted.where(DataKit.type == type)
    if tenant_id:
        wanted = wanted.where(DataKit.tenant_id == tenant_id)
    for tag in tags:
        wanted = wanted.where(DataKit.id.in_(select(DataKitTag.datakit_id).where(DataKitTag.tag == tag)))
    if search:
        wanted = wanted.where(pagination.containing(search, DataKit.name, DataKit.description))
    return pagination.fetch(session, wanted, pagination.Query(limit=limit, offset=offset, order_by=order_by))


def require_owner(kit: DataKit, by: Principal) -> None:
    """Let pass whoever may change the kit.

    Raises:
        PermissionDenied: it is for everybody, or of a tenant in which the caller may only read.
    """
    if not by.may("datakits:write", kit.tenant_id):
        raise PermissionDenied(
            f"DataKit '{kit.name}' is not your tenant's to change.", scope="datakits:write"
        )


def require_deployable(kit: DataKit) -> None:
    """Let pass what is not withdrawn.

    Raises:
        Conflict: it is.
    """
    if kit.withdrawn_at is not None:
        why = f": {kit.withdrawn_reason}" if kit.withdrawn_reason else ""
        raise Conflict(f"DataKit '{kit.name}' {kit.version} is withdrawn{why}.")


def require_place(kit: DataKit, tenant: Tenant | None) -> None:
    """Let a tenant's kit into the tenant's own namespace alone: its images may be nobody else's to run.

    Raises:
        ValidationFailed: the namespace is another's.
    """
    if kit.tenant_id is not None and (tenant is None or tenant.tenant_id != kit.tenant_id):
        raise ValidationFailed.of(
            "namespace", message=f"the kit is the tenant {kit.tenant_id}'s, and so is where it is deployed"
        )


def require_image(kit: DataKit) -> None:
    """Let a tenant's kit have the images alone that the operator leaves to the tenant.

    The login of ``docker_connection`` and a cluster's pull secrets may pull every tenant's.

    Raises:
        PermissionDenied: its image is none of these.
    """
    prefix = settings.get(DataKitSettings).tenant_images
    if kit.tenant_id is None or prefix is None:
        return
    wanted = prefix.replace("{tenant_id}", kit.tenant_id)
    if not kit.manifest["image"].startswith(wanted):
        raise PermissionDenied(f"The images of this tenant's kits must begin with {wanted}.", prefix=wanted)


def withdraw(kit: DataKit, *, withdrawn: bool, reason: str | None) -> None:
    """Let nobody deploy the version any more, or let them again; what is deployed goes on."""
    if withdrawn:
        kit.withdrawn_at = kit.withdrawn_at or db.now()
        kit.withdrawn_reason = reason
    else:
        kit.withdrawn_at = kit.withdrawn_reason = None


def delete(session: Session, kit: DataKit) -> None:
    """Delete a version, and give its name free with the last one.

    Raises:
        Conflict: a deployment runs it.
    """
    ids = datakit_references(session, str(kit.name), str(kit.version))
    if ids:
        raise Conflict(f"DataKit '{kit.name}' {kit.version} is deployed.", deployments=ids)
    forget(session, [kit])


def forget(session: Session, kits: Iterable[DataKit]) -> None:
    """Delete versions whatever runs them, and the names that have none left."""
    names = set()
    for kit in kits:
        names.add(kit.name)
        session.execute(sql_delete(DataKitTag).where(DataKitTag.datakit_id == kit.id))
        session.delete(kit)
    session.flush()
    left = set(session.scalars(select(DataKit.name).where(DataKit.name.in_(names)).distinct()))
    for claim in session.scalars(select(DataKitName).where(DataKitName.name.in_(names - left))).all():
        session.delete(claim)
