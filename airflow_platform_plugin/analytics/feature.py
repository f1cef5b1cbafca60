"""What the feature adds to the platform."""

from airflow_platform_plugin.core.feature import Feature, ScopedResource

FEATURE = Feature(
    name="analytics",
    tag="analytics",
    blueprints=("analytics.api:blueprint",),
    resources=(
        ScopedResource(
            "analytics",
            "Query every SQL connection, read-only",
            "Query SQL connections and manage saved queries",
        ),
    ),
    roles={
        "member": ("analytics:read", "analytics:write"),
        "admin": ("analytics:read", "analytics:write"),
    },
    settings="analytics.settings:AnalyticsSettings",
)
