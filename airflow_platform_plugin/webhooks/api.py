"""``/api/v1/platform/webhooks``."""

from http import HTTPStatus

from flask import Blueprint

from airflow_platform_plugin import paging
from airflow_platform_plugin.endpoint import Call, endpoint
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
    body=WebhookInput,
    answer=NewWebhookAnswer,
    status=HTTPStatus.CREATED,
)
def create_webhook(call: Call) -> Webhook:
    """Subscribe a receiver to events."""
    return service.create(call.session, call.body, by=call.principal.username)


@endpoint(blueprint, "GET", "", scope="webhooks:read", query=WebhookQuery, answer=WebhookList)
def list_webhooks(call: Call) -> paging.Page:
    """List webhooks."""
    return service.page(call.session, **call.query)


@endpoint(blueprint, "GET", "/<webhook_id>", scope="webhooks:read", answer=WebhookAnswer)
def get_webhook(call: Call) -> Webhook:
    """Get a webhook."""
    return service.get(call.session, call.path["webhook_id"])


@endpoint(
    blueprint,
    "PATCH",
    "/<webhook_id>",
    scope="webhooks:write",
    body=WebhookChange,
    answer=WebhookAnswer,
    also=(HTTPStatus.PRECONDITION_FAILED,),
)
def update_webhook(call: Call) -> Webhook:
    """Change a webhook; what is given replaces what was."""
    webhook = service.get(call.session, call.path["webhook_id"])
    call.require_match(webhook)
    service.change(webhook, call.body)
    return webhook


@endpoint(blueprint, "DELETE", "/<webhook_id>", scope="webhooks:write", status=HTTPStatus.NO_CONTENT)
def delete_webhook(call: Call) -> None:
    """Delete a webhook."""
    service.delete(call.session, call.path["webhook_id"])
