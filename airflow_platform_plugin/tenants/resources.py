"""What tenants own. Features are built upon tenants, so each says what it keeps for them (``features``)."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.core import db
from airflow_platform_plugin.tenants.models import Tenant


@dataclass(frozen=True)
class TenantResource:
    """One kind of thing that tenants own.

    Attributes:
        name: what it is called in answers, in the plural: ``deployments``.
        ids: the ids of a tenant's.
        delete: delete all of a tenant's, or end them where their history stays.
        changed: take notice that the tenant's limits or features have changed.
        requirements: what a tenant's need, in CPUs, bytes and GPUs.
    """

    name: str
    ids: Callable[[Session, str], list[str]]
    delete: Callable[[Session, str], None]
    changed: Callable[[Session, Tenant], None] = lambda _session, _tenant: None
    requirements: Callable[[Session, str], dict[str, Decimal]] = lambda _session, _tenant_id: {}


def _live_keys(session: Session, tenant_id: str) -> list[str]:
    live = select(ApiKey.id).where(ApiKey.tenant_id == tenant_id, ApiKey.revoked_at.is_(None))
    return list(session.scalars(live.order_by(ApiKey.id)))


def _revoke_keys(session: Session, tenant_id: str) -> None:
    for key in session.scalars(select(ApiKey).where(ApiKey.id.in_(_live_keys(session, tenant_id)))):
        key.revoked_at = db.now()


API_KEYS = TenantResource("api_keys", _live_keys, _revoke_keys)


def known() -> list[TenantResource]:
    """Everything that tenants own, whichever process asks."""
    from airflow_platform_plugin import features

    return features.HOLDINGS
