"""What the feature adds to the platform."""

from airflow_platform_plugin.core.feature import Feature, ScopedResource

FEATURE = Feature(
    name="connections",
    tag="connections",
    blueprints=("connections.api:blueprint",),
    install="connections.cleanup:install",
    models=("connections.models",),
    resources=(
        ScopedResource(
            "connections",
            "See connections, without their secrets",
            "See, create, change and delete connections",
            verbs={"export": "Export connections with their secrets, encrypted"},
        ),
    ),
    roles={
        "viewer": ("connections:read",),
        "member": ("connections:read",),
        "admin": ("connections:read", "connections:write"),
    },
    tenant_resources=("connections.tenant_resources:CONNECTIONS",),
    connection_references=("connections.references:DAGS",),
    settings="connections.settings:ConnectionSettings",
)
