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
    scope="webhooks:write",
    access=Access.TENANT,
    body=WebhookInput,
    response=NewWebhookResponse,
    status=HTTPStatus.CREATED,
)
def create_webhook(context: RequestContext) -> Webhook:
    """Subscribe a receiver to events."""
    return service.reveal(
        service.create(context.session, context.body, by=context.principal), context.principal
    )


@endpoint(
    blueprint,
    "GET",
    "",
    scope="webhooks:read",
    access=Access.TENANT,
    query=WebhookQuery,
    response=WebhookList,
)
def list_webhooks(context: RequestContext) -> pagination.Page:
    """List webhooks."""
    page = service.page(context.session, reach=context.principal.reach("webhooks:read"), **context.query)
    for webhook in page.items:
        service.reveal(webhook, context.principal)
    return page


@endpoint(
    blueprint, "GET", "/<webhook_id>", scope="webhooks:read", access=Access.TENANT, response=WebhookResponse
)
def get_webhook(context: RequestContext) -> Webhook:
    """Get a webhook."""
    reach = context.principal.reach("webhooks:read")
    return service.reveal(
        service.get(context.session, context.path["webhook_id"], reach=reach), context.principal
    )


@endpoint(
    blueprint,
    "PATCH",
    "/<webhook_id>",
    scope="webhooks:write",
    access=Access.TENANT,
    body=WebhookChange,
    response=WebhookResponse,
    extra_statuses=(HTTPStatus.PRECONDITION_FAILED,),
)
def update_webhook(context: RequestContext) -> Webhook:
    """Change a webhook; what is given replaces what was."""
    reach = context.principal.reach("webhooks:write")
    webhook = service.get(context.session, context.path["webhook_id"], reach=reach)
    context.require_match(webhook)
    service.change(webhook, context.body)
    return service.reveal(webhook, context.principal)


@endpoint(
    blueprint,
    "DELETE",
    "/<webhook_id>",
    scope="webhooks:write",
    access=Access.TENANT,
    status=HTTPStatus.NO_CONTENT,
)
def delete_webhook(context: RequestContext) -> None:
    """Delete a webhook."""
    reach = context.principal.reach("webhooks:write")
    service.delete(context.session, service.get(context.session, context.path["webhook_id"], reach=reach))
