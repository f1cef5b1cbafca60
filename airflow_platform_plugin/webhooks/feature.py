"""What the feature adds to the platform."""

from airflow_platform_plugin.core.feature import Feature, Lane, ScopedResource, WorkerStep

FEATURE = Feature(
    name="webhooks",
    tag="webhooks",
    blueprints=("webhooks.api:blueprint",),
    models=("webhooks.models",),
    resources=(ScopedResource("webhooks", "See webhooks", "See, create, change and delete webhooks"),),
    roles={
        "viewer": ("webhooks:read",),
        "member": ("webhooks:read",),
        "admin": ("webhooks:read", "webhooks:write"),
    },
    consumers={"webhooks": "webhooks.subscriptions:enqueue"},
    event_subscribers=("platform_webhook",),
    event_references=("webhooks.subscriptions:EVENT_REFERENCE",),
    worker_steps=(
        WorkerStep(
            "deliver", lane=Lane.DELIVERIES, run="webhooks.dispatcher:deliver", loop="webhooks.dispatcher:run"
        ),
    ),
    tenant_resources=("webhooks.tenant_resources:WEBHOOKS",),
    settings="webhooks.settings:WebhookSettings",
)
