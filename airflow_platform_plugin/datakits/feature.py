"""What the feature adds to the platform."""

from airflow_platform_plugin.core.feature import Feature, ScopedResource

FEATURE = Feature(
    name="datakits",
    tag="datakits",
    blueprints=("datakits.api:blueprint",),
    models=("datakits.models",),
    resources=(
        ScopedResource("datakits", "See DataKits and their deployments", "See, register and deploy DataKits"),
    ),
    roles={
        "viewer": ("datakits:read",),
        "member": ("datakits:read", "datakits:write"),
        "admin": ("datakits:read", "datakits:write"),
    },
    tenant_resources=("datakits.tenant_resources:DATAKITS",),
    settings="datakits.settings:DataKitSettings",
)
