"""What the feature adds to the platform."""

from airflow_platform_plugin.core.feature import Feature

FEATURE = Feature(
    name="openapi",
    tag="openapi",
    blueprints=("openapi.api:blueprint",),
    install="openapi.views:install",
)
