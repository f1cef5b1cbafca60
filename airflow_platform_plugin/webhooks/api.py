"""``/api/v1/platform/webhooks``."""

from http import HTTPStatus

from flask import Blueprint

from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.http.endpoint import RequestContext, endpoint
from airflow_platform_plugin.webhooks import service
from airflow_platform_plugin.webhooks.models import Webhook
from airflow_platform_plugin.webhooks.schemas import (
    NewWebhookAnswer,
    WebhookAnswer,
    WebhookChange,
    WebhookInput,
    WebhookList,
    WebhookQuery,
)

blueprint = Blueprint("platform_webhooks", __name__, url_prefix="/api/v1/platform/webhooks")


@endpoint(
    blueprint,
    "POST",
    "",
    scope="webhooks:write",
    tenanted=True,
    body=WebhookInput,
    answer=NewWebhookAnswer,
    status=HTTPStatus.CREATED,
)
def create_webhook(call: RequestContext) -> Webhook:
    """Subscribe a receiver to events."""
    return service.reveal(service.create(call.session, call.body, by=call.principal), call.principal)


@endpoint(blueprint, "GET", "", scope="webhooks:read", tenanted=True, query=WebhookQuery, answer=WebhookList)
def list_webhooks(call: RequestContext) -> pagination.Page:
    """List webhooks."""
    page = service.page(call.session, reach=call.principal.reach("webhooks:read"), **call.query)
    for webhook in page.items:
        service.reveal(webhook, call.principal)
    return page


@endpoint(blueprint, "GET", "/<webhook_id>", scope="webhooks:read", tenanted=True, answer=WebhookAnswer)
def get_webhook(call: RequestContext) -> Webhook:
    """Get a webhook."""
    reach = call.principal.reach("webhooks:read")
    return service.reveal(service.get(call.session, call.path["webhook_id"], reach=reach), call.principal)


@endpoint(
    blueprint,
    "PATCH",
    "/<webhook_id>",
    scope="webhooks:write",
    tenanted=True,
    body=WebhookChange,
    answer=WebhookAnswer,
    also=(HTTPStatus.PRECONDITION_FAILED,),
)
def update_webhook(call: RequestContext) -> Webhook:
    """Change a webhook; what is given replaces what was."""
    reach = call.principal.reach("webhooks:write")
    webhook = service.get(call.session, call.path["webhook_id"], reach=reach)
    call.require_match(webhook)
    service.change(webhook, call.body)
    return service.reveal(webhook, call.principal)


@endpoint(
    blueprint, "DELETE", "/<webhook_id>", scope="webhooks:write", tenanted=True, status=HTTPStatus.NO_CONTENT
)
def delete_webhook(call: RequestContext) -> None:
    """Delete a webhook."""
    reach = call.principal.reach("webhooks:write")
    service.delete(call.session, service.get(call.session, call.path["webhook_id"], reach=reach))
