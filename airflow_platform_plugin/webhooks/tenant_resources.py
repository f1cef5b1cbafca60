"""A tenant's webhooks, which end with it."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin.core.feature import TenantResource
from airflow_platform_plugin.webhooks import service
from airflow_platform_plugin.webhooks.models import Webhook


def _ids(session: Session, tenant_id: str) -> list[str]:
    return list(session.scalars(select(Webhook.webhook_id).where(Webhook.tenant_id == tenant_id)))


def _delete(session: Session, tenant_id: str) -> None:
    for webhook in session.scalars(select(Webhook).where(Webhook.tenant_id == tenant_id)).all():
        service.delete(session, webhook)


WEBHOOKS = TenantResource("webhooks", ids=_ids, delete=_delete)
