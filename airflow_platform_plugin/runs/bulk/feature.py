"""What the feature adds to the platform."""

from airflow_platform_plugin.core.feature import Feature

FEATURE = Feature(name="runs.bulk", tag="bulk", blueprints=("runs.bulk.api:blueprint",))
