"""``/api/v1/platform/webhooks``."""

from http import HTTPStatus

from flask import Blueprint

from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.principal import Access
from airflow_platform_plugin.http.endpoint import RequestContext, endpoint
from airflow_platform_plugin.webhooks import service
from airflow_platform_plugin.webhooks.models import Webhook
from airflow_platform_plugin.webhooks.schemas import (
    NewWebhookResponse,
    WebhookChange,
    WebhookInput,
    WebhookList,
    WebhookQuery,
    WebhookResponse,
)

blueprint = Blueprint("platform_webhooks", __name__, url_prefix="/api/v1/platform/webhooks")


@endpoint(
    blueprint,
    "POST",
    "",
    scope=service.WRITE,
    access=Access.TENANT,
    body=WebhookInput,
    response=NewWebhookResponse,
    status=HTTPStatus.CREATED,
)
def create_webhook(context: RequestContext) -> Webhook:
    """Subscribe a receiver to events."""
    return service.create(context.session, context.body, by=context.principal)


@endpoint(
    blueprint,
    "GET",
    "",
    scope=service.READ,
    access=Access.TENANT,
    query=WebhookQuery,
    response=WebhookList,
)
def list_webhooks(context: RequestContext) -> pagination.Page:
    """List webhooks."""
    return service.page(context.session, context.query, by=context.principal)


@endpoint(
    blueprint, "GET", "/<webhook_id>", scope=service.READ, access=Access.TENANT, response=WebhookResponse
)
def get_webhook(context: RequestContext) -> Webhook:
    """Get a webhook."""
    return service.get(context.session, context.path["webhook_id"], by=context.principal)


@endpoint(
    blueprint,
    "PATCH",
    "/<webhook_id>",
    scope=service.WRITE,
    access=Access.TENANT,
    body=WebhookChange,
    response=WebhookResponse,
    extra_statuses=(HTTPStatus.PRECONDITION_FAILED,),
)
def update_webhook(context: RequestContext) -> Webhook:
    """Change a webhook; a field that is sent replaces the stored one."""
    webhook = service.get_writable(context.session, context.path["webhook_id"], by=context.principal)
    context.require_match(webhook)
    return service.update(context.session, webhook, context.body, by=context.principal)


@endpoint(
    blueprint,
    "DELETE",
    "/<webhook_id>",
    scope=service.WRITE,
    access=Access.TENANT,
    status=HTTPStatus.NO_CONTENT,
)
def delete_webhook(context: RequestContext) -> None:
    """Delete a webhook."""
    webhook = service.get_writable(context.session, context.path["webhook_id"], by=context.principal)
    service.delete(context.session, webhook)
