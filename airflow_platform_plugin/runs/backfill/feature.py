"""What the feature adds to the platform."""

from airflow_platform_plugin.core.feature import Feature, Lane, WorkerStep

FEATURE = Feature(
    name="runs.backfill",
    tag="backfill",
    blueprints=("runs.backfill.api:blueprint",),
    models=("runs.backfill.models",),
    worker_steps=(
        WorkerStep("advance-backfills", lane=Lane.BACKFILLS, run="runs.backfill.scheduler:advance"),
    ),
)
